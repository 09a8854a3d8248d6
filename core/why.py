"""Why a trained run says what it says of a row: the words and the training rows, as a request to the warm process and
for the command line."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from core import corpus as corpora
from core.errors import CoreError
from core.jobs.folder import Run, read_json, write_json
from core.mix import GOLD
from core.models.loading import check_kept
from core.params import CLOSED, build, canonical, digest
from core.predict import MOST_CHARACTERS, Predictor, Trained, check_lines, kept_run, open_run, written_at
from core.reasons import reading
from core.reasons.asked import Asked, asked_of, direction, names
from core.reasons.rows import by_ingredient, shared_words, taught
from core.reasons.words import Row, row_of, weigh
from core.runs import Turn, located
from core.tasks import task as task_of
from core.tasks.protocol import Task
from core.training.feed import Feed
from core.workspace import Workspace

SHOWN = 10  # rows that speak for what is said, and against it
BLAMED = 20  # rows of an ingredient that may be left out of a trial
_VERSION = 2  # of what is kept in the cache
_COMMON = 0.1  # of the rows of a mix: a word that stands in more says nothing
_WORDS = 4  # that a row shares with the one asked about are told


@dataclass(frozen=True)
class WhyRequest:
    """What is asked for. `text`: a text of one's own, or `corpus` and `row`: a stored row, from 0; `about`: which of
    all that can be asked of it, from 0; `rows`: whether the rows behind it are wanted, which takes a finished run of
    the kind `reasons`."""

    __pydantic_config__ = CLOSED
    run: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    text: str | None = None
    corpus: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    row: Annotated[int, Field(ge=0)] = 0
    about: Annotated[int, Field(ge=0)] = 0
    rows: bool = False


@dataclass(frozen=True)
class _Said:
    """A row as a run reads it, what it says of it and what can be asked. `states`: what reaches the head of its items.
    *Shape:* (items, width)."""

    task: Task
    row: Row
    tokens: tuple[str, ...]
    asked: Sequence[Asked]
    states: np.ndarray

    def items(self, one: Asked) -> np.ndarray:
        """The items that a question is about."""
        return np.arange(one.start, one.end) if self.task.reads == "tokens" else np.zeros(1, np.int64)


def answer(root: Path, request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """A request to the warm process: a WhyRequest. What was answered once is read from the cache."""
    asked = build(WhyRequest, request, "why")
    return _remembered(root, asked, lambda: _why(root, asked, kept_run(root, asked.run, turn), turn.check))


def why(workspace: Workspace, asked: WhyRequest) -> dict[str, Any]:
    """The same in this process. -> {"words", "asked", "about", "weighed", "behind"}

    Raises CoreError `run_without_weights`, `run_prompted`, `run_of_parts`, `why_no_row`, `why_nothing`,
    `why_not_asked`, `why_not_read`.
    """
    root = workspace.root
    written = written_at(root, asked.run)
    return _remembered(root, asked, lambda: _why(root, asked, _opened(root, asked.run, written), lambda: None))


@lru_cache(maxsize=1)
def _opened(root: Path, run_id: str, written: int) -> Predictor:
    return open_run(Workspace(root), run_id)


def read_mix(workspace: Workspace, run_id: str) -> Run:
    """Submit what reads the rows behind a trained run: once it has ended, they can be asked for. Raises CoreError
    `run_without_weights`, `run_prompted`, `run_of_parts`."""
    check_kept(workspace.run_folder(run_id), run_id)
    return workspace.submit(reading.spec_of(run_id))[0]


def behind(root: Path, run_id: str) -> reading.Behind:
    """The rows behind a run. Raises CoreError `why_not_read` before they were read."""
    folder = root / "runs" / reading.spec_of(run_id).id
    if not (folder / "result.json").is_file():
        raise CoreError("why_not_read", {"run": run_id}, "hint_why_not_read")
    return _behind(folder, (folder / "result.json").stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _behind(folder: Path, written: int) -> reading.Behind:
    return reading.read(folder)


def _remembered(root: Path, asked: WhyRequest, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was made before for the same weights, else anew. Only of one network: what asks, or is several, has no
    gradients of its own."""
    check_kept(root / "runs" / asked.run, asked.run)
    key = digest({**canonical(asked), "written": written_at(root, asked.run), "version": _VERSION})[:32]
    path = root / "cache" / "why" / f"{key}.json"
    if path.is_file():
        return read_json(path)
    found = make()
    path.parent.mkdir(exist_ok=True)
    write_json(path, found)
    return found


