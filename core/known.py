"""Finished trainings of this machine, by which others are estimated: their pace, what they computed, what they took."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.jobs.folder import PROCESSES, Run, json_lines, last_metrics, metrics_file, read_object, resources_file
from core.models.weights import Layout, layout
from core.params import build
from core.training import effort
from core.training.methods import frozen_layers, frozen_of
from core.training.settings import MOST_LOOKS, TrainParams
from core.workspace import Workspace

STARTING = 7.0  # seconds a training process needs before its first step, on a laptop
FOLLOWING = 1.0  # the same of a training whose process had others before
SPAWN = 1.0  # seconds until a process notes its first line, besides what it measures itself
SAVING = 1.0  # seconds from the last look at dev to the end
LOOK_IN_STEPS = 5.0  # what a look at dev costs where nobody knows: so many steps
FILLED = 0.92  # of a batch's places carry sub-tokens, where nobody knows
_OUTLIER = 10.0  # a gap so many times the median is a pause, not a step
_FEWEST = 10  # gaps that a pace is taken from, at least; otherwise the newer half
_REMEMBERED = 24  # newest trainings that an estimate looks at


@dataclass(frozen=True)
class Pace:
    """What a training took, in seconds. `start`: before its first step; `look`: one look at dev, with what is saved."""

    start: float
    step: float
    look: float | None  # None: it has not looked yet


@dataclass(frozen=True)
class Asked:
    """What of a training's spec its time depends on: settings, and identities of encoder and dev."""

    train: TrainParams
    model: str
    dev: str


@dataclass(frozen=True)
class Sizes:
    """How much there is to read. `tokens`: sub-tokens of a pass over the mix; `dev`: of dev; `questions`: that are
    put to a language model, on average over trainings; None: not known."""

    tokens: float | None = None
    dev: float | None = None
    questions: float | None = None


@dataclass(frozen=True)
class Known:
    """A training as it went. `work`, `look_work`: operations of a step and of a look at dev, see core.training.effort.

    `places`: sub-tokens of a step, on average; `dev`: those of dev; `below`: layers left as they are; `follows`: in a
    process that had others before; `states`: operations of frozen layers before its first step;
    `tokens`: sub-tokens of a pass over its mix; `memory`, `gpu_memory`: bytes at the most.
    """

    asked: Asked
    pace: Pace
    steps: int
    places: float
    work: float
    dev: float | None = None
    look_work: float | None = None
    below: int = 0
    follows: bool = False
    states: float = 0.0
    tokens: float | None = None
    memory: int | None = None
    gpu_memory: int | None = None


