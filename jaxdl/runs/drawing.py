"""Figures of a finished run that several experiments share."""

import jax
import numpy as np

from jaxdl.runs import figures, text_figures
from jaxdl.runs.experiment import Result

MOST_CLASSES = 200
"""Largest number of classes for which a confusion matrix is drawn."""


def draw_learning_curves(result: Result) -> None:
    """Draws loss and accuracy over the epochs."""
    path = result.run.figures / "learning_curves.png"
    figures.learning_curves(result.run.read_metrics(), path)


def draw_predictions(result: Result) -> None:
    """Draws test examples with predictions, the worst mistakes, and the confusion matrix."""
    test, folder, names = result.dataset.test, result.run.figures, result.dataset.class_names
    probabilities = np.asarray(jax.nn.softmax(result.logits))
    described = test["label"], probabilities, names
    if "image" in test:
        figures.predictions(test["image"], *described, folder / "predictions.png")
    else:
        text_figures.confident_texts(test["text"], *described, folder / "reviews.png")
    if len(names) <= MOST_CLASSES:
        predicted = result.logits.argmax(-1)
        figures.confusion_matrix(test["label"], predicted, names, folder / "confusion.png")


FIGURES = (draw_learning_curves, draw_predictions)
