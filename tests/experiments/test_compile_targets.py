from experiments.compile.targets import ARCHITECTURES, OF_A_GPU, describe_gpu
from jaxdl.analysis.roofline import GPUS


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
