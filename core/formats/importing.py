"""The run kind `import`: files become one corpus per split and pool, scanned for leakage, every change has a reason."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core.corpus import Corpus, Schema
from core.errors import CoreError, Value
from core.formats import guard
from core.formats import read as read_file
from core.formats.guard import HELD_OUT
from core.formats.parts import Imported, Part, Source
from core.params import CLOSED, build, unknown_key
from core.runs import POOL, RunContext
from core.tasks import DEFAULT
from core.tasks import task as task_of
from core.tasks.drawing import split_off
from core.tasks.protocol import Task

Ratio = Annotated[float, Field(gt=0, lt=1)]
DEV_SHARE = 0.1  # split off train where no dev is given
QUICK_ROWS = 300  # of train: enough for a first answer
_WORTHWHILE = 400  # rows from which a quick look is quicker


@dataclass(frozen=True)
class Split:
    """How one file becomes splits: shares of its rows, stratified and seeded; the rest is train."""

    __pydantic_config__ = CLOSED
    dev: Ratio | None = None
    test: Ratio | None = None
    seed: int = 0


@dataclass(frozen=True)
class ImportParams:
    """Sources by role: `train`, `dev`, `test`, or one `file` to split; `pool:NAME` for ingredients."""

    __pydantic_config__ = CLOSED
    sources: dict[str, Source]
    task: str = DEFAULT
    language: str = "en"
    split: Split | None = None
    train_rows: Annotated[int, Field(ge=1)] | None = None  # a quick look: at most so many rows of train


def run(ctx: RunContext) -> None:
    """Import, and store the corpora under their ids."""
    params = build(ImportParams, ctx.spec.params, "import")
    files = {role: ctx.input(role) for role in params.sources}

    def step(number: int, what: str) -> None:
        ctx.check_cancelled()
        ctx.metric(step=number, total=len(files) + 1, what=what)

    done = bring_in(params, files, step)
    for part in done.parts.values():
        corpora.write(part.corpus, ctx.root / "corpora")
    ctx.finish(_result(done))


def bring_in(params: ImportParams, files: Mapping[str, Any], step: Any = lambda number, what: None) -> Imported:
    """Read, split, map labels, drop what leaks. Raises CoreError for what makes an import impossible."""
    out = Imported()
    for number, (role, source) in enumerate(params.sources.items()):
        step(number, source.name)
        options = replace(source.options, language=params.language)
        found = read_file(files[role], name=source.name, options=options, task=params.task)
        out.parts[role] = Part(found.corpus, found.lines, source)
        out.issues += found.issues
        out.rows_in[role], out.layouts[role] = found.rows_in, found.layout
        if source.options.unlabelled and not role.startswith(POOL):
            raise CoreError("gold_unlabelled", {"file": source.name, "split": role}, "hint_gold_unlabelled")
    step(len(files), "leakage")
    task = _settle(out, params.task)
    if "file" in out.parts:
        _split(out, params.split or Split(), task)
    pools = [role for role in out.parts if role.startswith(POOL)]
    _map_labels(out, pools, params, task)
    for role in [r for r in ("train", *pools) if r in out.parts]:
        guard.drop(out, role, "test")
    if "train" in out.parts and "dev" not in out.parts:
        _split_dev(out, task)
    for role in [r for r in ("train", *pools) if r in out.parts]:
        guard.drop(out, role, "dev")
    if params.train_rows is not None:
        _look_quickly(out, params.train_rows, task)
    for role in [r for r in ("train", *pools) if r in out.parts]:
        guard.scan(out, role)
    if "dev" in out.parts and "test" in out.parts:
        guard.scan_held_out(out)
    _one_schema(out, task, params.language)
    _look_at_labels(out)
    return out


def _settle(out: Imported, name: str) -> Task:
    """The task that the rows of gold are of (where there is no gold: all). Rows that it has no use for go."""
    gold = [part for role, part in out.parts.items() if not role.startswith(POOL)] or [*out.parts.values()]
    task = task_of(task_of(name).settled(part.corpus.table for part in gold))
    for role, part in [*out.parts.items()]:
        schema = replace(part.corpus.schema, task=task.name)
        out.parts[role] = replace(part, corpus=Corpus(schema, part.corpus.table))
        _drop_unfit(out, role, task)
    if task.name != name:
        out.note(gold[0], None, "task_settled", {"task": task.name}, "kept")
    return task


def _drop_unfit(out: Imported, role: str, task: Task) -> None:
    part = out.parts[role]
    unfit = task.unfit(part.corpus.table)
    for row, (code, why) in unfit.items():
        out.note(part, row, code, {**why}, "dropped")
    if unfit:
        out.parts[role] = part.without(np.fromiter(unfit, np.int64, len(unfit)))
    if unfit and not len(out.parts[role].corpus):
        rows = len(part.corpus)
        values: dict[str, Value] = {"file": part.source.name, "rows": rows, "dropped": rows, "line": int(part.lines[0])}
        raise CoreError("no_usable_rows", values, "hint_first_bad_line")


def _split(out: Imported, split: Split, task: Task) -> None:
    """One file into splits."""
    whole = rest = out.parts.pop("file")
    total = len(whole.corpus)
    for role, ratio, salt in (("test", split.test, 1), ("dev", split.dev, 0)):
        if ratio is None:
            continue
        rows = max(1, math.floor(ratio * total + 0.5))
        if rows >= len(rest.corpus):
            raise CoreError("split_too_small", {"file": whole.source.name, "rows": total, "split": role}, "hint_split")
        rest, out.parts[role] = _split_part(rest, rows, split.seed + salt, task)
    out.parts["train"] = rest


def _split_part(part: Part, rows: int, seed: int, task: Task) -> tuple[Part, Part]:
    *_, picked = split_off(task, part.corpus, rows, seed)
    return part.without(picked), part.take(picked)


def _split_dev(out: Imported, task: Task) -> None:
    train = out.parts["train"]
    rows = max(1, math.floor(DEV_SHARE * len(train.corpus) + 0.5))
    if rows >= len(train.corpus):
        values: dict[str, Value] = {"file": train.source.name, "rows": len(train.corpus), "split": "dev"}
        raise CoreError("split_too_small", values, "hint_split")
    out.parts["train"], out.parts["dev"] = _split_part(train, rows, 0, task)
    out.note(train, None, "dev_split", {"rows": rows, "of": len(train.corpus)}, "kept")


def quick_rows(rows: int) -> int:
    """How many of so many rows of train a first answer needs: all of a small file."""
    return rows if rows < _WORTHWHILE else QUICK_ROWS


def _look_quickly(out: Imported, rows: int, task: Task) -> None:
    """Of train only the first rows of a stratified draw stay, in the order of the file; more rows include fewer."""
    train = out.parts.get("train")
    if train is not None and rows < len(train.corpus):
        _, out.parts["train"] = _split_part(train, rows, 0, task)
        out.note(train, None, "quick_look", {"rows": rows, "of": len(train.corpus)}, "kept")


def _map_labels(out: Imported, pools: Sequence[str], params: ImportParams, task: Task) -> None:
    """Bring pools under the labels of train, dev and test; without a map every label must be one of those."""
    schema = _labels(out, ("train", *HELD_OUT))
    for role in pools:
        part = out.parts[role]
        mapping = part.source.labels
        place = role[len(POOL) :]
        for label, row in _first_rows(part).items():
            values: dict[str, Value] = {"file": part.source.name, "row": row, "label": label, "name": place}
            if mapping is not None and label not in mapping:
                raise CoreError("label_unlisted", values, "hint_label_unlisted")
            if mapping is None and schema and label not in schema:
                raise CoreError("label_outside_schema", values | {"known": ", ".join(schema)}, "hint_label_map")
        for target in (mapping or {}).values():
            if target is not None and schema and target not in schema:
                raise unknown_key(target, schema, f"ingredients.{place}.labels")
        if mapping is not None:
            out.parts[role] = replace(part, corpus=task.mapped(part.corpus, mapping, schema))


def _labels(out: Imported, roles: Sequence[str]) -> tuple[str, ...]:
    """The labels that occur in these parts, sorted."""
    found: set[str] = set()
    for role in roles:
        if role in out.parts:
            found |= set(used_labels(out.parts[role].corpus))
    return tuple(sorted(found))


def used_labels(corpus: Corpus) -> list[str]:
    """The labels that occur in a corpus, in the order of its schema."""
    names = corpus.schema.labels
    _, labels = task_of(corpus.schema.task).labels_of(corpus.table, names)
    return [names[label] for label in np.unique(labels)]


def _one_schema(out: Imported, task: Task, language: str) -> None:
    labels = _labels(out, list(out.parts))
    schema = Schema(task.name, labels, language)
    out.parts = {role: replace(part, corpus=Corpus(schema, part.corpus.table)) for role, part in out.parts.items()}


def _look_at_labels(out: Imported) -> None:
    """Labels that can't be learned: only test has them."""
    if "test" not in out.parts or "train" not in out.parts:
        return
    learnable = set(_labels(out, [role for role in out.parts if role != "test"]))
    for label in used_labels(out.parts["test"].corpus):
        if label not in learnable:
            out.note(out.parts["test"], None, "label_only_in_test", {"label": label}, "kept")


def _covered(part: Part) -> list[str]:
    """The target labels that the source of a pool knows: those its map names, else those that occur in it."""
    if part.source.labels is None:
        return used_labels(part.corpus)
    return sorted({target for target in part.source.labels.values() if target is not None})


def _result(done: Imported) -> dict[str, Any]:
    return {
        "corpora": {role: part.corpus.id for role, part in done.parts.items()},
        "rows": {role: len(part.corpus) for role, part in done.parts.items()},
        "rows_in": done.rows_in,
        "layouts": {role: asdict(layout) for role, layout in done.layouts.items()},
        "labels": {role: used_labels(part.corpus) for role, part in done.parts.items()},
        "covered": {role: _covered(part) for role, part in done.parts.items() if role.startswith(POOL)},
        "first_rows": {"dev": _first_rows(done.parts["dev"])} if "dev" in done.parts else {},
        "issues": [asdict(issue) for issue in done.issues],
    }


def _first_rows(part: Part) -> dict[str, int]:
    """Where each label occurs first: label -> line."""
    names = part.corpus.schema.labels
    rows, labels = task_of(part.corpus.schema.task).labels_of(part.corpus.table, names)
    return {names[label]: int(part.lines[rows[labels == label].min()]) for label in np.unique(labels)}