def _why(root: Path, asked: WhyRequest, trained: Predictor, check: Callable[[], None]) -> dict[str, Any]:
    assert isinstance(trained, Trained)  # checked by _remembered
    table = _table(root, asked, task_of(trained.meta.task))
    said = _said(trained, table, gold=asked.text is None)
    if not said.asked:
        raise CoreError("why_nothing", {"run": asked.run})
    if asked.about >= len(said.asked):
        raise CoreError("why_not_asked", {"about": asked.about + 1, "of": len(said.asked)})
    check()
    one = said.asked[asked.about]
    towards = direction(said.task, trained.meta.labels, one)
    questions = [asdict(each) | dict(zip(("is", "not"), names(each), strict=True)) for each in said.asked]
    told = {"words": said.tokens, "asked": questions, "about": asked.about}
    if asked.rows:
        return told | {"behind": _rows(root, asked.run, said, one, towards)}
    found = weigh(trained.reader.whole, said.row, said.items(one), towards, check)
    weighed = {**asdict(found), "by_word": found.by_word.tolist(), "close": found.close}
    return told | {"weighed": weighed}


def _table(root: Path, asked: WhyRequest, task: Task) -> pa.Table:
    """The row as a table of its own."""
    if asked.text is not None:
        check_lines([asked.text], 1, MOST_CHARACTERS)
        return task.unlabelled([asked.text])
    path = root / located(f"corpus:{asked.corpus}")
    if not asked.corpus or not path.is_file():
        raise CoreError("corpus_gone", {"corpus": asked.corpus[:16]})
    corpus = corpora.read(path)
    if asked.row >= len(corpus):
        raise CoreError("why_no_row", {"row": asked.row + 1, "rows": len(corpus)})
    return corpus.table.slice(asked.row, 1)


def _said(trained: Trained, table: pa.Table, gold: bool) -> _Said:
    """What a run says of a row. `gold`: whether the row's labels are known."""
    task, meta = task_of(trained.meta.task), trained.meta
    pieces = task.pieces(table, trained.tokenizer, meta.max_length)
    head = reading.head_of(task, trained.reader.whole)
    found, read, positions = head(Feed(pieces, trained.pad), np.zeros(1, np.int64), trained.gear)
    states = np.zeros((len(pieces.places), found.shape[1]), np.float32)
    logits = np.full((len(states), read.shape[1]), np.nan, np.float32)
    states[positions], logits[positions] = found, read
    values = task.decode(meta.labels, pieces.places >= 0, read).values
    [row] = table.to_pylist()
    view = task.view({"text": None, "starts": None, "ends": None, **row})
    truth = row[task.gold_column] if gold else None
    asked = asked_of(task, meta.labels, values, truth, logits)
    return _Said(task, row_of(task, pieces, view, trained.tokenizer, trained.pad), view.tokens, asked, states)


def _rows(root: Path, run_id: str, said: _Said, one: Asked, towards: np.ndarray) -> dict[str, Any]:
    """The rows that speak loudest for what is said, and against it; what each ingredient has of both."""
    rows = behind(root, run_id)
    read = rows.read()
    found = taught(read, said.states[said.items(one)], towards)
    of, ids = (rows.mix.table.column(name).to_pylist() for name in (reading.INGREDIENT, "id"))
    words = [*said.task.words(rows.mix.table)]
    rare = _rare(words, [*said.tokens[one.start : one.end]])
    origins = _origins(root, run_id)

    def told(at: int) -> dict[str, Any]:
        origin = rows.mix.table.column("origin")[at].as_py()
        shared = shared_words(said.tokens, words[at], rare)[:_WORDS]
        return {"at": at, "ingredient": of[at], "id": ids[at].hex(), "part": float(found.by_row[at]),
                "times": int(read.times[at]), "word": int(found.item[at]) if said.task.reads == "tokens" else None,
                "shared": shared, "origin": None if of[at] == GOLD else origins.get(origin)}  # fmt: skip

    def loudest(name: str) -> list[str]:
        """The rows of an ingredient that speak loudest for what is said, by their ids."""
        return [ids[at].hex() for at in found.first(len(of)).tolist() if of[at] == name][:BLAMED]

    first, last = ([told(at) for at in picked(SHOWN).tolist()] for picked in (found.first, found.last))
    parts = [asdict(part) | {"loudest": loudest(part.name)} for part in by_ingredient(found, of, read.times)]
    return {"towards": first, "against": last, "ingredients": parts, "read": len(rows.mix), "drawn": rows.drawn}


def _rare(words: Sequence[Sequence[str]], asked: Sequence[str]) -> Mapping[str, int]:
    """In how many rows each word stands, whatever its case; of those in many rows only the words asked about."""
    counts = Counter(word for row in words for word in {one.casefold() for one in row})
    most = max(1.0, _COMMON * len(words))
    always = {word.casefold() for word in asked}
    return {word: count for word, count in counts.items() if count <= most or word in always}


def _origins(root: Path, run_id: str) -> Mapping[bytes, int]:
    """Where each row of a run's gold stands in it, by its id."""
    value = read_json(root / "runs" / run_id / "spec.json")["inputs"][GOLD]
    ids = corpora.read(root / located(value)).table.column("id").to_pylist()
    return {id: at for at, id in enumerate(ids)}
