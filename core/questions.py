"""What prompted trainings will ask a language model, before they are launched."""

from collections.abc import Sequence
from functools import reduce

from core import corpus as corpora
from core.models.writers import Planned
from core.prompting.cost import planned
from core.prompting.settings import PromptParams
from core.stage import Stage
from core.tasks import task as task_of
from core.tasks.drawing import drawn_of, mixed
from core.training.train import TrainRunParams
from core.workspace import Workspace


def questions(workspace: Workspace, stage: Stage, params: TrainRunParams, runs: int) -> Planned | None:
    """Of so many new trainings of one mix, at most: what was asked before isn't asked again. None where nobody is
    asked. `params`: of core.stage.settle.

    Raises CoreError of a template, `endpoint_unknown`, and those of the endpoints' file.
    """
    prompt = params.train.prompt
    if prompt is None:
        return None
    dev = corpora.read(workspace.corpus_path(stage.imported["corpora"]["dev"]))
    task = task_of(dev.schema.task)
    found = drawn_of(task, stage.pools, params.mix, params.seed)
    mix = mixed(task, found.pools, found.picked, params.mask_outside)
    one = planned(prompt, params.labels, dict(params.train.descriptions), mix, dev, workspace.root)
    return one.times(min(runs, 1) if alike(prompt, params.mix.draw_per_seed) else runs)


def alike(prompt: PromptParams, draw_per_seed: bool) -> bool:
    """Whether all repeats ask the same, so that only the first has to."""
    chance = prompt.temperature > 0 or (prompt.demonstrations > 0 and (draw_per_seed or prompt.choose == "random"))
    return not chance


def per_run(params: TrainRunParams, rows: int, runs: int) -> float:
    """Questions about so many rows that each of some new trainings puts, on average."""
    prompt = params.train.prompt
    shared = prompt is not None and alike(prompt, params.mix.draw_per_seed)
    return rows / max(1, runs) if shared else rows


def together(parts: Sequence[Planned | None]) -> Planned | None:
    """Of several; None where none of them asks anybody."""
    there = [one for one in parts if one is not None]
    return reduce(_sum, there) if there else None


def _sum(one: Planned, other: Planned) -> Planned:
    known = one.cost is not None and other.cost is not None
    cost = (one.cost or 0.0) + (other.cost or 0.0) if known else None
    tokens = one.tokens_in + other.tokens_in, one.tokens_out + other.tokens_out
    return Planned(one.questions + other.questions, *tokens, cost, one.currency)
