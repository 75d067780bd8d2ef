"""Floor 1: pure Linen modules, one family per file; no training code, no files, no data."""
