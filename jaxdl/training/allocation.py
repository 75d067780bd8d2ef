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
    page by page: a third of the time of a small ResNet's step, where each step is a call.
    Kept, they are there for the next. Where a call makes many steps there is nothing to gain,
    and the threads then share one heap, which cost an LSTM a tenth. Other systems and C
    libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(ARENA_MAX, 1)
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, NEVER)
