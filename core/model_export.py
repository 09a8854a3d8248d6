"""The run kind `model_export`: a trained run as files that other programs load, or as the start of other trainings.

| format | what there is in the end |
|---|---|
| `safetensors` | a zip file: weights, configuration, tokeniser for `transformers`; model card, recipe, `start.json` |
| `onnx` | a zip file: the graph, configuration and tokeniser, model card, recipe |
| `start` | an installed model: what `run:ID` means in a recipe |

Nothing is delivered that was not held against the network as Peibi itself reads it: logits on the project's own rows.
"""

import itertools
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core import corpus as corpora
from core.errors import CoreError
from core.jobs.folder import DRAFT, Run
from core.models import batching, loading, onnx, shapes, started, whole
from core.models.loading import ModelMeta, check_kept
from core.papers import Papers, papers, state_of
from core.params import CLOSED, build, canonical
from core.runs import RunContext, RunSpec
from core.tasks import task as task_of
from core.tasks.protocol import Pieces
from core.training.feed import Feed
from core.training.gear import Gear
from core.workspace import Workspace

Format = Literal["safetensors", "onnx", "start"]
KIND = "model_export"
NEAR = 1e-3  # how far the logits of an ONNX graph may be from the network's
_SAME = 1e-5  # those of weights that were only written and read
SENTENCES = 1000  # rows that a graph is tried on, at most
_FEW = 100  # and weights that were only written
_BATCH = 2048  # sub-tokens
_STEPS = 4  # of progress, before the last: put together, written, compared, packed
_PACKED_AS_IS = (".safetensors", ".onnx")

Logits = Callable[[Mapping[str, Any]], np.ndarray]


@dataclass(frozen=True)
class ModelExportParams:
    """`state`: of the model card (core.papers.state_of): the same model exported again is the same run. `licences`: of
    gold and ingredients, before those that the project states. `project`: which one, where several launched it."""

    __pydantic_config__ = CLOSED
    format: Format
    state: str = ""
    licences: dict[str, str] = field(default_factory=dict[str, str])
    project: str = ""


def start(
    workspace: Workspace, run_id: str, format: Format, licences: Mapping[str, str] | None = None, project: str = ""
) -> Run:
    """Submit the export of a trained run; where it was exported before and nothing changed since, it is that run.

    Raises CoreError `onnx_missing`, `run_without_weights`, `run_prompted`, `run_of_parts`, `no_room`.
    """
    if format == "onnx":
        onnx.check_packages()
    check_kept(workspace.run_folder(run_id), run_id)
    return workspace.submit(spec_of(workspace, run_id, format, licences, project))[0]


def spec_of(
    workspace: Workspace, run_id: str, format: Format, licences: Mapping[str, str] | None = None, project: str = ""
) -> RunSpec:
    """The export of a trained run as it is now; a repeat where what it made was cleaned up."""
    params = ModelExportParams(format)
    if format != "start":
        state = state_of(workspace, run_id, licences, project)
        params = ModelExportParams(format, state, dict(licences or {}), project)
    spec = RunSpec(KIND, {"model": f"run:{run_id}"}, canonical(params))
    for number in itertools.count():
        spec = replace(spec, repeat=number)
        if not (workspace.run_folder(spec.id) / "result.json").exists() or _there(workspace, spec, run_id):
            break
    return spec


def _there(workspace: Workspace, spec: RunSpec, run_id: str) -> bool:
    """Whether what a finished export made is still there."""
    if spec.params["format"] == "start":
        return started.installed(run_id, workspace.models) is not None
    return any(workspace.run_folder(spec.id).glob("*.zip"))


def package_of(workspace: Workspace, run: Run) -> Path | None:
    """The zip file that an export delivered, where it is still there."""
    return next(iter(sorted(workspace.run_folder(run.id).glob("*.zip"))), None) if run.state == "succeeded" else None


