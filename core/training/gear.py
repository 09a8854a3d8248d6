"""What a training runs on: device, precision and threads, as they were resolved when the run was submitted."""

import importlib.metadata
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from core.errors import CoreError

if TYPE_CHECKING:
    import torch

_VERSIONED = ("torch", "transformers", "tokenizers", "numpy")


@dataclass(frozen=True)
class Gear:
    """A device and a precision. Weights are float32 everywhere; bf16: products are taken in bfloat16 (autocast)."""

    device: "torch.device"
    precision: str  # "fp32" or "bf16"

    def autocast(self) -> AbstractContextManager[Any]:
        import torch

        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def tensor(self, array: Any) -> "torch.Tensor":
        """A numpy array on the device."""
        import torch

        return torch.from_numpy(array).to(self.device, non_blocking=True)


@cache
def versions() -> Mapping[str, str]:
    """Of the packages that a training's bits depend on, as they are installed."""
    return {name: importlib.metadata.version(name) for name in _VERSIONED}


def gear_of(resolved: Mapping[str, Any]) -> Gear:
    """Sets the threads of this process, and algorithms that give the same bits again. Raises CoreError `gpu_gone`."""
    import torch

    if resolved["device"] == "cuda" and not torch.cuda.is_available():
        raise CoreError("gpu_gone", {}, "hint_fresh")
    torch.set_num_threads(int(resolved["threads"]))
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms imports the compiler, for two seconds
    # what is then overwritten need not be filled first
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    if resolved["device"] == "cuda":
        _repeatable()
    return Gear(torch.device("cuda" if resolved["device"] == "cuda" else "cpu"), str(resolved["precision"]))


def _repeatable() -> None:
    """Let a GPU do the same sums in the same order each time: what attention does in one kernel doesn't, going back,
    and makes a plan for each length of a batch first, which takes longer than a short text."""
    import torch

    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(False)
