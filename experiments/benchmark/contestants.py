"""Lists the contestants and what each needs; imports none of them."""

from typing import NamedTuple


class Entry(NamedTuple):
    """Says how to build a contestant.

    Attributes:
      module: name of its module in this package.
      build: name of a `experiments.benchmark.workloads.Build` in that module.
      packages: optional packages that it imports; only peers have any.
      keras_backend: KERAS_BACKEND, which Keras reads when it is imported.
    """

    module: str
    build: str
    packages: tuple[str, ...] = ()
    keras_backend: str = "tensorflow"


KERAS = ("keras", "tensorflow")
CONTESTANTS = {
    "ours": Entry("ours", "Ours"),
    "matrix-product": Entry("peak", "MatrixProduct"),
    "keras-tensorflow": Entry("keras_peer", "build", KERAS),
    "keras-jax": Entry("keras_peer", "build", KERAS, keras_backend="jax"),
    "torch": Entry("torch_peer", "build_eager", ("torch",)),
    "torch-channels-last": Entry("torch_peer", "build_eager_channels_last", ("torch",)),
    "torch-compile": Entry("torch_peer", "build_compiled", ("torch",)),
}
PEERS = tuple(name for name, entry in CONTESTANTS.items() if entry.packages)