def check_folder(folder: Path) -> None:
    """Raises CoreError `export_folder_taken` where something is there already."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise CoreError("export_folder_taken", {"path": str(folder)}, "hint_export_folder_taken")


def unpack(package: Path, folder: Path) -> list[str]:
    """Put the files of an export into a folder, which is made, or empty. -> their names

    Raises CoreError `export_folder_taken`, `file_unwritable`.
    """
    check_folder(folder)
    names: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(package) as archive:
            for entry in archive.infolist():
                name = Path(entry.filename).name
                with archive.open(entry) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                names.append(name)
    except OSError as error:
        raise CoreError("file_unwritable", {"file": str(folder), "what": error.strerror or ""}) from None
    return names


def run(ctx: RunContext) -> None:
    """Input: `model`, the folder of a trained run.

    Raises CoreError `onnx_differs`, `export_differs`, `start_corpus_gone`, those of models.
    """
    params = build(ModelExportParams, ctx.spec.params, KIND)
    workspace, run_id = Workspace(ctx.root), ctx.input("model").name
    if params.format == "start":
        ctx.metric(step=0, total=1)
        folder = started.install(run_id, workspace.models)
        ctx.metric(step=1, total=1)
        ctx.finish({"model": f"run:{run_id}", "identity": folder.name})
        return
    told = papers(workspace, run_id, params.format, params.licences, params.project)
    draft = ctx.folder / f"{DRAFT}{told.slug}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        found = _fill(ctx, told, params.format, draft)
        _step(ctx, 3)
        target = ctx.folder / f"{told.slug}-{params.format}.zip"
        packed = ctx.folder / f"{DRAFT}{target.name}"
        _pack(draft, packed, told.slug)
        packed.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _step(ctx, _STEPS)
    ctx.finish({"file": target.name, "bytes": target.stat().st_size, **found})


def _step(ctx: RunContext, number: int) -> None:
    ctx.check_cancelled()
    ctx.metric(step=number, total=_STEPS)


def _fill(ctx: RunContext, told: Papers, format: Format, folder: Path) -> dict[str, Any]:
    """Write the files, and hold what was written against the network. -> {"rows": compared, "largest": difference}"""
    import torch

    threads = max(1, int(ctx.resolved["threads"]) // 2)  # a training may go on beside it
    torch.set_num_threads(threads)
    _step(ctx, 0)
    meta, task, base = told.meta, task_of(told.meta.task), ctx.root / "models" / told.meta.base
    model: Any = loading.load_trained(ctx.input("model") / "model", base, task.head, task.classes(meta.labels))
    model.eval()
    feed = _rows(ctx.root, told, base, SENTENCES if format == "onnx" else _FEW)
    for name, words in told.files.items():
        (folder / name).write_text(words, encoding="utf-8")
    _step(ctx, 1)
    if format == "onnx":
        theirs, most, code = _as_graph(model, meta, base, folder, threads), NEAR, "onnx_differs"
    else:
        near = NEAR if shapes.shape_in(model).pooling == "mean" else _SAME  # spelled out, sums are another order
        theirs, most, code = _as_weights(ctx.root, told, model, base, folder), near, "export_differs"
    _step(ctx, 2)
    largest = _largest(ctx, feed, Gear(torch.device("cpu"), "fp32"), _of(model), theirs)
    if not largest <= most:  # also where it is no number
        raise CoreError(code, {"largest": largest, "most": most, "rows": len(feed.pieces)}, "hint_export_differs")
    return {"rows": len(feed.pieces), "largest": largest}


def _rows(root: Path, told: Papers, base: Path, most: int) -> Feed:
    """Some rows of each corpus as sub-tokens. Raises CoreError `start_corpus_gone` where none is there."""
    task, length = task_of(told.meta.task), told.meta.max_length
    files = [root / "corpora" / f"{id}.arrow" for id in told.held]
    found = [corpora.read(file).table for file in files if file.is_file()]
    if not found:
        raise CoreError("start_corpus_gone", {"run": told.run, "corpus": "dev"}, "hint_start_corpus_gone")
    each = -(-most // len(found))
    tables = [table.slice(0, max(each, most - sum(map(len, found)) + len(table))) for table in found]
    read = Pieces.joined([task.pieces(table, loading.tokenizer(base), length) for table in tables])
    return Feed(read.take(np.arange(min(most, len(read)))), loading.pad_id(base))


def _as_weights(root: Path, told: Papers, model: Any, base: Path, folder: Path) -> Logits:
    shapes.check_spellable(model)
    if shapes.shape_in(model).pooling == "mean":
        model = shapes.spelled_out(model)
    whole.write(model, told.meta, base, folder)
    start = started.start_from(told.run, root / "models", told.meta)
    (folder / started.FILE).write_text(json.dumps(asdict(start), ensure_ascii=False, sort_keys=True), encoding="utf-8")
    again: Any = type(model).from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
    return _of(again.eval())


def _as_graph(model: Any, meta: ModelMeta, base: Path, folder: Path, threads: int) -> Logits:
    onnx.write(model, folder / onnx.FILE)
    whole.describe(model.config, meta, task_of(meta.task).classes(meta.labels))
    whole.write_config(model.config, folder)
    whole.write_tokenizer(base, meta.max_length, folder)
    graph = onnx.Graph(folder / onnx.FILE, threads)
    return lambda inputs: graph.logits(*(inputs[name].numpy() for name in ("input_ids", "attention_mask")))


def _of(model: Any) -> Logits:
    return lambda inputs: model(**inputs).logits.float().numpy()


def _largest(ctx: RunContext, feed: Feed, gear: Gear, mine: Logits, theirs: Logits) -> float:
    """The largest difference between two sets of logits, padding left out."""
    import torch

    largest = 0.0
    with torch.inference_mode():
        for rows in batching.in_order(feed.pieces.lengths, _BATCH):
            ctx.check_cancelled()
            inputs = feed.inputs(rows, gear)
            far = np.abs(mine(inputs) - theirs(inputs))
            real = inputs["attention_mask"].numpy() == 1
            far = far[real] if far.ndim == 3 else far
            largest = max(largest, float(far.max())) if np.isfinite(far).all() else float("inf")
    return largest


def _pack(folder: Path, path: Path, top: str) -> None:
    """The files of a folder as a zip file, below one folder, the same bytes for the same files."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in _in_order(folder):
            entry = zipfile.ZipInfo(f"{top}/{file.name}")
            entry.compress_type = zipfile.ZIP_STORED if file.suffix in _PACKED_AS_IS else zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr, entry.file_size = 3, 0o644 << 16, file.stat().st_size
            with file.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _in_order(folder: Path) -> Iterator[Path]:
    """What is read by people first."""
    first = {"README.md": 0, "recipe.yaml": 1}
    yield from sorted(folder.iterdir(), key=lambda file: (first.get(file.name, 2), file.name))
