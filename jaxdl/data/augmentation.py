"""Transformations of image batches, compiled into the train step."""

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates


def normalise(images: jax.Array) -> jax.Array:
    """Maps uint8 pixels to float32 in [0, 1]; any shape."""
    return images.astype(jnp.float32) / 255.0


def random_flip(images: jax.Array, key: jax.Array) -> jax.Array:
    """Mirrors each image left to right with probability one half.

    Args:
      images: (batch, height, width, channels).
      key: the randomness.
    """
    mirrored = jax.random.bernoulli(key, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def random_affine(
    images: jax.Array,
    key: jax.Array,
    *,
    shift: float = 0.0,
    rotation: float = 0.0,
    zoom: float = 0.0,
) -> jax.Array:
    """Shifts, turns and resizes each image by its own random amounts, uniform in their ranges.

    Pixels are interpolated linearly; what lies outside of the image is 0.

    Args:
      images: float (batch, height, width, channels).
      key: the randomness; the same key gives the same images.
      shift: largest shift in pixels, in both directions and both axes.
      rotation: largest angle in degrees, in both directions.
      zoom: largest relative change of size, in both directions.

    Returns:
      The images, of the same shape and dtype.
    """
    if not (shift or rotation or zoom):
        return images
    transform = jax.vmap(_affine, in_axes=(0, 0, None, None, None))
    return transform(images, jax.random.split(key, images.shape[0]), shift, rotation, zoom)


def _affine(
    image: jax.Array, key: jax.Array, shift: float, rotation: float, zoom: float
) -> jax.Array:
    height, width, _ = image.shape
    amounts = jax.random.uniform(key, (4,), minval=-1.0, maxval=1.0)
    angle = amounts[0] * jnp.deg2rad(rotation)
    scale = 1.0 + amounts[1] * zoom
    cosine, sine = jnp.cos(angle) / scale, jnp.sin(angle) / scale
    centre_row, centre_column = (height - 1) / 2, (width - 1) / 2
    rows, columns = jnp.meshgrid(
        jnp.arange(height) - centre_row, jnp.arange(width) - centre_column, indexing="ij"
    )
    source_rows = cosine * rows - sine * columns + centre_row + amounts[2] * shift
    source_columns = sine * rows + cosine * columns + centre_column + amounts[3] * shift

    def interpolate(channel: jax.Array) -> jax.Array:
        return map_coordinates(channel, [source_rows, source_columns], order=1)

    return jax.vmap(interpolate, in_axes=-1, out_axes=-1)(image)
