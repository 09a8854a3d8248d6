"""What prompting will ask, before it asks: questions, tokens and money."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.corpus import Corpus
from core.models.chat import guess
from core.models.endpoints import FILE, name_of, named
from core.models.writers import Planned
from core.prompting.asking import asking_for
from core.prompting.demonstrations import usable
from core.prompting.settings import PromptParams
from core.tasks import task as task_of
from core.tasks.example import Example

_LOOKED_AT = 60  # rows, on each side


def planned(
    prompt: PromptParams, labels: Sequence[str], descriptions: dict[str, str], mix: Corpus, data: Corpus, root: Path
) -> Planned:
    """Of labelling `data` once with demonstrations from `mix`. Roughly: some rows stand for all, beside others of the
    mix than those that will be chosen, and tokens are guessed.

    `root`: the workspace. Raises CoreError of a template, `endpoint_unknown`, and those of the endpoints' file.
    """
    task = task_of(data.schema.task)
    asking = asking_for(task, labels, data.schema.language, prompt.template, prompt.demonstrations, descriptions)
    shown, rows = _some(mix), [row for row in _some(data) if row.tokens]
    shown = [shown[at] for at in usable(task, shown)]
    sent = got = 0
    for at, row in enumerate(rows):
        beside = [shown[(at + more) % len(shown)] for more in range(min(prompt.demonstrations, len(shown)))]
        made = asking.prompt(row, beside, guess, prompt.most_tokens)
        sent += 0 if made is None else guess(made.text)
        got += guess(asking.answer_like(row))
    times = len(data) / max(1, len(rows))
    sent, got = round(times * sent), round(times * got)
    called = name_of(prompt.model)
    if called is None:
        return Planned(len(data), sent, got)
    endpoint = named(root / FILE, called)
    return Planned(len(data), sent, got, endpoint.cost(sent, got), endpoint.currency)


def _some(corpus: Corpus) -> list[Example]:
    """Some rows from all over a corpus."""
    at = np.unique(np.linspace(0, max(0, len(corpus) - 1), _LOOKED_AT, dtype=np.int64))[: len(corpus)]
    return task_of(corpus.schema.task).examples(corpus.take(at).table)
