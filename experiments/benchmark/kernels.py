"""Times our LSTM and our attention beside those of cuDNN, forward and backward, on a GPU.

    python -m experiments.benchmark.kernels

Without a GPU only ours are timed. Prints a line for each case and writes a JSON file.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import rnn

from jaxdl.console import console, progress
from jaxdl.files import write_json
from jaxdl.nn import CELLS, attend, recurrence
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.environment import describe_environment
from jaxdl.training.optimization import require, require_positive

Implementation = tuple[Callable[..., jax.Array], tuple[jax.Array, ...]]
LSTMS = ((64, 400, 128, 64), (64, 400, 256, 256))
"""Numbers of texts and of time steps, widths of the inputs and of the hidden state."""
ATTENTIONS = ((64, 400, 2, 64), (256, 64, 4, 32), (8, 2048, 8, 64))
"""Numbers of examples, of positions and of heads, and the width of a head."""
CALLS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """How often to time, and where to write."""

    rounds: int = 5
    """How often each implementation is timed, in turns."""
    examples: int = 0
    """Number of examples in each case; by default as many as usual."""
    output: Path = Path("runs/benchmark/kernels.json")
    """JSON file to write."""

    def __post_init__(self) -> None:
        require_positive(self, "rounds")
        require(self, "examples", self.examples >= 0, "at least 0")


def lstm_forms(batch: int, length: int, width: int, hidden: int) -> dict[str, Implementation]:
    """Returns our LSTM and that of cuDNN, each with random arguments, in float32."""
    keys = jax.random.split(jax.random.key(0), 4)
    inputs = jax.random.normal(keys[0], (batch, length, width))
    by_input = 0.05 * jax.random.normal(keys[1], (width, 4 * hidden))
    by_state = 0.05 * jax.random.normal(keys[2], (hidden, 4 * hidden))

    def ours(inputs: jax.Array, by_input: jax.Array, by_state: jax.Array) -> jax.Array:
        gates = tuple(jnp.split((inputs @ by_input).swapaxes(0, 1), 4, axis=-1))
        mask = jnp.ones((length, batch), bool)
        return recurrence(CELLS["lstm"], gates, by_state, jnp.zeros(4 * hidden), mask)

    forms = {"ours": (ours, (inputs, by_input, by_state))}
    if jax.default_backend() == "gpu":
        weights = rnn.init_lstm_weight(keys[3], width, hidden, 1, False)
        zeros, lengths = jnp.zeros((1, batch, hidden)), jnp.full(batch, length, jnp.int32)

        def cudnn(inputs: jax.Array, weights: jax.Array) -> jax.Array:
            options = (width, hidden, 1, 0.0, False)
            return rnn.lstm(inputs, zeros, zeros, weights, lengths, *options)[0]

        forms["cuDNN"] = (cudnn, (inputs, weights))
    return forms


def attention_forms(batch: int, length: int, heads: int, width: int) -> dict[str, Implementation]:
    """Returns our attention and that of cuDNN, each with random arguments, in bfloat16."""
    shape = (3, batch, length, heads, width)
    arguments = tuple(jax.random.normal(jax.random.key(0), shape, jnp.bfloat16))
    forms = {"ours": (attend, arguments)}
    if jax.default_backend() == "gpu":
        cudnn = partial(jax.nn.dot_product_attention, implementation="cudnn")
        forms["cuDNN"] = (cudnn, arguments)
    return forms


def milliseconds_of(forms: dict[str, Implementation], rounds: int) -> dict[str, float]:
    """Times value and gradients of each compiled form in turns; returns medians in milliseconds."""
    compiled = {}
    for name, (function, arguments) in forms.items():

        def total(*arguments: jax.Array, function: Any = function) -> jax.Array:
            return function(*arguments).astype(jnp.float32).sum()

        everything = tuple(range(len(arguments)))
        step = jax.jit(jax.value_and_grad(total, argnums=everything))
        compiled[name] = partial(step.lower(*arguments).compile(), *arguments)
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, call in compiled.items():
            jax.block_until_ready(call())
            started = time.perf_counter()
            for _ in range(CALLS):
                results = call()
            jax.block_until_ready(results)
            seconds[name].append((time.perf_counter() - started) / CALLS)
    return {name: 1e3 * float(np.median(values)) for name, values in seconds.items()}


def main() -> None:
    """Parses the command line, times, prints and writes."""
    options = parse_dataclass(Options, "experiments.benchmark.kernels", description=__doc__)
    cases = [("lstm", lstm_forms, shape) for shape in LSTMS]
    cases += [("attention", attention_forms, shape) for shape in ATTENTIONS]
    results = []
    with progress("kernels", len(cases)) as show:
        for number, (name, forms_of, (batch, *sizes)) in enumerate(cases):
            show(number, name)
            shape = (options.examples or batch, *sizes)
            times = milliseconds_of(forms_of(*shape), options.rounds)
            results.append({"kernel": name, "shape": shape, "milliseconds": times})
            console.print(f"{name} {'x'.join(map(str, shape))}  {json.dumps(times)}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.output, {"environment": describe_environment(), "results": results})
    console.print(str(options.output))


if __name__ == "__main__":
    run_command(main)
