import pytest

from experiments import gan
from jaxdl.runs.options import with_changes
from jaxdl.runs.sampling import draw_grid, samples_in_a_row

NAMES = ("blue", "green", "red")


def test_samples_are_of_the_class_that_is_named_or_of_all_in_turn():
    inputs, columns = draw_grid(4, gan.Config(), NAMES, "red", seed=0)
    assert (inputs["label"].tolist(), columns) == ([2, 2, 2, 2], 2)
    inputs, columns = draw_grid(4, gan.Config(), NAMES, "", seed=0)
    assert (inputs["label"].tolist(), columns) == ([0, 1, 2, 0], 3)
    assert inputs["noise"].shape == (4, 100)


@pytest.mark.parametrize(("num_samples", "columns"), [(10, 3), (64, 9), (10_000, 99)])
def test_a_class_keeps_to_its_columns_in_a_grid_of_any_size(num_samples, columns):
    inputs, drawn = draw_grid(num_samples, gan.Config(), NAMES, "", seed=0)
    assert drawn == columns
    assert set(inputs["label"][::columns]) == {0}


def test_without_classes_there_are_no_labels():
    config = with_changes(gan.Config(), {"conditional": False})
    inputs, columns = draw_grid(64, config, NAMES, "", seed=0)
    assert (set(inputs), columns) == ({"noise"}, 8)
    assert samples_in_a_row(config, num_classes=3) == 8


def test_many_classes_have_no_columns_of_their_own():
    assert samples_in_a_row(gan.Config(), num_classes=16) == 16
    assert samples_in_a_row(gan.Config(), num_classes=100) == 8
