"""Floor 1: pure Linen modules, one family a file; no training code, no files, no data."""
