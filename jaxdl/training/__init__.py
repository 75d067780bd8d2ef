"""Floor 3: train states, pure train steps, the compiled epoch, the training loop, checkpoints."""

from jaxdl.training.classifier import score, train_classifier
from jaxdl.training.options import ClassifierOptimization

__all__ = ["ClassifierOptimization", "score", "train_classifier"]
