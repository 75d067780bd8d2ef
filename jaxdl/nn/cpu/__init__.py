"""What only XLA for CPU needs: forms of convolution, loops, groups of examples, memory."""
