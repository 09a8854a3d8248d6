"""What a method that asks a language model will take for a pool, before it is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.augment import params_of
from core.augment.protocol import Example
from core.augment.writing import Asking
from core.augment.written import WrittenParams
from core.corpus import Corpus
from core.models.chat import guess
from core.models.endpoints import FILE, name_of, named
from core.tasks import task as task_of

_LOOKED_AT = 100  # rows


@dataclass(frozen=True)
class Planned:
    """Roughly: tokens are guessed from some of the rows. `cost`: in `currency`; None: not known, or none."""

    questions: int
    tokens_in: int
    tokens_out: int
    cost: float | None = None
    currency: str = ""


def planned(method: str, params: Mapping[str, Any], parent: Corpus, copies: int, root: Path) -> Planned | None:
    """None of a method that asks nobody. `root`: the workspace. Raises CoreError `label_unknown`, `endpoint_unknown`,
    and those of the endpoints' file."""
    checked = params_of(method, params)
    if not isinstance(checked, WrittenParams):
        return None
    rows = _some(parent)
    asking = Asking(checked.told, rows, parent.schema.language, parent.schema.labels)
    prompts = [(prompt, row) for row in rows if isinstance(prompt := asking.prompt(row), str)]
    questions = round(len(parent) * len(prompts) / max(1, len(rows)) * checked.rate * copies)
    a_question = sum(guess(prompt) for prompt, _ in prompts) / max(1, len(prompts))
    an_answer = sum(guess(asking.answer_like(row)) for _, row in prompts) / max(1, len(prompts))
    tokens = round(questions * a_question), round(questions * an_answer)
    called = name_of(checked.model)
    if called is None:
        return Planned(questions, *tokens)
    endpoint = named(root / FILE, called)
    return Planned(questions, *tokens, endpoint.cost(*tokens), endpoint.currency)


def _some(parent: Corpus) -> list[Example]:
    """Some rows from all over a corpus."""
    at = np.unique(np.linspace(0, max(0, len(parent) - 1), _LOOKED_AT, dtype=np.int64))[: len(parent)]
    return task_of(parent.schema.task).examples(parent.take(at).table)
