"""Published networks in experiments: what they read, their encoder, their features, a probe."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.console import note
from jaxdl.data import Dataset
from jaxdl.data.augmentation import alternating_flip, normalise
from jaxdl.data.catalog import IMAGE_DATASETS, TEXT_DATASETS, shows_photographs
from jaxdl.data.own.lazy import LazyImages
from jaxdl.data.tokenizer import Truncation
from jaxdl.models.vit import ViT, resize_positions
from jaxdl.pretrained import PUBLISHED, ModelName, load_published, load_tokenizer_of
from jaxdl.randomness import Purpose, key_for
from jaxdl.runs.features import cached_features
from jaxdl.runs.inputs import IMAGE_INPUTS, TEXT_INPUTS, Examples, Inputs, load_images, load_texts
from jaxdl.runs.networks import PREDICT_BATCH_SIZE, TrainedNetwork, picture_reader, sentence_reader
from jaxdl.runs.options import DataOptions
from jaxdl.training.classifier import make_predict_logits
from jaxdl.training.layers import HEAD
from jaxdl.training.mesh import make_mesh
from jaxdl.training.optimization import require
from jaxdl.training.pipeline import Batch, InputPipeline, ModelInputs
from jaxdl.training.precision import with_dtype
from jaxdl.training.probe import fit_linear_probe
from jaxdl.training.text_batches import cut_text_pipeline


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedData(DataOptions):
    """Where the data comes from, how it is split, and how the network sees it."""

    OF_OWN_DATA = (*DataOptions.OF_OWN_DATA, "text_column", "stream")

    dataset: str = "imdb_reviews"
    """Data that the model reads: a name of the catalog, folder, table, tfds:NAME, hf:OWNER/NAME."""
    validation_fraction: float = 0.1
    """Fraction of the training examples held out to choose the best epoch; 0 keeps the last one."""
    sequence_length: int = 512
    """Number of tokens of a text that the model sees."""
    truncation: Truncation = "start"
    """End at which a longer text is cut."""
    text_column: str = ""
    """Column of a table that holds the texts; by default one with a usual name."""
    image_size: int = 96
    """Side to which images are resized, in pixels."""
    stream: bool = False
    """Read your own pictures from their files in every epoch, even if they fit into memory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "sequence_length", 3 <= self.sequence_length <= 512, "3 to 512")
        require(self, "image_size", 32 <= self.image_size <= 1024, "32 to 1024")

    def require_fit(self, model: ModelName) -> None:
        """Raises a UsageError unless the model can read the data set at this size."""
        names = TEXT_DATASETS if reads_texts(model) else IMAGE_DATASETS
        self.require_kind(names, f" for --model {model}")
        whole = not model.startswith("vit") or self.image_size % 16 == 0
        require(self, "image_size", whole, f"a multiple of 16 for --model {model}")

    def ignored_by(self, model: ModelName) -> dict[str, str]:
        """Returns the options that the model does not read, each with ``--model``."""
        of_images, of_texts = (
            ("image_size", "stream"),
            ("sequence_length", "truncation", "text_column"),
        )
        return dict.fromkeys(of_images if reads_texts(model) else of_texts, f"--model {model}")


def reads_texts(model: ModelName) -> bool:
    """Whether a published model reads texts; the others read images."""
    return PUBLISHED[model].reads == "text"


def build_published(config: Any, num_classes: int, **fields: Any) -> nn.Module:
    """Builds a published network with a new head, or without a head if ``num_classes`` is 0."""
    name = config.model.model
    if reads_texts(name):
        fields |= {"pooling": "mean"}
    elif name.startswith("resnet"):
        fields |= {"frozen_statistics": True}
    return PUBLISHED[name].build(num_classes=num_classes, **fields)


def published_pipeline(config: Any, flip: bool = False) -> InputPipeline:
    """Builds the pipeline from stored examples to the inputs of the published network.

    Args:
      config: with ``data``, ``model`` and ``run``.
      flip: whether photographs are mirrored in every other epoch.
    """
    if reads_texts(config.model.model):
        longest = config.data.sequence_length
        return cut_text_pipeline(longest, predict_batch_size=PREDICT_BATCH_SIZE)
    preprocessing, side = PUBLISHED[config.model.model].preprocessing, config.data.image_size
    flip_key = key_for(Purpose.FLIP, config.run.seed)
    flip = flip and shows_photographs(config.data.dataset)

    def preprocess(batch: Batch) -> ModelInputs:
        images = normalise(batch["image"])
        images = jnp.broadcast_to(images, (*images.shape[:3], 3))
        images = jax.image.resize(images, (len(images), side, side, 3), "bilinear")
        return (preprocessing(images),)

    def augment(batch: Batch, key: jax.Array) -> ModelInputs:
        images = batch["image"]
        if flip:
            images = alternating_flip(images, flip_key, batch["index"], batch["epoch"])
        return preprocess(batch | {"image": images})

    return InputPipeline(preprocess, augment, predict_batch_size=PREDICT_BATCH_SIZE)


