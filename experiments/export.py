"""Exports a trained network for use without jaxdl.

    python -m experiments.export runs/resnet/20261121-120000-0 --format stablehlo
    python -m experiments.export minilm --format safetensors --output minilm.safetensors
    python -m experiments.export resnet50 --format onnx

``stablehlo`` is a program for CPU, CUDA and TPU at once, weights and preprocessing included, for
batches of any size; ``jax.export.deserialize(FILE bytes).call(...)`` runs it, for as long as JAX
guarantees (half a year). ``safetensors`` holds the weights only, under the names of the
transformers library or of Keras if it has the same network, else under ours; it does not age.
``onnx`` is a program for other runtimes, by jax2onnx (``pip install -e ".[onnx]"``), which cannot
convert networks that count n-grams (train with ``--ngrams 0``). The inputs are images, uint8
(batch, height, width, channels), or int32 tokens (batch, time) and their lengths (batch,); the
outputs are logits, float32 (batch, classes). The file is read back and compared.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import flax.traverse_util
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import tyro
from safetensors.numpy import save

from experiments.trained_networks import load_network
from jaxdl.console import note, print_table
from jaxdl.data import DEFAULT_DATA_DIR
from jaxdl.errors import UsageError, UserError, reason_of
from jaxdl.models.bert import Bert
from jaxdl.models.resnet import ResNet
from jaxdl.models.vit import ViT
from jaxdl.nn.backend import is_cpu
from jaxdl.pretrained import name_maps
from jaxdl.pretrained.conversion import export_tensors
from jaxdl.pretrained.loading import stage_sizes_of
from jaxdl.pretrained.name_maps import NameMap
from jaxdl.pretrained.weight_files import read_tensors
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.launch import set_up_devices
from jaxdl.runs.networks import TrainedNetwork, stored_dtype
from jaxdl.training.classifier import logits_of
from jaxdl.training.precision import HIGHEST

Format = Literal["stablehlo", "safetensors", "onnx"]
PLATFORMS = ("cpu", "cuda", "tpu")
TOLERANCE = 1e-4
"""Largest difference of logits, relative to the largest logit: forms for CPU round differently."""
TOLERANCE_WHERE_ROUNDED = 3e-2
"""The same tolerance where factors of products are rounded to bfloat16 or TF32."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What to export, and in which format."""

    network: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN|MODEL")]
    """The directory of a run, or the name of a published model."""
    format: Format = "stablehlo"
    """Format of the file."""
    output: Path | None = None
    """File to write; by default named after the network, in the current directory."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory in which published weights are kept."""


def make_apply(network: TrainedNetwork) -> Callable[..., jax.Array]:
    """Returns ``apply(*features)``: the logits of the network with its variables."""
    logits = logits_of(network.model, network.pipeline, network.precision)
    variables = jax.tree.map(jnp.asarray, network.variables)
    names = list(network.example_shapes)
    return lambda *features: logits(variables, dict(zip(names, features, strict=True)))


