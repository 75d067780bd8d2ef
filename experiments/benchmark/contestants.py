"""Lists the contestants and what each needs; imports none of them."""

from typing import NamedTuple


class Entry(NamedTuple):
    """Says how to build a contestant.

    Attributes:
      module: name of its module in this package.
      build: name of a `experiments.benchmark.workloads.Build` in that module.
      peer: the library that it represents; the first contestant of each is the plain form, as most
        users write it, the others are forms that its documentation recommends.
      packages: optional packages that it imports; only peers have any.
      keras_backend: KERAS_BACKEND, which Keras reads when it is imported.
    """

    module: str
    build: str
    peer: str = ""
    packages: tuple[str, ...] = ()
    keras_backend: str = "tensorflow"


KERAS = ("Keras", ("keras", "tensorflow"))
PYTORCH = ("PyTorch", ("torch",))
CONTESTANTS = {
    "ours": Entry("ours", "Ours"),
    "matrix-product": Entry("peak", "MatrixProduct"),
    "keras-tensorflow": Entry("keras_peer", "build", *KERAS),
    "keras-tensorflow-steps": Entry("keras_peer", "build_many_steps", *KERAS),
    "keras-jax": Entry("keras_peer", "build", *KERAS, keras_backend="jax"),
    "keras-jax-steps": Entry("keras_peer", "build_many_steps", *KERAS, keras_backend="jax"),
    "torch": Entry("torch_peer", "build", *PYTORCH),
    "torch-fused": Entry("torch_peer", "build_fused", *PYTORCH),
    "torch-channels-last": Entry("torch_peer", "build_channels_last", *PYTORCH),
    "torch-compile": Entry("torch_peer", "build_compiled", *PYTORCH),
}
PEERS = tuple(name for name, entry in CONTESTANTS.items() if entry.peer)
TORCHVISION = ("torchvision", ("torch", "torchvision"))
GRAIN = ("Grain", ("grain",))
VARIANT = "ours without the extra"
"""Listed among the peers, although it is ours."""
PIPELINES = {
    "ours": Entry("our_pipeline", "OurPipeline"),
    "ours-pillow": Entry("our_pipeline", "build_without_the_extra", VARIANT),
    "torchvision": Entry("torch_pipeline", "build_pillow", *TORCHVISION),
    "torchvision-tensors": Entry("torch_pipeline", "build_tensors", *TORCHVISION),
    "tf-data": Entry("tf_data_pipeline", "TfDataPipeline", "tf.data", ("tensorflow",)),
    "grain-threads": Entry("grain_pipeline", "build_threads", *GRAIN),
    "grain-processes": Entry("grain_pipeline", "build_processes", *GRAIN),
}
"""Contestants that read pictures, without a model."""
PIPELINE_PEERS = tuple(name for name, entry in PIPELINES.items() if entry.peer)
PICTURES = "pictures"
"""Used in place of the name of a model where none is trained."""


def contestants_of(model: str) -> dict[str, Entry]:
    """Returns the contestants that train a model or, for `PICTURES`, that read pictures."""
    return PIPELINES if model == PICTURES else CONTESTANTS