def load_examples(config: Any) -> Examples:
    """Loads a data set; texts are tokenised by the tokenizer of the published network."""
    if not reads_texts(config.model.model):
        return load_images(config)
    return load_texts(config, load_tokenizer_of(config.model.model, config.data.data_dir))


def _inputs_of(config: Any) -> Inputs:
    return TEXT_INPUTS if reads_texts(config.model.model) else IMAGE_INPUTS


PUBLISHED_INPUTS = Inputs(
    load=load_examples,
    pipeline=published_pipeline,
    example_shapes=lambda config: _inputs_of(config).example_shapes(config),
    reader=lambda config, run: _inputs_of(config).reader(config, run),
)


def load_encoder(config: Any) -> dict[str, Any]:
    """Loads the published variables without pooler and head, for images of ``--image-size``."""
    model, published = load_published(config.model.model, config.data.data_dir)
    params = {n: value for n, value in published["params"].items() if n not in (HEAD, "pooler")}
    if isinstance(model, ViT):
        rows = config.data.image_size // model.patch_size
        params["positions"] = resize_positions(params["positions"], rows, rows)
    return {"params": params, "batch_stats": published.get("batch_stats", {})}


def compute_features(
    config: Any, encoder: dict[str, Any], split: dict[str, np.ndarray], description: str
) -> np.ndarray:
    """Computes the features of a split in the frozen network, float32 (examples, features).

    They are kept in the data directory, so that they are computed only once. Each process computes
    all of them, on its own devices.
    """
    inputs = {key: array for key, array in split.items() if key != "label"}
    precision = config.optimization.precision
    model = with_dtype(build_published(config, num_classes=0), precision)
    mesh = make_mesh(devices=jax.local_devices())
    pipeline = PUBLISHED_INPUTS.pipeline(config)
    predict = make_predict_logits(model, pipeline, mesh, precision)
    return cached_features(
        f"{Path(config.data.dataset).name}-{config.model.model}",
        config.data.data_dir,
        inputs,
        lambda: predict(encoder, inputs, description),
        *(config.model.model, PUBLISHED[config.model.model].sha256, precision),
        "image" in inputs and config.data.image_size,
    )


def fit_probe(
    config: Any, encoder: dict[str, Any], dataset: Dataset, num_examples: int
) -> dict[str, np.ndarray]:
    """Fits a head to the features of the first ``num_examples`` training examples; 0 for all."""
    count = num_examples or len(dataset.train["label"])
    first = {
        name: array.first(count) if isinstance(array, LazyImages) else array[:count]
        for name, array in dataset.train.items()
    }
    features = compute_features(config, encoder, first, "computing features")
    head = fit_linear_probe(features, first["label"], len(dataset.class_names))
    predicted = (features @ head["kernel"] + head["bias"]).argmax(-1)
    accuracy = np.mean(predicted == first["label"])
    note(f"The head was fitted to {len(features):,} examples: {accuracy:.2%} on these.")
    return head


def load_published_network(
    name: str, data_dir: Path, weights: Path | None = None
) -> TrainedNetwork:
    """Loads a published network, which is fetched the first time.

    Args:
      name: one of `PUBLISHED`.
      data_dir: where published weights are kept.
      weights: a file of other weights for the same network.

    Raises:
      UserError: the weights cannot be fetched or read.
    """
    published = PUBLISHED[name]
    model, variables = load_published(name, data_dir, weights)
    network = partial(TrainedNetwork, name, model, variables, class_names=published.class_names)
    if published.reads == "text":
        length = published.sequence_length
        return network(
            pipeline=cut_text_pipeline(length, predict_batch_size=PREDICT_BATCH_SIZE),
            read=sentence_reader(load_tokenizer_of(name, data_dir), length, "end", name),
            example_shapes={"tokens": (length,), "length": ()},
        )
    preprocessing = published.preprocessing
    return network(
        pipeline=InputPipeline(lambda batch: (preprocessing(normalise(batch["image"])),)),
        read=picture_reader(preprocessing.read),
        example_shapes={"image": (preprocessing.side, preprocessing.side, 3)},
    )
