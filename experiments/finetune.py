"""A published network learns a new task: transfer learning, the end of module five.

    python -m experiments.finetune
    python -m experiments.finetune --preset frozen
    python -m experiments.finetune --model resnet50 --preset frozen --dataset cifar10

The first fine-tunes MiniLM, 22,566,146 parameters, on the film reviews of IMDB: a head is
fitted to what the frozen encoder makes of some reviews, then all but the first blocks learn,
the deeper ones more slowly. Expect a test accuracy of 92.2 % after an hour and a half on two
CPU cores (experiments/results/finetune-minilm-imdb.json). The others only fit the head; what the
frozen network makes of the data is computed once and kept in ``--data-dir``, so that another
head takes seconds.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer

from experiments import resnet
from jaxdl.console import note
from jaxdl.data import Dataset, load
from jaxdl.data.augmentation import alternating_flip, normalise
from jaxdl.data.catalog import IMAGE_DATASETS, TEXT_DATASETS
from jaxdl.data.tokenizer import Truncation, save_tokenizer
from jaxdl.data.tokens import tokenise
from jaxdl.errors import UsageError
from jaxdl.models.resnet import ResNet
from jaxdl.models.vit import ViT, resize_positions
from jaxdl.pretrained import PUBLISHED, ModelName, load_published, load_tokenizer_of
from jaxdl.runs import Run
from jaxdl.runs.command_line import run_command
from jaxdl.training.allocation import keep_freed_memory
from jaxdl.training.classification import Batch, Inputs, Task
from jaxdl.training.classifier import predict_task, score_fixed, train_classifier
from jaxdl.training.config import ClassifierConfig, require
from jaxdl.training.features import cached_features
from jaxdl.training.finetuning import Start
from jaxdl.training.image_classification import draw_image_figures
from jaxdl.training.launch import launch
from jaxdl.training.linear_probe import fit_linear_probe
from jaxdl.training.report import open_run
from jaxdl.training.text_classification import cut_text_task, draw_text_figures, tokenizer_path

HEAD = "Dense_0"
LAST = (HEAD, "pooler")
EXAMPLES_AT_ONCE = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ClassifierConfig):
    """Options of a run."""

    LEAST_EPOCHS: ClassVar[int] = 0

    preset: Literal["default", "frozen"] = "default"
    """Options not given are for the whole network, or for its head alone."""
    model: ModelName = "minilm"
    """What to begin with."""
    dataset: Literal["imdb_reviews", "cifar10", "cifar100", "mnist", "fashion_mnist"] | None = None
    """What to learn; if not given, imdb_reviews for a model of texts, cifar10 for one of images."""
    head_examples: int = 2048
    """Fit the head, before all else, to the features of so many examples; 0 for all."""
    frozen_blocks: int = 2
    """So many of the first blocks, and what comes before them, are not trained."""
    layer_decay: float = 0.9
    """Learning rate of a block, as a share of that of the block after it."""
    sequence_length: int = 512
    """Tokens of a text that the model sees."""
    truncation: Truncation = "start"
    """Which end of a longer text is cut off."""
    image_size: int = 96
    """To which images are resized, in pixels."""
    flip: bool = True
    """Mirror each photograph, left to right, in every other epoch."""
    epochs: int = 1
    """Passes over the training split with the whole network; 0 to fit the head alone."""
    batch_size: int = 32
    learning_rate: float = 1e-4
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    dropout_rate: float = 0.0
    validation_fraction: float = 0.1

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        super().__post_init__()
        for name in ("head_examples", "frozen_blocks"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        require(self, "layer_decay", 0 < self.layer_decay <= 1, "above 0, and at most 1")
        names = TEXT_DATASETS if PUBLISHED[self.model].reads == "text" else IMAGE_DATASETS
        require(self, "dataset", self.learned in names, f"one of {', '.join(names)} for this model")
        require(self, "sequence_length", 3 <= self.sequence_length <= 512, "3 to 512")
        require(self, "image_size", 32 <= self.image_size <= 1024, "32 to 1024")
        whole = not self.model.startswith("vit") or self.image_size % 16 == 0
        require(self, "image_size", whole, f"a multiple of 16 for --model {self.model}")

    @property
    def learned(self) -> str:
        """The data set to learn."""
        reads = PUBLISHED[self.model].reads
        return self.dataset or ("imdb_reviews" if reads == "text" else "cifar10")


PRESETS = {"default": Config(), "frozen": Config(preset="frozen", epochs=0, head_examples=0)}


def build_model(config: Config, num_classes: int) -> nn.Module:
    """The published network with a head of its own; without one if there are no classes."""
    published = PUBLISHED[config.model]
    fields: dict[str, Any] = {"num_classes": num_classes, "dtype": config.dtype}
    if published.reads == "text":
        fields |= {"pooling": "mean", "dropout_rate": config.dropout_rate}
    model = published.build(**fields)
    if isinstance(model, ResNet):
        form = resnet.choose_convolution(config)
        model = model.clone(convolution=form, frozen_statistics=True)
    return model


def steps_are_looped(config: Config) -> bool:
    """Whether many steps go into one call: those on texts, which convolve nothing, always."""
    return PUBLISHED[config.model].reads == "text" or resnet.steps_are_looped()


def build_task(config: Config) -> Task:
    """How stored examples become inputs."""
    if PUBLISHED[config.model].reads == "text":
        return cut_text_task(config.sequence_length, EXAMPLES_AT_ONCE)
    view = view_images(config)
    flip_key = jax.random.key(config.seed)

    def prepare(batch: Batch, key: jax.Array) -> Inputs:
        images = batch["image"]
        if config.flip and config.learned.startswith("cifar"):
            images = alternating_flip(images, flip_key, batch["index"], batch["epoch"])
        return view(batch | {"image": images})

    return Task(prepare=prepare, views=(view,), batch_size=EXAMPLES_AT_ONCE)


def view_images(config: Config) -> Callable[[Batch], Inputs]:
    """Makes of stored images what the network was taught to see, of ``--image-size``."""
    preprocessing = PUBLISHED[config.model].preprocessing
    side = config.image_size

    def view(batch: Batch) -> Inputs:
        images = normalise(batch["image"])
        images = jnp.broadcast_to(images, (*images.shape[:3], 3))
        images = jax.image.resize(images, (len(images), side, side, 3), "bilinear")
        return (preprocessing(images),)

    return view


def read_examples(config: Config, dataset: Dataset) -> tuple[Dataset, Tokenizer | None]:
    """Images as they are; texts as tokens, and their tokenizer."""
    if PUBLISHED[config.model].reads == "image":
        return dataset, None
    tokenizer = load_tokenizer_of(config.model, config.data_dir)
    length, truncation = config.sequence_length, config.truncation
    return tokenise(dataset, config.data_dir, tokenizer, length, truncation)


def load_encoder(config: Config) -> dict[str, Any]:
    """The published variables up to the head, for images of ``--image-size``."""
    model, published = load_published(config.model, config.data_dir)
    params = {name: value for name, value in published["params"].items() if name not in LAST}
    if isinstance(model, ViT):
        rows = config.image_size // model.patch_size
        params["positions"] = resize_positions(params["positions"], rows, rows)
    return {"params": params, "batch_stats": published.get("batch_stats", {})}


def compute_features(
    config: Config, task: Task, encoder: dict[str, Any], split: dict[str, np.ndarray], name: str
) -> np.ndarray:
    """What the frozen network makes of a split, float32 (examples, size), cached."""
    inputs = {key: array for key, array in split.items() if key != "label"}
    predict = predict_task(build_model(config, num_classes=0), task)
    return cached_features(
        f"{config.learned}-{name}-{config.model}",
        config.data_dir,
        inputs,
        lambda: predict(encoder, inputs, f"features of the {name} split"),
        *(config.model, PUBLISHED[config.model].sha256, config.precision),
        "image" in inputs and config.image_size,
    )


def fit_head(
    config: Config, task: Task, encoder: dict[str, Any], dataset: Dataset
) -> dict[str, np.ndarray]:
    """The head on the features of the first ``--head-examples``."""
    count = config.head_examples or len(dataset.train["label"])
    first = {name: array[:count] for name, array in dataset.train.items()}
    features = compute_features(config, task, encoder, first, "training")
    head = fit_linear_probe(features, first["label"], len(dataset.class_names))
    right = np.mean((features @ head["kernel"] + head["bias"]).argmax(-1) == first["label"])
    note(f"head, fitted to {len(features):,} examples: {right:.2%} of them right")
    return head


def train(config: Config) -> tuple[Run, dict[str, Any]]:
    """Data, published network, head, training, scores and figures of one run."""
    started = time.monotonic()
    refuse_finished(config)
    looped = steps_are_looped(config)
    if not looped:
        keep_freed_memory()
    dataset = load(config.learned, config.data_dir, config.validation_fraction)
    encoder, task = load_encoder(config), build_task(config)
    examples, tokenizer = read_examples(config, dataset)
    head = fit_head(config, task, encoder, examples)
    variables = encoder | {"params": encoder["params"] | {HEAD: head}}

    run = open_run("finetune", config, dataset)
    if tokenizer:
        save_tokenizer(tokenizer, tokenizer_path(run))
    if config.epochs:
        model = build_model(config, len(dataset.class_names))
        start = Start(variables, config.layer_decay, config.frozen_blocks)
        _, logits, summary = train_classifier(
            run, config, model, examples, task, looped, start, started
        )
    else:

        def frozen_logits(split: dict[str, np.ndarray], name: str) -> np.ndarray:
            features = compute_features(config, task, encoder, split, name)
            return features @ head["kernel"] + head["bias"]

        logits, summary = score_fixed(
            run, config, examples, config.model, variables, frozen_logits, started
        )
    draw = draw_text_figures if tokenizer else draw_image_figures
    draw(run, dataset, logits)
    return run, summary


def refuse_finished(config: Config) -> None:
    """A run that fitted its head alone has nothing to go on with: raises a UsageError."""
    if config.resume and Run.open(config.resume).options["epochs"] == 0:
        raise UsageError(
            f"{config.resume} fitted the head alone, at once: start a new run, without --resume."
        )


if __name__ == "__main__":
    run_command(lambda: launch("finetune", PRESETS, train, description=__doc__))
