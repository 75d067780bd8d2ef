"""The models of this project, trained by its own compiled steps."""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from experiments.benchmark.workloads import NOISE_SIZE, Arrays, Precision, Workload
from experiments.flops import count_flops
from jaxdl.models.cnn import CNN
from jaxdl.models.gan import Discriminator, Generator
from jaxdl.models.mlp import MLP
from jaxdl.models.resnet import RESNETS
from jaxdl.models.rnn import TextRNN
from jaxdl.models.transformer import TextTransformer
from jaxdl.models.vit import ViT
from jaxdl.nn import convolve, convolve_outside_loops
from jaxdl.training import classification
from jaxdl.training.adversarial import create_adversaries, train_both
from jaxdl.training.classification import Task
from jaxdl.training.image_classification import view
from jaxdl.training.mesh import make_mesh
from jaxdl.training.state import count_parameters, create_train_state
from jaxdl.training.steps import (
    as_rows,
    describe_batch,
    empty_history,
    epoch_order,
    from_rows,
    make_train_steps,
)
from jaxdl.training.text_classification import view_tokens


def build_model(name: str, dtype: Any) -> nn.Module:
    """The classifier of a workload."""
    resnet = {
        "stem": "small",
        "num_classes": 10,
        "convolution": convolve if steps_are_looped(name) else convolve_outside_loops,
    }
    models: dict[str, Callable[..., nn.Module]] = {
        "mlp": MLP,
        "cnn": CNN,
        "rnn": TextRNN,
        "lstm": partial(TextRNN, cell="lstm"),
        "gru": partial(TextRNN, cell="gru"),
        "transformer": TextTransformer,
        "resnet20": partial(RESNETS[20], **resnet),
        "resnet18": partial(RESNETS[18], **resnet),
        "vit": partial(
            ViT,
            patch_size=4,
            size=128,
            num_blocks=6,
            num_heads=4,
            mlp_ratio=2,
            pooling="mean",
            positions="sincos",
            num_classes=10,
        ),
    }
    return models[name](dtype=dtype)


def steps_are_looped(name: str) -> bool:
    """Whether a call makes many steps: as in the experiments, all but a ResNet on CPU."""
    return not (name.startswith("resnet") and jax.default_backend() == "cpu")


def one_device() -> Mesh:
    """Where ours computes, as the others do, however many devices there are."""
    return make_mesh(devices=jax.devices()[:1])


class Ours:
    """A `Contestant`.

    Attributes:
      parameters: number of trainable values.
      compile_seconds: of the program that makes the train steps.
    """

    def __init__(self, workload: Workload, data: Arrays, batch_size: int, precision: Precision):
        """Initialises the model and compiles its steps and its prediction."""
        is_gan = workload.name == "gan"
        if workload.input == "tokens":
            length = np.full(len(data["label"]), workload.input_shape[0], np.int32)
            data = data | {"length": length}
        if is_gan:
            data = {"image": data["image"]}
        make = _make_gan if is_gan else _make_classifier
        state, step, self._apply = make(workload, data, jnp.dtype(precision))
        batch = {name: array[:batch_size] for name, array in data.items()}
        noise = jax.random.normal(jax.random.key(0), (batch_size, NOISE_SIZE))
        self._batch = jax.device_put({"noise": noise} if is_gan else batch)
        states = (state.generator, state.discriminator) if is_gan else (state,)
        self.parameters = sum(count_parameters(state.params) for state in states)
        self._data = jax.device_put(as_rows(data))
        self._looped = steps_are_looped(workload.name)
        self._steps_per_epoch = len(data[workload.input]) // batch_size
        history = empty_history(step, state, data, batch_size)
        self._carry = (state, jax.device_put(history))
        self._step = 0
        num_examples = len(data[workload.input])
        self._order_of = lru_cache(1)(lambda epoch: epoch_order(0, np.int32(epoch), num_examples))
        shapes = describe_batch(data, batch_size)
        self._count_flops = partial(count_flops, step, state, shapes, jax.random.key(0))
        self._batch_size = batch_size
        started = time.perf_counter()
        train_steps = make_train_steps(
            from_rows(step, data), batch_size, 0, one_device(), self._looped
        )
        arguments = (self._carry, self._data, self._order_of(0), np.int32(0), np.int32(0))
        self._train_steps = train_steps.lower(*arguments).compile()
        self.compile_seconds = time.perf_counter() - started

    @property
    def flops_per_example(self) -> float:
        """Of a train step, matrix products and convolutions only."""
        return self._count_flops() / self._batch_size

    @property
    def program(self) -> str:
        """The compiled program of the train steps, in XLA's words."""
        return self._train_steps.as_text()

    def train(self, steps: int) -> None:
        """Makes so many train steps, each on other examples, and waits for the last."""
        last = self._step + steps
        while self._step < last:
            end_of_epoch = (self._step // self._steps_per_epoch + 1) * self._steps_per_epoch
            stop = min(last, end_of_epoch) if self._looped else self._step + 1
            start, stop = np.int32(self._step), np.int32(stop)
            order = self._order_of(self._step // self._steps_per_epoch)
            self._carry = self._train_steps(self._carry, self._data, order, start, stop)
            self._step = int(stop)
        jax.block_until_ready(self._carry)

    def predict(self) -> None:
        """Computes the outputs of one batch, without dropout, and waits for them."""
        state = self._carry[0]
        jax.block_until_ready(self._apply(state.variables, self._batch))


def _make_classifier(workload: Workload, data: Arrays, dtype: Any) -> tuple[Any, Any, Any]:
    """The train state, its step, and the prediction of a classifier."""
    look = view if workload.input == "image" else view_tokens
    model = build_model(workload.name, dtype)
    optimizer = (
        optax.adam(1e-3) if workload.optimizer == "adam" else optax.sgd(0.1, 0.9, nesterov=True)
    )
    inputs = jax.eval_shape(look, {name: array[:1] for name, array in data.items()})
    state = create_train_state(model, optimizer, inputs, seed=0, mesh=one_device())
    task = Task(prepare=lambda batch, key: look(batch), views=(look,))
    step = partial(classification.train_step, task=task)
    apply = jax.jit(lambda variables, batch: model.apply(variables, *look(batch), train=False))
    return state, step, apply


def _make_gan(_: Workload, data: Arrays, dtype: Any) -> tuple[Any, Any, Any]:
    """Both train states, their step, and the generator's samples."""
    generator = Generator(dtype=dtype)
    optimizer = optax.adam(2e-4, b1=0.5)
    image_shape = data["image"].shape[1:]
    state = create_adversaries(
        generator,
        Discriminator(dtype=dtype),
        optimizer,
        NOISE_SIZE,
        image_shape,
        0,
        mesh=one_device(),
    )
    step = partial(train_both, noise_size=NOISE_SIZE)
    apply = jax.jit(
        lambda variables, batch: generator.apply(variables, batch["noise"], train=False)
    )
    return state, step, apply
