from importlib import metadata

import jax
import pytest

from experiments.compile.targets import ARCHITECTURES, OF_A_GPU, describe_gpu, devices_of
from jaxdl.analysis.roofline import GPUS
from jaxdl.errors import UserError


def test_every_gpu_has_an_architecture_and_a_description():
    assert set(ARCHITECTURES) == set(GPUS)
    for name in GPUS:
        text = describe_gpu(name)
        assert text.count("{") == text.count("}") == 3
        assert f"core_count: {ARCHITECTURES[name].multiprocessors}" in text


def test_a_gpu_may_be_followed_by_their_number():
    assert OF_A_GPU.fullmatch("h100:8").groups() == ("h100", "8")
    assert OF_A_GPU.fullmatch("t4").groups() == ("t4", None)
    assert not OF_A_GPU.fullmatch("v5e:2x2")


def test_a_libtpu_with_which_jax_would_crash_is_one_line(monkeypatch):
    monkeypatch.setattr(metadata, "version", {"libtpu": "0.0.21.1"}.__getitem__)
    monkeypatch.setattr(jax, "__version__", "0.7.2")
    monkeypatch.setattr(jax, "__version_info__", (0, 7, 2))
    with pytest.raises(UserError, match=r"\(libtpu 0.0.21.1 is too old for JAX 0.7.2\); pip"):
        devices_of("v5e:2x2")
