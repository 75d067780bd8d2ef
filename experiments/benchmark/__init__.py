"""Compares the speed of this project with Keras and PyTorch on the current machine."""
