"""Floor 3: train states, pure step functions, the compiled loop, checkpoints."""
