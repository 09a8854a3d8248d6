"""A trained run on new text."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from core.continual import routing
from core.continual.routing import Router
from core.errors import CoreError
from core.jobs.machine import Machine
from core.models import loading
from core.models.loading import ModelMeta
from core.params import CLOSED, build
from core.prompting.prompted import Prompted, opened
from core.runs import Turn
from core.tasks import task as task_of
from core.training.feed import BATCH_TOKENS, Feed, Reader, means, reader
from core.training.gear import Gear, gear_of
from core.training.predictions import Predictions, predict
from core.workspace import Workspace

MOST_LINES = 50  # of one request to the warm process
MOST_CHARACTERS = 2000  # of one line
UNIT_TOKENS = 512  # of one batch where somebody waits: between two of them it is looked whether anybody still does
_AT_ONCE = 512  # lines that are read before the first of them is answered


@dataclass(frozen=True)
class PredictRequest:
    """What is asked for: what one trained run finds in each line."""

    __pydantic_config__ = CLOSED
    run: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Trained:
    """A trained run in memory, ready to predict. `routed`: where its model is several, of which this has the first
    part's reader, and the labels of all."""

    meta: ModelMeta
    reader: Reader
    gear: Gear
    tokenizer: Any  # tokenizers.Tokenizer
    pad: int
    routed: "Routed | None" = None

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self.gear.device)


@dataclass(frozen=True)
class Routed:
    """What a model that is several reads with. `encoder`: as it was before the first step, for the router."""

    parts: tuple[Trained, ...]
    encoder: Any
    router: Router


Predictor = Trained | Prompted  # what finds labels in new text


def predict_lines(workspace: Workspace, run_id: str, lines: Sequence[str]) -> list[dict[str, Any]]:
    """What a run finds in each line, as its task answers (`Task.answer`). Raises CoreError `run_without_weights`."""
    return read(open_run(workspace, run_id), lines)


