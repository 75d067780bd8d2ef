import shutil

import jax
import numpy as np
import pytest
import small_training as small
from small_checkpoints import new_trees, restore, steps_in, write

from jaxdl.errors import UserError
from jaxdl.training.checkpoints import load_model, verify


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def garble(path):
    path.write_bytes(bytes(byte ^ 0x5A for byte in path.read_bytes()))


def damage(step_directory, how):
    for path in [path for path in step_directory.rglob("*") if path.is_file()]:
        how(path)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Checkpoints of the steps 10 and 20, to be copied."""
    directory = tmp_path_factory.mktemp("checkpoints")
    write(directory, 10, 20)
    return directory


DAMAGES = pytest.mark.parametrize(
    "how", [truncate, garble, lambda path: path.unlink()], ids=["truncated", "garbled", "deleted"]
)


@DAMAGES
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_is_used(
    checkpoints, tmp_path, how, capsys
):
    shutil.copytree(checkpoints, tmp_path, dirs_exist_ok=True)
    damage(tmp_path / "20", how)
    small.assert_bitwise_identical(load_model(tmp_path), new_trees(10)[1])
    assert steps_in(tmp_path) == ["10", "20"]  # only read
    step, *trees = restore(tmp_path)
    assert step == 10
    small.assert_bitwise_identical(trees, [*new_trees(10)])
    assert steps_in(tmp_path) == ["10", "20.damaged"]
    assert "The checkpoint of step 20 is damaged" in capsys.readouterr().err


def flip_bit(path, position):
    content = bytearray(path.read_bytes())
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)


def overwrite(path, position):
    content = bytearray(path.read_bytes())
    start = min(position // 8, len(content) - 16)
    content[start : start + 16] = np.random.default_rng(position).bytes(16)
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("how", [flip_bit, overwrite])
def test_a_change_of_a_few_bits_in_any_file_is_never_unseen(checkpoints, tmp_path, how):
    """Whatever is restored is what was saved, from this checkpoint or from the one before."""
    shutil.copytree(checkpoints, tmp_path / "whole")
    saved = {step: [*new_trees(step)] for step in (10, 20)}
    random = np.random.default_rng(0)
    fell_back = 0
    largest = max((tmp_path / "whole" / "20").rglob("*"), key=lambda path: path.stat().st_size)
    files = [path for path in (tmp_path / "whole" / "20").rglob("*") if path.is_file()]
    for number, path in enumerate([largest] * 4 + files[::3]):
        copy = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", copy)
        relative = path.relative_to(tmp_path / "whole")
        if path.stat().st_size < 16:
            continue
        how(copy / relative, random.integers(8 * path.stat().st_size))
        model = load_model(copy)
        step, *trees = restore(copy)
        small.assert_bitwise_identical(trees, saved[step])
        assert any(same(model, saved[step][1]) for step in saved)
        fell_back += path == largest and step == 10
    assert fell_back >= 3  # the other changes are of bytes that are not read


def test_a_changed_description_is_seen(checkpoints, tmp_path):
    shutil.copytree(checkpoints, tmp_path, dirs_exist_ok=True)
    (path,) = (tmp_path / "20" / "description").glob("metadata")
    content = path.read_text()
    path.write_text(content.replace("model_is_trained", "model_is_tramned"))
    assert path.read_text() != content
    small.assert_bitwise_identical(load_model(tmp_path), new_trees(10)[1])
    assert verify(tmp_path) == {10: "", 20: "its description was changed"}


def same(tree, other):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, tree, other)))


@DAMAGES
def test_each_checkpoint_is_verified_without_a_change(checkpoints, tmp_path, how):
    shutil.copytree(checkpoints, tmp_path, dirs_exist_ok=True)
    assert verify(tmp_path) == {10: "", 20: ""}
    files = [path for path in (tmp_path / "10").rglob("*") if path.is_file()]
    how(max(files, key=lambda path: path.stat().st_size))
    found = verify(tmp_path)
    assert found[10] and not found[20]
    assert steps_in(tmp_path) == ["10", "20"]


@pytest.mark.slow
def test_a_step_whose_checkpoint_is_damaged_again_is_set_aside_again(tmp_path):
    write(tmp_path, 10)
    for _ in range(2):
        write(tmp_path, 20)
        damage(tmp_path / "20", truncate)
        assert restore(tmp_path)[0] == 10
    write(tmp_path, 20)
    assert restore(tmp_path)[0] == 20


@pytest.mark.slow
@DAMAGES
def test_if_all_checkpoints_are_damaged_the_error_is_one_line_and_they_stay_in_place(
    checkpoints, tmp_path, how
):
    shutil.copytree(checkpoints, tmp_path, dirs_exist_ok=True)
    for step in ("10", "20"):
        damage(tmp_path / step, how)
    message = r"can be used: .* Start again in a new directory\.$"
    for read in (restore, load_model):
        with pytest.raises(UserError, match=message) as failure:
            read(tmp_path)
        assert "\n" not in str(failure.value)
    assert steps_in(tmp_path) == ["10", "20"]