def pace_of(lines: Sequence[Mapping[str, Any]]) -> Pace | None:
    """The pace of one attempt, from its metrics; None where fewer than two steps are noted, or no times.

    The newer half of the steps says how fast it goes now, so that a machine that became busy is seen, and looks at
    dev are taken to have become slower with them; pauses are left out.
    """
    steps = [line for line in lines if line.get("loss") is not None]
    looked = {line["step"] for line in lines if line.get("dev") is not None}
    gaps = [(one["step"], _clock(other) - _clock(one)) for one, other in pairwise(steps)]
    plain = [gap for step, gap in gaps if step not in looked and gap > 0]
    if not plain:
        return None
    middle = statistics.median(plain)
    steady = [gap for gap in plain if gap <= _OUTLIER * middle]
    step = statistics.fmean(steady[-max(_FEWEST, len(steady) // 2) :])
    whole = statistics.fmean(steady)
    looks = [max(0.0, gap - whole) for at, gap in gaps if at in looked and gap > 0]
    first = next((line for line in lines if line.get("step") == 0), None)
    start = STARTING if first is None or "s" not in first else SPAWN + float(first["s"])
    look = statistics.fmean(looks) * step / whole if looks else _unseen_look(first or {}, step)
    return Pace(start, step, look)


def _clock(line: Mapping[str, Any]) -> float:
    """Seconds on a clock that nobody sets, where the attempt noted one."""
    return float(line["s"] if "s" in line else line.get("t", 0.0))


def _unseen_look(first: Mapping[str, Any], step: float) -> float | None:
    """What the first look will cost, by the sub-words of dev and of a batch; None where they were not noted."""
    if not first.get("dev_tokens") or not first.get("tokens") or not first.get("per_epoch"):
        return None
    places, usual, plain = first["tokens"] / first["per_epoch"], effort.USUAL, TrainParams()
    ratio = effort.of_look(usual, 0, first["dev_tokens"]) / effort.of_step(usual, plain, 0, places)
    return step * ratio


def layout_of(workspace: Workspace, model: str) -> Layout:
    """Of an encoder by its identity; where it isn't here any more, one like the bundled one."""
    folder = workspace.models / model
    return layout(folder) if model and (folder / "config.json").is_file() else effort.USUAL


def below_of(workspace: Workspace, asked: Asked) -> int:
    """How many layers a training that is asked for will leave as they are."""
    folder = workspace.models / asked.model
    if asked.model and (folder / "config.json").is_file():
        return frozen_layers(asked.train, folder)
    return frozen_of(asked.train, effort.USUAL.layers)


def references(workspace: Workspace) -> list[Known]:
    """The newest finished trainings of this machine; where there are none, those that came with a sample or archive."""
    runs = workspace.store.list(kind="train", state="succeeded", limit=_REMEMBERED)
    found = [_finished(workspace.run_folder(run.id), run.attempt, run.ended) for run in runs]
    here = [one for one in found if one is not None]
    return here or [one for run in runs if (one := _by_its_whole(workspace.run_folder(run.id), run)) is not None]


def of_a_question(workspace: Workspace, writer: str) -> tuple[float | None, int]:
    """Seconds of a question to a language model, in the newest finished trainings that put new ones to it, and how many
    these are; None where none did. `writer`: as its params name it."""
    found: list[float] = []
    for run in workspace.store.list(kind="train", state="succeeded", limit=_REMEMBERED):
        asked = asked_of(workspace.run_folder(run.id))
        if asked is not None and asked.train.prompt is not None and asked.train.prompt.model == writer:
            told = (read_object(workspace.run_folder(run.id) / "result.json") or {}).get("prompted", {})
            spent = told.get("spent", {})
            new = spent.get("answers", 0) - spent.get("remembered", 0)
            found += [told["seconds"] / new] if new else []
    return (statistics.median(found) if found else None), len(found)


@lru_cache(maxsize=256)
def _finished(folder: Path, attempt: int, ended: float | None) -> Known | None:
    """What is known of a run that ended then: it will not change."""
    return so_far(folder, attempt)


def _by_its_whole(folder: Path, run: Run) -> Known | None:
    """What is known of a finished training of which no times of steps were kept."""
    asked, steps = asked_of(folder), max((line["step"] for line in last_metrics(folder)), default=0)
    if asked is None or asked.train.method == "prompt" or not steps or run.seconds is None:
        return None
    looks = len(asked.train.evaluation_steps(steps, asked.train.evaluations or MOST_LOOKS)) + 1
    body = max(run.seconds / 4, run.seconds - STARTING - SAVING)  # in a process that was there already it is all body
    step = max(1e-3, body) / (steps + looks * LOOK_IN_STEPS)
    below, places = frozen_in(asked.train, folder, True), FILLED * asked.train.batch_tokens
    work = effort.of_step(layout_of(_space(folder), asked.model), asked.train, below, places)
    return Known(asked, Pace(STARTING, step, None), steps, places, work, below=below)


def so_far(folder: Path, attempt: int) -> Known | None:
    """What is known of a training by what an attempt has noted; None where that is too little."""
    lines = json_lines(metrics_file(folder, attempt))
    asked, pace = asked_of(folder), pace_of(lines)
    if asked is None or pace is None:
        return None
    first = next((line for line in lines if line.get("step") == 0), dict[str, Any]())
    tokens, each = first.get("tokens"), first.get("per_epoch")
    places = tokens / each if tokens and each else FILLED * asked.train.batch_tokens
    steps = max(line.get("total", line.get("step", 0)) for line in lines)
    old = not any("grad" in line for line in lines)
    found, dev = layout_of(_space(folder), asked.model), first.get("dev_tokens")
    below = frozen_in(asked.train, folder, old)
    work = effort.of_step(found, asked.train, below, places, effort.keeps(found.width, tokens or places))
    look_work = effort.of_look(found, below, dev) if dev else None
    after, most = follows(folder), most_of(folder, attempt)
    states = 0.0 if after else effort.of_states(found, below, effort.kept(found.width, tokens or places, dev))
    return Known(asked, pace, steps, places, work, dev, look_work, below, after, states, tokens, *most)


def most_of(folder: Path, attempt: int) -> tuple[int | None, int | None]:
    """The most memory, and of a GPU, that an attempt took, in bytes."""
    taken = json_lines(resources_file(folder, attempt))
    memory = max((int(line["memory"]) for line in taken if "memory" in line), default=None)
    return memory, max((int(line["gpu_memory"]) for line in taken if line.get("gpu_memory")), default=None)


def _space(folder: Path) -> Workspace:
    """The workspace that a run's folder lies in."""
    return Workspace(folder.parents[1])


def frozen_in(train: TrainParams, folder: Path, old: bool) -> int:
    """How many of the lowest layers a run left as they were; `old`: before 0.3, when none was unless it was asked."""
    result = read_object(folder / "result.json") or {}
    if "frozen_layers" in result:
        return int(result["frozen_layers"])
    if old and train.method == "full":
        return train.frozen_layers or 0
    spec = read_object(folder / "spec.json") or {}
    model = str(spec.get("inputs", {}).get("model", "")).removeprefix("model:")
    return below_of(_space(folder), Asked(train, model, ""))


def follows(folder: Path) -> bool:
    """Whether a run was carried out by a process that had carried out others before."""
    mark = str((read_object(folder / PROCESSES) or {}).get("mark", folder.name))
    return mark.partition(".")[0] != folder.name


@lru_cache(maxsize=8192)
def asked_of(folder: Path) -> Asked | None:
    """What a training was asked for, which never changes; None where it can't be read."""
    spec = read_object(folder / "spec.json")
    if spec is None or spec.get("kind") != "train":
        return None
    inputs = spec["inputs"]
    return Asked(
        build(TrainParams, spec["params"].get("train", {}), "train"),
        str(inputs["model"]).removeprefix("model:"),
        inputs["dev"],
    )
