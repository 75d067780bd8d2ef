"""Small trainings to disturb, and what each must leave behind whatever happened to it."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from jaxdl.training.checkpoints import load_model
from jaxdl.training.checksums import checksums

IMAGES = ("--preset", "quick", "--epochs", "2", "--batch-size", "40")
TEXTS = ("--preset", "quick", "--epochs", "2", "--batch-size", "30", "--sequence-length", "20")
PHOTOGRAPHS = ("--preset", "quick", "--epochs", "2", "--batch-size", "30")
STREAMED = ("--batch-size", "10", "--image-size", "16", "--stream", "--resized-crop", "0.3")
PRETRAINED = ("--sequence-length", "20")
NGRAMS = ("--ngrams", "2", "--ngram-buckets", "1024")
OPTIONS = {
    "mlp": (*IMAGES[2:], "--batch-size", "20"),
    "cnn": IMAGES,
    "rnn": TEXTS,
    "lstm": (*TEXTS, *NGRAMS),
    "transformer": (*TEXTS[2:], *NGRAMS),
    "gan": (*IMAGES[2:], "--width", "8"),
    "resnet": (*PHOTOGRAPHS, "--depth", "8"),
    "vit": (*PHOTOGRAPHS, "--num-layers", "1"),
    "speedrun": PHOTOGRAPHS,
    "language_model": (*TEXTS[2:], "--embed-dim", "16"),
    "streamed": (*PHOTOGRAPHS[:-2], *STREAMED),
    "finetune": (*PRETRAINED, "--batch-size", "16", "--head-examples", "40", "--epochs", "2"),
    "linear_probe": PRETRAINED,
    "ngrams": ("--sequence-length", "20", "--num-buckets", "16384"),
}
DATA_SETS = dict.fromkeys(("resnet", "vit", "speedrun"), "cifar") | dict.fromkeys(
    ("rnn", "lstm", "transformer", "language_model", "finetune", "linear_probe", "ngrams"),
    "reviews",
)
EXPERIMENTS = {"streamed": "cnn"}
"""Of the trainings that are not called like their experiment."""
NEVER_RESUMED = {"linear_probe", "ngrams"}
TIMES = ("seconds", "examples_per_second", "date")
SECONDS_TO_END = 300.0


@dataclasses.dataclass(frozen=True)
class Training:
    """An experiment with its options, in one process or several.

    Attributes:
      name: of the experiment.
      options: of the command, without --runs-dir.
      processes: their number.
    """

    name: str
    options: tuple[str, ...]
    processes: int = 1

    def start(self, *arguments: str, eager: bool = True) -> list[subprocess.Popen]:
        """Starts its processes."""
        program = ["-m", f"experiments.{self.name}"]
        if eager:
            program = [str(Path(__file__).parent / "eager.py"), self.name]
        command = [sys.executable, *program, *self.options, *arguments]
        together = []
        if self.processes > 1:
            with socket.socket() as probe:
                probe.bind(("localhost", 0))
                port = probe.getsockname()[1]
            count = str(self.processes)
            together = ["--coordinator", f"localhost:{port}", "--process-count", count]
        return [
            subprocess.Popen(
                [*command, *together, *(("--process-id", str(number)) if together else ())],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"JAX_PLATFORMS": "cpu"},
            )
            for number in range(self.processes)
        ]

    def resume(self, runs_dir: Path) -> Path:
        """Resumes the run of a directory, or trains if it has none; returns the run."""
        run = find_run(runs_dir, self.name)
        resumable = run is not None and self.name not in NEVER_RESUMED
        given = ("--resume", run) if resumable else ("--runs-dir", runs_dir)
        for process in self.start(*map(str, given)):
            output, errors = process.communicate(timeout=SECONDS_TO_END)
            assert process.returncode == 0, output + errors
        run = find_run(runs_dir, self.name)
        assert run is not None
        return run


def find_run(runs_dir: Path, name: str) -> Path | None:
    """Returns the newest run of an experiment."""
    return max((path.parent for path in runs_dir.glob(f"{name}/*/config.json")), default=None)


def result_of(run: Path) -> dict:
    """Collects what must not depend on a fault: scores, metrics, figures and the model's bits."""
    summary = _without_times(json.loads((run / "summary.json").read_text()))
    metrics = run / "metrics.jsonl"  # which a linear probe has not
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    return {
        "summary": {k: v for k, v in summary.items() if k not in ("options", "checksum")},
        "metrics": [_without_times(json.loads(line)) for line in lines],
        "figures": sorted(path.name for path in (run / "figures").iterdir()),
        "model": checksums({"model": load_model(run / "checkpoints")}),
    }


def _without_times(record: dict) -> dict:
    return {name: value for name, value in record.items() if not name.startswith(TIMES)}


def end_of(process: subprocess.Popen, seconds: float = SECONDS_TO_END) -> tuple[int, str]:
    """Waits for a process; returns its status and standard error. It must end, and quietly."""
    _, errors = process.communicate(timeout=seconds)
    assert "Traceback" not in errors, errors
    return process.returncode, errors


def wait_until(happened, processes: list[subprocess.Popen], seconds: float = 120.0) -> None:
    """Waits until something has happened, or a process has ended."""
    deadline = time.monotonic() + seconds
    while not happened() and all(process.poll() is None for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.002)
