"""Which steps stand in a loop on CPU, and that convolutions take the form that is fast there."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxdl.models.gan import Generator
from jaxdl.models.mlp import MLP
from jaxdl.models.resnet import RESNETS
from jaxdl.nn import Conv, convolve
from jaxdl.nn.convolution import NHWC
from jaxdl.nn.cpu import loops
from jaxdl.nn.cpu.loops import (
    LARGEST_PATCHES,
    inside_loop,
    note_convolution,
    trace_step,
    tracing_loop,
    tracing_steps,
)
from jaxdl.training.gradients import accumulate

BATCH = 4


def loop_pays(step, *arguments):
    return trace_step(step, *arguments)[1]


def convolve_and_sum(images, kernel, strides=(1, 1)):
    return convolve(images, kernel, strides, "SAME", dimension_numbers=NHWC).sum()


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


WIDE_ON_LARGE = (shape(BATCH, 32, 32, 16), shape(3, 3, 16, 16))


@pytest.mark.parametrize(
    ("image_shape", "kernel_shape", "strides", "pays"),
    [
        ((BATCH, 32, 32, 16), (3, 3, 16, 16), (1, 1), False),
        ((BATCH, 32, 32, 16), (3, 3, 16, 64), (1, 1), False),
        ((BATCH, 32, 32, 14), (3, 3, 14, 14), (1, 1), True),  # fewer channels
        ((BATCH, 32, 32, 16), (3, 3, 16, 16), (2, 2), True),
        ((BATCH, 32, 32, 16), (3, 3, 16, 16), (1, 2), True),
        ((BATCH, 8, 8, 128), (3, 3, 128, 128), (1, 1), True),
        ((BATCH, 32, 32, 64), (1, 1, 64, 64), (1, 1), True),
        ((4096, 8, 8, 16), (3, 3, 16, 16), (1, 1), True),  # the batch does not matter
    ],
)
def test_a_loop_pays_unless_a_wide_convolution_slides_over_large_images(
    image_shape, kernel_shape, strides, pays
):
    step = partial(convolve_and_sum, strides=strides)
    arguments = (shape(*image_shape), shape(*kernel_shape))
    assert loop_pays(step, *arguments) == pays
    assert loop_pays(jax.grad(step, argnums=(0, 1)), *arguments) == pays


def test_the_limit_is_the_size_of_the_patches_of_an_example():
    channels = LARGEST_PATCHES // (32 * 32 * 4)
    for extra, pays in ((0, True), (1, False)):
        images, kernel = shape(1, 32, 32, channels + extra), shape(2, 2, channels + extra, 1)
        assert loop_pays(convolve_and_sum, images, kernel) == pays


@pytest.mark.parametrize(
    ("model", "inputs", "pays"),
    [
        (MLP(), shape(1, 28, 28, 1), True),
        (RESNETS[8](num_classes=10), shape(1, 32, 32, 3), False),
        (RESNETS[8](num_classes=10), shape(1, 16, 16, 3), True),
        (Generator(), shape(1, 10), True),
        (nn.Conv(16, (3, 3)), shape(1, 32, 32, 16), True),  # not a convolution of this package
        (Conv(16, (3, 3)), shape(1, 32, 32, 16), False),
    ],
    ids=["MLP", "ResNet", "ResNet on small images", "Generator", "nn.Conv", "Conv"],
)
def test_a_loop_pays_for_networks_without_such_convolutions(model, inputs, pays):
    train = {} if isinstance(model, nn.Conv) else {"train": False}

    def step(x):
        return model.init_with_output(jax.random.key(0), x, **train)[0].sum()

    assert loop_pays(step, inputs) == pays


@pytest.mark.parametrize(("arguments", "pays"), [(WIDE_ON_LARGE, False), (None, True)])
def test_convolutions_inside_micro_batches_count_too(arguments, pays):
    images, kernel = arguments or (shape(BATCH, 8, 8, 16), shape(3, 3, 16, 16))

    def grad_fn(params, batch_stats, batch, key):
        return jax.grad(lambda p: convolve_and_sum(batch["image"], p))(params), (batch_stats, {})

    step = accumulate(grad_fn, 2)
    assert loop_pays(step, kernel, {}, {"image": images}, jax.random.key(0)) == pays


@pytest.mark.parametrize(
    "transform",
    [
        jax.jit,
        jax.checkpoint,
        jax.vmap,
        lambda step: lambda stack: lax.map(step, stack),
        lambda step: lambda stack: lax.cond(stack.sum() > 0, jax.vmap(step), jnp.zeros_like, stack),
    ],
    ids=["jit", "checkpoint", "vmap", "map", "cond"],
)
def test_convolutions_inside_other_transformations_count_too(transform):
    kernel = jnp.zeros((3, 3, 16, 16))

    def step(images):
        return convolve(images, kernel, (1, 1), "SAME", dimension_numbers=NHWC)

    stacked = transform not in (jax.jit, jax.checkpoint)
    images = shape(*[2] * stacked, BATCH, 32, 32, 16)
    assert not loop_pays(transform(step), images)


def test_each_answer_is_about_its_own_step():
    answers = []

    def outer(images, kernel):
        answers.append(loop_pays(convolve_and_sum, *WIDE_ON_LARGE))
        return convolve_and_sum(images, kernel)

    assert loop_pays(outer, shape(1, 8, 8, 16), shape(3, 3, 16, 16))
    assert answers == [False]
    assert loop_pays(lambda x: x, 1.0)


def test_a_step_that_fails_leaves_nothing_behind():
    def fail(images, kernel):
        convolve_and_sum(images, kernel)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop_pays(fail, *WIDE_ON_LARGE)
    assert loops._largest_patches.get() is None
    note_convolution((3, 3, 999, 1), (1, 1), 999)  # nobody asks
    assert loop_pays(lambda x: x, 1.0)


def test_the_place_is_restored_after_each_context_and_after_an_exception():
    assert not inside_loop()
    with tracing_loop():
        with tracing_loop():
            assert inside_loop()
        assert inside_loop()
    assert not inside_loop()
    with pytest.raises(ZeroDivisionError), tracing_loop():
        _ = 1 / 0
    assert not inside_loop()


def program(platform):
    """The program of a convolution as it is compiled for a platform."""
    images, kernel = jnp.ones((2, 6, 6, 3)), jnp.ones((3, 3, 3, 4))
    traced = jax.jit(lambda *arguments: convolve_and_sum(*arguments)).trace(images, kernel)
    return traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("platform", ["cpu", "tpu", "cuda"])
def test_tracing_inside_a_loop_changes_the_program_on_cpu_only(platform):
    outside = program(platform)
    with tracing_loop():
        inside = program(platform)
    with pytest.raises(ZeroDivisionError), tracing_loop():
        _ = 1 / 0
    assert program(platform) == outside
    assert "stablehlo.convolution" in outside
    assert "stablehlo.dot_general" not in outside
    assert ("stablehlo.dot_general" in inside) == (platform == "cpu")
    assert ("stablehlo.convolution" in inside) == (platform != "cpu")


def test_the_jaxpr_has_both_forms_inside_a_loop_and_one_outside():
    images, kernel = shape(2, 6, 6, 3), shape(3, 3, 3, 4)
    outside = str(jax.make_jaxpr(lambda *a: convolve_and_sum(*a))(images, kernel))
    with tracing_loop():
        inside = str(jax.make_jaxpr(lambda *a: convolve_and_sum(*a))(images, kernel))
    assert "conv_general_dilated" in outside
    assert "dot_general" not in outside
    assert "conv_general_dilated" in inside  # for other platforms
    assert "dot_general" in inside


def test_accumulated_gradients_are_convolved_by_products():
    def grad_fn(params, batch_stats, batch, key):
        return jax.grad(lambda p: convolve_and_sum(batch["image"], p))(params), (batch_stats, {})

    arguments = (shape(3, 3, 3, 4), {}, {"image": shape(4, 6, 6, 3)}, jax.random.key(0))
    whole, parts = (
        jax.jit(accumulate(grad_fn, n)).trace(*arguments).lower(lowering_platforms=("cpu",))
        for n in (1, 2)
    )
    assert "stablehlo.convolution" in whole.as_text()
    assert "stablehlo.convolution" not in parts.as_text()


@pytest.mark.parametrize("in_loop", [True, False])
def test_only_a_program_of_a_single_step_keeps_freed_memory(monkeypatch, in_loop):
    kept = []
    monkeypatch.setattr(loops, "keep_freed_memory", lambda: kept.append(True))
    with tracing_steps(in_loop):
        assert inside_loop() == in_loop
    on_cpu = jax.default_backend() == "cpu"
    assert bool(kept) == (on_cpu and not in_loop)
    with pytest.raises(ZeroDivisionError), tracing_steps(in_loop):
        _ = 1 / 0
    assert not inside_loop()
