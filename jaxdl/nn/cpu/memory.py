"""Settings of the C library's allocator that suit one train step per call."""

import ctypes
import sys

# Parameters of mallopt(3), from malloc.h.
TRIM_THRESHOLD, MMAP_MAX = -1, -4
NEVER = -1


def keep_freed_memory() -> None:
    """Makes the C library keep large blocks that are freed, so that the next call reuses them.

    XLA for CPU allocates the memory of a program again in each call. By default glibc requests
    blocks of that size from the system and returns them at once, and the system clears them page
    by page: a third of the time of a small ResNet's step, where each step is a call. Where a call
    makes many steps there is nothing to gain. Only the heap of the main thread keeps blocks
    above 64 MiB, which is why `jaxdl.nn.cpu` has programs run in the thread that calls them.
    Other systems and C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, NEVER)
