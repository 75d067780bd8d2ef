"""Deep learning from the perceptron to the Vision Transformer in JAX, Flax Linen and Optax."""
