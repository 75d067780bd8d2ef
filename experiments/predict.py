"""Predicts labels of your pictures or sentences by a trained network, or draws samples of a GAN.

    python -m experiments.predict resnet50 photo.jpg --explain why.png
    python -m experiments.predict sentiment "I love this movie!"
    python -m experiments.predict similarity "A cat sits here." "There is a cat." "It rains."
    python -m experiments.predict runs/cnn/20261121-120000-0 digit.png photo.jpg
    python -m experiments.predict runs/lstm/20261121-120000-0 - < reviews.txt
    python -m experiments.predict runs/language_model/20261121-120000-0 "this film is"
    python -m experiments.predict runs/gan/20261121-120000-0 --samples 64 --output grid.png
    python -m experiments.predict runs/gan/20261121-120000-0 --class 7

The first three use published weights, which are fetched once: resnet50, resnet50-torchvision or
vit-base for photographs; distilbert-sst2, also called sentiment; minilm, also called similarity,
which compares every pair of sentences. A picture may have any size, be in colour or grey, dark on
light or light on dark, or transparent. A sentence may be any text; ``-`` reads one from each line
of standard input, in UTF-8. For each input one line is printed: the label, its probability, and the
runners-up; with ``--json``, one JSON list for all. ``--explain`` draws where in the picture the
label was seen. A language model continues a sentence, or fills in its [MASK].
"""

import dataclasses
import itertools
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from experiments.explanation import draw_explanation
from experiments.registry import find_experiment
from experiments.trained_networks import find_run, load_network
from jaxdl.console import console
from jaxdl.data import DEFAULT_DATA_DIR
from jaxdl.errors import UsageError, UserError, printable
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.language_model_experiment import LanguageModelExperiment
from jaxdl.runs.launch import set_up_devices
from jaxdl.runs.networks import TrainedNetwork, require_image_path
from jaxdl.training.optimization import refuse_changed, require, require_positive

MAX_SAMPLES = 10_000
OF_SAMPLES = ("samples", "class_", "output")
OF_PREDICTIONS = ("top", "json", "explain", "weights")
OF_GAN_ONLY = "is for samples of a run of gan, which takes no input: leave out one of the two"


@dataclasses.dataclass(frozen=True)
class Options:
    """What to predict, and by which network."""

    network: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN|MODEL")]
    """The directory of a run, or the name of a published model."""
    inputs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """Image files, or sentences; none for a run of gan."""
    top: Annotated[int, tyro.conf.arg(metavar="N")] = 5
    """Number of labels, or of words for a mask, to print, the likeliest first."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON: for each input its label, its probability, and all probabilities."""
    explain: Path | None = None
    """Image file to write, which shows where in each picture its label was seen."""
    weights: Path | None = None
    """File of other weights for a published model: .safetensors, or model.json of TensorFlow.js."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory in which published weights are kept."""
    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 64
    """Number of samples to draw from a run of gan."""
    seed: int = 0
    """Random seed of the samples of a run of gan, or of the words of a language model."""
    class_: Annotated[str, tyro.conf.arg(name="class", metavar="CLASS")] = ""
    """Class of the samples; not for a run of gan with --no-conditional. All classes by default."""
    output: Path = Path("samples.png")
    """Image file to which the samples of a run of gan are written."""

    def __post_init__(self) -> None:
        require_positive(self, "top")
        require(self, "samples", 1 <= self.samples <= MAX_SAMPLES, f"1 to {MAX_SAMPLES:,}")
        require(self, "seed", 0 <= self.seed < 2**32, "0 to 2**32 - 1")
        for name in ("output", "explain"):
            require_image_path(self, name)


def predict(network: TrainedNetwork, inputs: list[str]) -> list[dict[str, Any]]:
    """Predicts for each "input" its "label", its "probability", and "probabilities" by class name.

    Raises:
      UserError: an input is not what the network takes.
    """
    logits = network.logits(network.read(inputs))
    probabilities = np.asarray(jax.nn.softmax(logits), np.float64)
    return [
        {
            "input": name,
            "label": network.class_names[row.argmax()],
            "probability": float(row.max()),
            "probabilities": dict(zip(network.class_names, row.tolist(), strict=True)),
        }
        for name, row in zip(inputs, probabilities, strict=True)
    ]


