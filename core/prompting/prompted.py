"""A prompted model: a folder like a trained run's `model`, without weights. It finds labels in rows by asking.

The one place that knows how such a model predicts. Whoever loads a trained run asks `opened` first; from then on rows
go in and predictions come out, as from any network.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from core import corpus as corpora
from core.corpus import Corpus
from core.models.chat import Reply
from core.models.endpoints import FILE as ENDPOINTS
from core.models.loading import META, POOL, PROMPT, ModelMeta, is_prompted
from core.models.trained import Guess
from core.models.writers import Answers, Planned, Question, Spent, Writer, writer
from core.params import CLOSED, build, canonical
from core.prompting.asking import Prompt, asking_for
from core.prompting.cost import planned
from core.prompting.demonstrations import MOST, Pool, labels_in, usable
from core.prompting.settings import PromptParams
from core.prompting.states import states_of
from core.runs import located
from core.tasks import task as task_of
from core.tasks.example import Example
from core.tasks.protocol import Predicted, Task

_AT_ONCE = 64  # rows whose prompts are made before they are asked

Check = Callable[[], None]  # called between questions; may raise
Done = Callable[[int], None]  # called with the number of rows that are answered


def nobody(rows: int) -> None:
    """Nobody wants to hear how far it is."""


@dataclass(frozen=True)
class Made:
    """What `prompt.json` says. `prompt`: with the template written out; `seed`: of the run."""

    __pydantic_config__ = CLOSED
    prompt: PromptParams
    seed: int
    descriptions: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Told:
    """What became of the questions about some rows. `unread`: rows without a readable answer, by code of the reason;
    `shortened`: prompts that hold fewer demonstrations than were asked for, so as not to be too long."""

    rows: int
    unread: Mapping[Annotated[str, Field(pattern="^[a-z_]+$")], int]
    shortened: int
    spent: Spent
    seconds: float | None = None  # that it took

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def told_in(result: Mapping[str, Any]) -> Told | None:
    """What the result of a training says of its questions; None of one that asked nobody."""
    return build(Told, result["prompted"], "prompted") if "prompted" in result else None


def opened(folder: Path, root: Path) -> "Prompted | None":
    """The prompted model of a folder; None where it is a network. `root`: the workspace. Raises CoreError of
    endpoints and models."""
    return Prompted(folder, root) if is_prompted(folder) else None


def write(meta: ModelMeta, made: Made, mix: Corpus, folder: Path) -> None:
    """Make the folder of a prompted model. `mix`: the rows that demonstrations come from; those that can't be shown are
    left out, and of more than `MOST` so many are drawn by the seed."""
    task = task_of(meta.task)
    keep = np.array(usable(task, task.examples(mix.table)), dtype=np.int64)
    if len(keep) > MOST:
        keep = np.sort(np.random.default_rng(made.seed).permutation(keep)[:MOST])
    pool = mix.take(keep)
    folder.mkdir(parents=True, exist_ok=True)
    corpora.keep(pool.table, pool.schema.to_json(), folder / POOL)
    (folder / META).write_text(json.dumps(asdict(meta), ensure_ascii=False, indent=1), encoding="utf-8")
    told = canonical(made) | {"seed": made.seed}
    (folder / PROMPT).write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")


class Prompted:
    """The model of one folder. What it was answered is kept in the workspace, so that nothing is asked twice."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.meta = ModelMeta.read(folder)
        self.made = build(Made, json.loads((folder / PROMPT).read_text(encoding="utf-8")), PROMPT)
        self._task, self._root = task_of(self.meta.task), root
        how = self.made.prompt
        self.asking = asking_for(
            self._task, self.meta.labels, self.meta.language, how.template, how.demonstrations, self.made.descriptions
        )
        self._pool = corpora.read(folder / POOL)
        self._unread = Counter[str]()
        self._rows = self._shortened = 0

    @property
    def labels(self) -> tuple[str, ...]:
        return self.meta.labels

    @property
    def task(self) -> str:
        return self._task.name

    @property
    def device(self) -> str:
        """Where it computes: the endpoint, or the model here."""
        return self.made.prompt.model

    def told(self) -> Told:
        """Of all questions so far."""
        return Told(
            self._rows, dict(self._unread.most_common()), self._shortened, self._answers.spent(self.asking.template)
        )

    def planned(self, data: Corpus) -> Planned:
        """What asking about the rows of a corpus will take, see core.prompting.cost."""
        made = self.made
        return planned(made.prompt, self.labels, dict(made.descriptions), self._pool, data, self._root)

    def predict(self, table: pa.Table, check: Check = lambda: None, done: Done = nobody) -> list[Predicted]:
        """What it finds in rows with the columns that the task's `examples` reads, but for `id`, whatever gold says.

        Raises CoreError of endpoints and models; what was answered until then is kept.
        """
        found = self._answered(table, check, done)
        return [self.asking.nothing(row) if read is None else read for row, read in found]

    def guess(self, table: pa.Table) -> list[Guess]:
        """The same, with the chance of each label where any number may hold: 1 or 0, and even where nothing could be
        read."""
        found: list[Guess] = []
        for row, read in self._answered(table, lambda: None, nobody):
            given = None if read is None else [float(label in read.values) for label in self.labels]
            chances = np.full(len(self.labels), 0.5) if given is None else np.array(given)
            several = self.asking.form == "labels"
            found.append(Guess(read or self.asking.nothing(row), chances if several else None))
        return found

    def _answered(self, table: pa.Table, check: Check, done: Done) -> list[tuple[Example, Predicted | None]]:
        """Each row with what its answer says; None where nothing could be read."""
        found: list[tuple[Example, Predicted | None]] = []
        for rows, prompts in self._prompts(table, check):
            questions = [None if one is None else self._question(one) for one in prompts]
            replies = self._answers.of((one for one in questions if one is not None), check)
            for row, question in zip(rows, questions, strict=True):
                read = self._read(row, None if question is None else replies[question])
                if isinstance(read, str):
                    self._unread[read] += 1
                found.append((row, None if isinstance(read, str) else read))
            self._rows += len(rows)
            self._shortened += sum(one is not None and one.dropped > 0 for one in prompts)
            done(len(found))
        return found

    def _read(self, row: Example, reply: Reply | None) -> Predicted | str:
        """The prediction, or the code of the reason why there is none. `reply`: None where nothing was asked."""
        if reply is None:
            return "prompt_too_long" if row.tokens else "prompt_no_text"
        return "answer_cut" if reply.cut else self.asking.read(row, reply.text)

    def prompts(self, table: pa.Table, check: Check = lambda: None) -> list[Prompt | None]:
        """What would be sent for each row; nothing is asked. None where nothing can be."""
        return [prompt for _, prompts in self._prompts(table, check) for prompt in prompts]

    def _prompts(self, table: pa.Table, check: Check) -> Iterator[tuple[Sequence[Example], Sequence[Prompt | None]]]:
        """Some rows at a time, and their prompts."""
        rows = _examples(self._task, table)
        states = self._states(table, check) if self._compares else None
        how, most = self.made.prompt, self._most
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            made: list[Prompt | None] = []
            for at, row in enumerate(some, start):
                check()
                content, state = self._task.text_content(row.tokens), None if states is None else states[at]
                shown = self._shown.chosen(content, state, how.demonstrations, how.choose)
                made.append(self.asking.prompt(row, shown, self._writer.tokens, most) if row.tokens else None)
            yield some, made

    @cached_property
    def _answers(self) -> Answers:
        return Answers(self._writer, self._root / "cache")

    @property
    def _compares(self) -> bool:
        return self.made.prompt.compares and len(self._pool) > 0

    @property
    def _most(self) -> int:
        """Tokens of a prompt."""
        how, longest = self.made.prompt, self._writer.longest
        return how.most_tokens if longest is None else min(how.most_tokens, longest - how.answer_tokens)

    @cached_property
    def _writer(self) -> Writer:
        how = self.made.prompt
        folder = self._root / located(how.model) if how.model.startswith("model:") else None
        return writer(how.model, folder, self._root / ENDPOINTS, how.temperature)

    @cached_property
    def _shown(self) -> Pool:
        rows = self._task.examples(self._pool.table)
        return Pool(
            rows,
            [self._task.text_content(row.tokens) for row in rows],
            [labels_in(row) for row in rows],
            self._states(self._pool.table, lambda: None) if self._compares else None,
            np.random.default_rng(self.made.seed).permutation(len(rows)),
        )

    def _states(self, table: pa.Table, check: Check) -> np.ndarray:
        encoder = self._root / "models" / self.meta.base
        return states_of(self._task, table, encoder, self._root / "cache", check)

    def _question(self, prompt: Prompt) -> Question:
        how = self.made.prompt
        return Question(prompt.text, self.made.seed if how.temperature else 0, how.answer_tokens)


def _examples(task: Task, table: pa.Table) -> list[Example]:
    """The rows, whether they have ids or not."""
    if "id" not in table.column_names:
        table = table.append_column("id", pa.array([b"\0" * corpora.ID_BYTES] * len(table), corpora.ID))
    return task.examples(table)
