"""Floor 3: train states, pure train steps, the compiled epoch, the training loop, checkpoints."""

from jaxdl.training.checkpoints import load_model
from jaxdl.training.classifier import score, train_classifier
from jaxdl.training.optimization import ClassifierOptimization
from jaxdl.training.pipeline import InputPipeline

__all__ = ["ClassifierOptimization", "InputPipeline", "load_model", "score", "train_classifier"]
