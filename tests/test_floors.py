"""The rooms of the README's table: each imports only from itself and from the floors below it."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
FLOORS = {
    "experiments": 5,
    "jaxdl.runs": 4,
    "jaxdl.training": 3,
    "jaxdl.pretrained": 2,
    "jaxdl.analysis": 2,
    "jaxdl.data": 1,
    "jaxdl.models": 1,
    "jaxdl.nn": 0,
}
GROUND = ("jaxdl.console", "jaxdl.errors", "jaxdl.files", "jaxdl.randomness")


def room_of(module: str) -> str:
    return next(room for room in (*FLOORS, *GROUND) if f"{module}.".startswith(f"{room}."))


def imported_modules(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return {name for name in modules if name and name.split(".")[0] in ("jaxdl", "experiments")}


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_imports_only_from_itself_and_the_floors_below(room):
    for path in (REPOSITORY / room.replace(".", "/")).rglob("*.py"):
        for module in imported_modules(path):
            other = room_of(module)
            below = other in GROUND or FLOORS[other] < FLOORS[room]
            assert other == room or below, f"{path} imports {module}"


def test_the_ground_imports_nothing_from_above():
    for name in GROUND:
        path = REPOSITORY / f"{name.replace('.', '/')}.py"
        assert {room_of(module) for module in imported_modules(path)} <= set(GROUND)


def test_the_layers_leave_the_forms_for_cpu_to_their_room():
    """What only XLA for CPU needs is decided in jaxdl/nn; epochs ask it once, and benchmarks."""
    users = {
        str(path.relative_to(REPOSITORY))
        for room in ("jaxdl", "experiments")
        for path in (REPOSITORY / room).rglob("*.py")
        if any(module.startswith("jaxdl.nn.cpu") for module in imported_modules(path))
        and "nn" not in path.parts
    }
    epochs = {f"jaxdl/training/{name}.py" for name in ("epoch", "gradients", "streaming")}
    assert users == epochs | {
        f"experiments/benchmark/{n}.py" for n in ("our_pipeline", "processes")
    }
