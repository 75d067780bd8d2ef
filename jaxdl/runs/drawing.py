"""Figures of a finished run that several experiments share."""

import jax
import numpy as np

from jaxdl.runs import figures, text_figures
from jaxdl.runs.experiment import Result

MOST_CLASSES = 200
"""Of a confusion matrix, which is as wide as they are many."""


def draw_learning_curves(result: Result) -> None:
    """Draws loss and accuracy over the epochs."""
    path = result.run.figures / "learning_curves.png"
    figures.learning_curves(result.run.read_metrics(), path)


def draw_image_predictions(result: Result) -> None:
    """Draws test images with predictions, the worst mistakes, and the confusion matrix."""
    images, labels = result.dataset.test["image"], result.dataset.test["label"]
    probabilities, names = np.asarray(jax.nn.softmax(result.logits)), result.dataset.class_names
    path = result.run.figures / "predictions.png"
    figures.predictions(images, labels, probabilities, names, path)
    draw_confusion(result)


def draw_text_predictions(result: Result) -> None:
    """Draws the most confident right and wrong test texts, and the confusion matrix."""
    texts, labels = result.dataset.test["text"], result.dataset.test["label"]
    probabilities, names = np.asarray(jax.nn.softmax(result.logits)), result.dataset.class_names
    path = result.run.figures / "reviews.png"
    text_figures.confident_texts(texts, labels, probabilities, names, path)
    draw_confusion(result)


def draw_predictions(result: Result) -> None:
    """Draws predictions for test images or test texts."""
    draw = draw_image_predictions if "image" in result.dataset.test else draw_text_predictions
    draw(result)


def draw_confusion(result: Result) -> None:
    """Draws the confusion matrix of the test split, unless it would have too many classes."""
    if len(result.dataset.class_names) > MOST_CLASSES:
        return
    labels, predicted = result.dataset.test["label"], result.logits.argmax(-1)
    path = result.run.figures / "confusion.png"
    figures.confusion_matrix(labels, predicted, result.dataset.class_names, path)


IMAGE_FIGURES = (draw_learning_curves, draw_image_predictions)
TEXT_FIGURES = (draw_learning_curves, draw_text_predictions)
