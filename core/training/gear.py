"""What a training runs on: device, precision and threads, as they were resolved when the run was submitted."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


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


def gear_of(resolved: Mapping[str, Any]) -> Gear:
    """Sets the threads of this process, and algorithms that give the same bits again."""
    import torch

    torch.set_num_threads(int(resolved["threads"]))
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms imports the compiler, for two seconds
    # what is then overwritten need not be filled first
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    return Gear(torch.device("cuda" if resolved["device"] == "cuda" else "cpu"), str(resolved["precision"]))
