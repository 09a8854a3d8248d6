"""The samples that come with Peibi: a folder of texts, a project, and (where there is one) a study of finished runs."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from core import corpus as corpora
from core import project as projects
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.formats.importing import Source
from core.jobs.folder import Run, locked, metrics_file, note, read_json, write_text
from core.launch import start_import
from core.runs import KINDS
from core.sources import Gold, name_gold
from core.tasks import DEFAULT
from core.training import predictions
from core.workspace import Workspace
from core.yaml_text import parse

SAMPLES = Path(__file__).parent / "samples"
_ABOUT = "sample.yaml"  # `corpora`: name -> role -> file; `project`: as project.yaml
_METRICS = pa.schema([("run", pa.string()), ("step", pa.int32()), ("loss", pa.float32()), ("dev", pa.float32())])
_PREDICTIONS = pa.schema(
    [
        ("run", pa.string()),
        ("corpus", pa.string()),
        ("predicted", pa.list_(pa.dictionary(pa.int16(), pa.string()))),
        ("confidence", pa.list_(pa.float32())),
    ]
)
_PACKED = ("import", "augment", "train", "evaluate")  # kinds of runs that a study is made of
_KEPT = ("device", "precision", "threads", "cpu_flags", "versions")  # of resolved.json


@dataclass(frozen=True)
class Sample:
    """One sample as it lies in `core/samples`."""

    name: str
    title: str
    language: str
    corpora: Mapping[str, Mapping[str, str]]
    project: Mapping[str, Any]

    @property
    def task(self) -> str:
        return self.project.get("task", DEFAULT)

    @property
    def folder(self) -> Path:
        return SAMPLES / self.name

    @property
    def study(self) -> Path:
        return self.folder / "study"


def samples() -> list[Sample]:
    """The samples that have a project, the first the one to begin with."""
    found = [_read(path.parent.name) for path in sorted(SAMPLES.glob(f"*/{_ABOUT}"))]
    return sorted(found, key=lambda sample: (not (sample.study / "runs.json").exists(), sample.name))


def sample(name: str) -> Sample:
    """Raises CoreError `sample_unknown`."""
    known = [path.parent.name for path in sorted(SAMPLES.glob(f"*/{_ABOUT}"))]
    if name not in known:
        raise CoreError("sample_unknown", {"name": name, "known": ", ".join(known)}, "hint_known")
    return _read(name)


def _read(name: str) -> Sample:
    data = parse((SAMPLES / name / _ABOUT).read_text(encoding="utf-8"), _ABOUT).data
    project = data["project"]
    return Sample(name, project["title"], project["language"], data["corpora"], project)


def open_sample(workspace: Workspace, name: str) -> projects.Project:
    """The project of a sample with its finished runs; made if it isn't there, otherwise left as it is.

    A sample without finished runs begins to be imported.

    Raises CoreError `sample_unknown`.
    """
    found = sample(name)
    with locked(workspace.root / "projects" / ".samples.lock"):
        if name not in projects.names(workspace):
            _name_corpora(workspace, found)
            if (found.study / "runs.json").exists():
                _unpack(workspace, found.study)
            folder = workspace.root / "projects" / name
            folder.mkdir(mode=0o700, exist_ok=True)
            if (found.study / "events.jsonl").exists():
                shutil.copyfile(found.study / "events.jsonl", folder / "events.jsonl")
            made = projects.from_data({**found.project, "sample": name}, folder)
            write_text(folder / projects.FILE, projects.text_of(made))
            if not (found.study / "runs.json").exists():
                start_import(workspace, made)
    return projects.load(workspace, name)


def _name_corpora(workspace: Workspace, found: Sample) -> None:
    for corpus, roles in found.corpora.items():
        sources = {role: Source(f"{corpus}/{Path(file).name}") for role, file in roles.items()}
        inputs = {role: f"file:{workspace.add_file(found.folder / file, file)}" for role, file in roles.items()}
        name_gold(workspace, corpus, Gold(sources, inputs, task=found.task))


def pack(workspace: Workspace, name: str) -> None:
    """Write what a workspace holds of a sample's project into the sample's `study`: no weights."""
    study = sample(name).study
    shutil.rmtree(study, ignore_errors=True)
    (study / "corpora").mkdir(parents=True)
    runs = [run for run in reversed(workspace.store.list(state="succeeded")) if run.kind in _PACKED]
    ids = sorted({corpus for run in runs for corpus in _corpora_of(workspace, run)})
    for corpus_id in ids:
        _pack_corpus(corpora.read(workspace.corpus_path(corpus_id)), study / "corpora" / f"{corpus_id}.parquet")
    write_text(study / "runs.json", "[\n" + ",\n".join(json.dumps(_packed(workspace, run)) for run in runs) + "\n]\n")
    _pack_predictions(workspace, runs, ids, study / "predictions.parquet")
    _pack_metrics(workspace, runs, study / "metrics.parquet")
    for run in runs:
        rejected = workspace.run_folder(run.id) / "rejected.arrow"
        if rejected.exists():
            _write(corpora.kept(rejected)[0], study / "corpora" / f"rejected-{run.id}.parquet")
    shutil.copyfile(workspace.root / "projects" / name / "events.jsonl", study / "events.jsonl")


def _corpora_of(workspace: Workspace, run: Run) -> list[str]:
    result = workspace.result(run.id)
    return [*result.get("corpora", {}).values(), *([result["corpus"]] if "corpus" in result else [])]


def _packed(workspace: Workspace, run: Run) -> dict[str, Any]:
    folder = workspace.run_folder(run.id)
    resolved = read_json(folder / "resolved.json")
    return {
        "spec": read_json(folder / "spec.json"),
        "resolved": {key: resolved[key] for key in ("inputs", *_KEPT)},
        "run": asdict(run) | {"position": 0},  # fields that came later have defaults
        "result": workspace.result(run.id),
    }


def _pack_corpus(corpus: Corpus, path: Path) -> None:
    about = {b"peibi": json.dumps(corpus.schema.to_json()).encode()}
    _write(corpus.table.replace_schema_metadata(about), path)


def _write(table: pa.Table, path: Path) -> None:
    pyarrow.parquet.write_table(  # its own names for nested fields would change the ids of corpora
        table, path, compression="zstd", compression_level=19, use_compliant_nested_type=False
    )


def _pack_predictions(workspace: Workspace, runs: Sequence[Run], corpus_ids: Sequence[str], path: Path) -> None:
    tables: list[pa.Table] = []
    for run in runs:
        for corpus_id in corpus_ids:
            kept = predictions.file_of(workspace.run_folder(run.id), corpus_id)
            if kept.exists():
                found = predictions.read(kept)
                rounded = [[round(value, 2) for value in row] for row in found.confidence]
                columns = [[run.id] * len(rounded), [corpus_id] * len(rounded), found.values, rounded]
                arrays = [pa.array(c, f.type) for c, f in zip(columns, _PREDICTIONS, strict=True)]
                tables.append(pa.table(arrays, schema=_PREDICTIONS))
    _write(pa.concat_tables(tables).combine_chunks(), path)


def _pack_metrics(workspace: Workspace, runs: Sequence[Run], path: Path) -> None:
    from core.jobs.folder import last_metrics

    rows: list[dict[str, Any]] = []
    for run in runs:
        for line in last_metrics(workspace.run_folder(run.id)):
            if run.kind == "train":
                rows.append({"run": run.id, "step": line["step"], "loss": line.get("loss"), "dev": line.get("dev")})
    _write(pa.Table.from_pylist(rows, schema=_METRICS), path)


def _unpack(workspace: Workspace, study: Path) -> None:
    """Corpora, run folders and rows of the store, as if the runs had been made here; runs that are there stay."""
    ids = {path.stem: path for path in (study / "corpora").glob("*.parquet") if not path.stem.startswith("rejected-")}
    for path in ids.values():
        table = pyarrow.parquet.read_table(path)
        schema = Schema.from_json(json.loads(table.schema.metadata[b"peibi"]))
        corpora.write(Corpus(schema, table.replace_schema_metadata(None)), workspace.corpora)
    by_run = _by_run(pyarrow.parquet.read_table(study / "predictions.parquet"))
    metrics = _by_run(pyarrow.parquet.read_table(study / "metrics.parquet"))
    for packed in read_json(study / "runs.json"):
        lane = KINDS[packed["run"]["kind"]].slot
        run = Run(**packed["run"] | {"lane": lane, "score": packed["result"].get("best_dev")})
        folder = workspace.run_folder(run.id)
        if folder.exists():
            continue
        draft = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        for name in ("spec", "resolved", "result"):
            (draft / f"{name}.json").write_text(json.dumps(packed[name], ensure_ascii=False), encoding="utf-8")
        note(draft, None, run)
        _unpack_tables(workspace, study, draft, run.id, by_run, metrics)
        draft.rename(folder)
        workspace.store.adopt(run.id)


def _by_run(table: pa.Table) -> dict[str, pa.Table]:
    runs = table.column("run").to_pylist()
    starts = [i for i in range(len(runs)) if i == 0 or runs[i] != runs[i - 1]]
    ends = [*starts[1:], len(runs)]
    return {runs[start]: table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)}


def _unpack_tables(
    workspace: Workspace,
    study: Path,
    folder: Path,
    run_id: str,
    by_run: Mapping[str, pa.Table],
    metrics: Mapping[str, pa.Table],
) -> None:
    if run_id in by_run:
        mine = by_run[run_id]
        for corpus_id in dict.fromkeys(mine.column("corpus").to_pylist()):
            rows = mine.filter(corpora.pc.equal(mine.column("corpus"), corpus_id))
            data = corpora.read(workspace.corpus_path(corpus_id))
            found = predictions.Predictions(
                rows.column("predicted").to_pylist(), rows.column("confidence").to_pylist(), 0.0
            )
            predictions.write(predictions.file_of(folder, corpus_id), data, found)
    if run_id in metrics:
        lines = [{k: v for k, v in row.items() if v is not None and k != "run"} for row in metrics[run_id].to_pylist()]
        text = "".join(json.dumps({"t": 0.0} | line) + "\n" for line in lines)
        metrics_file(folder, 1).write_text(text, encoding="utf-8")
    rejected = study / "corpora" / f"rejected-{run_id}.parquet"
    if rejected.exists():
        corpora.keep(pyarrow.parquet.read_table(rejected), {}, folder / "rejected.arrow")
