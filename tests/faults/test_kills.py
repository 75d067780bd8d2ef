"""A process that dies at any moment, or is told to stop, costs nothing but time."""

import signal
import time

import pytest
import trainings

from jaxdl.training.processes import SECONDS_TO_MEET

pytestmark = [pytest.mark.faults]

FIRST = ["transformer", "gan", "streamed-2", "language_model", "resnet", "finetune", "ngrams"]
"""One of each kind, for a few trials."""
NAMES = [*FIRST, *(name for name in (*trainings.OPTIONS, "cnn-2") if name not in FIRST)]
MOMENTS = ("any", "start", "compiling", "training", "checkpoint", "figures")
ENDED_BEFORE = "The training had ended, so that this is no trial."


def wait_for(moment, processes, runs_dir, seconds, random):
    """Waits for a moment of a training that takes so many seconds."""

    def exists(pattern):
        return lambda: any(runs_dir.glob(f"*/*/{pattern}"))

    if moment == "any":
        time.sleep(random.uniform(0, seconds))
    elif moment == "start":
        time.sleep(random.uniform(0, 2))
    elif moment == "compiling":
        trainings.wait_until(exists("config.json"), processes)
        time.sleep(random.uniform(0, 1))
    elif moment == "training":
        trainings.wait_until(exists("checkpoints/[0-9]*"), processes)
        time.sleep(random.uniform(0, 1))
    elif moment == "checkpoint":
        for _ in range(random.integers(1, 4)):
            trainings.wait_until(exists("checkpoints/*tmp*"), processes)
            time.sleep(random.uniform(0, 0.02))
    elif moment == "figures":
        trainings.wait_until(exists("figures/*"), processes)
        time.sleep(random.uniform(0, 0.5))


@pytest.mark.trials(16)
def test_killed_and_resumed(trial, random, training_of, tmp_path):
    training = training_of(NAMES[trial % len(NAMES)])
    run, seconds = training_of.uninterrupted(training)
    processes = training.start("--runs-dir", str(tmp_path))
    wait_for(random.choice(MOMENTS), processes, tmp_path, seconds, random)
    victim = random.choice(processes)
    victim.kill()
    for process in processes:
        process.communicate(timeout=SECONDS_TO_MEET + trainings.SECONDS_TO_END)
    assert trainings.result_of(training.resume(tmp_path)) == trainings.result_of(run)
    if victim.returncode != -signal.SIGKILL:
        pytest.skip(ENDED_BEFORE)


@pytest.mark.trials(4)
def test_stopped_by_a_signal_and_resumed(trial, random, training_of, tmp_path):
    name = ("mlp", "gan", "rnn", "resnet")[trial % 4]
    training = training_of(name)
    run, seconds = training_of.uninterrupted(training)
    kind = random.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    (process,) = training.start("--runs-dir", str(tmp_path), eager=False)
    time.sleep(random.uniform(0.3, seconds))
    has_ended = process.poll() is not None
    process.send_signal(kind)
    if random.random() < 0.3:  # twice, as somebody who is impatient
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(kind)
    status, errors = trainings.end_of(process, 60)
    assert status in (0, 130, -kind), errors
    assert trainings.result_of(training.resume(tmp_path)) == trainings.result_of(run)
    if has_ended:
        pytest.skip(ENDED_BEFORE)


@pytest.mark.trials(2)
def test_suspended_and_continued(trial, random, training_of, tmp_path):
    training = training_of("mlp")
    run, seconds = training_of.uninterrupted(training)
    (process,) = training.start("--runs-dir", str(tmp_path))
    for _ in range(3):
        time.sleep(random.uniform(0, seconds / 3))
        process.send_signal(signal.SIGSTOP)
        time.sleep(random.uniform(0, 1))
        process.send_signal(signal.SIGCONT)
    status, errors = trainings.end_of(process)
    assert status == 0, errors
    result = trainings.result_of(trainings.find_run(tmp_path, "mlp"))
    assert result == trainings.result_of(run)


@pytest.mark.trials(1)
def test_two_starts_in_the_same_second(trial, training_of, tmp_path):
    training = training_of("mlp")
    run, _ = training_of.uninterrupted(training)
    for (process,) in [training.start("--runs-dir", str(tmp_path)) for _ in range(2)]:
        status, errors = trainings.end_of(process)
        assert status == 0, errors
    runs = list((tmp_path / "mlp").iterdir())
    assert len(runs) == 2
    for one in runs:
        assert trainings.result_of(one) == trainings.result_of(run)


@pytest.mark.trials(1)
def test_a_second_process_does_not_disturb_a_running_training(trial, training_of, tmp_path):
    training = training_of("mlp")
    run, _ = training_of.uninterrupted(training)
    (first,) = training.start("--runs-dir", str(tmp_path))
    trainings.wait_until(lambda: trainings.find_run(tmp_path, "mlp"), [first])
    time.sleep(0.5)
    (second,) = training.start("--resume", str(trainings.find_run(tmp_path, "mlp")))
    status, errors = trainings.end_of(second)
    assert status == 0 or "in use by another process" in errors
    assert trainings.end_of(first)[0] == 0
    result = trainings.result_of(trainings.find_run(tmp_path, "mlp"))
    assert result == trainings.result_of(run)
