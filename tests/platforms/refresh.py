"""Writes the constraint files of Colab from the lists that it publishes: its versions of ours.

python tests/platforms/refresh.py
"""

import datetime
import re
import urllib.request
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCE = "https://raw.githubusercontent.com/googlecolab/backend-info/main"
LISTS = {
    "colab": ("pip-freeze.txt", "os-info.txt"),
    "colab-tpu": ("pip-freeze.tpu.txt", "os-info-tpu.txt"),
}
BESIDES = {"ipython", "jaxlib", "libtpu", "ml-dtypes", "scipy", "tensorstore"}
"""What the packages that are required bring along, and JAX depends on the version of."""


def main() -> None:
    """Fetches the lists and writes the files."""
    wanted = required_packages() | BESIDES
    for name, (packages, system) in LISTS.items():
        text = constraints(fetch(packages), fetch(system), wanted, f"{SOURCE}/{packages}")
        (FOLDER / f"{name}.txt").write_text(text)


def fetch(name: str) -> str:
    """Fetches one of the published lists."""
    with urllib.request.urlopen(f"{SOURCE}/{name}", timeout=30) as answer:
        return answer.read().decode()


def required_packages() -> set[str]:
    """Returns the normalised names of the packages that jaxdl and its tests require."""
    requirements = metadata.requires("jaxdl") or []
    chosen = [each for each in requirements if "extra ==" not in each or '"test"' in each]
    return {normalised(re.match(r"[\w.-]+", each)[0]) for each in chosen}


def constraints(packages: str, system: str, wanted: set[str], source: str) -> str:
    """Formats a constraint file: the lines of a list whose packages are wanted.

    Args:
      packages: what pip freeze printed on the platform.
      system: lists the version of Python, among others.
      wanted: normalised names.
      source: address of the list.
    """
    python = re.search(r"^Python (\d+\.\d+)", system, re.MULTILINE)[1]
    lines = [line for line in packages.splitlines() if re.fullmatch(r"[\w.-]+==[\w.+]+", line)]
    chosen = [line for line in lines if normalised(line.partition("==")[0]) in wanted]
    head = [f"# Python {python}", f"# {source}, {datetime.date.today()}"]
    return "\n".join([*head, *chosen]) + "\n"


def normalised(name: str) -> str:
    """Returns a name as packages are compared by it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
