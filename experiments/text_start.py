"""What classifiers of texts start from: a pretrained language model and counted n-grams."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from experiments import language_model
from jaxdl.models.ngram_ratios import NGRAM_COUNTS
from jaxdl.runs.inputs import Examples
from jaxdl.runs.options import with_changes
from jaxdl.runs.pretraining import new_variables, with_language_model
from jaxdl.training.finetuning import PretrainedStart
from jaxdl.training.ngrams import count_texts, describe_ratios, find_rows, out_of_fold_ratios
from jaxdl.training.text_batches import RATIOS


def start(
    config: Any,
    build_classifier: Callable[[Any, int], nn.Module],
    changes: dict[str, Any],
    examples: Examples,
) -> PretrainedStart | None:
    """Pretrains a classifier of texts, and counts the n-grams for it, if its options say so.

    Args:
      config: options of the classifier; needs the groups data, model, optimization, pretraining,
        run and machine.
      build_classifier: ``build_classifier(config, num_classes)``.
      changes: options of the language model that follow from the classifier's network.
      examples: the classifier's examples.
    """
    options = config.pretraining
    if not options.pretrain and not config.model.ngrams:
        return None
    classifier = build_classifier(config, len(examples.dataset.class_names))
    variables = new_variables(classifier, examples, config.run.seed)
    started = time.monotonic()
    if options.pretrain:
        own = dataclasses.replace(config.run, preset="default", seeds=1, group="", resume=None)
        language = language_model.Config(data=config.data, run=own, machine=config.machine)
        same = {name: getattr(config.optimization, name) for name in ("batch_size", "precision")}
        language = with_changes(language, changes | same | {"epochs": options.pretrain})
        where = (language_model.EXPERIMENT, language, examples, config.run.resume)
        variables["params"] = with_language_model(variables["params"], *where)
    seconds = time.monotonic() - started
    features = {}
    if config.model.ngrams:
        train, model = examples.encoded.train, config.model
        rows = find_rows(train, model.ngrams, model.ngram_buckets)
        counted = count_texts(rows, train["label"], model.ngram_buckets, classifier.num_classes)
        variables["batch_stats"][NGRAM_COUNTS] = counted
        features[RATIOS] = out_of_fold_ratios(rows, train, counted, model.ngrams)
    return PretrainedStart(variables, options.layer_decay, seconds_apart=seconds, features=features)


def describe_features(config: Any, num_classes: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Gives shape and dtype of the ratios that `start` adds to one training example."""
    if not config.model.ngrams:
        return {}
    one = describe_ratios(config.data.sequence_length, config.model.ngrams, num_classes)
    return {RATIOS: jax.ShapeDtypeStruct((1, *one.shape), one.dtype)}
