"""The room that a run needs on the disk, estimated before it starts."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.params import build
from core.runs import POOL, RunSpec
from core.training.features import FeaturesParams, size_of

_LEAST = 1 << 20  # bytes: log, metrics, events
_COPIES = 4  # of a split that are marked, by default
_IMPORTED, _AUGMENTED = 6, 2  # a stored corpus against the text it was read from; a child against its parent
# Weights and two moments in each checkpoint, three checkpoints while the third is written; the best weights twice
# while they are replaced; the model.
_STATES = 3 * 3 + 2 + 1
_FLOAT = 4  # bytes of a weight as it is kept
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


def refuse_without_room(root: Path, spec: RunSpec) -> None:
    """Raises CoreError `no_room` where the disk has less free than a run needs at its most."""
    need, free = needed(root, spec), shutil.disk_usage(root).free
    if need > free:
        values = {"need": math.ceil(need / 1e6), "free": free // 1_000_000}
        raise CoreError("no_room", values, "hint_no_room")


def needed(root: Path, spec: RunSpec) -> int:
    """Bytes that a run needs at its most; an estimate, rather too high."""
    if spec.kind == "train":
        frozen = bool(spec.params.get("train", {}).get("freeze_word_embeddings", True))
        return _LEAST + _STATES * trained_bytes(root / "models" / spec.inputs["model"].partition(":")[2], frozen)
    inputs = {role: _input_bytes(root, value) for role, value in spec.inputs.items()}
    if spec.kind == "import":
        return _LEAST + _IMPORTED * sum(inputs.values())
    if spec.kind == "augment":
        return _LEAST + _AUGMENTED * int(spec.params.get("copies", 1)) * inputs.get("of", 0)
    if spec.kind in ("evaluate", "robustness"):  # what each model marks; of copies, these too
        models = sum(role.startswith("model:") for role in inputs)
        return _LEAST + inputs.get("data", 0) * (models if spec.kind == "evaluate" else _COPIES * (1 + models))
    if spec.kind == "features":
        data, base = (spec.inputs[role].partition(":")[2] for role in ("data", "model"))
        layers = build(FeaturesParams, spec.params, "features").layers
        return _LEAST + size_of(root / "corpora" / f"{data}.arrow", root / "models" / base, layers)
    return _LEAST + sum(size for role, size in inputs.items() if not role.startswith(POOL))


def _input_bytes(root: Path, value: str) -> int:
    kind, _, name = value.partition(":")
    path = {"file": root / "files" / name, "corpus": root / "corpora" / f"{name}.arrow"}.get(kind)
    return path.stat().st_size if path is not None and path.exists() else 0


def trained_bytes(model: Path, frozen: bool) -> int:
    """Bytes of the weights that are trained, as float32. `frozen`: without the word embeddings, the largest tensor."""
    tensors = [size for path in sorted(model.glob("*.safetensors")) for size in _tensors(path)]
    return sum(tensors) - (max(tensors, default=0) if frozen else 0)


def _tensors(path: Path) -> list[int]:
    """Bytes of each tensor of a safetensors file, from its header: 8 bytes that say how long it is, then JSON."""
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header: dict[str, Any] = json.loads(stream.read(min(size, 100 << 20)))
    found: list[int] = []
    for name, about in header.items():
        if name != "__metadata__":
            begin, end = about["data_offsets"]
            found.append((end - begin) * _FLOAT // _BYTES.get(about["dtype"], _FLOAT))
    return found
