"""Times our training and the tutorial's Keras script, as whole processes, to its test accuracy."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from experiments.benchmark.processes import Record, inherited_environment
from experiments.benchmark.steady import Yardstick
from experiments.benchmark.tutorial_data import load_data
from experiments.registry import find_experiment
from jaxdl.console import console, progress
from jaxdl.errors import UserError
from jaxdl.runs.options import with_changes

# Accuracies of the tutorial's scripts on the test split.
TARGETS = {"mlp": 0.971, "cnn": 0.991, "rnn": 0.743, "lstm": 0.845}
SIDES = ("ours", "keras")


def time_to_accuracy(
    models: Sequence[str], rounds: int, yardstick: Yardstick, save: Callable[[list[Record]], None]
) -> None:
    """Runs both processes in turn, from the start of the command to its exit, on prepared data.

    Ours uses the experiment's quick preset, with the number of the round as its seed, and draws all
    figures. The first run of each is cold: for ours the compilation cache is empty. The later ones
    are warm. Runs that something else disturbed are repeated and not counted.

    Args:
      models: names of models.
      rounds: number of warm runs.
      yardstick: judges the runs.
      save: called after each model with the results of all so far. Each has "model", its "target",
        and for "ours" and "keras" the "seconds" and the "test_accuracy" of each steady warm run,
        "cold_seconds", and the "turns" of each round, the cold one first, as `Yardstick.repeat`
        returns them. "share_of_keras" and "cold_share_of_keras" are our share of the time of
        Keras, the former the median over the rounds in which both were steady. What no steady run
        gives is None.

    Raises:
      UserError: a process fails.
    """
    results = []
    with progress("time to accuracy", len(models) * (rounds + 1)) as update:
        for number, model in enumerate(models):
            _prepare_data(model)
            turns: dict[str, list[list[Record]]] = {side: [] for side in SIDES}
            with tempfile.TemporaryDirectory() as caches:
                for turn in range(rounds + 1):
                    update(number * (rounds + 1) + turn, f"{model}, round {turn} of {rounds}")
                    for side in SIDES:
                        run = partial(_run, side, model, turn, Path(caches) / side)
                        turns[side].append(yardstick.repeat(run))
            results.append({"model": model, "target": TARGETS[model]} | judge(turns, yardstick))
            console.print(format_record(results[-1]))
            save(results)


def format_record(record: Record) -> str:
    """Formats one line with the seconds of both, cold and warm, and their accuracy."""
    words = [f"{record['model']:<6} target {record['target']:.1%}"]
    for side in SIDES:
        cold, warm = record[side]["cold_seconds"], record[side]["seconds"]
        accuracy = f"{np.median(record[side]['test_accuracy']):.2%}" if warm else "no accuracy"
        warm_seconds = np.median(warm) if warm else None
        words.append(f"{side} {_seconds(cold)} cold, {_seconds(warm_seconds)} warm, {accuracy}")
    shares = (record["cold_share_of_keras"], record["share_of_keras"])
    cold, warm = ("?" if share is None else f"{share:.2f}" for share in shares)
    return "  ".join([*words, f"{cold} of Keras's time cold, {warm} warm"])


def _seconds(seconds: float | None) -> str:
    return "disturbed" if seconds is None else f"{seconds:.1f} s"


def judge(turns: dict[str, list[list[Record]]], yardstick: Yardstick) -> Record:
    """Returns the results of the steady turns of both sides; the first round is the cold one."""
    sides, steady = {}, {}
    for side, rounds in turns.items():
        steady[side] = [r[-1] if yardstick.is_steady(r) else None for r in rounds]
        cold, *warm = steady[side]
        sides[side] = {
            "cold_seconds": cold and cold["seconds"],
            **{
                name: [turn[name] for turn in warm if turn] for name in ("seconds", "test_accuracy")
            },
            "turns": rounds,
        }
    shares = [
        ours["seconds"] / keras["seconds"] if ours and keras else None
        for ours, keras in zip(steady["ours"], steady["keras"], strict=True)
    ]
    warm = [share for share in shares[1:] if share]
    return sides | {
        "cold_share_of_keras": shares[0],
        "share_of_keras": float(np.median(warm)) if warm else None,
    }


def _prepare_data(model: str) -> None:
    """Prepares the data that both read, so that no timed process has to."""
    experiment = find_experiment(model)
    experiment.inputs.load(with_changes(experiment.config(), experiment.presets["quick"]))
    load_data(model)


def _run(side: str, model: str, turn: int, cache: Path) -> Record:
    """Returns the "seconds" of the whole process and the "test_accuracy" that it reports.

    Args:
      side: "ours" or "keras".
      model: name of the model.
      turn: number of the round, and our seed; the first is cold.
      cache: directory of compiled programs.
    """
    if turn == 0:
        shutil.rmtree(cache, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        command = ["experiments.benchmark.keras_tutorial", model]
        if side == "ours":
            options = ["--preset", "quick", "--seed", str(turn), "--runs-dir", folder]
            command = [f"experiments.{model}", *options]
        environment = inherited_environment() | {
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "JAX_COMPILATION_CACHE_DIR": str(cache),
        }
        started = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, env=environment
        )
        seconds = time.perf_counter() - started
        if process.returncode:
            reason = (process.stderr.strip().splitlines() or ["it printed nothing"])[-1]
            raise UserError(f"{command[0]} failed: {reason}")
        if side == "ours":
            (summary,) = Path(folder).glob("*/*/summary.json")
            accuracy = json.loads(summary.read_text())["test_accuracy"]
        else:
            accuracy = json.loads(process.stdout.splitlines()[-1])["test_accuracy"]
        return {"seconds": seconds, "test_accuracy": accuracy}
