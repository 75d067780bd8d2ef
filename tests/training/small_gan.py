"""Generator and discriminator of images of 2x2 pixels; with labels, of two classes."""

import flax.linen as nn
import jax
import jax.numpy as jnp

LATENT_DIM = 3
NUM_CLASSES = 2


def with_classes(x, labels):
    return x if labels is None else jnp.concatenate([x, jax.nn.one_hot(labels, NUM_CLASSES)], -1)


class SmallGenerator(nn.Module):
    @nn.compact
    def __call__(self, noise, labels=None, *, train):
        x = nn.Dense(4)(with_classes(noise, labels))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        return jnp.tanh(nn.Dense(4)(nn.relu(x))).reshape(-1, 2, 2, 1)


class SmallDiscriminator(nn.Module):
    @nn.compact
    def __call__(self, images, labels=None, *, train):
        x = with_classes(images.reshape(images.shape[0], -1), labels)
        return nn.Dense(1)(nn.relu(nn.Dense(5)(x)))[:, 0]
