"""Runs an experiment as ``python -m experiments.NAME`` does, but saves after each device call.

python eager.py NAME ARGUMENTS

A fault at a random moment then often meets a checkpoint that is being written. The published model
that ``finetune`` and ``linear_probe`` start from is a small one.
"""

import runpy
import sys
from pathlib import Path

from jaxdl.training import loop

loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0
loop.SHARE_OF_CHECKPOINTS = float("inf")
name = sys.argv.pop(1)
if name in ("finetune", "linear_probe"):
    sys.path.append(str(Path(__file__).parent.parent / "pretrained"))
    import small_models

    from jaxdl.pretrained import PUBLISHED

    data_dir = Path(sys.argv[sys.argv.index("--data-dir") + 1])
    PUBLISHED["minilm"] = small_models.place("minilm", data_dir)
runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
