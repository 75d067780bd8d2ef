"""The embedding of words that all text encoders share, with its adversarial perturbation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

PERTURBATIONS = "perturbations"


def embed_words(module: nn.Module, tokens: jax.Array, time_axis: int) -> jax.Array:
    """Embeds words by a layer `embedding`, which belongs to the module that calls this function.

    If the collection "perturbations" is given, its "embedding", float (batch, time, embed_dim), is
    added, in units of the norm of the embedding of the whole text. So the network cannot make a
    perturbation negligible by growing its embeddings, which Miyato et al. 2016, "Adversarial
    Training Methods for Semi-Supervised Text Classification", section 2, normalise instead.

    Args:
      module: an encoder of texts, with ``vocabulary_size``, ``embed_dim`` and ``dtype``.
      tokens: int32 (batch, time), or (time, batch); 0 is padding.
      time_axis: the axis of ``tokens`` that is time: 1, or 0.

    Returns:
      (*tokens.shape, embed_dim).
    """
    sizes = module.vocabulary_size, module.embed_dim
    x = nn.Embed(*sizes, dtype=module.dtype, name="embedding")(tokens)
    if module.has_variable(PERTURBATIONS, "embedding"):
        x += _scaled_perturbation(module, x, tokens, time_axis).astype(module.dtype)
    return x


def _scaled_perturbation(
    module: nn.Module, x: jax.Array, tokens: jax.Array, time_axis: int
) -> jax.Array:
    change = module.get_variable(PERTURBATIONS, "embedding")
    if time_axis == 0:
        change = change.swapaxes(0, 1)
    present = (tokens > 0)[..., None]
    squares = jnp.where(present, jnp.square(x.astype(jnp.float32)), 0)
    norm = jnp.sqrt(squares.sum(axis=(time_axis, 2), keepdims=True))
    return jnp.where(present, lax.stop_gradient(norm) * change, 0)
