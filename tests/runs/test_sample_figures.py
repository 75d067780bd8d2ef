import numpy as np
import pytest
from PIL import Image

from jaxdl.runs import sample_figures


def new_images(count, channels=1):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 4, 4, channels), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_holds_every_pixel_of_every_image(tmp_path, channels):
    images = new_images(5, channels)
    sample_figures.sample_grid(images, tmp_path / "grid.png", columns=3)
    with Image.open(tmp_path / "grid.png") as picture:
        canvas = np.asarray(picture).reshape(picture.height, picture.width, channels)
    scale, margin, step = 2, 2, 4 + 2
    assert canvas.shape[:2] == (scale * (2 * step + margin), scale * (3 * step + margin))
    for position, image in enumerate(images):
        row, column = divmod(position, 3)
        top, left = margin + row * step, margin + column * step
        shown = canvas[::scale, ::scale][top : top + 4, left : left + 4]
        np.testing.assert_array_equal(shown, image)


def test_grids_stand_beside_each_other_each_under_its_title(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(sample_figures, "save_figure", lambda figure, path: drawn.append(figure))
    grids = {"theirs": tmp_path / "a.png", "ours": tmp_path / "b.png"}
    for columns, grid in enumerate(grids.values(), start=1):
        sample_figures.sample_grid(new_images(2), grid, columns)
    sample_figures.side_by_side(grids, tmp_path / "both.png")
    theirs, ours = drawn[0].axes
    assert (theirs.get_title(), ours.get_title()) == ("theirs", "ours")
    for axes, grid in zip((theirs, ours), grids.values(), strict=True):
        with Image.open(grid) as picture:
            np.testing.assert_array_equal(axes.images[0].get_array(), picture.convert("RGB"))


def test_an_animation_has_a_frame_for_each_picture(tmp_path):
    frames = [tmp_path / f"{number}.png" for number in range(3)]
    for number, frame in enumerate(frames):
        sample_figures.sample_grid(new_images(number + 1), frame, columns=3)
    sample_figures.animation(frames, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 3


@pytest.mark.parametrize("validation", [True, False])
def test_curves_show_both_adversaries_and_the_floor(tmp_path, monkeypatch, validation):
    drawn = []
    monkeypatch.setattr(sample_figures, "save_figure", lambda figure, path: drawn.append(figure))
    names = ("generator_loss", "discriminator_loss", "real_accuracy", "fake_accuracy")
    values = {f"train_{name}": 0.5 for name in names}
    records = [{"step": 2, **values}, {"step": 4, "epoch": 1, **values}]
    if validation:
        records[1]["validation_frechet_distance"] = 3.0
    sample_figures.adversarial_curves(records, 1.0, tmp_path / "curves.png")
    losses, accuracies, distances = drawn[0].axes
    assert len(losses.lines) == len(accuracies.lines) == 2
    assert len(distances.lines) == 1 + validation
    assert distances.lines[-1].get_ydata()[0] == 1.0
