"""How fast this project is, against Keras and PyTorch, on the machine at hand."""
