"""How much memory data may take."""

import contextlib
import os
from pathlib import Path, PurePosixPath

import jax

FRACTION = 0.2
"""Largest fraction of memory for a decoded data set, of which two copies exist while it is made."""
GROUPS = Path("/proc/self/cgroup")
"""Where Linux names the control groups to which this process belongs, one in each line."""
ROOT = Path("/sys/fs/cgroup")


def memory_for_data() -> float:
    """Returns how many bytes a data set may take in memory and on a device."""
    return FRACTION * min(_of_this_process(), _of_a_device())


def _of_this_process() -> float:
    """Returns how many bytes the machine, its container and ulimit let this process use."""
    limits = [float("inf")]
    with contextlib.suppress(AttributeError, ValueError, OSError):  # on systems other than Unix
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(ImportError):
        import resource

        for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS):
            soft, _ = resource.getrlimit(kind)
            if soft != resource.RLIM_INFINITY:
                limits.append(soft)
    for path in _files_of_limits():
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            limits.append(int(path.read_text()))
    return min(limits)


def _files_of_limits() -> list[Path]:
    """Lists the files in which Linux gives the memory limits of this process's control groups.

    They are those of its own groups and of the groups above; a container sees its own as the root.
    """
    files = [ROOT / "memory.max", ROOT / "memory" / "memory.limit_in_bytes"]
    with contextlib.suppress(OSError):
        for line in GROUPS.read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            group = PurePosixPath(name.lstrip("/"))
            for above in (group, *group.parents):
                if controllers == "":
                    files.append(ROOT / above / "memory.max")
                elif "memory" in controllers.split(","):
                    files.append(ROOT / "memory" / above / "memory.limit_in_bytes")
    return files


def _of_a_device() -> float:
    """Returns how many bytes JAX may use on an accelerator; infinity for a CPU."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    return statistics.get("bytes_limit", float("inf"))
