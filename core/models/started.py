"""A run as the start of others, trained or pre-trained: `run:ID` as an installed model, with what it has read.

Its folder is one like any other (the head included, which is kept where the classes are the same), and `start.json`
beside it says which run it comes from and, as 64-bit marks, which texts that run and those before it have learned from.
So what a start has seen can be told when run and corpora are long gone, or on another machine.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.models.checks import check_folder, check_safetensors, manifest_of, model_files, sha256_of
from core.models.language import WEIGHTS
from core.models.loading import META, OVERLAY, POOL, PROMPT, ModelMeta, check_kept, is_prompted, load_trained
from core.models.whole import write as write_whole
from core.params import CLOSED, build
from core.runs import RunSpec
from core.tasks import task as task_of
from core.tasks.letters import marks

FILE = "start.json"
BEGUN = "start"  # the role of a trained run that another goes on with
_NAME = re.compile(r"run:([0-9a-f]{16})")
_CODE = Path(__file__).resolve().parents[2]  # the folder that holds the package `core`
RunId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


@dataclass(frozen=True)
class Pretraining:
    """What a run of continued pre-training did. `read`: rows that it learned from; `left_out`: rows that stand in dev
    or test, or nearly; `before`, `after`: perplexity of rows that were kept apart."""

    __pydantic_config__ = CLOSED
    objective: Literal["masked", "causal"]
    steps: int
    read: int
    left_out: int
    before: float
    after: float


@dataclass(frozen=True)
class Start:
    """What is known of a model that is a trained run's. `labels`: none where it was pre-trained."""

    __pydantic_config__ = CLOSED
    run: RunId
    weights: str  # sha256 of the run's trained tensors, or of the files of a prompted one
    base: str  # identity of the encoder that the run began with
    task: str
    language: str
    labels: tuple[str, ...]
    corpora: dict[str, str] = field(default_factory=dict[str, str])  # ids by role: gold, pool:NAME
    before: tuple[RunId, ...] = ()  # the runs that this one goes back to, the first first
    seen: str = ""  # base64 of the marks of all texts that it and those before it learned from, ascending
    pretraining: Pretraining | None = None  # None: it was trained on labels

    @property
    def texts(self) -> np.ndarray:
        """The marks (core.tasks.letters). *Shape:* (texts,), uint64, ascending."""
        return np.frombuffer(base64.b64decode(self.seen), dtype="<u8")


def run_of(name: str) -> str | None:
    """The run that a model's name means, `run:ID`; None where it means something else."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


def whole_name(name: str, runs: Path) -> str:
    """`run:` with all of a run's number, where a name begins with `run:` and the number is only begun; any other name
    as it is. `runs`: the folder of all runs. Raises CoreError `run_none`, `run_ambiguous`."""
    begun = name.removeprefix("run:")
    if not name.startswith("run:") or _NAME.fullmatch(name):
        return name
    known = re.fullmatch(r"[0-9a-f]{4,15}", begun) is not None and runs.is_dir()
    found = sorted(path.name for path in runs.glob(f"{begun}*") if path.is_dir()) if known else []
    if len(found) != 1:
        raise CoreError("run_ambiguous", {"run": begun[:40] or "-", "found": len(found)}, "hint_run_number")
    return f"run:{found[0]}"


def start_of(folder: Path) -> Start | None:
    """What is known of a model's folder that is a run's; None of any other. Raises CoreError `model_bad_start`."""
    path = folder / FILE
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=32)
def _read(path: Path, written: int) -> Start:
    try:
        found = build(Start, json.loads(path.read_text(encoding="utf-8")), FILE)
        assert len(found.texts) >= 0  # that they can be read
    except (ValueError, AttributeError, RecursionError, CoreError) as error:
        raise CoreError("model_bad_start", {"what": str(error)[:200]}, "hint_model_folder") from None
    return found


def starts(models: Path) -> Iterator[tuple[Path, Start]]:
    """The installed models that are runs', by identity."""
    for path in sorted(models.glob(f"[!.]*/{FILE}")):
        with suppress(CoreError):
            found = start_of(path.parent)
            if found is not None:
                yield path.parent, found


def encoder_of(run: str, models: Path) -> str | None:
    """The identity of the model that trainings and pre-trainings went on with until it was this run's, however often;
    None of a run that nothing is known of."""
    folder = _model(run, models)
    found = start_of(folder) or next((start for _, start in starts(models) if start.run == run), None)
    if found is None and not (folder / META).is_file():
        return None
    base = ModelMeta.read(folder).base if found is None else found.base
    while (before := start_of(models / base)) is not None:
        base = before.base
    return base


def installed(run: str, models: Path) -> Path | None:
    """The folder of a run that is installed already: with the weights it has now, or any where these are gone."""
    folders = {start.weights: folder for folder, start in starts(models) if start.run == run}
    weights = _weights(run, models)
    if not all(path.is_file() for path in weights):
        return next(iter(folders.values()), None)
    if not folders:
        return None
    return folders.get(_sum(weights))


