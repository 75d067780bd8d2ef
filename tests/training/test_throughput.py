import numpy as np
import pytest

from jaxdl.training import pace
from jaxdl.training.pace import Pace, decide


def test_a_process_alone_decides_for_itself():
    own = Pace(batch_size=4)
    own.record(steps=1, seconds=0.01)
    steps, seconds, save, stop = decide(own, seconds=2.5, save=True, stop=False)
    assert (steps, seconds, save, stop) == (own.steps_per_call, 2.5, True, False)
    assert steps == 50


@pytest.mark.parametrize("stop", [False, True])
def test_the_first_decides_and_any_may_stop_all(monkeypatch, stop):
    votes = np.array([[7, 1.5, 1, 0], [9, 3.0, 0, stop]], np.float32)
    monkeypatch.setattr(pace, "gather", lambda own: votes)
    decision = decide(Pace(batch_size=4), seconds=3.0, save=False, stop=stop)
    assert decision == (7, 1.5, True, stop)
