"""Writes colab.txt, colab-tpu.txt and kaggle.txt: a platform's versions of the packages we use.

    python tests/platforms/refresh.py

Colab publishes lists of its packages. Kaggle does not, but its Dockerfile names the image of Colab
on which it builds; what Kaggle changes is not in kaggle.txt. kaggle-tpu.txt is written by hand.
"""

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
    "kaggle": ("pip-freeze.txt", "os-info.txt"),
}
BESIDES = {"ipython", "jaxlib", "libtpu", "ml-dtypes", "scipy", "tensorstore"}
"""What the packages that are required bring along, and JAX depends on the version of."""


def main() -> None:
    """Fetches the lists and writes the files."""
    wanted = required_packages() | BESIDES
    for name, (packages, system) in LISTS.items():
        commit, date = last_commit(until=time_of_kaggle() if name == "kaggle" else "")
        source = f"{CONTENT}/googlecolab/backend-info/{commit}"
        texts = fetch(f"{source}/{packages}"), fetch(f"{source}/{system}")
        text = requirements(*texts, wanted, f"# {source}/{packages}, {date}")
        (FOLDER / f"{name}.txt").write_text(text)


def time_of_kaggle() -> str:
    """Returns when the image of Colab was built that Kaggle's is based on, in ISO 8601."""
    recipe = fetch(f"{CONTENT}/Kaggle/docker-python/main/Dockerfile.tmpl")
    tag = re.search(r"colab-external-images_(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)", recipe)
    return "{}-{}-{}T{}:{}:{}Z".format(*tag.groups())


def last_commit(until: str) -> tuple[str, str]:
    """Returns hash and date of the last commit of Colab's lists, up to a time if one is given."""
    newest = json.loads(fetch(f"{COMMITS}?per_page=1&until={until}"))[0]
    return newest["sha"], newest["commit"]["committer"]["date"][:10]


def fetch(address: str) -> str:
    """Fetches a file as text."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()


def required_packages() -> set[str]:
    """Returns the normalised names of the packages that jaxdl and its tests require."""
    needed = metadata.requires("jaxdl") or []
    chosen = [each for each in needed if "extra ==" not in each or '"test"' in each]
    return {normalised(re.match(r"[\w.-]+", each)[0]) for each in chosen}


def requirements(packages: str, system: str, wanted: set[str], head: str) -> str:
    """Formats a requirements file: the lines of a list whose packages are wanted.

    Args:
      packages: what pip freeze printed on the platform.
      system: lists the version of Python, among others.
      wanted: normalised names.
      head: the second line, a comment.
    """
    python = re.search(r"^Python (\d+\.\d+)", system, re.MULTILINE)[1]
    lines = [line for line in packages.splitlines() if re.fullmatch(r"[\w.-]+==[\w.+]+", line)]
    chosen = [line for line in lines if normalised(line.partition("==")[0]) in wanted]
    return "\n".join([f"# Python {python}", head, *chosen]) + "\n"


def normalised(name: str) -> str:
    """Returns a name as packages are compared by it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
