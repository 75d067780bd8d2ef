"""Trains the workloads in Keras 3, on the backend that KERAS_BACKEND names.

Images are converted to float32 once, in advance; texts have neither padding nor masks.
`build_many_steps` builds the form that Keras recommends where a step is short: ``fit`` makes many
steps in each call (steps_per_execution). On JAX the examples are on the device, as ours are; on
TensorFlow ``fit`` reads them by tf.data, which computes on the host.
"""

import math
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from experiments.benchmark.keras_models import CLASSIFIERS, discriminator, generator
from experiments.benchmark.workloads import NOISE_SIZE, Arrays, Contestant, Precision, Workload

STEPS_PER_EXECUTION = 128


def build(
    workload: Workload,
    data: Arrays,
    batch_size: int,
    precision: Precision,
    many_steps: bool = False,
) -> Contestant:
    """Builds a model for `keras.Model.fit`, or a GAN for the loop of TensorFlow's tutorial.

    Sets the precision of all Keras layers that the process creates afterwards.

    Raises:
      NotImplementedError: the GAN in many steps, or on a backend other than TensorFlow.
    """
    keras.config.set_dtype_policy("float32" if precision == "float32" else "mixed_bfloat16")
    inputs = data[workload.input]
    if workload.input == "image":
        inputs = inputs.astype(np.float32) / 255
    if workload.name != "gan":
        return Classifier(workload, inputs, data["label"], batch_size, many_steps)
    if many_steps:
        raise NotImplementedError("the GAN is not trained by fit")
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError("the GAN's train step is written for TensorFlow")
    return AdversarialPair(inputs * 2 - 1, batch_size)


build_many_steps = partial(build, many_steps=True)


class Classifier:
    """Trains a classifier, with a single logit for two classes.

    Attributes:
      steps_per_epoch: the number of whole batches; every call of ``fit`` takes a while to start.
    """

    def __init__(
        self,
        workload: Workload,
        inputs: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        many_steps: bool,
    ):
        self.model = CLASSIFIERS[workload.name]()
        self.parameters = count_parameters(self.model)
        self.steps_per_epoch = len(labels) // batch_size
        examples = self.steps_per_epoch * batch_size
        self.inputs, self.labels = inputs[:examples], labels[:examples]
        self.epoch = (self.inputs, self.labels)
        if many_steps and keras.backend.backend() == "jax":
            self.epoch = tuple(keras.ops.convert_to_tensor(array) for array in self.epoch)
        self.batch_size = batch_size
        if workload.num_classes == 2:
            loss = keras.losses.BinaryCrossentropy(from_logits=True)
        else:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if workload.optimizer == "adam":
            optimizer = keras.optimizers.Adam(1e-3)
        else:
            optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)
        steps_per_execution = STEPS_PER_EXECUTION if many_steps else 1
        self.model.compile(optimizer, loss, steps_per_execution=steps_per_execution)

    def train(self, steps: int) -> None:
        """Makes a number of train steps: whole epochs, then a shorter one."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        if epochs:
            self._fit(*self.epoch, epochs)
        if rest:
            examples = rest * self.batch_size
            self._fit(self.inputs[:examples], self.labels[:examples], epochs=1)

    def _fit(self, inputs: Any, labels: Any, epochs: int) -> None:
        self.model.fit(inputs, labels, batch_size=self.batch_size, epochs=epochs, verbose=0)

    def predict(self) -> None:
        """Computes the logits of one batch as a NumPy array."""
        self.model.predict_on_batch(self.inputs[: self.batch_size])


class AdversarialPair:
    """Trains a GAN, both networks on the same forward pass as in TensorFlow's tutorial."""

    def __init__(self, images: np.ndarray, batch_size: int):
        self.generator = generator()
        self.discriminator = discriminator()
        self.parameters = count_parameters(self.generator) + count_parameters(self.discriminator)
        dataset = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images))
        self.batches = iter(dataset.batch(batch_size, drop_remainder=True).repeat())
        self.noise_shape = (batch_size, NOISE_SIZE)
        self.example_noise = np.random.default_rng(0).normal(size=self.noise_shape)
        self.loss = keras.losses.BinaryCrossentropy(from_logits=True)
        self.generator_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
        self.discriminator_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)

    def train(self, steps: int) -> None:
        """Makes a number of train steps of both networks and waits for the last."""
        for _ in range(steps):
            losses = self._train_both(next(self.batches))
        np.array(losses)

    @tf.function
    def _train_both(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        noise = tf.random.normal(self.noise_shape)
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            fakes = self.generator(noise, training=True)
            real_logits = self.discriminator(images, training=True)
            fake_logits = self.discriminator(fakes, training=True)
            generator_loss = self.loss(tf.ones_like(fake_logits), fake_logits)
            discriminator_loss = self.loss(tf.ones_like(real_logits), real_logits)
            discriminator_loss += self.loss(tf.zeros_like(fake_logits), fake_logits)
        variables = self.generator.trainable_variables
        gradients = generator_tape.gradient(generator_loss, variables)
        self.generator_optimizer.apply(gradients, variables)
        variables = self.discriminator.trainable_variables
        gradients = discriminator_tape.gradient(discriminator_loss, variables)
        self.discriminator_optimizer.apply(gradients, variables)
        return generator_loss, discriminator_loss

    def predict(self) -> None:
        """Generates one batch of images as a NumPy array."""
        self.generator.predict_on_batch(self.example_noise)


def count_parameters(model: keras.Model) -> int:
    """Counts trainable values, without the second bias of a `keras.layers.GRU`."""
    recurrent = [layer for layer in model.layers if isinstance(layer, keras.layers.GRU)]
    second_biases = sum(layer.cell.bias.shape[1] for layer in recurrent)
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return trainable - second_biases
