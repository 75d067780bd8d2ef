"""Makes wheels that carry data, for tests."""

import zipfile
from pathlib import Path


def write_wheel(registry: Path, name: str, members: dict[str, bytes]) -> None:
    """Writes the wheel ``NAME==1.0`` to a folder that serves as a package registry."""
    information = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(registry / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, content in members.items():
            wheel.writestr(f"{name}/{path}", content)
        wheel.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")
