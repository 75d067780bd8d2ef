import os
import signal
import threading
import time

import numpy as np
import pytest
import small_training as small

from jaxdl.training import streaming
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.loop import fit
from jaxdl.training.reading_ahead import is_streamed, read_ahead


class Files:
    """Looks like an array that is read when it is indexed."""

    def __init__(self, array):
        self.array, self.dtype, self.shape = array, array.dtype, array.shape
        self.threads = set()

    def __len__(self):
        return len(self.array)

    def __getitem__(self, which):
        self.threads.add(threading.current_thread().name)
        return self.array[which]


def streamed(data):
    return data | {"image": Files(data["image"])}


def test_a_streamed_training_is_bitwise_that_of_arrays():
    data = small.new_data()
    trained = fit(small.new_state(), small.step, data, small.new_plan())
    files = streamed(data)
    assert is_streamed(files) and not is_streamed(data)
    from_files = fit(small.new_state(), small.step, files, small.new_plan())
    small.assert_bitwise_identical(from_files.variables, trained.variables)
    assert threading.current_thread().name not in files["image"].threads


@pytest.mark.usefixtures("single_steps")
def test_a_streamed_training_resumes_with_the_very_next_batch(tmp_path, call_at):
    data = small.new_data()
    trained = fit(small.new_state(), small.step, streamed(data), small.new_plan())

    undo = call_at(7, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(InterruptedTraining):
        fit(small.new_state(), small.step, streamed(data), small.new_plan(), tmp_path / "c")
    undo()
    resumed = fit(small.new_state(), small.step, streamed(data), small.new_plan(), tmp_path / "c")
    small.assert_bitwise_identical(resumed.variables, trained.variables)


def test_each_process_reads_its_part_of_each_batch(monkeypatch):
    read = {}
    order = np.random.default_rng(0).permutation(50)
    for process in range(2):
        part = np.arange(4) + 4 * process
        monkeypatch.setattr(streaming, "rows_of_this_process", lambda *_, part=part: part)
        monkeypatch.setattr(streaming, "put_rows", lambda array, *_: array)
        batches = streaming.read_batches({"number": np.arange(50)}, order, 0, 8, mesh=None)
        read[process] = np.array([batch["number"] for batch in batches])
    np.testing.assert_array_equal(np.hstack([read[0], read[1]]), order[:48].reshape(6, 8))


def test_predictions_for_files_are_those_for_arrays():
    variables = small.new_state().variables
    images = small.new_data(1203)["image"]
    expected = small.predict(variables, {"image": images})
    found = small.predict(variables, {"image": Files(images)})
    np.testing.assert_array_equal(found, expected)


def test_results_come_in_order_whatever_each_takes():
    random = np.random.default_rng(0)
    seconds = random.uniform(0, 0.01, 40)

    def read(number):
        time.sleep(seconds[number])
        return number

    assert list(read_ahead(read, range(40))) == [*range(40)]


def test_an_error_is_raised_where_its_result_would_be():
    def read(number):
        if number == 3:
            raise ValueError("broken")
        return number

    results = read_ahead(read, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(results)


def test_only_a_few_results_are_read_ahead():
    started = []

    def read(number):
        started.append(number)
        return number

    results = read_ahead(read, iter(range(10**9)))
    next(results)
    time.sleep(0.1)
    assert len(started) < 100
    results.close()
