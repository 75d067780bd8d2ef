import numpy as np
import pytest
from hypothesis import given, strategies
from small_mnist import TEST_EXAMPLES, TRAIN_EXAMPLES

from jaxdl.data import IMAGE_DATASETS, load
from jaxdl.data.dataset import split_off_end
from jaxdl.errors import UsageError


@given(strategies.integers(0, 300), strategies.floats(0, 1, exclude_max=True))
def test_the_validation_split_is_the_end_of_the_training_split(count, fraction):
    examples = {"image": np.arange(count * 2).reshape(count, 2), "label": np.arange(count)}
    first, second = split_off_end(examples, fraction)
    for feature, array in examples.items():
        np.testing.assert_array_equal(np.concatenate((first[feature], second[feature])), array)
    assert abs(len(second["label"]) - count * fraction) <= 1
    assert len(first["label"]) == len(first["image"])


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    [(60_000, 0.2, 12_000), (60_000, 0.1, 6_000), (25_000, 0.2, 5_000), (10, 0.3, 3), (10, 0.0, 0)],
)
def test_round_fractions_give_round_splits(count, fraction, expected):
    _, second = split_off_end({"label": np.arange(count)}, fraction)
    assert len(second["label"]) == expected


def test_a_data_set_has_the_documented_arrays(data_dir):
    dataset = load("mnist", data_dir)
    assert dataset.name == "mnist"
    assert dataset.class_names == tuple("0123456789")
    sizes = {"train": TRAIN_EXAMPLES * 8 // 10, "validation": TRAIN_EXAMPLES * 2 // 10}
    for split, size in (sizes | {"test": TEST_EXAMPLES}).items():
        examples = getattr(dataset, split)
        assert set(examples) == {"image", "label"}
        assert (examples["image"].shape, examples["image"].dtype) == ((size, 28, 28, 1), np.uint8)
        assert (examples["label"].shape, examples["label"].dtype) == ((size,), np.int32)
        np.testing.assert_array_equal(examples["image"][:, 0, 0, 0] % 10, examples["label"])


def test_the_error_of_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match=r"^There is no data set 'minst'; choose .*\.$") as failure:
        load("minst", tmp_path)
    assert all(name in str(failure.value) for name in IMAGE_DATASETS)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 20, float("nan")])
def test_a_validation_fraction_out_of_range_is_refused(tmp_path, fraction):
    with pytest.raises(
        UsageError, match=r"^The validation fraction is .*, but must be at least 0 and below 1\.$"
    ):
        load("mnist", tmp_path, fraction)
