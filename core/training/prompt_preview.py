"""One prompt of a training as it would be sent, asked for by a page. Nobody is asked anything."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.mix import GOLD
from core.params import CLOSED, build
from core.prompting.prompted import Prompted
from core.runs import POOL, RunSpec, Turn, located
from core.training import prompting
from core.training.run_params import TrainRunParams


@dataclass(frozen=True)
class PromptRequest:
    """What is asked for: the prompt for one row of dev. `inputs`, `params`: of the training's spec."""

    __pydantic_config__ = CLOSED
    inputs: dict[str, str]
    params: dict[str, Any]
    row: Annotated[int, Field(ge=0)] = 0


def answer(root: Path, request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """The prompt over JSON. `request`: a PromptRequest. -> {"prompt", "shown", "dropped"}

    `shown`, `dropped`: demonstrations in it, and those that would have made it too long. Raises CoreError
    `preview_row_unknown`, `prompt_too_long`, those of endpoints and models.
    """
    asked = build(PromptRequest, request, "prompt")
    spec = RunSpec("train", asked.inputs, asked.params)
    params = build(TrainRunParams, spec.params, "train")
    dev = _corpus(root, spec, "dev")
    if asked.row >= len(dev):
        raise CoreError("preview_row_unknown", {"row": asked.row, "rows": len(dev)})
    pools = {GOLD: _corpus(root, spec, GOLD)}
    pools |= {role.removeprefix(POOL): _corpus(root, spec, role) for role in spec.inputs if role.startswith(POOL)}
    with turn.loading(), tempfile.TemporaryDirectory(prefix="prompt-") as draft:
        folder = Path(draft)
        prompting.make(folder, params, pools, dev, spec.inputs["model"].removeprefix("model:"))
        [prompt] = Prompted(folder, root).prompts(dev.table.slice(asked.row, 1), turn.check)
    if prompt is None:
        raise CoreError("prompt_too_long", {})
    return {"prompt": prompt.text, "shown": prompt.shown, "dropped": prompt.dropped}


def _corpus(root: Path, spec: RunSpec, role: str) -> Corpus:
    return corpora.read(root / located(spec.inputs[role]))
