"""What a method that asks a language model will take for a pool, before it is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.augment import params_of, resources
from core.augment.back_translation import BackTranslation, BackTranslationParams
from core.augment.protocol import Example, Resources, rng_for
from core.augment.pseudo_labels import PseudoLabelsParams
from core.augment.translators import prompt_for
from core.augment.writing import Asking
from core.augment.written import WrittenParams
from core.corpus import Corpus
from core.models.chat import guess
from core.models.endpoints import FILE, name_of, named
from core.models.writers import Planned
from core.prompting.prompted import opened
from core.runs import kept, located
from core.tasks import task as task_of

_LOOKED_AT = 100  # rows


@dataclass(frozen=True)
class _Asked:
    """Of some rows of a corpus: who is asked, and the tokens of each question and of its answer."""

    who: str
    tokens: Sequence[tuple[int, int]]


def planned(method: str, params: Mapping[str, Any], parent: Corpus, copies: int, root: Path) -> Planned | None:
    """None of a method that asks nobody. `root`: the workspace. Raises CoreError `label_unknown`, `endpoint_unknown`,
    and those of the endpoints' file and of translators."""
    checked, rows = params_of(method, params), _some(parent)
    if isinstance(checked, PseudoLabelsParams):
        model = opened(root / located(kept(checked.model) or checked.model), root)
        return None if model is None else model.planned(parent)
    if isinstance(checked, WrittenParams):
        asked = _written(checked, rows, parent)
    elif isinstance(checked, BackTranslationParams) and name_of(checked.there or "") is not None:
        asked = _translated(checked, resources(method, params, rows, parent.schema.language, root))
    else:
        return None
    times = len(parent) * copies / max(1, len(rows))
    sent, got = (round(times * sum(one[at] for one in asked.tokens)) for at in (0, 1))
    questions, called = round(times * len(asked.tokens)), name_of(asked.who)
    if called is None:
        return Planned(questions, sent, got)
    endpoint = named(root / FILE, called)
    return Planned(questions, sent, got, endpoint.cost(sent, got), endpoint.currency)


def _written(params: WrittenParams, rows: Sequence[Example], parent: Corpus) -> _Asked:
    asking = Asking(params.told, rows, parent.schema.language, parent.schema.labels)
    prompts = [(prompt, row) for row in rows if isinstance(prompt := asking.prompt(row), str)]
    some = prompts[: round(len(prompts) * params.rate)]
    return _Asked(params.model, [(guess(prompt), guess(asking.answer_like(row))) for prompt, row in some])


def _translated(params: BackTranslationParams, given: Resources) -> _Asked:
    """Each text twice, there and back."""
    method = BackTranslation(params, given)
    texts = [text for row in given.examples for text in method.texts(row, rng_for(0, "cost", row.id, 0))]
    tokens = [(guess(prompt_for(text, "en", params.pivots[0])), guess(text)) for text in texts]
    return _Asked(params.there or "", tokens * 2)


def _some(parent: Corpus) -> list[Example]:
    """Some rows from all over a corpus."""
    at = np.unique(np.linspace(0, max(0, len(parent) - 1), _LOOKED_AT, dtype=np.int64))[: len(parent)]
    return task_of(parent.schema.task).examples(parent.take(at).table)
