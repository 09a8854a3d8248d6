"""What a launch will take: seconds, memory and disk, before it begins; and what a run took, held against that.

Time follows core.expected. Memory is what a process takes that has loaded its libraries, and on top of it, in bytes:
4 for every weight, 12 for each that is trained (its gradient and AdamW's two moments), what the layers that are trained
keep of a batch for the way back, and the states that frozen layers left. The first of these is measured where
trainings have run. What the disk keeps of a run is its trained weights, predictions and logs.
"""

import heapq
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.corpus import Corpus
from core.expected import Expected, expected
from core.jobs.folder import Run, last_metrics, read_object, worked, write_json
from core.jobs.machine import Machine
from core.known import Asked, Known, Sizes, asked_of, below_of, layout_of, most_of, references
from core.models.weights import FLOAT, Layout
from core.pace import at_once
from core.tasks import task as task_of
from core.training import effort
from core.training.portions import kept, split
from core.training.settings import TrainParams
from core.workspace import Workspace

FILE = "estimate.json"  # in a run's folder: what was expected of it when it was launched
_LIBRARIES: Mapping[str, float] = {"cpu": 550e6, "cuda": 1.3e9}  # of a process, until trainings here say better
_ON_GPU = 600e6  # of a GPU's memory, besides weights and batches
_KEPT = 17.0  # values that a layer keeps of a sub-token for the way back, in widths
_SUBWORDS, _SPECIAL = 1.4, 2  # sub-tokens of a word, and of a row besides, where nobody counted them
_LOGS, _LINE, _READ = 40_000, 130, 9  # bytes: of any run, of a step, of a sub-token of dev that was predicted


@dataclass(frozen=True)
class Wanted:
    """Trainings of one mix that are to be launched. `labels`: classes of the head."""

    asked: Asked
    runs: int
    sizes: Sizes = Sizes()
    classes: int = 1


@dataclass(frozen=True)
class Estimate:
    """What trainings will take. `seconds`: until the last ends; `memory`, `gpu_memory`: bytes of one at the most;
    `disk`: bytes that they leave; `known`: how many finished ones say how long it takes, 0: the table alone."""

    seconds: float = 0.0
    memory: int = 0
    gpu_memory: int | None = None
    disk: int = 0
    known: int = 0


@dataclass(frozen=True)
class Took:
    """A run against what was expected of it when it was launched; None where one of them isn't known."""

    expected: Estimate
    seconds: float | None
    memory: int | None
    gpu_memory: int | None
    disk: int | None


def estimate(workspace: Workspace, wanted: Sequence[Wanted]) -> Estimate:
    """Of all of them together, side by side as there are slots, each slot one process."""
    known = references(workspace)
    found = [one for one in wanted if one.runs]
    if not found:
        return Estimate()
    each = [expected(workspace, one.asked, known, one.sizes) for one in found]
    memory = [memory_of(workspace, one, known) for one in found]
    on_gpu = [gpu for _, gpu in memory if gpu is not None]
    return Estimate(
        seconds=_together(each, [one.runs for one in found], at_once(workspace.root)),
        memory=max(own for own, _ in memory),
        gpu_memory=max(on_gpu) if on_gpu else None,
        disk=sum(one.runs * disk_of(workspace, one, steps.steps) for one, steps in zip(found, each, strict=True)),
        known=max(one.known for one in each),
    )


def _together(each: Sequence[Expected], runs: Sequence[int], at_once: int) -> float:
    """Seconds until the last of all runs ends: seed by seed, the next one in the slot that is free first."""
    slots: list[tuple[float, int, frozenset[int]]] = [(0.0, number, frozenset()) for number in range(at_once)]
    for seed in range(max(runs)):
        for mix, one in enumerate(each):
            if seed < runs[mix]:
                free, slot, seen = heapq.heappop(slots)
                begin = one.follow if seen else one.start
                took = begin + one.body + (0.0 if mix in seen else one.states)
                heapq.heappush(slots, (free + took, slot, seen | {mix}))
    return max(end for end, _, _ in slots)


def memory_of(workspace: Workspace, wanted: Wanted, known: Sequence[Known]) -> tuple[int, int | None]:
    """Bytes that one training takes at the most, and of a GPU's memory; None: it runs on none."""
    machine, asked = Machine.here(), wanted.asked
    if asked.train.prompt is not None:
        return _to_ask(workspace, asked, machine)
    layout, below = layout_of(workspace, asked.model), below_of(workspace, asked)
    own, states = _own(layout, asked.train, below, wanted.classes), _states(layout, below, wanted.sizes)
    if machine.device == "cuda":
        gpu = [one.gpu_memory - _own_of(workspace, one) for one in known if one.gpu_memory]
        left = statistics.median(gpu) if gpu else _ON_GPU
        memory = [one.memory for one in known if one.memory]
        return round(statistics.median(memory) if memory else _LIBRARIES["cuda"]) + states, round(left) + own
    taken = [one.memory - _own_of(workspace, one) for one in known if one.memory]
    libraries = max(_LIBRARIES["cpu"] / 4, statistics.median(taken)) if taken else _LIBRARIES["cpu"]
    return round(libraries) + own + states, None


