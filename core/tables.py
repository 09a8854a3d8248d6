"""A project's runs as tables for analysts: one row a run, a score, a part of a mix, or a row with marks.

| table | a row is |
|---|---|
| `runs` | a training: mix, seed, state, times, settings under the names that recipes have for them |
| `scores` | what a training found on a split: all labels together (`label` null), and each label |
| `mixes` | an ingredient of a mix: what was asked for and how many rows were drawn |
| `marks` | a row of a split with a label in which a training marked something, or gold does; by the row's id, no text |
| `train` | a row that one mix was trained on, with its ingredient and origin; only where a mix is named |

Test stands in them only where a look at it is on record.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from types import NoneType
from typing import Any, get_args, get_type_hints

import numpy as np
import pyarrow as pa

from core import contrast
from core import corpus as corpora
from core.corpus import BASE
from core.errors import CoreError
from core.groups import Group, groups, split_of
from core.jobs.folder import Run, read_json, read_object
from core.mix import GOLD, plan
from core.params import build, canonical_json, plain
from core.project import Project
from core.runs import POOL, RunSpec
from core.tallies import Tally, counts_by_run, splits_of, tallies
from core.tasks import task as task_of
from core.tasks.drawing import drawn_rows, mixed
from core.training.settings import TrainParams
from core.training.train import TrainRunParams
from core.workspace import Workspace

_TIME = pa.timestamp("ms", tz="UTC")
_OF = pa.schema([("project", pa.string()), ("mix", pa.string()), ("group", pa.string())])
_SCALARS: Mapping[Any, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), NoneType: pa.null()}
_TALLY = {"label": pa.string(), "precision": pa.float64(), "recall": pa.float64(), "f1": pa.float64()}


def _columns(more: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema([*_OF, *more.items()])


def _settings() -> dict[str, pa.DataType]:
    """The columns of the training settings; what is neither number nor truth value is text."""
    kinds = get_type_hints(TrainParams)
    return {one.name: _SCALARS.get((get_args(kinds[one.name]) or (kinds[one.name],))[0], pa.string())
            for one in fields(TrainParams)}  # fmt: skip


RUNS = _columns(
    {
        **{"run": pa.string(), "seed": pa.int64(), "state": pa.string(), "purpose": pa.string()},
        **{"submitted": _TIME, "started": _TIME, "ended": _TIME, "seconds": pa.float64(), "attempts": pa.int64()},
        **{"best_dev": pa.float64(), "best_step": pa.int64(), "steps_done": pa.int64(), "rows": pa.int64()},
        **_settings(),
    }
)
SCORES = _columns(
    {"run": pa.string(), "seed": pa.int64(), "split": pa.string()}
    | {one.name: _TALLY.get(one.name, pa.int64()) for one in fields(Tally)}
)
MIXES = _columns(
    {"ingredient": pa.string(), "amount": pa.float64(), "unit": pa.string()}
    | {"rows": pa.int64(), "share": pa.float64(), "times_gold": pa.float64()}
)
MARKS = _columns(
    {"run": pa.string(), "seed": pa.int64(), "split": pa.string(), "row": pa.int64(), "id": pa.string()}
    | {"label": pa.string(), "tp": pa.int64(), "predicted": pa.int64(), "gold": pa.int64()}
)


def tables(workspace: Workspace, project: Project, mix: str = "") -> dict[str, pa.Table]:
    """The tables of a project by name. `mix`: by title or id, whose rows make the table `train`.

    Raises CoreError `nothing_to_take`, `group_unknown`, `mix_rows_gone`.
    """
    there = groups(workspace, project.slug)
    if not there:
        raise CoreError("nothing_to_take", {"project": project.slug}, "hint_nothing_to_take")
    titles = contrast.titles(there)
    found = {name: list[dict[str, Any]]() for name in ("runs", "scores", "mixes", "marks")}
    for group in there:
        of = {"project": project.slug, "mix": titles[group.id], "group": group.id}
        found["runs"] += [of | _run(workspace, group, seed, run) for seed, run in group.runs.items()]
        found["mixes"] += [of | part for part in _parts(workspace, group)]
        for split in splits_of(workspace, project.slug, group):
            _count(workspace, group, split, of, found)
    schemas = {"runs": RUNS, "scores": SCORES, "mixes": MIXES, "marks": MARKS}
    out = {name: pa.Table.from_pylist(found[name], schema) for name, schema in schemas.items()}
    return out | ({"train": trained_on(workspace, contrast.named(there, mix))} if mix else {})


def _run(workspace: Workspace, group: Group, seed: int, run: Run) -> dict[str, Any]:
    result = read_object(workspace.run_folder(run.id) / "result.json") or {}
    return {
        "run": run.id,
        "seed": seed,
        "state": run.state,
        "purpose": purpose_of(group),
        **{name: _moment(getattr(run, name)) for name in ("submitted", "started", "ended")},
        "seconds": run.seconds,
        "attempts": run.attempt,
        "best_dev": run.score,
        "best_step": result.get("best_step"),
        "steps_done": result.get("steps"),
        "rows": sum(result["rows"].values()) if result.get("rows") else None,
        **{name: _scalar(value) for name, value in settings_of(group.train).items()},
    }


def purpose_of(group: Group) -> str:
    """What a group was launched for: `mix`, `trial` of a search, point of gold's learning `curve`."""
    return "curve" if group.curve else "trial" if group.tune else "mix"


