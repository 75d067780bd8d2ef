"""Divides the user's own examples into splits, and checks that a model can learn from them."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from jaxdl.console import note
from jaxdl.errors import UserError

TEST_FRACTION = 0.1
CLASSES_NAMED = 5


@dataclasses.dataclass(frozen=True)
class NumberedExamples:
    """Examples of one split, by their positions in a list of all examples.

    Attributes:
      numbers: int (examples,), the positions.
      labels: int32 (examples,).
      digests: uint64 (examples,), the same for equal contents and, barring a rare collision, for
        no others.
    """

    numbers: np.ndarray
    labels: np.ndarray
    digests: np.ndarray

    def take(self, which: np.ndarray) -> "NumberedExamples":
        """Returns the examples that a boolean mask or an integer array selects."""
        return NumberedExamples(self.numbers[which], self.labels[which], self.digests[which])


def divide(
    name: str,
    splits: Mapping[str, NumberedExamples],
    class_names: Sequence[str],
    remark: Callable[[str], None] = note,
) -> dict[str, NumberedExamples]:
    """Checks that a model can learn from the splits, mixes their classes, and adds a test split.

    Without a test split, the validation split becomes it. Without either, a tenth of the training
    examples does. Whether an example is chosen depends only on its content, except in the smallest
    classes, so that the choice stays the same when others are added. The order of the examples,
    which mixes the classes, also depends only on their contents.

    Args:
      name: name of the data set, for messages.
      splits: "train" and, where they exist, "validation" and "test".
      class_names: names of the labels 0, 1, ...
      remark: called with each remark for the user, of one line.

    Returns:
      "train" and "test", and "validation" if both it and "test" were given.

    Raises:
      UserError: there are fewer than two classes, a class has too few examples, or a split has a
        class that the training split lacks.
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
    """Chooses about a tenth of each class for the test split.

    Args:
      labels: int (examples,).
      positions: float (examples,), uniform in [0, 1], equal for equal examples.

    Returns:
      bool (examples,): whether the position is below a tenth. In a class whose positions differ,
      at least one example is chosen and at least one is not.
    """
    smallest, largest = np.full((2, labels.max() + 1), [[np.inf], [-np.inf]])
    np.minimum.at(smallest, labels, positions)
    np.maximum.at(largest, labels, positions)
    chosen = positions < TEST_FRACTION
    has_none = np.bincount(labels, chosen) == 0
    chosen |= has_none[labels] & (positions == smallest[labels])
    has_all = np.bincount(labels, chosen) == np.bincount(labels)
    return chosen & ~(has_all[labels] & (positions == largest[labels]))


def _cut_off_test(
    name: str, train: NumberedExamples, class_names: Sequence[str], remark: Callable[[str], None]
) -> dict[str, NumberedExamples]:
    chosen = is_test(train.labels, train.digests / 2.0**64)
    without = np.setdiff1d(train.labels, train.labels[chosen])
    single = [class_names[label] for label in without]
    if single:
        raise UserError(
            f"{name} has a single example of {_name_some(single)}, or equal ones, but training and "
            "test need one each: add others, or remove the class."
        )
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
