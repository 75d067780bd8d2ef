"""Times contestants in separate processes that take turns, so that noise affects all equally."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from experiments.benchmark.processes import Record, Worker, start_workers
from experiments.benchmark.steady import Turn, Yardstick
from jaxdl.console import note
from jaxdl.errors import UserError

PRODUCT_SECONDS = 0.25


@contextlib.contextmanager
def start_yardstick(cores: int, precision: str, show: Callable[[str], None]) -> Iterator[Yardstick]:
    """Starts the process of the matrix product by which turns are judged."""
    request = {"model": "mlp", "batch_size": 1, "precision": precision, "cores": cores}
    with start_workers(["matrix-product"], show, **request) as workers:
        worker, description = workers["matrix-product"]

        def time_product() -> float:
            return _seconds_each(worker.ask(work="train", seconds=PRODUCT_SECONDS))

        yield Yardstick(time_product, description["flops_per_example"])


def _seconds_each(answer: Record) -> float:
    return answer["seconds"] / answer["times"]


def race(
    workers: Mapping[str, tuple[Worker, Record]],
    work: str,
    rounds: int,
    seconds: float,
    show: Callable[[str], None],
    yardstick: Yardstick,
) -> list[Record]:
    """Gives each worker one turn in each round, and repeats those that were disturbed.

    A peer whose process ends takes no more turns; a line on standard error says why.

    Returns:
      For each worker its description, "framework", "peak_memory" in bytes, and "turns": for each
      round those of `Yardstick.repeat`, with "seconds_each" (per train step or per prediction). For
      a peer whose process has ended, "ended" says why.

    Raises:
      UserError: the process of the first one, ours, or of the yardstick has ended.
    """
    records = {
        framework: description | {"framework": framework, "turns": []}
        for framework, (_, description) in workers.items()
    }
    first = next(iter(records))

    def in_turn(take: Callable[[Worker, Record], None], when: str) -> None:
        for framework, record in records.items():
            if "ended" in record:
                continue
            show(f"{framework}, {when}")
            worker = workers[framework][0]
            try:
                take(worker, record)
            except UserError as error:
                if framework == first or not worker.has_ended:
                    raise
                record["ended"] = str(error)
                note(str(error))

    def warm_up(worker: Worker, record: Record) -> None:
        worker.ask(work=work, seconds=seconds / 4)  # measures how many repetitions fit

    def take_turn(worker: Worker, record: Record) -> None:
        def time() -> Turn:
            answer = worker.ask(work=work, seconds=seconds)
            record["peak_memory"] = answer["peak_memory"]
            return {"seconds_each": _seconds_each(answer)}

        record["turns"].append(yardstick.repeat(time))

    in_turn(warm_up, "warming up")
    for number in range(rounds):
        in_turn(take_turn, f"round {number + 1} of {rounds}")
    return list(records.values())


def summarise(records: Sequence[Record], batch_size: int, yardstick: Yardstick) -> list[Record]:
    """Adds medians over the steady turns to each record, and how many times as fast ours is.

    Ratios are taken in the rounds in which the turns of both are steady; a record without such a
    round is left out.

    Args:
      records: result of `race`, ours first.
      batch_size: number of examples per step.
      yardstick: judges the turns.
    """
    ours = records[0]
    ours_each = _steady_seconds(ours, yardstick)
    summaries = []
    for record in records:
        seconds_each = _steady_seconds(record, yardstick)
        common = [number for number in seconds_each if number in ours_each]
        if not common:
            continue
        ratios = np.array([seconds_each[number] / ours_each[number] for number in common])
        seconds = np.array(list(seconds_each.values()))
        speed = batch_size / float(np.median(seconds))
        flops = ours["flops_per_example"] and ours["flops_per_example"] * speed
        summaries.append(
            record
            | {
                "batch_size": batch_size,
                "seconds_each": seconds.tolist(),
                "discarded_turns": sum(map(len, record["turns"])) - len(seconds_each),
                "flops_per_example": ours["flops_per_example"],
                "milliseconds": 1e3 * float(np.median(seconds)),
                "examples_per_second": speed,
                "flops_per_second": flops,
                "share_of_peak": flops and flops / yardstick.peak_flops,
                "ours_is_faster_by": {
                    "median": float(np.median(ratios)),
                    "lowest": float(ratios.min()),
                    "highest": float(ratios.max()),
                },
            }
        )
    return summaries


def _steady_seconds(record: Record, yardstick: Yardstick) -> dict[int, float]:
    """Returns the seconds per step of each round whose turn is steady."""
    return {
        number: turns[-1]["seconds_each"]
        for number, turns in enumerate(record["turns"])
        if yardstick.is_steady(turns)
    }
