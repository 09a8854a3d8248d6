"""What this machine is to a training: device, precision and threads, by a table and never by a timing.

| found | device | precision |
|---|---|---|
| a CUDA build of torch and an NVIDIA GPU of compute capability 8.0 or more | cuda | bf16 |
| a CUDA build of torch and an older NVIDIA GPU | cuda | fp32 |
| no such GPU, a CPU with bf16 matrix units (`amx_bf16`) | cpu | bf16 |
| anything else | cpu | fp32 |

Threads: the cores this process may use, at most 8.
"""

import importlib.metadata
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

MOST_THREADS = 8


@dataclass(frozen=True)
class Machine:
    """The answers of the table, and the CPU flags they follow from."""

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    threads: int
    flags: str  # those of CPU_FLAGS that this machine has

    @staticmethod
    @cache
    def here() -> "Machine":
        flags = _cpu_flags()
        threads = min(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, MOST_THREADS
        )
        capability = _gpu_capability()
        if capability is not None:
            return Machine("cuda", "bf16" if capability >= 8 else "fp32", threads, flags)
        return Machine("cpu", "bf16" if "amx_bf16" in flags.split() else "fp32", threads, flags)


CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")


def _cpu_flags() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    line = next((line for line in text.split("\n") if line.startswith(("flags", "Features"))), "")
    return " ".join(flag for flag in CPU_FLAGS if flag in line.split())


def _gpu_capability() -> float | None:
    """The least compute capability of the GPUs that trainings may use, if torch was built for them."""
    found: list[float] = []
    for name in gpus():
        import pynvml

        number = name if name.isdecimal() else "0"
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(pynvml.nvmlDeviceGetHandleByIndex(int(number)))
        found.append(major + minor / 10)
    return min(found, default=None)


def gpu_name(gpu: str) -> str:
    """What a GPU is called ("NVIDIA H100 80GB HBM3"), by its number as CUDA_VISIBLE_DEVICES names it."""
    import pynvml

    return str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(int(gpu) if gpu.isdecimal() else 0)))


@cache
def gpus() -> tuple[str, ...]:
    """The NVIDIA GPUs that trainings may use, as CUDA_VISIBLE_DEVICES names them: those it names, else all."""
    if importlib.metadata.version("torch").endswith("+cpu") or not Path("/proc/driver/nvidia/version").exists():
        return ()
    import pynvml

    try:
        pynvml.nvmlInit()
        count = int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return ()
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return tuple(str(number) for number in range(count))
    return tuple(name.strip() for name in allowed.split(",") if name.strip() not in ("", "-1"))[:count]
