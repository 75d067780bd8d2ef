"""What only XLA for CPU needs: forms of convolution, loops, groups of examples, memory."""

import jax

# Dispatched synchronously, a program runs in the thread that calls it, whose memory the C library
# can keep for the next call (`jaxdl.nn.cpu.memory`); a ResNet trains a quarter faster. The setting
# has no effect if JAX has already started, nor on other devices.
jax.config.update("jax_cpu_enable_async_dispatch", False)
