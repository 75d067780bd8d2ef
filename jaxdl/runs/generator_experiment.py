"""Experiments that train a generator against a discriminator."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.analysis.sample_quality import NEIGHBOURS
from jaxdl.console import note
from jaxdl.data import Dataset
from jaxdl.errors import UsageError, UserError
from jaxdl.runs import sample_figures
from jaxdl.runs.experiment import Experiment, InitialTraining, Result, Summary, draw_figures
from jaxdl.runs.figures import optional_figure
from jaxdl.runs.inputs import IMAGE_INPUTS, Examples, load_images
from jaxdl.runs.lifecycle import create_or_resume_run, print_header, summarise
from jaxdl.runs.run import Run
from jaxdl.runs.sampling import (
    ROWS_SHOWN,
    SEED_OF_SHOWN,
    draw_grid,
    draw_in_order,
    draw_inputs,
    samples_in_a_row,
)
from jaxdl.training.checkpoints import load_model
from jaxdl.training.feature_extractor import FeatureExtractor, class_shares, compare, has_collapsed
from jaxdl.training.generator import (
    draw_classes,
    init_generator,
    make_sampler,
    samples_of,
    train_generator,
)
from jaxdl.training.mesh import device_get, make_mesh
from jaxdl.training.plan import require_trainable
from jaxdl.training.precision import with_dtype
from jaxdl.training.reading_ahead import is_streamed
from jaxdl.training.state import count_parameters

SEED_OF_VALIDATION, SEED_OF_TEST = 1, 2


@dataclasses.dataclass(frozen=True)
class GeneratorExperiment(Experiment):
    """An experiment that trains a generator.

    Attributes:
      build_generator: ``build_generator(config, num_classes)``, the network that maps noise to
        images; the number of classes is 0 with ``--no-conditional``.
      build_discriminator: ``build_discriminator(config, num_classes)``, the network that maps
        images to logits of "real".
      find_or_train_feature_extractor: ``find_or_train_feature_extractor(config, examples)``, the
        feature extractor by which samples are evaluated, and the configuration that names it.
      figures: each ``draw(result)`` draws figures of a finished run.
    """

    build_generator: Callable[[Any, int], nn.Module]
    build_discriminator: Callable[[Any, int], nn.Module]
    find_or_train_feature_extractor: Callable[[Any, Examples], tuple[FeatureExtractor, Any]]
    figures: tuple[Callable[[Result], None], ...] = ()

    def train(self, config: Any) -> tuple[Run, Summary]:
        """See `Experiment.train`.

        After each epoch, samples of the same noise are written to figures/samples/, and a collapse
        that the validation split shows is reported. The scores in the summary are those of `score`,
        for as many samples as there are test images.
        """
        examples, mesh = load_images(config), make_mesh(config.machine.mesh)
        dataset, num_classes = examples.dataset, len(examples.dataset.class_names)
        require_images(config, dataset, mesh)
        extractor, config = self.find_or_train_feature_extractor(config, examples)
        started = time.monotonic()
        with create_or_resume_run(self.name, config, examples) as run:
            generator, discriminator = self.build_networks(config, num_classes)
            parameters = self.count_parameters(config, num_classes)
            print_header(run, config, dataset, generator, parameters)

            features = ("image", "label") if config.model.conditional else ("image",)
            split = {name: dataset.train[name] for name in features}
            columns = samples_in_a_row(config, num_classes)
            shown = draw_in_order(ROWS_SHOWN * columns, config, num_classes, SEED_OF_SHOWN)
            sample = make_sampler(generator, mesh, config.optimization.precision)
            validation = extractor.extract(dataset.validation["image"])

            def draw(variables: Any, like: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
                labels = draw_classes(len(like), dataset.train["label"], seed)
                return sample(variables, draw_inputs(config, labels, seed)), labels

            def evaluate(variables: Any) -> dict[str, float]:
                samples, _ = draw(variables, dataset.validation["label"], SEED_OF_VALIDATION)
                return compare(extractor.extract(samples), validation, num_classes)

            def after_epoch(epoch: int, variables: Any, quality: dict[str, float]) -> None:
                if quality and has_collapsed(quality):
                    ratio = f"{quality['smallest_class_ratio']:.0%}"
                    note(
                        f"The generator has collapsed: one class is {ratio} as frequent among its "
                        "samples as among the validation images."
                    )
                samples = sample(variables, shown)
                with optional_figure("samples"):
                    folder = run.figures / "samples"
                    folder.mkdir(parents=True, exist_ok=True)
                    sample_figures.sample_grid(samples, folder / f"epoch-{epoch:04}.png", columns)

            trained = train_generator(
                generator,
                discriminator,
                split,
                config.optimization,
                config.adversarial,
                evaluate=evaluate if len(dataset.validation["label"]) else lambda variables: {},
                after_epoch=after_epoch,
                seed=config.run.seed,
                mesh=mesh,
                checkpoints=run.checkpoints,
                log=run.metrics_log(),
            )
            samples, asked = draw(trained.variables, dataset.test["label"], SEED_OF_TEST)
            labels = asked if config.model.conditional else None
            scores = score(samples, extractor, dataset, labels)
            variables = device_get(trained.variables, mesh)
            seconds = time.monotonic() - started
            summary = summarise(run, config, dataset.name, trained, parameters, scores, seconds)
            run.write_summary(summary)
            result = Result(run, config, dataset, generator, variables, summary)
            draw_figures(self.figures, result)
            return run, summary

    def init(
        self, config: Any, steps_per_epoch: int, mesh: Mesh, num_classes: int
    ) -> InitialTraining:
        """See `Experiment.init`."""
        example = IMAGE_INPUTS.describe_example(config)
        if not config.model.conditional:
            del example["label"]
        models = self.build_networks(config, num_classes)
        options = (config.optimization, config.adversarial, steps_per_epoch, config.run.seed, mesh)
        state, step, _ = init_generator(*models, example, *options)
        noise = jax.ShapeDtypeStruct((1, config.adversarial.latent_dim), np.float32)
        inputs = {"noise": noise} | {n: s for n, s in example.items() if n != "image"}
        predict = samples_of(models[0], config.optimization.precision)
        return InitialTraining(state, step, example, predict, inputs)

    def build_networks(self, config: Any, num_classes: int) -> tuple[nn.Module, nn.Module]:
        """Builds the generator and the discriminator for data with ``num_classes`` classes."""
        known = num_classes if config.model.conditional else 0
        networks = self.build_generator(config, known), self.build_discriminator(config, known)
        return tuple(with_dtype(network, config.optimization.precision) for network in networks)

    def count_parameters(self, config: Any, num_classes: int) -> int:
        """Counts the trainable values of both networks without initialising them."""
        state = jax.eval_shape(lambda: self.init(config, 1000, make_mesh(), num_classes).state)
        return count_parameters((state.generator.params, state.discriminator.params))

    def draw_samples(
        self, run: Run, num_samples: int, seed: int, path: Path, class_name: str = ""
    ) -> None:
        """See `Experiment.draw_samples`."""
        config = self.read_config(run)
        names = run.class_names
        if class_name and not config.model.conditional:
            raise UsageError(
                f"{run.directory} was trained without classes (--no-conditional, as in --preset "
                "tutorial): leave out --class."
            )
        if class_name and class_name not in names:
            raise UsageError(f"--class {class_name} is none of {', '.join(names)}.")
        generator, _ = self.build_networks(config, len(names))
        sample = make_sampler(generator, precision=config.optimization.precision)
        inputs, columns = draw_grid(num_samples, config, names, class_name, seed)
        sample_figures.sample_grid(sample(load_model(run.checkpoints), inputs), path, columns)


def require_images(config: Any, dataset: Dataset, mesh: Mesh) -> None:
    """Refuses a data set that is streamed, or too small to compare samples with.

    Raises:
      UserError: the data set is refused, or cannot be trained on; see `require_trainable`.
    """
    if is_streamed(dataset.train):
        raise UsageError(
            "A generator needs its images in memory: give a smaller --image-size, and no --stream."
        )
    num_train, num_validation, num_test = (
        len(split["label"]) for split in (dataset.train, dataset.validation, dataset.test)
    )
    if 0 < num_validation <= NEIGHBOURS:
        raise UsageError(
            f"--validation-fraction {config.data.validation_fraction} sets {num_validation} images "
            f"aside: give 0, or enough for more than {NEIGHBOURS}."
        )
    if num_test <= NEIGHBOURS:
        raise UserError(
            f"{dataset.name} has {num_test} test images, too few to compare samples with: add "
            f"images, so that there are more than {NEIGHBOURS}."
        )
    require_trainable(config.optimization, num_train, num_validation, mesh)


def score(
    images: np.ndarray,
    extractor: FeatureExtractor,
    dataset: Dataset,
    labels: np.ndarray | None = None,
) -> Summary:
    """Scores samples, as many as there are test images, by their features.

    Args:
      images: uint8 (samples, height, width, channels).
      extractor: computes the features.
      dataset: the data on which the generator was trained.
      labels: int32 (samples,), the classes that were asked for, if any were.

    Returns:
      The scores of `compare` between the samples and the test split, named "test_..."; with
      ``labels`` "test_class_accuracy", the fraction of the samples in the class that was asked for;
      for comparison, the scores of the first training images, as many as there are test images (the
      feature extractor was trained on most of them): "test_frechet_floor", "test_real_precision"
      and "test_real_recall"; "test_frechet_ratio", of the Frechet distance to its floor;
      "class_shares" of the samples; and "feature_extractor_sha256".
    """
    num_classes = len(dataset.class_names)
    samples, test = extractor.extract(images), extractor.extract(dataset.test["image"])
    train = extractor.extract(dataset.train["image"][: len(dataset.test["image"])])
    quality, of_real = (compare(features, test, num_classes) for features in (samples, train))
    if labels is not None:
        quality["class_accuracy"] = float((samples["class"] == labels).mean())
    return {
        **{f"test_{name}": value for name, value in quality.items()},
        "test_real_precision": of_real["precision"],
        "test_real_recall": of_real["recall"],
        "test_frechet_floor": of_real["frechet_distance"],
        "test_frechet_ratio": quality["frechet_distance"] / of_real["frechet_distance"],
        "class_shares": class_shares(samples, num_classes).tolist(),
        "feature_extractor_sha256": extractor.sha256,
    }
