import dataclasses
import signal
import warnings

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import small_training as small
from logged_training import without_seconds

from jaxdl.data.augmentation import normalise
from jaxdl.errors import UsageError, UserError
from jaxdl.models.mlp import MLP
from jaxdl.training import ClassifierOptimization, loop, score, train_classifier
from jaxdl.training.checkpoints import load_model
from jaxdl.training.classification import train_step
from jaxdl.training.classifier import init_classifier, logits_of
from jaxdl.training.finetuning import PretrainedStart
from jaxdl.training.images import MIRRORED, preprocess_images
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.mesh import make_mesh
from jaxdl.training.metrics_log import MetricsLog, read_records
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.text_batches import cut_text_pipeline

MODEL = MLP(widths=(32,), num_classes=3)
OPTIONS = ClassifierOptimization(epochs=3, batch_size=8, learning_rate=0.02, ema_decay=0.5)


def new_split(examples, seed=0):
    """Points around the corners of a triangle, which are the classes."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 3, examples, np.int32)
    points = np.eye(3)[label] + random.normal(0, 0.1, (examples, 3))
    return {"points": points.astype(np.float32), "label": label}


TRAIN, VALIDATION = new_split(60), new_split(30, seed=1)


@pytest.fixture(scope="module")
def uninterrupted():
    return train_classifier(MODEL, TRAIN, OPTIONS, validation=VALIDATION)[0]


def test_arrays_alone_are_enough_to_train():
    trained, predict = train_classifier(MODEL, TRAIN, OPTIONS)
    assert trained.epochs == trained.best_epoch == 3
    assert trained.steps == 3 * (60 // 8)
    first, *_, last = trained.epoch_history
    assert last["train_loss"] < first["train_loss"]
    assert not any(name.startswith("validation") for record in trained.history for name in record)
    logits = predict({"points": VALIDATION["points"]})
    assert logits.shape == (30, 3)
    assert logits.dtype == np.float32
    expected = MODEL.apply(trained.variables, VALIDATION["points"], train=False)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    _, metrics = score(predict, VALIDATION)
    assert metrics["accuracy"] > 0.9


def test_the_model_of_the_best_epoch_is_returned(uninterrupted):
    accuracies = [record["validation_accuracy"] for record in uninterrupted.epoch_history]
    best = uninterrupted.best_epoch - 1
    assert accuracies[best] == max(accuracies)
    predict = lambda split, _: MODEL.apply(uninterrupted.variables, split["points"], train=False)  # noqa: E731
    logits, metrics = score(predict, VALIDATION)
    assert metrics["accuracy"] == pytest.approx(accuracies[best])
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, VALIDATION["label"])
    assert metrics["loss"] == pytest.approx(float(losses.mean()), rel=1e-5)


def test_a_training_is_a_function_of_its_seed(uninterrupted):
    same, other = (
        train_classifier(MODEL, TRAIN, OPTIONS, validation=VALIDATION, seed=seed)[0]
        for seed in (0, 1)
    )
    small.assert_bitwise_identical(same.variables, uninterrupted.variables)
    assert without_seconds(same.history) == without_seconds(uninterrupted.history)
    assert without_seconds(other.history) != without_seconds(uninterrupted.history)


@pytest.mark.parametrize("log_is_given", [True, False])
def test_checkpoints_resume_an_interrupted_training_bitwise_identically(
    tmp_path, uninterrupted, monkeypatch, log_is_given
):
    checkpoints = tmp_path / "checkpoints"
    log = tmp_path / ("metrics.jsonl" if log_is_given else "checkpoints.jsonl")
    format_epoch = loop.format_epoch

    def interrupt(*arguments):
        signal.raise_signal(signal.SIGINT)
        return format_epoch(*arguments)

    def train():
        options = {"checkpoints": str(checkpoints)}
        if log_is_given:
            options = {"checkpoints": checkpoints, "log": MetricsLog(log)}
        return train_classifier(MODEL, TRAIN, OPTIONS, validation=VALIDATION, **options)[0]

    with monkeypatch.context() as patches:
        patches.setattr(loop, "format_epoch", interrupt)
        with pytest.raises(InterruptedTraining, match=r"^Stopped at step 7 of 21\.$"):
            train()
    trained = train()
    small.assert_bitwise_identical(trained.variables, uninterrupted.variables)
    small.assert_bitwise_identical(load_model(checkpoints), uninterrupted.variables)
    assert without_seconds(trained.history) == without_seconds(uninterrupted.history)
    assert read_records(log) == trained.history


def test_a_trained_model_is_trained_further(uninterrupted):
    start = PretrainedStart(uninterrupted.variables)
    options = dataclasses.replace(OPTIONS, epochs=1, learning_rate=1e-6, ema_decay=0.0)
    trained, _ = train_classifier(MODEL, TRAIN, options, start=start)
    for before, after in zip(
        *(tree["params"]["head"].values() for tree in (uninterrupted.variables, trained.variables)),
        strict=True,
    ):
        np.testing.assert_allclose(after, before, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, r'^A split needs "label" among its arrays, but has points\.$'),
        (
            {"label": TRAIN["label"].astype(np.float32)},
            r'^"label" is float32 \(60,\), but must be int \(examples,\)\.$',
        ),
        ({"label": np.eye(3, dtype=np.int32)[TRAIN["label"]]}, r"^.* \(60, 3\), but must be int"),
        ({"label": TRAIN["label"][:50]}, r"the same length, but have {'points': 60, 'label': 50}"),
        ({"label": TRAIN["label"] + 1}, r"^The labels are 1 to 3, but .* 3 logits, .* 0 to 2\.$"),
        ({"label": TRAIN["label"] - 1}, r"^The labels are -1 to 1, but the model has 3 logits"),
    ],
    ids=["missing", "no integers", "one-hot", "too few", "too large", "negative"],
)
def test_arrays_that_are_not_a_classification_are_a_clear_error(changes, message):
    split = {name: array for name, array in (TRAIN | changes).items() if array is not None}
    with pytest.raises(UserError, match=message) as failure:
        train_classifier(MODEL, split, OPTIONS)
    assert "\n" not in str(failure.value)


def test_arrays_of_64_bits_are_trained_on_as_if_of_32(uninterrupted):
    wide = [
        {"points": split["points"].astype(np.float64), "label": split["label"].astype(dtype)}
        for split, dtype in ((TRAIN, np.int64), (VALIDATION, np.uint64))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained, _ = train_classifier(MODEL, wide[0], OPTIONS, validation=wide[1])
    small.assert_bitwise_identical(trained.variables, uninterrupted.variables)


def test_integers_that_need_64_bits_are_a_clear_error():
    split = TRAIN | {"identity": np.arange(60) + 2**32}
    with pytest.raises(UserError, match=r'^"identity" holds integers that need 64 bits, but .*\.$'):
        train_classifier(MODEL, split, OPTIONS)


@pytest.mark.parametrize("name", ["points", "label"])
def test_a_validation_split_that_lacks_an_array_is_a_clear_error(name):
    others = {n: array for n, array in VALIDATION.items() if n != name}
    with pytest.raises(UserError, match=rf"^The validation split lacks {name}, which the training"):
        train_classifier(MODEL, TRAIN, OPTIONS, validation=others)


def test_a_validation_split_of_more_classes_is_a_clear_error():
    others = VALIDATION | {"label": VALIDATION["label"] + 2}
    with pytest.raises(UserError, match=r"^The labels are 2 to 4, but the model has 3 logits"):
        train_classifier(MODEL, TRAIN, OPTIONS, validation=others)


def test_a_batch_larger_than_the_split_is_a_clear_error():
    options = dataclasses.replace(OPTIONS, batch_size=64)
    message = r"^--batch-size is 64, but the training split has only 60 examples\.$"
    with pytest.raises(UsageError, match=message):
        train_classifier(MODEL, TRAIN, options)


def test_early_stopping_without_a_validation_split_is_a_clear_error():
    options = dataclasses.replace(OPTIONS, patience=1)
    with pytest.raises(UsageError, match=r"^--patience is 1, but must be 0 without a validation"):
        train_classifier(MODEL, TRAIN, options)


def test_no_examples_are_a_clear_error():
    with pytest.raises(UsageError, match="the training split has only 0 examples"):
        train_classifier(MODEL, {name: array[:0] for name, array in TRAIN.items()}, OPTIONS)


def test_the_options_are_those_of_step_state_and_schedule():
    options = dataclasses.replace(OPTIONS, label_smoothing=0.1, micro_batches=4)
    pipeline = InputPipeline(preprocess=lambda batch: (batch["points"],))
    state, step, schedule = init_classifier(
        MODEL, TRAIN, options, pipeline, steps_per_epoch=7, seed=0, mesh=make_mesh()
    )
    assert step.func is train_step
    assert step.keywords == {"pipeline": pipeline, "label_smoothing": 0.1, "micro_batches": 4}
    assert state.ema_decay == 0.5
    assert schedule(4) == pytest.approx(0.02)  # after a warm-up of a fifth of 21 steps
    assert schedule(3 * 7) == pytest.approx(0, abs=1e-8)


def test_a_pipeline_replaces_the_features_as_inputs():
    def augment(batch, key):
        return (jnp.zeros_like(batch["points"]),)

    pipeline = InputPipeline(preprocess=lambda batch: (batch["points"],), augment=augment)
    trained, predict = train_classifier(MODEL, TRAIN, OPTIONS, pipeline=pipeline)
    assert trained.epoch_history[-1]["train_loss"] > 0.9  # nothing but zeros was seen
    assert np.ptp(predict(VALIDATION), axis=0).min() > 0


def test_features_are_inputs_in_the_order_of_the_split():
    class Difference(nn.Module):
        @nn.compact
        def __call__(self, first, second, *, train):
            return nn.Dense(2, name="head")(first - second)

    random = np.random.default_rng(0)
    split = {name: random.normal(size=(16, 3)).astype(np.float32) for name in ("second", "first")}
    split["label"] = random.integers(0, 2, 16, np.int32)
    trained, predict = train_classifier(Difference(), split, OPTIONS)
    head = trained.variables["params"]["head"]
    expected = (split["second"] - split["first"]) @ head["kernel"] + head["bias"]
    in_another_order = {name: split[name] for name in ("label", "first", "second")}
    for one in (split, in_another_order):
        np.testing.assert_allclose(predict(one), expected, atol=1e-5)


def test_texts_cut_to_their_length_are_trained_and_predicted():
    widths = set()

    class MeanOfWords(nn.Module):
        @nn.compact
        def __call__(self, tokens, length, *, train):
            widths.add((train, tokens.shape[1]))
            words = nn.Embed(9, 4, name="embedding")(tokens)
            mask = jnp.arange(tokens.shape[1])[:, None] < length[:, None, None]
            return nn.Dense(2, name="head")((mask * words).sum(1) / length[:, None])

    random = np.random.default_rng(0)
    length = random.integers(1, 101, 24).astype(np.int32)
    tokens = np.where(np.arange(100) < length[:, None], random.integers(1, 9, (24, 100)), 0)
    split = {
        "tokens": tokens.astype(np.int32),
        "length": length,
        "label": random.integers(0, 2, 24, np.int32),
    }
    pipeline = cut_text_pipeline(100, predict_batch_size=7)
    trained, predict = train_classifier(MeanOfWords(), split, OPTIONS, pipeline=pipeline)
    logits = predict(split)
    assert widths >= {(True, 64), (True, 100), (False, 64), (False, 100)}
    expected = MeanOfWords().apply(trained.variables, tokens, length, train=False)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_the_logits_of_test_time_augmentation_are_averaged():
    model, state = small.MODEL, small.new_state()
    images = small.new_data(3)["image"]
    pipeline = InputPipeline(preprocess=preprocess_images, test_time=(MIRRORED,))
    together = logits_of(model, pipeline)(state.variables, {"image": images})
    alone = [
        model.apply(state.variables, normalise(x), train=False)
        for x in (images, images[:, :, ::-1])
    ]
    assert (alone[0] != alone[1]).any()
    np.testing.assert_allclose(together, (alone[0] + alone[1]) / 2, rtol=1e-5, atol=1e-6)
