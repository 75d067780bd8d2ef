"""The models of this project, trained by its own compiled steps."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import Mesh

from experiments.benchmark.workloads import NOISE_SIZE, Arrays, Precision, Workload
from jaxdl.analysis.flops import count_flops
from jaxdl.models.cnn import CNN
from jaxdl.models.gan import Discriminator, Generator
from jaxdl.models.mlp import MLP
from jaxdl.models.resnet import RESNETS
from jaxdl.models.rnn import TextRNN
from jaxdl.models.speedrun import SpeedrunNet
from jaxdl.models.transformer import TextTransformer
from jaxdl.models.vit import ViT
from jaxdl.training import adversarial, classification
from jaxdl.training.epoch import CompiledEpoch
from jaxdl.training.images import preprocess_images
from jaxdl.training.mesh import make_mesh
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.precision import dtype_of, with_products
from jaxdl.training.state import count_parameters, create_train_state
from jaxdl.training.text_batches import preprocess_tokens

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": MLP,
    "cnn": CNN,
    "rnn": TextRNN,
    "lstm": partial(TextRNN, cell="lstm"),
    "gru": partial(TextRNN, cell="gru"),
    "transformer": TextTransformer,
    "resnet20": partial(RESNETS[20], stem="small", num_classes=10),
    "resnet18": partial(RESNETS[18], stem="small", num_classes=10),
    "speedrun": SpeedrunNet,
    "vit": partial(
        ViT,
        patch_size=4,
        embed_dim=128,
        num_layers=6,
        num_heads=4,
        mlp_ratio=2,
        pooling="mean",
        positions="sincos",
        num_classes=10,
    ),
}


def one_device() -> Mesh:
    """Returns a mesh of one device, on which ours computes as the peers do."""
    return make_mesh(devices=jax.devices()[:1])


class Ours:
    """A `Contestant`.

    Attributes:
      parameters: number of trainable values.
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
        self._state, step, apply = make(workload, data, dtype_of(precision))
        self._train_step = with_products(step, precision)
        self._apply = jax.jit(with_products(apply, precision))
        batch = {name: array[:batch_size] for name, array in data.items()}
        noise = jax.random.normal(jax.random.key(0), (batch_size, NOISE_SIZE))
        self._batch = jax.device_put({"noise": noise} if is_gan else batch)
        networks = (self._state.generator, self._state.discriminator) if is_gan else (self._state,)
        self.parameters = sum(count_parameters(network.params) for network in networks)
        self._batch_size, self._step = batch_size, 0
        self._epoch = CompiledEpoch(
            self._train_step, self._state, data, batch_size, seed=0, mesh=one_device()
        )
        self._program = self._epoch.lower().compile()
        self._history = jax.device_put(self._epoch.empty_history())

    @property
    def flops_per_example(self) -> float:
        """FLOPs of matrix products and convolutions in a train step."""
        return count_flops(self._train_step, *self._epoch.step_arguments) / self._batch_size

    @property
    def program(self) -> str:
        """The compiled program of the train steps, as XLA prints it."""
        return self._program.as_text()

    def train(self, steps: int) -> None:
        """Makes train steps, each on other examples, and waits for the last."""
        last, per_epoch = self._step + steps, self._epoch.steps_per_epoch
        while self._step < last:
            stop = min(last, (self._step // per_epoch + 1) * per_epoch)
            carry = (self._state, self._history)
            self._state, self._history = self._epoch.run(self._program, *carry, self._step, stop)
            self._step = stop
        jax.block_until_ready(self._state)

    def predict(self) -> None:
        """Computes the outputs of one batch, without dropout, and waits for them."""
        jax.block_until_ready(self._apply(self._state.variables, self._batch))


def _make_classifier(workload: Workload, data: Arrays, dtype: Any) -> tuple[Any, Any, Any]:
    """Makes the train state, the step, and the prediction of a classifier."""
    preprocess = preprocess_images if workload.input == "image" else preprocess_tokens
    model = MODELS[workload.name](dtype=dtype)
    optimizer = (
        optax.adam(1e-3) if workload.optimizer == "adam" else optax.sgd(0.1, 0.9, nesterov=True)
    )
    inputs = jax.eval_shape(preprocess, {name: array[:1] for name, array in data.items()})
    state = create_train_state(model, optimizer, inputs, seed=0, mesh=one_device())
    step = partial(classification.train_step, pipeline=InputPipeline(preprocess))

    def apply(variables: Any, batch: Arrays) -> jax.Array:
        return model.apply(variables, *preprocess(batch), train=False)

    return state, step, apply


def _make_gan(_: Workload, data: Arrays, dtype: Any) -> tuple[Any, Any, Any]:
    """Makes both train states, their step, and the samples of the generator."""
    generator, discriminator = Generator(dtype=dtype), Discriminator(dtype=dtype)
    state = adversarial.create_adversaries(
        generator,
        discriminator,
        optax.adam(2e-4, b1=0.5),
        NOISE_SIZE,
        {"image": jax.ShapeDtypeStruct((1, *data["image"].shape[1:]), np.uint8)},
        seed=0,
        mesh=one_device(),
    )
    step = partial(adversarial.train_step, latent_dim=NOISE_SIZE)

    def apply(variables: Any, batch: Arrays) -> jax.Array:
        return generator.apply(variables, batch["noise"], train=False)

    return state, step, apply
