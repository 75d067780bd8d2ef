"""What a trained network says about your own pictures.

    python -m experiments.predict runs/cnn/20261121-120000-0 digit.png photo.jpg

A picture may have any size, be in colour or grey, dark on light or light on dark, or
transparent. Each gets one line: the label, its probability, and the runners-up; with
``--json``, one JSON list for all.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from experiments import cnn, mlp
from jaxdl.console import console
from jaxdl.data.pictures import read_picture
from jaxdl.errors import UsageError
from jaxdl.runs import Run
from jaxdl.runs.command_line import from_options, parse_dataclass, run_command
from jaxdl.training.checkpoints import load_model
from jaxdl.training.classifier import predict_logits
from jaxdl.training.image_classification import prepare_images
from jaxdl.training.launch import cache_compiled_programs

EXPERIMENTS = {"cnn": cnn, "mlp": mlp}


@dataclasses.dataclass(frozen=True)
class Options:
    """What to predict, with what."""

    run: tyro.conf.Positional[Path]
    """The directory of a run."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """Image files."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON: for each input its label, its probability, and all probabilities."""


def predict(run: Run, inputs: tuple[Path, ...]) -> list[dict[str, Any]]:
    """For each input: "input", "label", "probability", and "probabilities" by class name.

    Raises:
      UserError: an input is no image, or the run has no model.
      UsageError: the run is of an experiment that predicts nothing.
    """
    if run.experiment not in EXPERIMENTS:
        raise UsageError(f"{run.directory} is a run of {run.experiment}, which predicts nothing.")
    experiment = EXPERIMENTS[run.experiment]
    config = from_options(experiment.Config, run.options)
    images = np.stack([read_picture(path, config.dataset) for path in inputs])
    model = experiment.build_model(config, len(run.class_names))
    apply = jax.jit(predict_logits(model, prepare_images(config)))
    logits = apply(load_model(run.checkpoints), {"image": images})
    probabilities = np.asarray(jax.nn.softmax(logits), np.float64)
    return [
        {
            "input": str(path),
            "label": run.class_names[row.argmax()],
            "probability": float(row.max()),
            "probabilities": dict(zip(run.class_names, row.tolist(), strict=True)),
        }
        for path, row in zip(inputs, probabilities, strict=True)
    ]


def format_prediction(prediction: dict[str, Any]) -> str:
    """One line: the input, the label with its probability, and the two runners-up."""
    ranked = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])
    (label, probability), *others = ranked[:3]
    runners_up = ", ".join(f"{name} {value:.1%}" for name, value in others)
    return f"{prediction['input']}  {label}  {probability:.1%}  (then {runners_up})"


def main() -> None:
    """Reads the command line, predicts, prints."""
    options = parse_dataclass(Options, "experiments.predict", description=__doc__)
    if not options.inputs:
        raise UsageError("No input: give one or more image files after the run.")
    cache_compiled_programs()
    predictions = predict(Run.open(options.run), options.inputs)
    if options.json:
        print(json.dumps(predictions, indent=2))
    else:
        for prediction in predictions:
            console.print(format_prediction(prediction), markup=False)


if __name__ == "__main__":
    run_command(main)