def predict_stream(trained: Predictor, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """`predict_lines` of any number of lines, never more than some hundreds of them in memory."""
    left = iter(lines)
    while some := list(islice(left, _AT_ONCE)):
        yield from read(trained, some)


def open_run(workspace: Workspace, run_id: str, threads: int | None = None) -> Predictor:
    """A trained run in memory, on this machine's device, or one that asks. Raises CoreError `run_without_weights`, and
    those of endpoints."""
    folder = _weights(workspace.root, run_id).parent
    return _load(folder, workspace.models, threads or Machine.here().threads)


def answer(root: Path, request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """`predict_lines` over JSON, with the last two runs kept in memory. `request`: a PredictRequest. -> {"rows"}

    Raises CoreError `predict_too_many_lines`, `predict_line_too_long`, `run_without_weights`.
    """
    asked = build(PredictRequest, request, "predict")
    check_lines(asked.lines, MOST_LINES, MOST_CHARACTERS)
    return {"rows": read(kept_run(root, asked.run, turn), asked.lines, UNIT_TOKENS, turn.check)}


def kept_run(root: Path, run_id: str, turn: Turn) -> Predictor:
    """A trained run in the memory of the warm process, which keeps the last two networks; what asks is opened anew, as
    the endpoints' file may say otherwise by now. Raises CoreError `run_without_weights`."""
    weights = _weights(root, run_id)
    threads = max(1, Machine.here().threads // 2)  # a training may go on beside it
    with turn.loading():
        if weights.name == loading.PROMPT:
            return _load(weights.parent, root / "models", threads)
        return _kept(weights.parent, root / "models", threads, written_at(root, run_id))


def written_at(root: Path, run_id: str) -> int:
    """When the weights of a run were written, in nanoseconds: trained afresh it has the same id. Raises CoreError
    `run_without_weights`."""
    return _weights(root, run_id).stat().st_mtime_ns


def found_in(answered: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a task's answer (`Task.answer`) says was found in a text, whatever it calls it."""
    return next(value for value in answered.values() if isinstance(value, list))


def check_lines(lines: Sequence[str], most_lines: int, most_characters: int) -> None:
    """Raises CoreError `predict_too_many_lines`, `predict_line_too_long`, `predict_no_text`."""
    if len(lines) > most_lines:
        raise CoreError("predict_too_many_lines", {"lines": len(lines), "most": most_lines})
    for number, line in enumerate(lines, 1):
        if len(line) > most_characters:
            values = {"line": number, "characters": len(line), "most": most_characters}
            raise CoreError("predict_line_too_long", values)
        if not _is_text(line):
            raise CoreError("predict_no_text", {"line": number})


def _is_text(line: str) -> bool:
    """Half a surrogate pair can stand in JSON, and is no character."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _weights(root: Path, run_id: str) -> Path:
    folder = root / "runs" / run_id
    for name in (loading.PROMPT, loading.ROUTER):
        if (folder / "model" / name).is_file():
            return folder / "model" / name
    loading.check_kept(folder, run_id)
    return folder / "model" / loading.OVERLAY


@lru_cache(maxsize=2)
def _kept(folder: Path, models: Path, threads: int, written: int) -> Predictor:
    return _load(folder, models, threads)


def _load(folder: Path, models: Path, threads: int) -> Predictor:
    """A fine-tuned model (folder of a run's `model`), on this machine's device, or a prompted one."""
    asked = opened(folder, models.parent)
    if asked is not None:
        return asked
    machine = Machine.here()
    gear = gear_of({"device": machine.device, "precision": machine.precision, "threads": threads})
    return (_load_parts if (folder / loading.ROUTER).is_file() else _network)(folder, models, gear)


def _network(folder: Path, models: Path, gear: Gear) -> Trained:
    """A fine-tuned network."""
    meta = ModelMeta.read(folder)
    base, task = models / meta.base, task_of(meta.task)
    network: Any = loading.load_trained(folder, base, task.head, task.classes(meta.labels))
    put = reader(task, network.to(gear.device))
    return Trained(meta, put, gear, loading.tokenizer(base), loading.pad_id(base))


def _load_parts(folder: Path, models: Path, gear: Gear) -> Trained:
    """A model that is several (core.continual.routing)."""
    meta, router = ModelMeta.read(folder), routing.read(folder)
    parts = tuple(_network(routing.part_of(folder, step), models, gear) for step in range(len(router.bias)))
    task = task_of(meta.task)
    encoder: Any = loading.network(models / meta.base, task.head, task.classes(meta.labels))
    return replace(parts[0], meta=meta, routed=Routed(parts, encoder.base_model.to(gear.device), router))


def read(
    trained: Predictor, lines: Sequence[str], batch_tokens: int = BATCH_TOKENS, check: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """What a run finds in each line. `check` is called between batches, or questions, and may raise."""
    meta, task = trained.meta, task_of(trained.meta.task)
    if isinstance(trained, Prompted):
        said = trained.predict(task.unlabelled(lines), check)
        return [task.answer(line, one.values, one.confidence) for line, one in zip(lines, said, strict=True)]
    pieces = task.pieces(task.unlabelled(lines), trained.tokenizer, meta.max_length)
    feed = Feed(pieces, trained.pad)
    if trained.routed is None:
        found = predict(trained.reader, meta.labels, feed, trained.gear, batch_tokens, check)
    else:
        found = _by_parts(trained.routed, feed, batch_tokens, check)
    return [task.answer(*each) for each in zip(lines, found.values, found.confidence, strict=True)]


def _by_parts(routed: Routed, feed: Feed, batch_tokens: int, check: Callable[[], None]) -> Predictions:
    """Each row as the part reads it that the row goes to."""
    gear = routed.parts[0].gear
    steps = routed.router.steps(means(routed.encoder, feed, gear))
    found = [predict(part.reader, part.meta.labels, feed, gear, batch_tokens, check) for part in routed.parts]
    return routing.chosen(found, steps)