def _to_ask(workspace: Workspace, asked: Asked, machine: Machine) -> tuple[int, int | None]:
    """The same of a training that asks a language model: the encoder, and that model where it runs here."""
    weights = layout_of(workspace, asked.model).weights
    if asked.train.prompt is not None and asked.train.prompt.model.startswith("model:"):
        weights += layout_of(workspace, asked.train.prompt.model.removeprefix("model:")).weights
    on_gpu = round(_ON_GPU) + FLOAT * weights if machine.device == "cuda" else None
    return round(_LIBRARIES[machine.device]) + (0 if on_gpu else FLOAT * weights), on_gpu


def _own(found: Layout, train: TrainParams, below: int, classes: int) -> int:
    """Bytes of weights, of what training adds to them, and of a batch on its way through the layers."""
    parts = split(found, train, below, classes)
    batch = train.batch_tokens * found.width * _KEPT * max(1, found.layers - below)
    return FLOAT * round(parts.weights + 3 * parts.trained + batch)


def _own_of(workspace: Workspace, one: Known) -> int:
    """The same of a training that went, with the states that it kept."""
    found = layout_of(workspace, one.asked.model)
    return _own(found, one.asked.train, one.below, 1) + _states(found, one.below, Sizes(one.tokens, one.dev))


def _states(found: Layout, below: int, sizes: Sizes) -> int:
    return round(FLOAT * found.width * effort.kept(found.width, sizes.tokens, sizes.dev)) if below else 0


def disk_of(workspace: Workspace, wanted: Wanted, steps: int) -> int:
    """Bytes that a training leaves."""
    found, below = layout_of(workspace, wanted.asked.model), below_of(workspace, wanted.asked)
    weights = FLOAT * kept(found, wanted.asked.train, below, wanted.classes)
    return weights + _LOGS + _LINE * steps + _READ * round(wanted.sizes.dev or 0)


def sizes_of(
    workspace: Workspace, model: str, rows: Mapping[str, int], pools: Mapping[str, Corpus], dev: Corpus
) -> Sizes:
    """How much a mix holds and dev. `rows`: drawn from each pool; counted where a run has counted sub-tokens before."""
    tokens = sum(rows[name] * tokens_of_a_row(workspace, pools[name], model) for name in rows if rows[name])
    return Sizes(tokens, len(dev) * tokens_of_a_row(workspace, dev, model))


def tokens_of_a_row(workspace: Workspace, corpus: Corpus, model: str) -> float:
    """Sub-tokens of a row of a corpus, on average."""
    places = sorted((workspace.root / "cache" / "pieces").glob(f"{corpus.id[:24]}-{model[:24] or '?'}-*.arrow"))
    if places and len(corpus):
        return _counted(places[-1]) / len(corpus)
    return _words(workspace.corpus_path(corpus.id)) * _SUBWORDS + _SPECIAL


@lru_cache(maxsize=256)
def _counted(pieces: Path) -> int:
    """Sub-tokens of a corpus as a run kept them, see core.training.feed."""
    table = corpora.kept(pieces)[0]
    return sum(len(chunk.flatten()) for chunk in table.column("ids").chunks)


@lru_cache(maxsize=256)
def _words(path: Path) -> float:
    """Words of a row of a stored corpus, on average."""
    found = corpora.read(path)
    lengths = task_of(found.schema.task).lengths(found.table)
    return float(lengths.mean()) if len(lengths) else 0.0


def note(workspace: Workspace, wanted: Wanted, runs: Sequence[str]) -> None:
    """Keep what is expected of each of these new runs beside it, to be held against what it will take."""
    known = references(workspace)
    found = expected(workspace, wanted.asked, known, wanted.sizes)
    memory, gpu = memory_of(workspace, wanted, known)
    disk = disk_of(workspace, wanted, found.steps)
    for number, run in enumerate(runs):
        seconds = found.body + (found.follow if number >= at_once(workspace.root) else found.start + found.states)
        told = Estimate(round(seconds, 1), memory, gpu, disk, found.known)
        _keep(workspace.run_folder(run), told)


def _keep(folder: Path, told: Estimate) -> None:
    """Made beside the folder: an attempt that begins meanwhile sweeps out of it what looks unfinished."""
    draft = folder.parent / f".{folder.name}-{FILE}"
    write_json(draft, asdict(told))
    try:
        draft.replace(folder / FILE)
    except FileNotFoundError:  # the run was deleted
        draft.unlink(missing_ok=True)


def note_like(workspace: Workspace, some: str, runs: Sequence[str]) -> None:
    """The same for more runs of a training that another run `some` was launched as; nothing where its cost isn't known.

    What was read is what `some` read, where it has begun.
    """
    folder = workspace.run_folder(some)
    asked = asked_of(folder)
    if asked is None or not runs:
        return
    first = next((line for line in last_metrics(folder) if line.get("step") == 0), dict[str, Any]())
    sizes = Sizes(first.get("tokens"), first.get("dev_tokens"))
    labels = (read_object(folder / "spec.json") or {}).get("params", {}).get("labels", ())
    note(workspace, Wanted(asked, len(runs), sizes, max(1, len(labels))), runs)


def took(workspace: Workspace, run: Run) -> Took | None:
    """A finished run against what was expected of it; None where nothing was, or where it has not succeeded."""
    folder = workspace.run_folder(run.id)
    told = read_object(folder / FILE)
    if told is None or run.state != "succeeded":
        return None
    known = {name: value for name, value in told.items() if name in Estimate.__dataclass_fields__}
    memory, gpu = most_of(folder, run.attempt)
    left = (path for path in folder.rglob("*") if path.is_file())
    disk = sum(path.stat().st_size for path in left if path.name != "lock")
    return Took(Estimate(**known), worked(folder, run), memory, gpu, disk)
