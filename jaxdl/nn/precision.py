"""Precision of products."""

ROUNDED_FACTORS = "BF16_BF16_F32"
"""JAX's name for products of float32 that round the factors to bfloat16, and only them."""
