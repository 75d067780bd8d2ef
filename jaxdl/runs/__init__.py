"""Floor 2: one training is one directory: its config, metrics, figures, summary."""

from jaxdl.runs.run import Run

__all__ = ["Run"]
