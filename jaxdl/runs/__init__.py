"""Floor 4: experiments. One training is one directory: config, metrics, figures, summary."""

from jaxdl.runs.run import Run

__all__ = ["Run"]
