"""Writes the notebooks from the Markdown files in experiments/notebooks/sources.

    python -m experiments.notebooks

A block of Python becomes a cell of code, and the text between two blocks a cell of text. A line
like <!-- install.md --> stands for the text of another file. The command needs a clone of the
repository.
"""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from jaxdl.console import console
from jaxdl.files import write_text
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command

REPOSITORY = ""
"""Address of the repository on GitHub, https://github.com/OWNER/NAME, once it has one."""

FOLDER = Path(__file__).parent
NOTEBOOKS = ("mlp", "cnn", "sequences", "gan", "attention", "pretrained", "colab", "kaggle")
INCLUDED = re.compile(r"^<!-- (\w+\.md) -->\n", re.MULTILINE)
CODE = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
BADGES = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{name}/blob/main/{path}) "
    "[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]"
    "(https://kaggle.com/kernels/welcome?src=https://github.com/{name}/blob/main/{path})\n\n"
)


@dataclasses.dataclass(frozen=True)
class Options:
    """The command has no options."""


def main() -> None:
    """Writes all notebooks."""
    parse_dataclass(Options, "experiments.notebooks", description=__doc__)
    for name in NOTEBOOKS:
        path = FOLDER / f"{name}.ipynb"
        write_text(path, build(name, REPOSITORY))
        console.print(str(path))


def build(name: str, repository: str) -> str:
    """Returns the JSON of a notebook.

    Args:
      name: name of its source file, without the suffix.
      repository: address on GitHub; with "" there are no badges, and the reader is asked for it.
    """
    lesson = INCLUDED.sub(lambda line: read_source(line[1]), read_source(f"{name}.md"))
    title, rest = lesson.replace("{repository}", repository).split("\n\n", 1)
    badges = ""
    if repository:
        path = f"experiments/notebooks/{name}.ipynb"
        badges = BADGES.format(name=repository.partition("github.com/")[2], path=path)
    cells = enumerate(split_into_cells(f"{title}\n\n{badges}{rest}"))
    notebook = {
        "cells": [make_cell(number, *cell) for number, cell in cells],
        "metadata": {
            "accelerator": "GPU",
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def read_source(name: str) -> str:
    """Returns the text of a file among the sources."""
    return (FOLDER / "sources" / name).read_text("utf-8")


def split_into_cells(source: str) -> list[tuple[str, str]]:
    """Splits Markdown with blocks of Python into cells; returns the kind and text of each."""
    kinds = ("markdown", "code")
    parts = CODE.split(source)
    cells = [(kinds[number % 2], part.strip()) for number, part in enumerate(parts)]
    return [cell for cell in cells if cell[1]]


def make_cell(number: int, kind: str, text: str) -> dict[str, Any]:
    """Makes a cell of a notebook."""
    of_code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    source = text.splitlines(keepends=True)
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, **of_code, "source": source}


if __name__ == "__main__":
    run_command(main)
