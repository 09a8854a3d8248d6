"""What a training is to be expected to take, before it has begun: as finished ones did, by what it has to compute.

Where nothing was trained yet, a table says how fast machines are (operations a second, see core.training.effort):

| device and precision | |
|---|---|
| processor, fp32 | 60e9 a thread |
| processor with bf16 matrix units | 110e9 a thread |
| GPU | 4e12 |
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from core.jobs.machine import Machine
from core.known import (
    FILLED,
    FOLLOWING,
    LOOK_IN_STEPS,
    SAVING,
    STARTING,
    Asked,
    Known,
    Sizes,
    below_of,
    layout_of,
    of_a_question,
)
from core.training import effort
from core.training.settings import MOST_LOOKS
from core.workspace import Workspace

STEPS = 100  # of a training for which nobody knows how many epochs come to
_THREAD = {"fp32": 60e9, "bf16": 110e9}
_GPU = 4e12
_SOLVING = 0.5  # seconds that a head takes to be solved, besides one pass over the mix
_SPILT = 0.25  # of a batch: so little more fits into the others
_QUESTION = 1.0  # seconds that a language model takes for a question, where nobody knows
_FEWEST = 3  # finished trainings of the same encoder and method that others are left aside for


@dataclass(frozen=True)
class Expected:
    """In seconds. `start`: before the first step, in a process of its own; `follow`: in one that had others before;
    `states`: what frozen layers make of all rows, once in a process; `step`, `look`: one of them; `known`: how many
    finished trainings say so, 0: the table."""

    start: float
    follow: float
    states: float
    step: float
    steps: int
    look: float
    looks: int
    known: int

    @property
    def body(self) -> float:
        """From the first step to the end."""
        return self.steps * self.step + self.looks * self.look + SAVING

    def together(self, runs: int) -> float:
        """So many one after the other in one process, on the same rows."""
        return self.start + self.states + (runs - 1) * self.follow + runs * self.body if runs else 0.0


def expected(workspace: Workspace, asked: Asked, known: Sequence[Known], sizes: Sizes | None = None) -> Expected:
    """By the finished trainings most like it: the same encoder first, then the same layers trained, the same dev."""
    if asked.train.prompt is not None:
        return _asking(workspace, asked.train.prompt.model, (sizes or Sizes()).questions or 0)
    sizes, train, below = sizes or Sizes(), asked.train, below_of(workspace, asked)
    found, like = layout_of(workspace, asked.model), likest(asked, below, known)
    places, each = _places(asked, sizes, like)
    speed = _speed(like)
    rows = sizes.tokens or places
    step = effort.of_step(found, train, below, places, effort.keeps(found.width, rows)) / speed
    usual = train.steps or (_same_steps(asked, like) if each is None else train.steps_for(each)) or STEPS
    steps = 1 if train.at_once else usual
    dev = sizes.dev or next((one.dev for one in known if one.dev and one.asked.dev == asked.dev), None)
    solved = 0.0 if train.head in ("suited", "fresh") else _SOLVING + effort.of_look(found, below, rows) / speed
    return Expected(
        start=_start(like, False, STARTING) + solved,
        follow=_start(like, True, FOLLOWING) + solved,
        states=effort.of_states(found, below, effort.kept(found.width, rows, dev)) / speed,
        step=step,
        steps=steps,
        look=_look(like, effort.of_look(found, below, dev) if dev else None, step, speed),
        looks=train.looks(round(places * steps), round(dev)) if dev else train.evaluations or MOST_LOOKS,
        known=len(like),
    )


def _asking(workspace: Workspace, writer: str, questions: float) -> Expected:
    """Of a training that asks a language model so much and learns nothing."""
    seconds, known = of_a_question(workspace, writer)
    step = questions * (_QUESTION if seconds is None else seconds)
    return Expected(STARTING, FOLLOWING, 0.0, step, 1, 0.0, 0, known)


def speed_for(workspace: Workspace, asked: Asked, known: Sequence[Known]) -> float:
    """Operations a second, by the finished trainings most like one."""
    return _speed(likest(asked, below_of(workspace, asked), known))


def _speed(like: Sequence[Known]) -> float:
    second = [one.pace.step / one.work for one in like]
    return 1 / statistics.median(second) if second else _table(Machine.here())


def likest(asked: Asked, below: int, known: Sequence[Known]) -> list[Known]:
    """Those that say most: of the same encoder, and among them of the same method and dev where there are enough. What
    learned nothing by steps says nothing of their pace."""
    stepped = [one for one in known if not one.asked.train.at_once]
    best = [one for one in stepped if one.asked.model == asked.model] or stepped
    for alike in (
        lambda one: one.asked.train.method == asked.train.method and one.below == below,
        lambda one: one.asked.dev == asked.dev,
    ):
        nearer = [one for one in best if alike(one)]
        best = nearer if len(nearer) >= min(_FEWEST, len(best)) else best
    return best


def _places(asked: Asked, sizes: Sizes, like: Sequence[Known]) -> tuple[float, int | None]:
    """Sub-tokens of a step, and steps of a pass over the mix where its size is known."""
    batch = asked.train.batch_tokens
    filled = statistics.median(one.places / one.asked.train.batch_tokens for one in like) if like else FILLED
    if not sizes.tokens:
        return filled * batch, None
    each = max(1, math.ceil(sizes.tokens / (FILLED * batch) - _SPILT))
    return sizes.tokens / each, each


def _same_steps(asked: Asked, like: Sequence[Known]) -> int | None:
    same = [one.steps for one in like if one.asked.train == asked.train]
    return round(statistics.median(same)) if same else None


def _start(like: Sequence[Known], follows: bool, usual: float) -> float:
    """Before the first step, without what frozen layers were put through."""
    found = [one.pace.start - one.states * one.pace.step / one.work for one in like if one.follows == follows]
    return max(0.1, statistics.median(found)) if found else usual


def _look(like: Sequence[Known], work: float | None, step: float, speed: float) -> float:
    """One look at dev, with what is saved after it."""
    measured = [one for one in like if one.pace.look is not None and one.look_work]
    if work is None:
        looks = [one.pace.look for one in like if one.pace.look is not None]
        return statistics.median(looks) if looks else LOOK_IN_STEPS * step
    if measured:
        return statistics.median((one.pace.look or 0.0) * work / (one.look_work or work) for one in measured)
    return work / speed


def _table(machine: Machine) -> float:
    """Operations a second, where nothing has run yet."""
    return _GPU if machine.device == "cuda" else machine.threads * _THREAD[machine.precision]
