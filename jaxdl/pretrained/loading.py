"""Fetches and checks published models and loads them into our modules."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from tokenizers import Tokenizer

from jaxdl.data import sources
from jaxdl.data.folders import making
from jaxdl.errors import UserError, reason_of
from jaxdl.files import expand_home
from jaxdl.pretrained.catalog import PUBLISHED, VOCABULARY, Published
from jaxdl.pretrained.conversion import Tensors, import_variables, likeliest_names
from jaxdl.pretrained.name_maps import NameMap
from jaxdl.pretrained.weight_files import read_tensors
from jaxdl.pretrained.wordpiece import read_wordpiece

FOLDER = "weights"
SLACK = 2  # a file may be in double precision, or hold a head that the module lacks


def load_published(name: str, data_dir: Path, weights: Path | None = None) -> tuple[nn.Module, Any]:
    """Loads a published model, and fetches its files the first time.

    Args:
      name: a key of `PUBLISHED`.
      data_dir: folder in which its files are kept, in ``weights/NAME/``.
      weights: a file of other weights for the same module, instead of the published ones.

    Returns:
      The module as it was published and its variables, float32 numpy arrays.

    Raises:
      UserError: the files cannot be fetched or read, or do not belong to this model.
    """
    published = PUBLISHED[name]
    path = weights or fetch(name, data_dir) / published.weights
    module = published.build()
    shapes = describe_variables(module, published)
    tensors = read_tensors(path, SLACK * sum(4 * leaf.size for leaf in jax.tree.leaves(shapes)))
    return module, convert(module, shapes, published.names, tensors, str(path))


def load_tokenizer_of(name: str, data_dir: Path) -> Tokenizer:
    """Loads the tokenizer of a published text model; raises as `load_published` does."""
    return read_wordpiece(fetch(name, data_dir, VOCABULARY.name) / VOCABULARY.name)


def convert(
    module: nn.Module, shapes: Any, candidates: Sequence[NameMap], tensors: Tensors, source: str
) -> Any:
    """Returns a module's variables, made from tensors named by one of several maps of names.

    Args:
      module: the module.
      shapes: shapes of its variables, from `describe_variables`.
      candidates: the maps of names that the tensors may follow.
      tensors: the published tensors by name.
      source: what error messages call the tensors.

    Raises:
      MismatchError: the tensors do not fit the module.
    """
    stage_sizes = stage_sizes_of(module)
    names = likeliest_names(shapes, tensors, candidates, stage_sizes)
    return import_variables(shapes, tensors, names, stage_sizes, source)


def stage_sizes_of(module: nn.Module) -> tuple[int, ...]:
    """Returns the number of blocks of each stage of a residual network; () for other modules."""
    return tuple(getattr(module, "stage_sizes", ()))


def describe_variables(module: nn.Module, published: Published) -> Any:
    """Returns the tree of the shapes and dtypes of a module's variables."""
    if published.reads == "image":
        side = published.preprocessing.side
        inputs = [np.zeros((1, side, side, 3), np.float32)]
    else:
        inputs = [np.zeros((1, 1), np.int32), np.ones(1, np.int32)]
    return jax.eval_shape(lambda key: module.init(key, *inputs, train=False), jax.random.key(0))


def fetch(name: str, data_dir: Path, only: str | None = None) -> Path:
    """Fetches the missing files of a published model, checks all of them, returns their folder.

    Args:
      name: a key of `PUBLISHED`.
      data_dir: folder in which its files are kept, in ``weights/NAME/``.
      only: name of the one file to fetch; None for all files.

    Raises:
      UserError: the files cannot be fetched, or the directory cannot be used.
    """
    folder = expand_home(data_dir) / FOLDER / name
    places = PUBLISHED[name].sources
    if only:
        places = tuple(
            dataclasses.replace(place, files=tuple(f for f in place.files if f.name == only))
            for place in places
        )
    if sources.are_present(name, places, folder):  # then the directory may be read-only
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with making(folder) as temporary:
            sources.obtain(name, places, folder, temporary)
    except OSError as error:
        raise UserError(
            f"{name}: the data directory {data_dir} cannot be used "
            f"({reason_of(error)}). Fix that or give another --data-dir."
        ) from error
    return folder
