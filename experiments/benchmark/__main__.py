"""How fast JAX is here: the models of this project against Keras and PyTorch, side by side.

    python -m experiments.benchmark
    python -m experiments.benchmark --models mlp cnn --peers torch --rounds 9
    python -m experiments.benchmark --work predict --batch-sizes 1 32
    python -m experiments.benchmark --models resnet20 --sweep
    python -m experiments.benchmark --models gan --profile
    python -m experiments.benchmark --models mlp cnn --to-accuracy --rounds 3

Peers are what is installed of Keras 3 on TensorFlow, Keras 3 on JAX, PyTorch, the same with the
channels last, and its compiler (``pip install -e ".[peers]"``; for a GPU, TensorFlow and PyTorch
built for it). All train the same layers, checked by their number of parameters, with the same
optimizer on the same random data in memory, in processes of their own that take turns. With a
ResNet, the C library keeps freed memory for all of them; each trains a GAN as its own tutorial
does. Reported are medians over the rounds and their spread, and the arithmetic of our step. The
default takes about twenty minutes on two CPU cores.
"""

import time
from pathlib import Path

from experiments.benchmark import charts
from experiments.benchmark.accuracy import TARGETS, time_to_accuracy
from experiments.benchmark.measure import measure, versions
from experiments.benchmark.options import Options
from experiments.benchmark.profile import profile
from experiments.benchmark.race import installed_peers
from jaxdl.console import console
from jaxdl.errors import UsageError
from jaxdl.runs.command_line import parse_dataclass, run_command
from jaxdl.runs.environment import describe_environment
from jaxdl.runs.run import write_json


def main() -> None:
    """Reads the command line, times, writes and draws."""
    options = parse_dataclass(Options, "experiments.benchmark", description=__doc__)
    if options.profile:
        for model in options.models:
            profile(model, options.sizes_of(model)[0], options.precision)
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
            f"Against the best peer of each model: {report['geometric_mean']:.2f} times as fast, "
            "geometric mean."
        )
    console.print(str(output))


def choose_output(options: Options) -> Path:
    """Where the result goes; its folder is made."""
    default = Path("runs/benchmark") / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    output = options.output or default
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


def compare_to_accuracy(options: Options) -> None:
    """Times the models that the tutorial trains and writes what came of it.

    Raises:
      UsageError: Keras is missing, or none of the models is the tutorial's.
    """
    models = [model for model in options.models if model in TARGETS]
    if not models:
        raise UsageError(f"--to-accuracy knows the models {', '.join(TARGETS)} only.")
    if "keras-tensorflow" not in installed_peers():
        raise UsageError('--to-accuracy needs Keras; pip install -e ".[peers]".')
    output = choose_output(options)
    results = time_to_accuracy(models, options.rounds)
    environment = describe_environment()
    write_json(output, {"environment": environment, "versions": versions(), "results": results})
    console.print(str(output))


if __name__ == "__main__":
    run_command(main)