def compare(network: TrainedNetwork, sentences: list[str]) -> list[dict[str, Any]]:
    """Computes for each pair of "sentences" their "similarity", the cosine of their embeddings.

    Raises:
      UsageError: there are fewer than two.
      UserError: one is empty, or an embedding is zero.
    """
    if len(sentences) < 2:
        raise UsageError(f"{network.name} compares sentences: give two or more.")
    vectors = network.logits(network.read(sentences))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise UserError(f"An embedding of {network.name} is zero: its weights are damaged.")
    vectors = vectors / lengths
    return [
        {
            "sentences": [sentences[first], sentences[second]],
            "similarity": float(vectors[first] @ vectors[second]),
        }
        for first, second in itertools.combinations(range(len(sentences)), 2)
    ]


def read_inputs(inputs: tuple[str, ...]) -> list[str]:
    """Returns the inputs, "-" replaced by the lines of standard input that are not empty.

    Raises:
      UsageError: one is empty, or standard input is.
    """
    if not all(map(str.strip, inputs)):
        raise UsageError("An input is empty: give an image file or some text.")
    lines = []
    for name in inputs:
        lines += [line for line in map(str.strip, sys.stdin) if line] if name == "-" else [name]
    if inputs and not lines:
        raise UsageError("Standard input holds no sentence: give one in each line.")
    return lines


def format_prediction(prediction: dict[str, Any], top: int) -> str:
    """Formats one line: the input, the label with its probability, and the runners-up."""
    ranked = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])
    (label, probability), *others = ranked[:top]
    runners_up = ", ".join(f"{name} {value:.1%}" for name, value in others)
    line = f"{prediction['input']}  {label}  {probability:.1%}"
    return f"{line}  (then {runners_up})" if others else line


def main() -> None:
    """Parses the command line, predicts, prints."""
    options = parse_dataclass(Options, "experiments.predict", description=__doc__)
    set_up_devices()
    inputs = read_inputs(options.inputs)
    run = find_run(options.network)
    experiment = find_experiment(run.experiment) if run else None
    if inputs:
        refuse_changed(options, OF_SAMPLES, OF_GAN_ONLY)
    elif run:
        refuse_changed(options, OF_PREDICTIONS, "is for inputs: give one, or leave it out")
        experiment.draw_samples(run, options.samples, options.seed, options.output, options.class_)
        console.print(f"The samples are in {options.output}.")
        return
    else:
        raise UsageError("No input: give image files or sentences after the network.")
    if isinstance(experiment, LanguageModelExperiment):
        refuse_changed(options, ("json", "explain", "weights"), "is not for a language model")
        unused = "seed" if run.options.get("network") == "transformer" else "top"
        refuse_changed(options, (unused,), "has no effect with this language model")
        for line in experiment.complete_sentences(run, inputs, options.top, options.seed):
            console.print(printable(line))
        return
    refuse_changed(options, ("seed",), OF_GAN_ONLY)
    if options.json:
        refuse_changed(options, ("top",), "has no effect with --json, which has all labels")
    network = load_network(options.network, options.data_dir, options.weights)
    if options.explain and "image" not in network.example_shapes:
        raise UsageError(f"--explain is for images, but {network.name} reads sentences.")
    if network.class_names:
        results = predict(network, inputs)
        lines = [format_prediction(result, options.top) for result in results]
    else:
        refuse_changed(options, ("top",), f"is for labels, but {network.name} compares sentences")
        results = compare(network, inputs)
        lines = [f"{r['similarity']:.4f}  {'  |  '.join(r['sentences'])}" for r in results]
    if options.explain:
        draw_explanation(network, inputs, [r["label"] for r in results], options.explain)
        lines.append(f"Where the labels were seen: {options.explain}")
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        for line in lines:
            console.print(printable(line))


if __name__ == "__main__":
    run_command(main)
