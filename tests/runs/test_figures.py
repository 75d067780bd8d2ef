import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from jaxdl.runs import figures

CLASSES = ("cat", "dog", "bird")


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draws a figure of `figures` and returns it, after Pillow has opened its file."""
    drawn = []
    save = Figure.savefig

    def save_and_keep(figure, *arguments, **options):
        drawn.append(figure)
        save(figure, *arguments, **options | {"dpi": 30})  # small, to be quick

    monkeypatch.setattr(Figure, "savefig", save_and_keep)

    def draw(name, *arguments):
        path = tmp_path / f"{name}.png"
        getattr(figures, name)(*arguments, path)
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert len(set(picture.convert("L").tobytes())) > 10  # something is on it
        return drawn.pop()

    return draw


def new_records(epochs, validation=True):
    """Lines of metrics.jsonl, four steps an epoch."""
    records = []
    for epoch in range(1, epochs + 1):
        for step in range(4 * epoch - 3, 4 * epoch + 1):
            records.append({"step": step, "train_loss": 1 / step, "train_accuracy": 1 - 1 / step})
        whole = {"step": 4 * epoch, "epoch": epoch, "train_loss": 0.5, "train_accuracy": 0.5}
        if validation:
            whole |= {"validation_loss": 2 / epoch, "validation_accuracy": 1 - 0.5 / epoch}
        records.append(whole)
    return records


@pytest.mark.parametrize(("epochs", "validation"), [(1, True), (3, True), (3, False)])
def test_learning_curves_have_training_by_step_and_validation_by_epoch(draw, epochs, validation):
    figure = draw("learning_curves", new_records(epochs, validation))
    loss, accuracy = figure.axes
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    training, *others = accuracy.lines
    steps = np.arange(1, 4 * epochs + 1)
    np.testing.assert_allclose(training.get_xdata(), steps / 4)
    np.testing.assert_allclose(training.get_ydata(), 1 - 1 / steps)
    assert len(others) == len(loss.lines) - 1 == validation
    if validation:
        numbers = np.arange(1, epochs + 1)
        np.testing.assert_allclose(others[0].get_xdata(), numbers)
        np.testing.assert_allclose(loss.lines[1].get_ydata(), 2 / numbers)


def test_learning_curves_that_are_flat_or_zero_are_drawn(draw):
    records = [record | {"train_loss": 0.0, "train_accuracy": 1.0} for record in new_records(2)]
    assert len(draw("learning_curves", records).axes) == 2


def new_predictions(examples, right):
    """Images, labels and probabilities; the first ``right`` are predicted rightly."""
    labels = np.arange(examples) % 3
    guesses = np.where(np.arange(examples) < right, labels, (labels + 1) % 3)
    confidence = 0.5 + 0.4 * np.arange(examples) / examples
    probabilities = np.full((examples, 3), 0.01)
    probabilities[np.arange(examples), guesses] = confidence
    images = np.random.default_rng(0).integers(0, 256, (examples, 5, 5, 1), np.uint8)
    return images, labels, probabilities


def captions(figure):
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]


def test_predictions_are_the_first_examples_and_the_most_confident_mistakes(draw):
    images, labels, probabilities = new_predictions(45, right=20)
    first, worst = captions(draw("predictions", images, labels, probabilities, CLASSES))
    assert first == [
        f"{CLASSES[label]}\n{row.max():.0%}"
        for label, row in zip(labels[:20], probabilities[:20], strict=True)
    ]
    assert len(worst) == 20
    assert worst[0] == f"{CLASSES[labels[44]]}, taken\nfor {CLASSES[(labels[44] + 1) % 3]}\n89%"
    shares = [int(title.split("\n")[-1].rstrip("%")) for title in worst]
    assert shares == sorted(shares, reverse=True)


def test_each_image_stands_under_its_caption(draw):
    images, labels, probabilities = new_predictions(45, right=20)
    figure = draw("predictions", images, labels, probabilities, CLASSES)
    for axes, chosen in zip(figure.axes, (images[:20], images[:-21:-1]), strict=True):
        canvas = axes.images[0].get_array()
        for text, image in zip(axes.texts, chosen, strict=True):
            middle, above = text.get_position()
            left, top = int(middle - 2.5), int(above + 1)
            np.testing.assert_array_equal(canvas[top : top + 5, left : left + 5], image[..., 0])


@pytest.mark.parametrize(
    ("examples", "right", "channels"),
    [(25, 25, 1), (3, 1, 3)],
    ids=["no mistakes", "few examples, in colour"],
)
def test_predictions_of_odd_test_splits_are_drawn(draw, examples, right, channels):
    images, labels, probabilities = new_predictions(examples, right)
    images = np.repeat(images, channels, -1)
    figure = draw("predictions", images, labels, probabilities, ["a very long name"] * 3)
    first, worst = captions(figure)
    assert (len(first), len(worst)) == (min(20, examples), examples - right)
    assert f"{right / examples:.2%} of them right" in figure.axes[0].get_title()


@pytest.mark.parametrize("names", [CLASSES, ("an ankle boot of leather", "T-shirt/top", "naïve")])
def test_the_confusion_matrix_has_the_counts(draw, names):
    labels = np.array([0] * 1200 + [1, 1, 2, 2, 2])
    predicted = np.array([0] * 1200 + [1, 2, 2, 2, 0])
    (axes,) = draw("confusion_matrix", labels, predicted, names).axes
    counts = {text.get_position(): text.get_text() for text in axes.texts}  # by (column, row)
    assert counts == {(0, 0): "1,200", (1, 1): "1", (2, 1): "1", (2, 2): "2", (0, 2): "1"}
    assert [label.get_text() for label in axes.get_xticklabels()] == list(names)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(names)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0, 0, 0], [0, 0, 1], [1, 0, 0]])


def test_a_confusion_matrix_without_mistakes_is_drawn(draw):
    (axes,) = draw("confusion_matrix", np.arange(3), np.arange(3), CLASSES).axes
    assert not axes.images[0].get_array().any()


@pytest.mark.parametrize("features", [1, 6, 11])
def test_every_filter_is_drawn_on_one_scale_around_zero(draw, features):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, features))
    shown = [axes.images[0] for axes in draw("filters", kernel).axes if axes.images]
    assert len(shown) == features
    limit = np.abs(kernel.mean(2)).max()
    for number, image in enumerate(shown):
        np.testing.assert_allclose(image.get_array(), kernel[..., number].mean(-1))
        assert image.get_clim() == pytest.approx((-limit, limit))


def test_filters_of_colour_images_are_drawn_in_their_colours_around_grey(draw):
    kernel = np.random.default_rng(0).normal(size=(2, 2, 3, 5))
    kernel[..., 4] = 0
    shown = [axes.images[0].get_array() for axes in draw("filters", kernel).axes if axes.images]
    for number, image in enumerate(shown[:4]):
        scaled = kernel[..., number] / np.abs(kernel[..., number]).max()
        np.testing.assert_allclose(image, (scaled + 1) / 2)
    np.testing.assert_array_equal(shown[4], np.full((2, 2, 3), 0.5))
