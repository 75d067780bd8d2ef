"""Compares the speed of the models of this project with Keras and PyTorch.

    python -m experiments.benchmark
    python -m experiments.benchmark --models mlp cnn --peers torch --rounds 9
    python -m experiments.benchmark --work predict --batch-sizes 1 32
    python -m experiments.benchmark --work input
    python -m experiments.benchmark --models resnet20 --sweep
    python -m experiments.benchmark --models gan --profile
    python -m experiments.benchmark --models mlp cnn --to-accuracy --rounds 3

The peers are Keras 3 and PyTorch, as far as they are installed (``pip install -e ".[peers]"``; a
GPU needs TensorFlow and PyTorch built for it), each in its plain form and in the forms that its
documentation recommends: Keras on TensorFlow and on JAX, with one or many steps in each call;
PyTorch with fused optimizers, with channels last, with torch.compile. All train the same layers,
which is checked by the number of parameters here and for most by the logits in the tests, with the
same optimizer on the same random data in memory, in separate processes that take turns. For
ResNets, the speed run and pictures, glibc keeps freed memory in all processes; each framework
trains the GAN as its own tutorial does.

Before and after each turn a matrix product is timed. While it is a tenth slower than the fastest
one, something else uses the machine: turns wait, for up to half a minute each on average, and one
that was disturbed is discarded and repeated, at most three times. The table has the medians over
the remaining turns, the FLOP/s as a share of the machine's peak, and the speed of ours relative to
the peer, with its range over the rounds. The default takes more than an hour on two CPU cores.
"""

import time
from pathlib import Path

from experiments.benchmark import charts
from experiments.benchmark.accuracy import TARGETS, time_to_accuracy
from experiments.benchmark.measure import measure, versions
from experiments.benchmark.options import Options
from experiments.benchmark.processes import Record, installed_peers
from experiments.benchmark.profile import profile
from experiments.benchmark.race import start_yardstick
from jaxdl.console import console, note
from jaxdl.errors import UsageError
from jaxdl.files import write_json
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.environment import describe_environment


def main() -> None:
    """Reads the command line, times the models and writes the results."""
    options = parse_dataclass(Options, "experiments.benchmark", description=__doc__)
    if options.profile:
        for model, batch_size in options.cases:
            profile(model, batch_size, options.precision)
        return
    if options.to_accuracy:
        compare_to_accuracy(options)
        return
    output = choose_output(options)
    report = measure(options, save=lambda report: write_json(output, report))
    draw = charts.compare_batch_sizes if options.sweep else charts.compare_models
    draw(report["results"], output.with_suffix(".png"))
    if report["geometric_mean"]:
        console.print(
            f"Ours is {report['geometric_mean']:.2f} times as fast as the best form of the best "
            "peer of each model (geometric mean)."
        )
    note(f"The results are in {output}.")


def choose_output(options: Options) -> Path:
    """Returns the path of the JSON file after creating its directory."""
    default = Path("runs/benchmark") / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    output = options.output or default
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


def compare_to_accuracy(options: Options) -> None:
    """Times the models of the tutorial up to its test accuracy and writes the results.

    Raises:
      UsageError: Keras is missing, or none of the models is in the tutorial.
    """
    models = [model for model in options.models if model in TARGETS]
    if not models:
        raise UsageError(f"--to-accuracy needs --models among {', '.join(TARGETS)}.")
    left_out = [model for model in options.models if model not in TARGETS]
    if left_out:
        note(f"Left out, since the tutorial trains no such model: {', '.join(left_out)}.")
    if "keras-tensorflow" not in installed_peers(models[0]):
        raise UsageError('--to-accuracy needs Keras: pip install -e ".[peers]".')
    output = choose_output(options)
    report = {"environment": describe_environment(), "versions": versions()}
    with start_yardstick(options.threads, options.precision, note) as yardstick:

        def save(results: list[Record]) -> None:
            write_json(output, report | {"results": results, "steadiness": yardstick.describe()})

        time_to_accuracy(models, options.rounds, yardstick, save)
    note(f"The results are in {output}.")


if __name__ == "__main__":
    run_command(main)
