"""What a trained network says about your own pictures or sentences, or what it draws.

    python -m experiments.predict runs/cnn/20261121-120000-0 digit.png photo.jpg
    python -m experiments.predict runs/lstm/20261121-120000-0 "I love this movie!"
    python -m experiments.predict runs/lstm/20261121-120000-0 - < reviews.txt
    python -m experiments.predict runs/gan/20261121-120000-0 --samples 64 --output grid.png

A picture may have any size, be in colour or grey, dark on light or light on dark, or
transparent. A sentence may be any text; ``-`` reads one from each line of standard input.
Each gets one line: the label, its probability, and the runners-up; with ``--json``, one
JSON list for all.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from experiments import cnn, gan, lstm, mlp, resnet, rnn, transformer, vit
from jaxdl.console import console
from jaxdl.data.pictures import read_picture
from jaxdl.data.tokenizer import encode, load_tokenizer
from jaxdl.errors import UsageError, UserError
from jaxdl.runs import Run
from jaxdl.runs.command_line import from_options, parse_dataclass, run_command
from jaxdl.training.checkpoints import load_model
from jaxdl.training.classifier import predict_logits
from jaxdl.training.config import require
from jaxdl.training.image_classification import ImageConfig, image_task
from jaxdl.training.launch import cache_compiled_programs
from jaxdl.training.steps import make_predict
from jaxdl.training.text_classification import TEXT_TASK, TextConfig, tokenizer_path

EXPERIMENTS = {
    "cnn": cnn,
    "lstm": lstm,
    "mlp": mlp,
    "resnet": resnet,
    "rnn": rnn,
    "transformer": transformer,
    "vit": vit,
}
BATCH_SIZE = 32
MAX_SAMPLES = 10_000


@dataclasses.dataclass(frozen=True)
class Options:
    """What to predict, with what."""

    run: tyro.conf.Positional[Path]
    """The directory of a run."""
    inputs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """Image files, or sentences; none for a run of gan."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON: for each input its label, its probability, and all probabilities."""
    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 64
    """How many samples to draw from a run of gan."""
    seed: int = 0
    """Which samples of a run of gan those are."""
    output: Path = Path("samples.png")
    """The image file that the samples of a run of gan go to."""

    def __post_init__(self) -> None:
        """Refuses values that make no picture."""
        require(self, "samples", 1 <= self.samples <= MAX_SAMPLES, f"1 to {MAX_SAMPLES:,}")
        require(self, "seed", 0 <= self.seed < 2**32, "0 to 2**32 - 1")
        is_picture = self.output.suffix.lower() in {".png", ".jpg", ".jpeg"}
        fits = is_picture and self.output.parent.is_dir()
        require(self, "output", fits, "a .png or .jpg file in a folder that exists")


def predict(run: Run, inputs: list[str]) -> list[dict[str, Any]]:
    """For each input: "input", "label", "probability", and "probabilities" by class name.

    Raises:
      UserError: an input is not what the run takes, or the run has no model.
      UsageError: the run is of an experiment that predicts nothing.
    """
    if run.experiment not in EXPERIMENTS:
        raise UsageError(f"{run.directory} is a run of {run.experiment}, which predicts nothing.")
    experiment = EXPERIMENTS[run.experiment]
    config = from_options(experiment.Config, run.options)
    if isinstance(config, ImageConfig):
        batch, task = read_images(inputs, config), image_task(config)
    else:
        batch, task = read_sentences(inputs, config, run), TEXT_TASK
    model = experiment.build_model(config, len(run.class_names))
    logits = make_predict(predict_logits(model, task.views), BATCH_SIZE)(
        load_model(run.checkpoints), batch
    )
    probabilities = np.asarray(jax.nn.softmax(logits), np.float64)
    return [
        {
            "input": name,
            "label": run.class_names[row.argmax()],
            "probability": float(row.max()),
            "probabilities": dict(zip(run.class_names, row.tolist(), strict=True)),
        }
        for name, row in zip(inputs, probabilities, strict=True)
    ]


def read_images(paths: list[str], config: ImageConfig) -> dict[str, np.ndarray]:
    """Image files as the examples of the data set that the run has learnt."""
    return {"image": np.stack([read_picture(Path(path), config.dataset) for path in paths])}


def read_sentences(sentences: list[str], config: TextConfig, run: Run) -> dict[str, np.ndarray]:
    """Sentences as tokens of the run's own vocabulary.

    Raises:
      UserError: a sentence is empty, or the name of an image.
    """
    for sentence in sentences:
        if not sentence.strip():
            raise UserError("A sentence is empty: give some text.")
        if Path(sentence).suffix.lower() in {".png", ".jpg", ".jpeg"} and " " not in sentence:
            raise UserError(f"{sentence} is an image, but {run.directory} reads sentences.")
    tokenizer = load_tokenizer(tokenizer_path(run))
    return encode(tokenizer, sentences, config.sequence_length, config.truncation)


def read_inputs(inputs: tuple[str, ...]) -> list[str]:
    """The inputs, "-" replaced by the lines of standard input that are not empty."""
    lines = []
    for name in inputs:
        lines += [line for line in map(str.strip, sys.stdin) if line] if name == "-" else [name]
    return lines


def format_prediction(prediction: dict[str, Any]) -> str:
    """One line: the input, the label with its probability, and the runners-up."""
    ranked = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])
    (label, probability), *others = ranked[:3]
    runners_up = ", ".join(f"{name} {value:.1%}" for name, value in others)
    return f"{prediction['input']}  {label}  {probability:.1%}  (then {runners_up})"


def main() -> None:
    """Reads the command line, predicts, prints."""
    options = parse_dataclass(Options, "experiments.predict", description=__doc__)
    run = Run.open(options.run)
    cache_compiled_programs()
    if run.experiment == "gan":
        if options.inputs or options.json:
            raise UsageError(f"{run.directory} is a run of gan: it draws, and takes no input.")
        gan.draw_samples(run, options.samples, options.seed, options.output)
        console.print(f"{options.samples} samples in {options.output}")
        return
    inputs = read_inputs(options.inputs)
    if not inputs:
        raise UsageError("No input: give image files or sentences after the run.")
    predictions = predict(run, inputs)
    if options.json:
        print(json.dumps(predictions, indent=2))
    else:
        for prediction in predictions:
            console.print(format_prediction(prediction))


if __name__ == "__main__":
    run_command(main)
