"""The way from a command to the train step, as the README names it."""

import traceback
from pathlib import Path

from jaxdl.training import classifier

REPOSITORY = Path(__file__).parent.parent.parent
ROOMS = tuple(str(REPOSITORY / name) for name in ("jaxdl", "experiments"))
MAIN_LINE = ["launch", "train", "train_classifier", "fit", "lower", "_run_steps", "body"]


def test_there_are_eight_calls_from_the_command_to_the_train_step(
    command, data_dir, tmp_path, monkeypatch
):
    train_step, stacks = classifier.train_step, []

    def record_calls(state, batch, key, **options):
        calls = [c for c in traceback.extract_stack() if c.filename.startswith(ROOMS)]
        stacks.append([call.name for call in calls if call.name != "<module>"])
        return train_step(state, batch, key, **options)

    monkeypatch.setattr(classifier, "train_step", record_calls)
    options = ("--epochs", 1, "--batch-size", 80)
    folders = ("--data-dir", data_dir, "--runs-dir", tmp_path)
    assert command("mlp", *options, *folders)[0] == 0
    assert stacks[-1] == MAIN_LINE  # and then the train step itself
