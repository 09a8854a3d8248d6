"""What a group of runs cost: time, steps, sentences, cores and memory, and the disk that its weights take."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import corpus as corpora
from core.groups import Group
from core.jobs.folder import Run, read_object
from core.mix import GOLD
from core.traces import Silence, silent, trace, usage
from core.workspace import Workspace


@dataclass(frozen=True)
class Cost:
    """Figures of a group, means over its repeats where nothing else is said; None where no run kept them.

    `seconds`: wall time of one repeat; `whole`: of all that kept it; `rows`: sentences drawn, `gold_rows`: of gold;
    `gold_seen`: how often a training sees each gold sentence; `cores`: in use; `memory`, `gpu_memory`: bytes at the
    most of any repeat; `weights`: bytes of all repeats. `silences`: why runs kept no cores and memory.
    """

    repeats: int
    seconds: float | None = None
    whole: float | None = None
    steps: float | None = None
    rows: float | None = None
    gold_rows: float | None = None
    gold_seen: float | None = None
    cores: float | None = None
    memory: int | None = None
    gpu_memory: int | None = None
    weights: int = 0
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True)
class _OfRun:
    """The same of one run."""

    seconds: float | None
    steps: int | None
    rows: int | None
    gold_rows: int | None
    gold_seen: float | None
    cores: float | None
    memory: int | None
    gpu_memory: int | None
    weights: int
    silence: Silence | None


def cost(workspace: Workspace, group: Group, runs: Sequence[str]) -> Cost:
    """What these runs of a group cost. `runs`: ids, those of finished runs."""
    by_id = {run.id: run for run in group.runs.values()}
    found = [_of_run(workspace, group, by_id[run]) for run in runs if run in by_id]
    seconds = [one.seconds for one in found if one.seconds is not None]
    return Cost(
        repeats=len(found),
        seconds=_mean(seconds),
        whole=sum(seconds) if seconds else None,
        steps=_mean([one.steps for one in found]),
        rows=_mean([one.rows for one in found]),
        gold_rows=_mean([one.gold_rows for one in found]),
        gold_seen=_mean([one.gold_seen for one in found]),
        cores=_mean([one.cores for one in found]),
        memory=max((one.memory for one in found if one.memory is not None), default=None),
        gpu_memory=max((one.gpu_memory for one in found if one.gpu_memory is not None), default=None),
        weights=sum(one.weights for one in found),
        silences=tuple(dict.fromkeys(one.silence for one in found if one.silence is not None)),
    )


def seconds_of(group: Group) -> float | None:
    """Wall time of one repeat of a group, in seconds, the mean over those that succeeded; None where none kept it."""
    return _mean([run.seconds for run in group.runs.values() if run.state == "succeeded"])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _of_run(workspace: Workspace, group: Group, run: Run) -> _OfRun:
    folder = workspace.run_folder(run.id)
    result = read_object(folder / "result.json") or {}
    rows: dict[str, int] = result.get("rows", {})
    used = usage(folder).samples
    on_gpu = [one.gpu_memory for one in used if one.gpu_memory is not None]
    return _OfRun(
        seconds=run.seconds,
        steps=result.get("steps"),
        rows=sum(rows.values()) if rows else None,
        gold_rows=rows.get(GOLD),
        gold_seen=_gold_seen(workspace, group, folder, result),
        cores=_mean([one.cpu for one in used]),
        memory=max((one.memory for one in used), default=None),
        gpu_memory=max(on_gpu, default=None),
        weights=sum(path.stat().st_size for path in (folder / "model").glob("*") if path.is_file()),
        silence=None if used else silent(folder, run),
    )


def _gold_seen(workspace: Workspace, group: Group, folder: Path, result: dict[str, object]) -> float | None:
    """How often each gold sentence was seen: passes over the mix, times what the mix holds of it."""
    rows, steps = result.get("rows"), result.get("steps")
    spec = read_object(folder / "spec.json") or {}
    gold = workspace.corpus_path(str(spec.get("inputs", {}).get(GOLD, "")).removeprefix("corpus:"))
    if not isinstance(rows, dict) or not isinstance(steps, int) or not gold.is_file():
        return None
    per_epoch = trace(folder).per_epoch
    passes = steps / per_epoch if per_epoch else None if group.train.steps else group.train.epochs
    size = len(corpora.read(gold))
    return passes * rows.get(GOLD, 0) / size if passes is not None and size else None
