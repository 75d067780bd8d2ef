"""Classifiers of texts that start from a language model, whose run is kept and used again."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from jaxdl.console import note
from jaxdl.randomness import Purpose, key_for
from jaxdl.runs.inputs import Examples
from jaxdl.runs.language_model_experiment import LanguageModelExperiment
from jaxdl.runs.lifecycle import checksums_of
from jaxdl.runs.options import to_options
from jaxdl.runs.run import Run, readable_runs
from jaxdl.runs.seeds import same_result, summary_if_finished
from jaxdl.training.checkpoints import load_model
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.layers import HEAD
from jaxdl.training.processes import text_of_first
from jaxdl.training.text_batches import preprocess_tokens

Params = dict[str, Any]


def new_variables(model: nn.Module, examples: Examples, seed: int) -> dict[str, Any]:
    """Draws the variables of a classifier of texts, "params" and "batch_stats", as a run does."""
    text = {name: array[:1] for name, array in examples.encoded.train.items()}
    init = jax.jit(partial(model.init, train=False))
    variables = init(key_for(Purpose.INIT, seed), *preprocess_tokens(text))
    return {"batch_stats": {}} | jax.tree.map(np.asarray, variables)


def with_language_model(
    params: Params,
    experiment: LanguageModelExperiment,
    config: Any,
    examples: Examples,
    resume: Path | None = None,
) -> Params:
    """Returns parameters of a classifier: all shared layers but the head are from a language model.

    Args:
      params: parameters of the classifier, by the names of its layers.
      experiment: trains the language model.
      config: options of the language model.
      examples: data of the classifier, on whose training texts the language model is trained.
      resume: run of the classifier to resume; once it has a checkpoint, which replaces the
        parameters, no language model is needed.
    """
    if resume and Run.open(resume).checkpoint_steps():
        return params
    run = find_or_train(experiment, config, examples)
    learned = load_model(run.checkpoints)["params"]
    return params | {name: learned[name] for name in params if name in learned and name != HEAD}


def find_or_train(experiment: LanguageModelExperiment, config: Any, examples: Examples) -> Run:
    """Finds the finished run of these options on these texts; else resumes or starts one."""
    wanted, data = to_options(config), checksums_of(examples)
    configs = sorted((config.run.runs_dir / experiment.name).glob("*/config.json"), reverse=True)
    same = [
        run
        for run in readable_runs(path.parent for path in configs)
        if same_result(run.options, wanted) and run.data == data
    ]
    finished = next((run for run in same if summary_if_finished(run, wanted)), None)
    found = text_of_first(str(finished.directory) if finished else "")
    if found:
        return Run.open(Path(found))
    note(f"Training a language model on the texts of {examples.dataset.name} first:")
    begun = next((run for run in same if run.checkpoint_steps()), None)
    resumed = text_of_first(str(begun.directory) if begun else "")
    options = dataclasses.replace(config.run, resume=Path(resumed) if resumed else None)
    try:
        return experiment.train(dataclasses.replace(config, run=options))[0]
    except InterruptedTraining as error:
        raise InterruptedTraining(f"{error} Or repeat the command, which resumes it.") from None
