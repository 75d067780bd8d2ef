"""How the C library deals with the memory of the train steps."""

import ctypes
import sys

# Of mallopt(3), from malloc.h.
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
NEVER = -1


def keep_freed_memory() -> None:
    """Lets the C library keep large blocks that are freed; to be called before JAX starts.

    XLA for CPU takes the memory of a program anew in each call. By default glibc asks the
    system for blocks of that size and gives them back at once, and the system clears them,
    page by page, in every train step: a third of the time of a small ResNet's. Kept, they
    are there for the next step. Other systems and C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(ARENA_MAX, 1)
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, NEVER)
