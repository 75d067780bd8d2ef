"""Writes colab.txt, colab-tpu.txt and kaggle.txt: which of our packages a platform has installed.

    python tests/platforms/refresh.py

Colab publishes lists of its packages. Kaggle does not, but says on which image of Colab its own is
built. kaggle-tpu.txt is written by hand.
"""

import datetime
import json
import re
import urllib.request
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).parent
CONTENT = "https://raw.githubusercontent.com"
COMMITS = "https://api.github.com/repos/googlecolab/backend-info/commits"
LISTS = {
    "colab": ("pip-freeze.txt", "os-info.txt"),
    "colab-tpu": ("pip-freeze.tpu.txt", "os-info-tpu.txt"),
}
BESIDES = {"ipython", "jaxlib", "libtpu", "ml-dtypes", "scipy", "tensorstore"}
"""What the packages that are required bring along, and JAX depends on the version of."""


def main() -> None:
    """Fetches the lists and writes the files."""
    wanted = required_packages() | BESIDES
    commits = dict.fromkeys(LISTS, "main") | {"kaggle": commit_of_kaggle()}
    for name, commit in commits.items():
        source = f"{CONTENT}/googlecolab/backend-info/{commit}"
        packages, system = (f"{source}/{file}" for file in LISTS.get(name, LISTS["colab"]))
        text = constraints(fetch(packages), fetch(system), wanted, packages)
        (FOLDER / f"{name}.txt").write_text(text)


def commit_of_kaggle() -> str:
    """Returns the commit of Colab's lists at the time of the image on which Kaggle builds."""
    recipe = fetch(f"{CONTENT}/Kaggle/docker-python/main/Dockerfile.tmpl")
    date, time = re.search(r"colab-external-images_(\d{8})-(\d{6})", recipe).groups()
    until = datetime.datetime.strptime(date + time, "%Y%m%d%H%M%S").isoformat()
    return json.loads(fetch(f"{COMMITS}?path=pip-freeze.txt&until={until}Z&per_page=1"))[0]["sha"]


def fetch(address: str) -> str:
    """Fetches a file as text."""
    with urllib.request.urlopen(address, timeout=30) as answer:
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
