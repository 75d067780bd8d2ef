from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_gan import LATENT_DIM, SmallDiscriminator, SmallGenerator

from jaxdl.errors import UsageError, UserError
from jaxdl.models.cnn import CNN
from jaxdl.models.gan import Discriminator
from jaxdl.models.mlp import MLP
from jaxdl.models.rnn import TextRNN
from jaxdl.models.vit import ViT
from jaxdl.nn import Conv, Dense
from jaxdl.training import ClassifierOptimization, train_classifier
from jaxdl.training.classifier import init_classifier, logits_of
from jaxdl.training.generator import Adversarial, init_generator
from jaxdl.training.images import preprocess_images
from jaxdl.training.mesh import make_mesh
from jaxdl.training.optimization import Optimization
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.precision import HIGHEST, dtype_of, require_precision, with_dtype, with_products
from jaxdl.training.text_batches import preprocess_tokens

LABEL = np.zeros(4, np.int32)
IMAGES = {"image": np.zeros((4, 28, 28, 1), np.uint8), "label": LABEL}
TEXTS = {"tokens": np.ones((4, 5), np.int32), "length": np.full(4, 5, np.int32), "label": LABEL}
REQUIRED = {"epochs": 1, "batch_size": 4, "learning_rate": 0.1}


def are_highest(function, *arguments):
    """Of each product in the program of a function: whether it asks for the highest precision."""
    lines = jax.jit(function).lower(*arguments).as_text().splitlines()
    kinds = ("stablehlo.dot_general", "stablehlo.convolution")
    return {"HIGHEST" in line for line in lines if any(kind in line for kind in kinds)}


@pytest.mark.parametrize("precision", ["float32", HIGHEST])
@pytest.mark.parametrize(
    ("model", "split"),
    [
        (CNN(features=(2,), width=3), IMAGES),
        (ViT(14, 8, 1, 2), IMAGES),
        (TextRNN(9, 4, "lstm", 3), TEXTS),
    ],
    ids=["CNN", "ViT", "LSTM"],
)
def test_every_product_of_a_step_and_of_a_prediction_has_the_precision(model, split, precision):
    options = ClassifierOptimization(**REQUIRED, precision=precision)
    pipeline = InputPipeline(preprocess_tokens if "tokens" in split else preprocess_images)
    state, step, _ = init_classifier(model, split, options, pipeline, 1, 0, make_mesh())
    expected = {precision == HIGHEST}
    assert are_highest(step, state, split, jax.random.key(0)) == expected
    logits = logits_of(model, pipeline, precision)
    assert are_highest(logits, state.variables, split) == expected


@pytest.mark.parametrize("precision", ["float32", HIGHEST])
def test_every_product_of_the_step_of_a_gan_has_the_precision(precision):
    options = Optimization(**REQUIRED, precision=precision)
    adversarial = Adversarial(latent_dim=LATENT_DIM)
    images = np.zeros((4, 2, 2, 1), np.uint8)
    example = {"image": jax.ShapeDtypeStruct((1, *images.shape[1:]), np.uint8)}
    arguments = (example, options, adversarial, 1, 0, make_mesh())
    state, step, _ = init_generator(SmallGenerator(), SmallDiscriminator(), *arguments)
    arguments = (state, {"image": images}, jax.random.key(0))
    assert are_highest(step, *arguments) == {precision == HIGHEST}


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends round by themselves")
@pytest.mark.parametrize("layer", [Dense(3), Conv(3, (1, 1))], ids=["dense", "convolution"])
def test_products_of_bfloat16_round_their_factors_but_not_what_is_added(layer):
    """The factors 257 and 1 + 1/512 are rounded to 256 and 1; their product is not."""
    images = jnp.full((1, 1, 1, 9), 257.0)
    kernel = jnp.full((*((1, 1) if isinstance(layer, nn.Conv) else ()), 9, 3), 1 + 1 / 512)
    variables = {"params": {"kernel": kernel, "bias": jnp.full(3, 1.0)}}
    exact, rounded = (
        jax.jit(with_products(layer.apply, precision))(variables, images)
        for precision in ("float32", "bfloat16-products")
    )
    np.testing.assert_allclose(exact, 9 * 257 * (1 + 1 / 512) + 1, rtol=1e-6)
    np.testing.assert_array_equal(rounded, 9 * 256 + 1)


def test_arrays_and_a_precision_are_enough_to_compute_in_bfloat16():
    random = np.random.default_rng(0)
    split = {"points": random.normal(size=(16, 3)).astype(np.float32)}
    split["label"] = random.integers(0, 2, 16, np.int32)
    options = ClassifierOptimization(**REQUIRED, precision="bfloat16")
    trained, predict = train_classifier(MLP((8,), 2), split, options)
    exact = MLP((8,), 2).apply(trained.variables, split["points"], train=False)
    assert 1e-4 < np.abs(predict(split) - exact).max() < 0.1
    assert {leaf.dtype for leaf in jax.tree.leaves(trained.variables)} == {np.dtype("float32")}


@pytest.mark.parametrize("model", [MLP(), Discriminator(), nn.Dense(2)], ids=lambda m: m.name)
def test_the_dtype_of_a_module_is_that_of_the_precision(model):
    assert with_dtype(model, "float32") is model
    assert with_dtype(model, HIGHEST) is model
    half = with_dtype(model, "bfloat16")
    assert half == model.clone(dtype=jnp.dtype("bfloat16"))
    assert with_dtype(half, "bfloat16") is half


class WithoutDtype(nn.Module):
    pass


@pytest.mark.parametrize(
    ("model", "precision", "message"),
    [
        (WithoutDtype(), "bfloat16", r"^WithoutDtype has no field dtype, so its precision must be"),
        (MLP(dtype=jnp.bfloat16), "float32", "^MLP computes in bfloat16, but the precision is flo"),
        (MLP(dtype=jnp.float16), "bfloat16", "^MLP computes in float16, but the precision is bfl"),
    ],
)
def test_a_module_that_cannot_compute_in_a_precision_is_a_clear_error(model, precision, message):
    with pytest.raises(UserError, match=message) as failure:
        with_dtype(model, precision)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("precision", ["bfloat16", "bfloat16-products"])
def test_bfloat16_is_refused_on_gpus_that_do_not_multiply_it(precision):
    old, new, other = (
        SimpleNamespace(device_kind="Tesla T4", compute_capability="7.5"),
        SimpleNamespace(device_kind="NVIDIA L4", compute_capability="8.9"),
        SimpleNamespace(device_kind="cpu"),
    )
    amd = SimpleNamespace(device_kind="MI300X", compute_capability="gfx942")
    for device in (new, other, amd):
        require_precision(precision, device)
    require_precision("float32", old)
    with pytest.raises(UsageError, match=r"which Tesla T4 does not multiply: choose float32"):
        require_precision(precision, old)


def test_the_dtype_of_a_precision():
    assert dtype_of("bfloat16") == jnp.bfloat16
    for precision in ("float32", HIGHEST, "bfloat16-products"):
        assert dtype_of(precision) == jnp.float32
