"""Generator and discriminator of images of 2x2 pixels."""

import flax.linen as nn
import jax.numpy as jnp

LATENT_DIM = 3


class SmallGenerator(nn.Module):
    @nn.compact
    def __call__(self, noise, *, train):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(4)(noise))
        return jnp.tanh(nn.Dense(4)(nn.relu(x))).reshape(-1, 2, 2, 1)


class SmallDiscriminator(nn.Module):
    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(1)(nn.relu(nn.Dense(5)(images.reshape(images.shape[0], -1))))[:, 0]
