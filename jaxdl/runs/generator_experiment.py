"""Experiments that train a generator against a discriminator."""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.analysis.sample_quality import NEIGHBOURS, frechet_distance
from jaxdl.console import note
from jaxdl.data.catalog import image_shape_of
from jaxdl.errors import UsageError, UserError
from jaxdl.runs import sample_figures
from jaxdl.runs.experiment import Experiment, InitialTraining, Result, Summary, draw_figures
from jaxdl.runs.figures import optional_figure
from jaxdl.runs.inputs import Examples, load_images
from jaxdl.runs.lifecycle import (
    create_or_resume_run,
    print_header,
    summarise,
)
from jaxdl.runs.options import from_options
from jaxdl.runs.run import Run
from jaxdl.training.checkpoints import load_model
from jaxdl.training.feature_extractor import (
    FeatureExtractor,
    Features,
    class_shares,
    compare,
    has_collapsed,
)
from jaxdl.training.generator import draw_noise, init_generator, make_sampler, train_generator
from jaxdl.training.mesh import device_get, make_mesh
from jaxdl.training.optimization import require
from jaxdl.training.plan import require_trainable
from jaxdl.training.reading_ahead import is_streamed
from jaxdl.training.state import count_parameters

NUM_SHOWN = 64
SEED_OF_SHOWN, SEED_OF_VALIDATION, SEED_OF_TEST = range(3)


@dataclasses.dataclass(frozen=True)
class GeneratorExperiment(Experiment):
    """An experiment that trains a generator.

    Attributes:
      build_generator: ``build_generator(config)``, maps noise to images.
      build_discriminator: ``build_discriminator(config)``, maps images to logits of "real".
      find_or_train_feature_extractor: ``find_or_train_feature_extractor(config, examples)``, the
        feature extractor by which samples are evaluated, and the configuration that names it.
      figures: each ``draw(result)`` draws figures of a finished run.
    """

    build_generator: Callable[[Any], nn.Module]
    build_discriminator: Callable[[Any], nn.Module]
    find_or_train_feature_extractor: Callable[[Any, Examples], tuple[FeatureExtractor, Any]]
    figures: tuple[Callable[[Result], None], ...] = ()

    def train(self, config: Any) -> tuple[Run, Summary]:
        """See `Experiment.train`.

        After each epoch, figures/samples/ gets samples of the same noise, and a collapse that the
        validation split shows is reported. The scores in the summary are those of `compare`
        between as many samples and the test split; "test_frechet_floor", the distance between as
        many training images and the test split (the feature extractor was trained on most of
        them); "test_frechet_ratio" to that; and "class_shares" of the samples.
        """
        examples = load_images(config)
        if is_streamed(examples.dataset.train):
            raise UsageError(
                "A generator needs its images in memory: give a smaller --image-size, and no "
                "--stream."
            )
        extract, config = self.find_or_train_feature_extractor(config, examples)
        started = time.monotonic()
        mesh = make_mesh(config.machine.mesh)
        dataset, num_classes = examples.dataset, len(examples.dataset.class_names)
        num_validation = len(dataset.validation["label"])
        enough = num_validation == 0 or num_validation > NEIGHBOURS
        require(config.data, "validation_fraction", enough, f"0 or more than {NEIGHBOURS} images")
        num_test = len(dataset.test["label"])
        if num_test <= NEIGHBOURS:
            raise UserError(
                f"{dataset.name} has {num_test} test images, too few to compare samples with: add "
                f"images, so that there are more than {NEIGHBOURS}."
            )
        num_train = len(dataset.train["label"])
        require_trainable(config.optimization, num_train, num_validation, mesh)
        with create_or_resume_run(self.name, config, examples) as run:
            generator, discriminator = (
                self.build_generator(config),
                self.build_discriminator(config),
            )
            parameters = self.count_parameters(config)
            print_header(run, config, dataset, generator, parameters)

            latent_dim = config.adversarial.latent_dim
            sample = make_sampler(generator, mesh, config.optimization.precision)
            validation = extract(dataset.validation["image"])

            def measure(
                variables: Any, real: Features, seed: int
            ) -> tuple[Features, dict[str, float]]:
                noise = draw_noise(len(real["class"]), latent_dim, seed)
                samples = extract(sample(variables, noise))
                return samples, compare(samples, real, num_classes)

            def after_epoch(epoch: int, variables: Any, quality: dict[str, float]) -> None:
                if quality and has_collapsed(quality, num_classes):
                    share = f"{quality['smallest_class_share']:.1%}"
                    note(
                        f"The generator has collapsed: its rarest class has {share} of its samples."
                    )
                shown = sample(variables, draw_noise(NUM_SHOWN, latent_dim, SEED_OF_SHOWN))
                with optional_figure("samples"):
                    folder = run.figures / "samples"
                    folder.mkdir(parents=True, exist_ok=True)
                    sample_figures.sample_grid(shown, folder / f"epoch-{epoch:04}.png")

            trained = train_generator(
                generator,
                discriminator,
                dataset.train["image"],
                config.optimization,
                config.adversarial,
                evaluate=lambda variables: (
                    measure(variables, validation, SEED_OF_VALIDATION)[1] if num_validation else {}
                ),
                after_epoch=after_epoch,
                seed=config.run.seed,
                mesh=mesh,
                checkpoints=run.checkpoints,
                log=run.metrics_log(),
            )
            test = extract(dataset.test["image"])
            train = extract(dataset.train["image"][: len(dataset.test["image"])])
            samples, quality = measure(trained.variables, test, SEED_OF_TEST)
            variables = device_get(trained.variables, mesh)
            floor = frechet_distance(test["features"], train["features"])
            scores = {
                **{f"test_{name}": value for name, value in quality.items()},
                "test_frechet_floor": floor,
                "test_frechet_ratio": quality["frechet_distance"] / floor,
                "class_shares": class_shares(samples, num_classes).tolist(),
            }
            seconds = time.monotonic() - started
            summary = summarise(run, config, dataset.name, trained, parameters, scores, seconds)
            run.write_summary(summary)
            result = Result(run, config, dataset, generator, variables, summary)
            draw_figures(self.figures, result)
            return run, summary

    def init(
        self, config: Any, steps_per_epoch: int, mesh: Mesh, num_classes: int = 0
    ) -> InitialTraining:
        """See `Experiment.init`; the number of classes has no effect."""
        shape = (1, *image_shape_of(config.data.dataset, config.data.image_size))
        models = (self.build_generator(config), self.build_discriminator(config))
        options = (config.optimization, config.adversarial, steps_per_epoch, config.run.seed, mesh)
        state, step, _ = init_generator(*models, shape, *options)
        return InitialTraining(state, step, {"image": jax.ShapeDtypeStruct(shape, np.uint8)})

    def count_parameters(self, config: Any) -> int:
        """Counts the trainable values of both networks without initialising them."""
        state = jax.eval_shape(lambda: self.init(config, 1000, make_mesh()).state)
        return count_parameters((state.generator.params, state.discriminator.params))

    def draw_samples(self, run: Run, num_samples: int, seed: int, path: Path) -> None:
        """See `Experiment.draw_samples`."""
        config = from_options(self.config, run.options)
        sample = make_sampler(self.build_generator(config), precision=config.optimization.precision)
        noise = draw_noise(num_samples, config.adversarial.latent_dim, seed)
        columns = math.ceil(num_samples**0.5)
        sample_figures.sample_grid(sample(load_model(run.checkpoints), noise), path, columns)
