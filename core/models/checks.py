"""What a model folder must be before anything in it is loaded: safetensors only, and no code of its own."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.params import canonical_json

TEXT_FILES = frozenset(
    {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "sentencepiece.bpe.model",
        "spiece.model",
        "tokenizer.model",
        "source.spm",
        "target.spm",
        "generation_config.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
        "start.json",
    }
)
_PICKLES = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".msgpack"}
)
_CODE_KEYS = ("auto_map", "trust_remote_code", "custom_pipelines")
_ALSO_READ = ("tokenizer_config.json", "generation_config.json")
_HEADER_CAP = 100_000_000


def model_files(folder: Path) -> list[Path]:
    """The files of a model that are ever read, by name: weights as safetensors, configuration, tokeniser."""
    return sorted(p for p in folder.iterdir() if p.is_file() and (p.name in TEXT_FILES or p.suffix == ".safetensors"))


def manifest_of(folder: Path) -> str:
    """The identity of a model: sha256 over the names and sha256 of its files."""
    sums = {path.name: sha256_of(path) for path in model_files(folder)}
    return hashlib.sha256(canonical_json(sums).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_folder(folder: Path, name: str) -> None:
    """Refuse a folder that is no model in safetensors, or that brings pickles or code.

    Raises CoreError `model_config_missing`, `model_no_weights`, `model_pickle`, `model_code`, `model_bad_config`,
    `model_bad_weights`; `name` is how the user called the model.
    """
    _refuse_code(_config(folder, name), name)
    for also in _ALSO_READ:
        if (folder / also).is_file():
            _refuse_code(_object(folder / also, name), name)
    weights = sorted(folder.glob("*.safetensors"))
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in _PICKLES)
    if not weights:
        code = "model_pickle" if pickles else "model_no_weights"
        raise CoreError(code, {"model": name, "part": ", ".join(pickles) or "model.safetensors"}, "hint_safetensors")
    if pickles:
        raise CoreError("model_pickle", {"model": name, "part": ", ".join(pickles)}, "hint_safetensors")
    for path in weights:
        check_safetensors(path, name)


def _config(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise CoreError("model_config_missing", {"model": name}, "hint_model_folder")
    data = _object(path, name)
    if "model_type" not in data:
        raise CoreError("model_bad_config", {"model": name}, "hint_model_folder")
    return data


def _object(path: Path, name: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise CoreError("model_bad_config", {"model": name}, "hint_model_folder")
    return data


def _refuse_code(config: Any, name: str) -> None:
    """No key at any depth may ask for code."""
    left = [config]
    while left:
        one = left.pop()
        if isinstance(one, list):
            left += one
        elif isinstance(one, dict):
            for key in one:
                if key in _CODE_KEYS or key.startswith("_attn_implementation"):
                    raise CoreError("model_code", {"model": name, "key": key}, "hint_model_code")
            left += one.values()


def check_safetensors(path: Path, name: str) -> None:
    """The header's own arithmetic: 8 bytes of length, JSON, and data exactly as long as it says.

    Raises CoreError `model_bad_weights`; `name` is how the user called the model.
    """
    bad = CoreError("model_bad_weights", {"model": name, "part": path.name}, "hint_safetensors")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        if length > min(size - 8, _HEADER_CAP):
            raise bad
        try:
            header = json.loads(file.read(length))
            places = [tuple(t["data_offsets"]) for k, t in header.items() if k != "__metadata__"]
            whole = all(0 <= begin <= end for begin, end in places) and 8 + length + max(e for _, e in places) == size
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise bad from None
    if not whole:
        raise bad
