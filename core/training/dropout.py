"""Dropout whose random numbers cost little on a processor: one byte an element, eight from each number drawn."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_STEPS = 256  # shares are rounded to so many


def cheaper(model: Any) -> None:
    """Let every dropout of a network on a processor draw bytes. The share is rounded to 1/256 (0.1 to 0.1016)."""
    import torch

    class Dropout(torch.nn.Dropout):
        """Drops a byte's share. *Shape:* any."""

        def forward(self, input: "torch.Tensor") -> "torch.Tensor":
            least = min(_STEPS - 1, round(self.p * _STEPS))
            if not self.training or not least or input.device.type != "cpu":
                return super().forward(input)
            drawn = torch.empty(-(-input.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
            kept = drawn.view(torch.uint8)[: input.numel()].view(input.shape) >= least
            return input * (kept.to(input.dtype) * (_STEPS / (_STEPS - least)))

    for module in model.modules():
        if type(module) is torch.nn.Dropout:
            module.__class__ = Dropout