def describe_inputs(network: TrainedNetwork) -> list[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of each feature, for a batch of any size."""
    (batch,) = jax.export.symbolic_shape("batch")
    return [
        jax.ShapeDtypeStruct((batch, *shape), stored_dtype(name))
        for name, shape in network.example_shapes.items()
    ]


def draw_examples(network: TrainedNetwork, count: int) -> list[np.ndarray]:
    """Draws features of random examples; texts have two tokens or more, if they can."""
    random = np.random.default_rng(0)
    shapes = network.example_shapes
    if "image" in shapes:
        return [random.integers(0, 256, (count, *shapes["image"]), np.uint8)]
    (time,) = shapes["tokens"]
    vocabulary_size = getattr(network.model, "vocabulary_size", 2)  # a user's model may lack it
    length = random.integers(min(2, time), time + 1, count).astype(np.int32)
    tokens = random.integers(1, vocabulary_size, (count, time)).astype(np.int32)
    return [np.where(np.arange(time) < length[:, None], tokens, 0).astype(np.int32), length]


def write_stablehlo(network: TrainedNetwork, path: Path) -> Callable[..., np.ndarray]:
    """Writes a program and reads it back; returns ``call(*features)``, which computes logits."""
    program = jax.export.export(jax.jit(make_apply(network)), platforms=PLATFORMS)
    path.write_bytes(program(*describe_inputs(network)).serialize())
    return jax.export.deserialize(bytearray(path.read_bytes())).call


def write_onnx(network: TrainedNetwork, path: Path) -> Callable[..., np.ndarray]:
    """Writes a program by jax2onnx, reads it back, and returns it as `write_stablehlo` does.

    Raises:
      UserError: jax2onnx is not installed, or cannot convert the network.
    """
    try:
        import onnx
        import onnxruntime
        from jax2onnx import to_onnx
    except ImportError as error:
        message = f'{error.name} is not installed: pip install -e ".[onnx]"'
        raise UserError(message) from error
    names = list(network.example_shapes)
    inputs = describe_inputs(network)
    try:
        model = to_onnx(make_apply(network), inputs, input_names=names, output_names=["logits"])
        del model.graph.value_info[:]  # shapes inside the graph, which are wrong and not needed
        onnx.save(model, path)
        session = onnxruntime.InferenceSession(path)
    except Exception as error:  # both libraries raise exceptions of many kinds
        raise UserError(f"jax2onnx cannot convert {network.name} ({reason_of(error)}).") from error
    return lambda *features: session.run(None, dict(zip(names, features, strict=True)))[0]


def write_safetensors(network: TrainedNetwork, path: Path) -> dict[str, np.ndarray]:
    """Writes the weights; returns them as they were written, by their names."""
    names = names_of(network)
    if names is None:
        flat = flax.traverse_util.flatten_dict(network.variables)
        tensors = {".".join(key): np.array(leaf, np.float32) for key, leaf in flat.items()}
    else:
        tensors = export_tensors(network.variables, names, stage_sizes_of(network.model))
    path.write_bytes(save(tensors, metadata={"format": "pt"}))
    return tensors


def names_of(network: TrainedNetwork) -> NameMap | None:
    """Returns the names of the parameters in another library; None if it lacks the network.

    The library is transformers, or Keras for a residual network with ``strides_first``.
    """
    colours = network.example_shapes.get("image", (0,))[-1]
    match network.model:
        case Bert(num_token_types=0, pooling="relu"):
            return name_maps.DISTILBERT
        case Bert(pooling="tanh") | Bert(num_classes=0):
            return name_maps.BERT
        case ViT(tokenizer="patches", pooling="token", positions="learned") if colours == 3:
            return name_maps.HF_VIT
        case ResNet(stem="large", projects=True, residual=True, normalisation="batch"):
            return name_maps.KERAS_RESNET if network.model.strides_first else name_maps.HF_RESNET
    return None


def export(network: TrainedNetwork, format: Format, path: Path) -> str:
    """Writes a file, completely or not at all, reads it back, and says how well it agrees.

    Raises:
      UserError: what was read back differs.
    """
    unfinished = path.with_name(f".{path.name}.unfinished.{format}")
    try:
        if format == "safetensors":
            written = write_safetensors(network, unfinished)
            read = read_tensors(unfinished, unfinished.stat().st_size)
            equal = read.keys() == written.keys() and all(
                np.array_equal(read[name], written[name]) for name in written
            )
            agreement, fits = f"{len(read)} tensors, equal", equal
        else:
            write = write_stablehlo if format == "stablehlo" else write_onnx
            call = write(network, unfinished)
            difference = largest_difference(network, call)
            agreement = f"logits differ by {difference:.1e} of the largest at most"
            fits = difference <= tolerance(network, format)
        if not fits:
            raise UserError(f"What was read back is not what was written ({agreement}).")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return agreement


def tolerance(network: TrainedNetwork, format: Format) -> float:
    """Returns how far logits may differ; ONNX runtimes do not round float32 as GPUs and TPUs do."""
    on_accelerator = format == "stablehlo" and not is_cpu()
    rounded = network.precision.startswith("bfloat16") or (
        on_accelerator and network.precision != HIGHEST
    )
    return TOLERANCE_WHERE_ROUNDED if rounded else TOLERANCE


def largest_difference(network: TrainedNetwork, call: Callable[..., Any]) -> float:
    """Returns the largest difference of a program's logits from ours, relative to our largest.

    Ours are computed in the highest precision of products, whatever that of the program is.
    """
    features = draw_examples(network, count=2)
    reference = dataclasses.replace(network, precision=HIGHEST)
    expected = reference.logits(dict(zip(network.example_shapes, features, strict=True)))
    return float(np.abs(np.asarray(call(*features)) - expected).max() / np.abs(expected).max())


def main() -> None:
    """Parses the command line, exports, prints what was written."""
    options = parse_dataclass(Options, "experiments.export", description=__doc__)
    set_up_devices()
    network = load_network(options.network, options.data_dir)
    path = options.output or Path(f"{Path(options.network).resolve().name}.{options.format}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--output is {path}, but must be a file in a folder that exists.")
    note(f"Exporting {network.name} to {options.format}; this takes a moment.")
    agreement = export(network, options.format, path)
    print_table({"file": f"{path}, {path.stat().st_size / 1e6:.1f} MB", "read back": agreement})


if __name__ == "__main__":
    run_command(main)