def _sum(files: Sequence[Path]) -> str:
    """The sha256 of a file; of several, that of theirs."""
    sums = [_sha256(path, ((found := path.stat()).st_size, found.st_mtime_ns)) for path in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


@lru_cache(maxsize=64)
def _sha256(path: Path, state: tuple[int, int]) -> str:
    """sha256 of a file in one state: a page asks for it again and again."""
    return sha256_of(path)


def install(run: str, models: Path) -> Path:
    """Make a run of the workspace around `models` an installed model. -> its folder

    Where this process does not hold torch, another one puts the tensors together: some seconds. Raises CoreError
    `run_without_weights`, `start_corpus_gone`, and those of models.
    """
    found = installed(run, models)
    if found is not None:
        return found
    weights = _weights(run, models)
    if not all(path.is_file() for path in weights):
        check_kept(_model(run, models).parent, run)
    with tempfile.TemporaryDirectory(prefix="run-", suffix=".tmp", dir=models) as draft:
        made = Path(draft) / "model"
        made.mkdir(mode=0o700)
        if is_prompted(_model(run, models)):
            _link(weights, made)
            _write(start_from(run, models, ModelMeta.read(_model(run, models))), made)
        else:
            if weights[0].name == WEIGHTS:
                _link(model_files(_model(run, models)), made)
            else:
                (write if "torch" in sys.modules else _in_its_own_process)(run, models, made)
            check_folder(made, f"run:{run}")
        folder = models / manifest_of(made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else somebody was faster
                raise
    return folder


def _model(run: str, models: Path) -> Path:
    return models.parent / "runs" / run / "model"


def _weights(run: str, models: Path) -> list[Path]:
    """What a run kept that makes it what it is: its weights, all of them where it was pre-trained, else those that lie
    over its base's; of a prompted one, what it asks with."""
    folder = _model(run, models)
    if is_prompted(folder):
        return [folder / name for name in (PROMPT, POOL, META)]
    return [folder / (WEIGHTS if (folder / FILE).is_file() else OVERLAY)]


def _link(files: Sequence[Path], target: Path) -> None:
    """The files of a whole model under another name too, which takes no room."""
    for path in files:
        try:
            os.link(path, target / path.name)
        except OSError:  # a file system without links
            shutil.copyfile(path, target / path.name)


def _in_its_own_process(run: str, models: Path, target: Path) -> None:
    command = [sys.executable, "-m", "core.models.started", run, str(models), str(target)]
    done = subprocess.run(command, cwd=_CODE, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    with suppress(ValueError, KeyError, AssertionError):
        raise CoreError.from_json(json.loads(done.stdout))
    last = (done.stderr.strip().split("\n") or [""])[-1]
    raise CoreError("model_unloadable", {"model": f"run:{run}", "what": last[:200]}, "hint_model_folder")


def write(run: str, models: Path, target: Path) -> None:
    """Put the whole network of a run and its `start.json` into an empty folder; loads torch."""
    folder = _model(run, models)
    check_safetensors(folder / OVERLAY, f"run:{run}")
    meta = ModelMeta.read(folder)
    task, base = task_of(meta.task), models / meta.base
    if not base.is_dir():
        raise CoreError("model_missing", {"model": meta.base[:16], "known": f"run:{run}"}, "hint_model")
    write_whole(load_trained(folder, base, task.head, task.classes(meta.labels)), meta, base, target)
    _write(start_from(run, models, meta), target)


def _write(start: Start, folder: Path) -> None:
    data = {key: value for key, value in asdict(start).items() if value is not None}
    (folder / FILE).write_text(json.dumps(data, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def write_pretrained(run: str, base: Path, read: Mapping[str, Corpus], told: Pretraining, folder: Path) -> None:
    """Write the `start.json` of a run of continued pre-training beside its weights. `base`: the model that it began
    with; `read`: the rows that it learned from, by role."""
    before, some = start_of(base), next(iter(read.values())).schema
    known = [] if before is None else [before.texts]
    start = Start(
        run=run,
        weights=sha256_of(folder / WEIGHTS),
        base=base.name,
        task=some.task,
        language=some.language,
        labels=(),
        corpora={role: corpus.id for role, corpus in read.items()},
        before=() if before is None else (*before.before, before.run),
        seen=_packed([*known, *(marks(corpus.table) for corpus in read.values())]),
        pretraining=told,
    )
    _write(start, folder)


def _packed(texts: Sequence[np.ndarray]) -> str:
    """Marks of texts, as `seen` has them."""
    found = np.unique(np.concatenate([np.empty(0, dtype="<u8"), *texts]))
    return base64.b64encode(found.astype("<u8").tobytes()).decode("ascii")


def _held_out(role: str) -> bool:
    """Whether an input is dev or test, of one step or of the only one."""
    return role.partition(":")[0] in ("dev", "test")


def start_from(run: str, models: Path, meta: ModelMeta) -> Start:
    """What `start.json` of a run says: the corpora among its inputs but dev, and the marks of their texts."""
    folder = models.parent / "runs" / run
    spec = RunSpec.from_json(json.loads((folder / "spec.json").read_text(encoding="utf-8")))
    read = {role: value for role, value in spec.inputs.items() if value.startswith("corpus:") and not _held_out(role)}
    ids = {role: value.partition(":")[2] for role, value in sorted(read.items())}
    before = start_of(models / meta.base)
    known = [] if before is None else [before.texts]
    begun = spec.inputs.get(BEGUN, "").removeprefix("run:")
    if begun:
        known.append(start_from(begun, models, ModelMeta.read(_model(begun, models))).texts)
    for id in sorted(set(ids.values())):
        path = models.parent / "corpora" / f"{id}.arrow"
        if not path.is_file():
            raise CoreError("start_corpus_gone", {"run": run, "corpus": id[:16]}, "hint_start_corpus_gone")
        known.append(marks(corpora.read(path).table))
    return Start(
        run=run,
        weights=_sum(_weights(run, models)),
        base=meta.base,
        task=meta.task,
        language=meta.language,
        labels=meta.labels,
        corpora=ids,
        before=() if before is None else (*before.before, before.run),
        seen=_packed(known),
    )


def main(arguments: Sequence[str]) -> int:
    """Arguments: run, folder of the models, an empty folder. What the user can mend goes to standard output as JSON."""
    run, models, target = arguments
    try:
        write(run, Path(models), Path(target))
    except CoreError as error:
        sys.stdout.write(json.dumps(error.to_json()))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
