"""Times our training and the tutorial's Keras script, as whole processes, to its test accuracy."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.benchmark.race import Record
from jaxdl.console import console, progress
from jaxdl.errors import UserError

# Accuracies of the tutorial's scripts on the test split.
TARGETS = {"mlp": 0.971, "cnn": 0.991, "rnn": 0.743, "lstm": 0.845}


def time_to_accuracy(models: Sequence[str], rounds: int) -> list[Record]:
    """Runs both processes in turn, from the start of the command to its exit, on prepared data.

    Ours uses the experiment's quick preset, with the number of the round as its seed, and draws all
    figures. An uncounted first run of ours fills the compilation cache.

    Returns:
      For each model its "target", the "seconds" and the "test_accuracy" of each round for
      "ours" and for "keras", and "share_of_keras", our share of the time of Keras, median over
      the rounds.

    Raises:
      UserError: a process fails.
    """
    results = []
    with progress("time to accuracy", len(models) * (rounds + 1)) as update:
        for number, model in enumerate(models):
            commands = {
                "ours": [f"experiments.{model}", "--preset", "quick"],
                "keras": ["experiments.benchmark.keras_tutorial", model],
            }
            record = {
                "model": model,
                "target": TARGETS[model],
                **{name: {"seconds": [], "test_accuracy": []} for name in commands},
            }
            for turn in range(rounds + 1):
                update(number * (rounds + 1) + turn, f"{model}, round {turn} of {rounds}")
                for name, command in commands.items():
                    if turn == 0 and name == "keras":
                        continue
                    seed = ["--seed", str(turn)] if name == "ours" else []
                    seconds, accuracy = _run(name, command + seed)
                    if turn > 0:
                        record[name]["seconds"].append(seconds)
                        record[name]["test_accuracy"].append(accuracy)
            ours, keras = (np.array(record[name]["seconds"]) for name in commands)
            record["share_of_keras"] = float(np.median(ours / keras))
            results.append(record)
            console.print(format_record(record))
    return results


def format_record(record: Record) -> str:
    """Formats one line with the median seconds and accuracy of both."""
    words = [f"{record['model']:<6} target {record['target']:.1%}"]
    for name in ("ours", "keras"):
        seconds = np.median(record[name]["seconds"])
        words.append(f"{name} {seconds:.1f} s, {np.median(record[name]['test_accuracy']):.2%}")
    return "  ".join([*words, f"{record['share_of_keras']:.2f} of Keras's time"])


def _run(name: str, command: list[str]) -> tuple[float, float]:
    """Returns the seconds of the whole process and the test accuracy that it reports."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--runs-dir", folder] if name == "ours" else []
        environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        started = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-m", *command, *options],
            capture_output=True,
            text=True,
            env=environment,
        )
        seconds = time.perf_counter() - started
        if process.returncode:
            reason = (process.stderr.strip().splitlines() or ["it printed nothing"])[-1]
            raise UserError(f"{command[0]} failed: {reason}")
        if name == "ours":
            (summary,) = Path(folder).glob("*/*/summary.json")
            return seconds, json.loads(summary.read_text())["test_accuracy"]
        return seconds, json.loads(process.stdout.splitlines()[-1])["test_accuracy"]
