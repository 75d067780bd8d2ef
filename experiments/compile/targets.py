"""Devices of accelerators for which programs can be compiled, but not run."""

import dataclasses
import os
import re
from importlib import metadata

import jax
from jax.experimental import topologies

from jaxdl.analysis.roofline import GPUS
from jaxdl.errors import UserError, reason_of

WITHOUT_A_TPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_LOG_DIR": "disabled",
    "TPU_MIN_LOG_LEVEL": "3",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
"""Keeps the compiler from querying a machine that does not exist, and from reserving it."""
OF_A_GPU = re.compile(rf"({'|'.join(GPUS)})(?::(\d+))?")
CUDA, CUDNN = "13.0.0", "9.10.0"


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What the compiler has to know about a GPU, from NVIDIA's documentation of its architecture.

    Attributes:
      capability: compute capability, major and minor.
      multiprocessors: number of multiprocessors.
      lanes: number of float32 units of a multiprocessor.
      threads: largest number of threads of a multiprocessor.
      shared_memory: shared memory of a multiprocessor, in KiB.
      block_memory: largest part of it that a block gets, in KiB.
      cache: second-level cache, in MiB.
      clock: highest clock rate, in GHz.
    """

    capability: tuple[int, int]
    multiprocessors: int
    lanes: int
    threads: int
    shared_memory: int
    block_memory: int
    cache: int
    clock: float


HOPPER = Architecture(
    capability=(9, 0),
    multiprocessors=132,
    lanes=128,
    threads=2048,
    shared_memory=228,
    block_memory=227,
    cache=50,
    clock=1.98,
)
ARCHITECTURES = {
    "h200": HOPPER,
    "h100": HOPPER,
    "a100": Architecture(
        capability=(8, 0),
        multiprocessors=108,
        lanes=64,
        threads=2048,
        shared_memory=164,
        block_memory=163,
        cache=40,
        clock=1.41,
    ),
    "l4": Architecture(
        capability=(8, 9),
        multiprocessors=58,
        lanes=128,
        threads=1536,
        shared_memory=100,
        block_memory=99,
        cache=48,
        clock=2.04,
    ),
    "t4": Architecture(
        capability=(7, 5),
        multiprocessors=40,
        lanes=64,
        threads=1024,
        shared_memory=64,
        block_memory=64,
        cache=4,
        clock=1.59,
    ),
}


def devices_of(target: str) -> list[jax.Device]:
    """Returns the devices of a target, such as "v5e:2x2" for TPUs, or "h200" or "h100:8" for GPUs.

    Raises:
      UserError: its compiler is not installed, or knows no such target.
    """
    gpu = OF_A_GPU.fullmatch(target)
    extra = "gpu-compiler" if gpu else "tpu"
    try:
        if gpu:
            return topologies.get_topology_desc(
                platform="cuda", topology=f"1x1x{gpu[2] or 1}", target_config=describe_gpu(gpu[1])
            ).devices
        for variable, value in WITHOUT_A_TPU.items():
            os.environ.setdefault(variable, value)
        _require_libtpu()
        return topologies.get_topology_desc(platform="tpu", topology_name=target).devices
    except Exception as error:  # the plugins raise exceptions of many kinds
        raise UserError(
            f'No compiler for {target} ({reason_of(error)}); pip install -e ".[{extra}]", and '
            f"check --for: a TPU like v5e:2x2, or {', '.join(GPUS)}, with :8 for eight of them."
        ) from error


def _require_libtpu() -> None:
    """Raises RuntimeError where JAX would crash: it asks for layouts that an old libtpu lacks."""
    installed = metadata.version("libtpu")
    numbers = tuple(int(number) for number in installed.split(".")[:3])
    if jax.__version_info__ >= (0, 7, 2) and numbers < (0, 0, 23):
        raise RuntimeError(f"libtpu {installed} is too old for JAX {jax.__version__}")


def describe_gpu(name: str) -> str:
    """Describes a GPU as the text of XLA's ``GpuTargetConfigProto``."""
    chip, architecture = GPUS[name], ARCHITECTURES[name]
    major, minor = architecture.capability
    extension = "ACCELERATED_FEATURES" if major >= 9 else "NONE"
    cudnn = CUDNN.split(".")
    return f"""
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  threads_per_core_limit: {architecture.threads}
  shared_memory_per_block: {48 * 2**10}
  shared_memory_per_block_optin: {architecture.block_memory * 2**10}
  shared_memory_per_core: {architecture.shared_memory * 2**10}
  core_count: {architecture.multiprocessors}
  fpus_per_core: {architecture.lanes}
  clock_rate_ghz: {architecture.clock}
  l2_cache_size: {architecture.cache * 2**20}
  memory_bandwidth: {chip.bandwidth:.0f}
  device_memory_size: {chip.memory:.0f}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  cuda_compute_capability {{ major: {major} minor: {minor} feature_extension: {extension} }}
  runtime_version: "{CUDA}"
  driver_version: "{CUDA}"
  compile_time_toolkit_version: "{CUDA}"
  dnn_version: "{CUDNN}"
}}
platform_name: "CUDA"
dnn_version_info {{ major: {cudnn[0]} minor: {cudnn[1]} patch: {cudnn[2]} }}
device_description_str: "NVIDIA {name.upper()}"
"""
