"""TensorBoard: a folder of event files for each training, written anew whenever it is told.

Scalars and text as TensorBoard's own plugins read them, and settings as its HParams table does
(https://www.tensorflow.org/tensorboard); written with its records and protocol buffers, without TensorFlow or torch.
"""

import importlib
import importlib.util
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.jobs.folder import DRAFT
from core.params import slug
from core.trackers import Progress
from core.trackers.described import Told, text_of

_VERSION = "brain.Event:2"  # of the format of event files


def check_address(address: str) -> None:
    """Raises CoreError `tracker_address` for an address on a network, or nothing."""
    if not address or "://" in address:
        raise CoreError("tracker_address", {"address": address}, "hint_tracker_tensorboard")


def send(told: Sequence[Told], address: str, experiment: str, progress: Progress) -> list[str]:
    """Write a folder for each training below `address`/EXPERIMENT, else the project's name. -> their paths

    Raises CoreError `tracker_missing`, `tracker_address`, `file_unwritable`.
    """
    check_address(address)
    if importlib.util.find_spec("tensorboard") is None:
        raise CoreError("tracker_missing", {"package": "tensorboard"}, "hint_trackers")
    top = Path(address).expanduser() / slug(experiment or told[0].project)
    paths: list[str] = []
    try:
        for one in told:
            paths.append(str(_write(one, top)))
            progress(len(paths))
    except OSError as error:
        raise CoreError("file_unwritable", {"file": address, "what": error.strerror or ""}, "hint_file") from None
    return paths


def _write(one: Told, top: Path) -> Path:
    """Fill a draft, then let it take the place of what was told before: folders with event files of the same id."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    name, mine = one.id.rpartition(":")[2], f"peibi-{one.id.replace(':', '-')}"
    for old in [*top.glob(f"*/events.out.tfevents.*.{mine}")]:  # under the name that the mix had then
        shutil.rmtree(old.parent)
    folder, draft = top / f"{slug(one.name)}-{name}", top / f"{DRAFT}{name}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with (draft / f"events.out.tfevents.{round(one.started)}.{mine}").open("wb") as file:
        records = RecordWriter(file)
        for event in _events(one):
            records.write(event.SerializeToString())
    for file_name, words in one.files.items():
        (draft / file_name).write_text(words, encoding="utf-8")
    return draft.rename(folder)


def _events(one: Told) -> Iterator[Any]:
    event, summary_of = _proto("event").Event, _proto("summary").Summary
    yield event(wall_time=one.started, file_version=_VERSION)
    for summary in _hparams(one):
        yield event(wall_time=one.started, summary=summary)
    for name, words in one.files.items():
        if name.endswith((".md", ".yaml")):
            shown = words if name.endswith(".md") else f"```yaml\n{words}```"
            yield event(wall_time=one.started, summary=summary_of(value=[_text(name, shown)]))
    for point in one.points:
        value = summary_of.Value(tag=point.name, simple_value=point.value)
        yield event(wall_time=point.time, step=point.step, summary=summary_of(value=[value]))
    last = max((point.step for point in one.points), default=0)
    for name, final in one.finals.items():
        value = summary_of.Value(tag=name, simple_value=final)
        yield event(wall_time=one.ended or one.started, step=last, summary=summary_of(value=[value]))


def _text(name: str, words: str) -> Any:
    from tensorboard.plugins.text.metadata import create_summary_metadata

    tensor = _proto("tensor").TensorProto(dtype=_proto("types").DT_STRING, string_val=[words.encode()])
    return _proto("summary").Summary.Value(tag=name, metadata=create_summary_metadata(name, ""), tensor=tensor)


def _hparams(one: Told) -> Iterator[Any]:
    """Settings as a session of the HParams table; values that are neither number, text nor truth value as JSON."""
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    if one.params:
        values = {
            name: value if isinstance(value, bool | int | float | str) else text_of(value)
            for name, value in {**one.params, **one.tags}.items()
        }
        yield hparams_pb(values, trial_id=one.id, start_time_secs=one.started)


def _proto(name: str) -> Any:
    """A module of TensorBoard's protocol buffers, whose classes are made when it is imported."""
    return importlib.import_module(f"tensorboard.compat.proto.{name}_pb2")
