"""The room that a run needs on the disk, estimated before it starts."""

import math
import shutil
from pathlib import Path

from core.errors import CoreError
from core.jobs.folder import read_object
from core.models.loading import META
from core.models.weights import FLOAT, layout
from core.params import build
from core.runs import POOL, RunSpec
from core.training.features import FeaturesParams, size_of
from core.training.methods import frozen_layers
from core.training.portions import kept, split
from core.training.settings import TrainParams

_LEAST = 1 << 20  # bytes: log, metrics, events
_COPIES = 4  # of a split that are marked, by default
_IMPORTED, _AUGMENTED = 6, 2  # a stored corpus against the text it was read from; a child against its parent
# Weights and two moments in each checkpoint, three checkpoints while the third is written; the best weights twice
# while they are replaced. The model comes on top.
_STATES = 3 * 3 + 2
_EXPORTED = 2  # a model's files, and the zip file of them


def refuse_without_room(root: Path, spec: RunSpec) -> None:
    """Raises CoreError `no_room` where the disk has less free than a run needs at its most."""
    need, free = needed(root, spec), shutil.disk_usage(root).free
    if need > free:
        values = {"need": math.ceil(need / 1e6), "free": free // 1_000_000}
        raise CoreError("no_room", values, "hint_no_room")


def needed(root: Path, spec: RunSpec) -> int:
    """Bytes that a run needs at its most; an estimate, rather too high."""
    if spec.kind in ("train", "pretrain"):
        base = root / "models" / spec.inputs["model"].partition(":")[2]
        return _LEAST + (_training(base, spec) if spec.kind == "train" else _pretraining(base))
    inputs = {role: _input_bytes(root, value) for role, value in spec.inputs.items()}
    if spec.kind == "import":
        return _LEAST + _IMPORTED * sum(inputs.values())
    if spec.kind == "augment":
        return _LEAST + _AUGMENTED * int(spec.params.get("copies", 1)) * inputs.get("of", 0)
    if spec.kind in ("evaluate", "robustness"):  # what each model marks; of copies, these too
        models = sum(role.startswith("model:") for role in inputs)
        return _LEAST + inputs.get("data", 0) * (models if spec.kind == "evaluate" else _COPIES * (1 + models))
    if spec.kind in ("features", "model_export"):
        return _LEAST + _of_model(root, spec)
    return _LEAST + sum(size for role, size in inputs.items() if not role.startswith(POOL))


def _of_model(root: Path, spec: RunSpec) -> int:
    """Bytes of the hidden states of a corpus, or of a model's files and the archive of them."""
    name = spec.inputs["model"].partition(":")[2]
    if spec.kind == "features":
        layers = build(FeaturesParams, spec.params, "features").layers
        data = root / "corpora" / f"{spec.inputs['data'].partition(':')[2]}.arrow"
        return size_of(data, root / "models" / name, layers)
    base = root / "models" / str((read_object(root / "runs" / name / "model" / META) or {}).get("base", ""))
    return _EXPORTED * FLOAT * layout(base).weights if (base / "config.json").is_file() else 0


def _training(base: Path, spec: RunSpec) -> int:
    """Bytes of checkpoints, best weights and model of a training, as float32. `base`: its encoder."""
    if not (base / "config.json").is_file():
        return 0
    train = build(TrainParams, spec.params.get("train", {}), "train")
    found, below, classes = layout(base), frozen_layers(train, base), 2 * len(spec.params.get("labels", ())) + 1
    trained = split(found, train, below, classes, pooled=True).trained
    return FLOAT * (_STATES * trained + kept(found, train, below, classes, pooled=True))


def _pretraining(base: Path) -> int:
    """Bytes of checkpoints and model of a continued pre-training, which trains all weights. `base`: what it begins
    with."""
    return FLOAT * (3 * 3 + 1) * layout(base).weights if (base / "config.json").is_file() else 0


def _input_bytes(root: Path, value: str) -> int:
    kind, _, name = value.partition(":")
    path = {"file": root / "files" / name, "corpus": root / "corpora" / f"{name}.arrow"}.get(kind)
    return path.stat().st_size if path is not None and path.exists() else 0
