"""Floor 4: one file a command, to be run as ``python -m experiments.NAME``."""