def settings_of(train: TrainParams) -> dict[str, Any]:
    """All settings of a training, defaults too, under the names that recipes have for them."""
    return {one.name: plain(getattr(train, one.name)) for one in fields(train)}


def _scalar(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else canonical_json(value)


def _moment(seconds: float | None) -> int | None:
    """Unix seconds as milliseconds."""
    return None if seconds is None else round(seconds * 1000)


def _parts(workspace: Workspace, group: Group) -> Iterator[dict[str, Any]]:
    """The ingredients of a mix; rows as its first finished repeat drew them, null where none has finished."""
    drawn = drawn_of(workspace, group)
    total, gold = sum(drawn.values()), drawn.get(GOLD, 0)
    asked = group.mix.requested()
    for name in dict.fromkeys((*asked, *drawn)):
        amount, unit = asked.get(name, (None, None))
        rows = drawn.get(name, 0) if drawn else None
        yield {
            "ingredient": name,
            "amount": amount,
            "unit": unit,
            "rows": rows,
            "share": rows / total if rows is not None and total else None,
            "times_gold": rows / gold if rows is not None and gold else None,
        }


def drawn_of(workspace: Workspace, group: Group) -> dict[str, int]:
    """Rows per ingredient as the first finished repeat drew them; empty where none has finished."""
    for run in group.finished:
        return (read_object(workspace.run_folder(run) / "result.json") or {}).get("rows", {})
    return {}


def _count(
    workspace: Workspace, group: Group, split: str, of: Mapping[str, str], found: dict[str, list[dict[str, Any]]]
) -> None:
    """The rows of `scores` and `marks` for one group and split."""
    seeds = {run.id: seed for seed, run in group.runs.items()}
    ids = _hex(split_of(workspace, group, split).table.column("id"))
    for run, counts in counts_by_run(workspace, group, split).items():
        about = {**of, "run": run, "seed": seeds[run], "split": split}
        found["scores"] += [about | asdict(one) for one in tallies(counts)]
        for row, label in np.argwhere((counts.pred > 0) | (counts.gold > 0)).tolist():
            numbers = (int(column[row, label]) for column in (counts.tp, counts.pred, counts.gold))
            marked = dict(zip(("tp", "predicted", "gold"), numbers, strict=True))
            found["marks"].append(about | {"row": row + 1, "id": ids[row], "label": counts.names[label]} | marked)


def trained_on(workspace: Workspace, group: Group) -> pa.Table:
    """The rows that the first repeat of a mix learned from, as they were drawn.

    Raises CoreError `mix_rows_gone` where a pool of it was deleted.
    """
    run = next(iter(group.finished), None) or next(run.id for _, run in sorted(group.runs.items()))
    spec = RunSpec.from_json(read_json(workspace.run_folder(run) / "spec.json"))
    params = build(TrainRunParams, spec.params, "train")
    paths = {
        role.removeprefix(POOL): workspace.corpus_path(value.partition(":")[2])
        for role, value in spec.inputs.items()
        if role == GOLD or role.startswith(POOL)
    }
    gone = [name for name, path in paths.items() if not path.is_file()]
    if gone:
        raise CoreError("mix_rows_gone", {"name": group.name, "ingredient": gone[0]}, "hint_mix_rows_gone")
    pools = {name: corpora.read(path) for name, path in paths.items()}
    task = task_of(pools[GOLD].schema.task)
    seed = params.mix.seed + params.seed if params.mix.draw_per_seed else params.mix.seed
    rows = plan(params.mix, {name: len(pool) for name, pool in pools.items()})
    table = mixed(task, pools, drawn_rows(task, pools, rows, seed), params.mask_outside).table
    for name in BASE.names:
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(_hex(table.column(name)), pa.string()))
    return table


def _hex(ids: pa.ChunkedArray) -> Sequence[str | None]:
    return [None if id is None else id.hex() for id in ids.to_pylist()]
