import errno
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
import pytest
import small_training as small
from small_checkpoints import new_trees, restore, steps_in, write

from jaxdl.errors import UserError
from jaxdl.training.checkpoints import CheckpointStore, load_model


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_saved_checkpoint_is_restored_bitwise_identically(tmp_path, ema_decay):
    training, model = new_trees(1, ema_decay)
    with CheckpointStore(tmp_path) as store:
        store.save(7, training, model)
    with CheckpointStore(tmp_path) as store:
        step, *restored = store.restore(*new_trees(2, ema_decay))
    assert step == 7
    small.assert_bitwise_identical(restored, [training, model])
    small.assert_bitwise_identical(load_model(tmp_path), model)


def test_a_checkpoint_holds_the_values_at_the_time_of_the_call(tmp_path):
    """Train steps reuse the same buffers while the checkpoint is still being written."""
    count = jnp.zeros(100_000)
    add_one = jax.jit(lambda count: count + 1, donate_argnums=0)
    with CheckpointStore(tmp_path) as store:
        for step in (1, 2):
            count = add_one(count)
            store.save(step, {"count": count}, {"count": count})
            for _ in range(20):
                count = add_one(count)
    assert (load_model(tmp_path)["count"] == 22).all()


def test_the_newest_two_checkpoints_are_kept(tmp_path):
    write(tmp_path, 10, 20, 30)
    assert steps_in(tmp_path) == ["20", "30"]
    assert restore(tmp_path)[0] == 30


def test_a_step_that_has_a_checkpoint_is_not_written_again(tmp_path):
    with CheckpointStore(tmp_path) as store:
        store.save(10, *new_trees(1))
        store.save(10, *new_trees(2))
    small.assert_bitwise_identical(load_model(tmp_path), new_trees(1)[1])


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), MemoryError("no memory")]
)
def test_an_error_of_the_machine_is_not_damage(tmp_path, monkeypatch, error):
    write(tmp_path, 10, 20)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(ocp.CheckpointManager, "restore", fail)
    for read in (restore, load_model):
        with pytest.raises(UserError, match=r"step 20 in .* cannot be read now \(.*try again"):
            read(tmp_path)
    assert steps_in(tmp_path) == ["10", "20"]


def test_a_half_written_checkpoint_is_removed(tmp_path):
    write(tmp_path, 10)
    half_written = tmp_path / "20.orbax-checkpoint-tmp"
    half_written.mkdir()
    (half_written / "d").write_text("half")
    assert restore(tmp_path)[0] == 10
    assert not half_written.exists()


def test_a_model_that_is_not_trained_is_refused(tmp_path):
    with CheckpointStore(tmp_path) as store:
        store.save(3, *new_trees(3), model_is_trained=False)
    with pytest.raises(UserError, match=r"no trained model: .* first epoch\. Resume it\.$"):
        load_model(tmp_path)
    assert restore(tmp_path)[0] == 3


@pytest.mark.parametrize("name", ["a[b]", "**", "a\udcff"])
def test_a_directory_that_orbax_cannot_read_again_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"^Checkpoints cannot be kept in"):
        CheckpointStore(tmp_path / name)
    assert not list(tmp_path.iterdir())
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=r"^Checkpoints cannot be kept in"):
        load_model(tmp_path / name)


def test_a_directory_is_used_by_one_process_at_a_time(tmp_path):
    with CheckpointStore(tmp_path) as store:
        with pytest.raises(UserError, match="is in use by another process"):
            CheckpointStore(tmp_path)
        store.save(10, *new_trees(10))
        load_model(tmp_path)  # only reads
    assert restore(tmp_path)[0] == 10


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("RESOURCE_EXHAUSTED: writing d/1: No space left on device [os_error_code='28']"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_a_remark(tmp_path, monkeypatch, capsys, error):
    def fail(*_, **__):
        (tmp_path / "20.orbax-checkpoint-tmp").mkdir()
        raise error

    with CheckpointStore(tmp_path) as store:
        store.save(10, *new_trees(10))
        with monkeypatch.context() as patch:
            patch.setattr(ocp.CheckpointManager, "save", fail)
            store.save(20, *new_trees(20))
        (line,) = capsys.readouterr().err.splitlines()
        assert line == (
            f"The checkpoint of step 20 was not written to {tmp_path} (No space left on device)."
        )
        assert steps_in(tmp_path) == ["10"]
        store.save(30, *new_trees(30))
    assert restore(tmp_path)[0] == 30


def test_without_a_checkpoint_nothing_is_restored_and_loading_a_model_is_an_error(tmp_path):
    assert restore(tmp_path / "empty") is None
    for directory in (tmp_path / "empty", tmp_path / "nothing"):
        for path in (directory, str(directory)):
            with pytest.raises(UserError, match="holds no checkpoint"):
                load_model(path)
    assert not (tmp_path / "nothing").exists()


SAVE_ON_FOUR_DEVICES = """
import sys, pathlib, jax, jax.numpy as jnp
from jaxdl.training.checkpoints import CheckpointStore
mesh = jax.make_mesh((4,), ("data",))
spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
trees = {"spread": jax.device_put(jnp.arange(8.0), spread),
         "last": jax.device_put(jnp.arange(3), jax.devices()[3])}
with CheckpointStore(pathlib.Path(sys.argv[1])) as store:
    store.save(5, trees, trees)
"""


@pytest.mark.slow
def test_a_checkpoint_from_other_devices_is_restored_on_this_one(tmp_path):
    devices = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", SAVE_ON_FOUR_DEVICES, str(tmp_path)]
    subprocess.run(command, env=os.environ | devices, check=True)
    expected = {"spread": jnp.arange(8.0), "last": jnp.arange(3)}
    model = load_model(tmp_path)
    small.assert_bitwise_identical(model, expected)
    assert all(leaf.devices() == {jax.devices()[0]} for leaf in model.values())
    with CheckpointStore(tmp_path) as store:
        zeros = jax.tree.map(jnp.zeros_like, expected)
        step, *trees = store.restore(zeros, zeros)
    assert step == 5
    small.assert_bitwise_identical(trees, [expected, expected])
