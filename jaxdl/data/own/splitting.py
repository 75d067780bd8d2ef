"""Divides the user's own examples into splits, and checks that they can be learned."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from jaxdl.console import note
from jaxdl.errors import UserError

TEST_FRACTION = 0.1
CLASSES_NAMED = 5


@dataclasses.dataclass(frozen=True)
class NumberedExamples:
    """Examples of one split, by their numbers in a list of all.

    Attributes:
      numbers: int (examples,).
      labels: int32 (examples,).
      digests: uint64 (examples,), the same for examples of the same content and for no others.
    """

    numbers: np.ndarray
    labels: np.ndarray
    digests: np.ndarray

    def take(self, which: np.ndarray) -> "NumberedExamples":
        """Returns those of a mask or of positions."""
        return NumberedExamples(self.numbers[which], self.labels[which], self.digests[which])


def divide(
    name: str,
    splits: Mapping[str, NumberedExamples],
    class_names: Sequence[str],
    remark: Callable[[str], None] = note,
) -> dict[str, NumberedExamples]:
    """Makes splits that can be learned, and one to test by.

    Without a test split, that for validation becomes it. Without both, a tenth of the training
    examples does; whether an example belongs to it depends only on what it contains, so that it
    stays there when others are added. The order of the examples, which depends on the same, mixes
    the classes.

    Args:
      name: of the data set, for messages.
      splits: "train" and, where they exist, "validation" and "test".
      class_names: of the labels.
      remark: takes what the user should know, a line each.

    Returns:
      The same splits, and "test".

    Raises:
      UserError: there is a single class, a class has too few examples, or a split has a class that
        the training split lacks.
    """
    present = np.unique(splits["train"].labels)
    if len(present) < 2:
        found = class_names[present[0]] if len(present) else "none"
        raise UserError(f"{name} has a single class, {found}: there is nothing to learn.")
    for split, examples in splits.items():
        _require_classes_of_train(name, split, examples, present, class_names, remark)
    splits = {split: in_order(examples) for split, examples in splits.items()}
    if "test" not in splits and "validation" in splits:
        remark(f"{name} has no test split: its validation split is the test split.")
        splits["test"] = splits.pop("validation")
    if "test" not in splits:
        splits |= _cut_off_test(name, splits["train"], class_names, remark)
    _remark_on_duplicates(name, splits, remark)
    return splits


def sort_classes(names: Collection[str]) -> list[str]:
    """Sorts the names of classes by their value if all are whole numbers, else as texts."""
    try:
        return sorted(names, key=lambda name: (int(name), name))
    except ValueError:
        return sorted(names)


def in_order(examples: NumberedExamples) -> NumberedExamples:
    """Puts examples into an order that mixes the classes and depends only on the contents."""
    return examples.take(np.argsort(examples.digests, kind="stable"))


def is_test(labels: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Chooses the tenth of each class for the test split.

    Args:
      labels: int (examples,).
      positions: float (examples,), uniform in [0, 1], equal for equal examples.

    Returns:
      bool (examples,): where the position is below a tenth; at least one example of each class is
      chosen, and one is left, if it has different ones.
    """
    smallest, largest = _extremes(labels, positions)
    chosen = positions < TEST_FRACTION
    has_none = np.bincount(labels, chosen) == 0
    chosen |= has_none[labels] & (positions == smallest[labels])
    has_all = np.bincount(labels, chosen) == np.bincount(labels)
    return chosen & ~(has_all[labels] & (positions == largest[labels]))


def _extremes(labels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the smallest and the largest value of each label, (labels,)."""
    count = labels.max() + 1
    smallest, largest = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(smallest, labels, values)
    np.maximum.at(largest, labels, values)
    return smallest, largest


def _cut_off_test(
    name: str,
    train: NumberedExamples,
    class_names: Sequence[str],
    remark: Callable[[str], None],
) -> dict[str, NumberedExamples]:
    positions = train.digests / 2.0**64
    smallest, largest = _extremes(train.labels, positions)
    single = [class_names[label] for label in np.flatnonzero(smallest == largest)]
    if single:
        raise UserError(
            f"{name} has a single example of {_name_some(single)}, or equal ones, but training and "
            "test need one each: add others, or remove the class."
        )
    chosen = is_test(train.labels, positions)
    count = f"{chosen.sum():,} of {len(chosen):,}"
    remark(f"{name} has no test split: {count} examples are set aside for it.")
    return {"train": train.take(~chosen), "test": train.take(chosen)}


def _require_classes_of_train(
    name: str,
    split: str,
    examples: NumberedExamples,
    of_train: np.ndarray,
    class_names: Sequence[str],
    remark: Callable[[str], None],
) -> None:
    present = np.unique(examples.labels)
    unknown = [class_names[label] for label in np.setdiff1d(present, of_train)]
    if unknown:
        raise UserError(
            f"The {split} split of {name} has classes that the training split lacks, "
            f"{_name_some(unknown)}: add examples of them to it, or rename them."
        )
    missing = [class_names[label] for label in np.setdiff1d(of_train, present)]
    if missing:
        remark(f"The {split} split of {name} has no example of {_name_some(missing)}.")


def _remark_on_duplicates(
    name: str, splits: Mapping[str, NumberedExamples], remark: Callable[[str], None]
) -> None:
    train = splits["train"].digests
    for split in ("validation", "test"):
        if split in splits:
            count = int(np.isin(splits[split].digests, train).sum())
            if count:
                remark(
                    f"{count:,} {split} examples of {name} are training examples, too: scores will "
                    "be better than on new ones. Remove them from one of the splits."
                )


def _name_some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:CLASSES_NAMED])
    return (
        shown if len(names) <= CLASSES_NAMED else f"{shown} and {len(names) - CLASSES_NAMED} more"
    )
