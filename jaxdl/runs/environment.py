"""What a result depends on besides the code: the machine, versions, the date."""

import datetime
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import jax

from jaxdl.data.own.threads import available_cores


def describe_environment() -> dict[str, Any]:
    """Collects platform and devices of JAX, the processor, the versions of packages, the date."""
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device_kind": device.device_kind,
        "device_count": jax.device_count(),
        "process_count": jax.process_count(),
        "processor": _processor_name(),
        "processor_cores": available_cores(),
        "python_version": platform.python_version(),
        **{
            f"{name}_version": importlib.metadata.version(name) for name in ("jax", "flax", "optax")
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
