"""A network as an ONNX graph, and that graph carried out. Needs the packages of requirements-onnx.txt."""

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import CoreError

FILE = "model.onnx"
OPSET = 17
NEEDED = ("onnx", "onnxruntime")
_LARGEST = 2_000_000_000  # bytes: one file of protocol buffers holds no more
_INPUTS = ("input_ids", "attention_mask")


def check_packages() -> None:
    """Raises CoreError `onnx_missing` with what is not installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CoreError("onnx_missing", {"packages": ", ".join(missing)}, "hint_onnx_missing")


def write(model: Any, path: Path) -> None:
    """Write the graph of a network on the CPU: any number of rows, of any length; in `input_ids` and `attention_mask`,
    int64, out `logits`, float32. *Shapes:* (batch, length), (batch, length), (batch, length, classes) or (batch,
    classes). Raises CoreError `onnx_missing`, `onnx_too_large`, `onnx_failed`.
    """
    import torch

    check_packages()
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    if size > _LARGEST:
        raise CoreError("onnx_too_large", {"size": size // 1_000_000, "most": _LARGEST // 1_000_000})
    ids = torch.ones((2, 7), dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    wrapped = _logits_of(model).eval()
    with torch.no_grad():
        outputs = wrapped(ids, mask).ndim
        names = {0: "batch", 1: "length"}
        axes = {**dict.fromkeys(_INPUTS, names), "logits": names if outputs == 3 else {0: "batch"}}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what it was traced with is compared afterwards
                torch.onnx.export(
                    wrapped, (ids, mask), str(path), input_names=[*_INPUTS], output_names=["logits"],
                    dynamic_axes=axes, opset_version=OPSET, dynamo=False,
                )  # fmt: skip
        except (RuntimeError, ValueError, TypeError) as error:
            raise CoreError("onnx_failed", {"what": str(error)[:200]}, "hint_onnx_failed") from None


def _logits_of(model: Any) -> Any:
    """The network as a module that takes two tensors and gives one."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

    return Logits()


class Graph:
    """A graph on the CPU, ready to be called."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """*Shapes:* (batch, length), int64, both -> (batch, length, classes) or (batch, classes), float32."""
        return np.asarray(self._session.run(["logits"], dict(zip(_INPUTS, (ids, mask), strict=True)))[0])
