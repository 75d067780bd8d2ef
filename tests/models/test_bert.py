import jax
import numpy as np
import pytest
from modules import apply, draw

from jaxdl.models.bert import Bert

SIZES = {"vocabulary_size": 30, "max_length": 20, "embed_dim": 16, "num_heads": 2, "mlp_dim": 24}
TOKENS = np.random.default_rng(0).integers(1, 30, (3, 12)).astype(np.int32)
LENGTH = np.array([12, 5, 1], np.int32)


def run(tokens=TOKENS, length=LENGTH, types=None, dtype=np.float32, **options):
    model = Bert(num_layers=2, **SIZES, **options)
    variables = draw(model, TOKENS, LENGTH, train=False)
    return apply(model.clone(dtype=dtype), variables, tokens, length, types, train=False)


@pytest.mark.parametrize("pooling", ["mean", "tanh", "relu"])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_padding_does_not_change_the_outputs(pooling, num_classes):
    options = {"pooling": pooling, "num_classes": num_classes}
    outputs = run(**options)
    assert outputs.shape == (3, num_classes or 16)
    others = TOKENS.copy()
    others[np.arange(12) >= LENGTH[:, None]] = 7
    np.testing.assert_allclose(run(others, **options), outputs, atol=1e-5)
    np.testing.assert_allclose(
        run(TOKENS[:, :5], LENGTH.clip(max=5), **options)[1:], outputs[1:], atol=1e-5
    )


def test_token_types_distinguish_sentences():
    types = (np.arange(12) > 5).astype(np.int32) * np.ones((3, 1), np.int32)
    assert np.abs(run(types=types)[0] - run()[0]).max() > 1e-4
    np.testing.assert_allclose(run(types=0 * types), run(), atol=1e-6)


def test_a_model_without_token_types_has_no_table_of_them():
    model = Bert(num_layers=1, num_token_types=0, **SIZES)
    variables = draw(model, TOKENS, LENGTH, train=False)
    assert "token_types" not in variables["params"]


def test_bfloat16_is_close_to_float32():
    np.testing.assert_allclose(run(dtype=jax.numpy.bfloat16), run(), atol=0.05)
