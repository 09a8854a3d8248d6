"""MLflow: an experiment for a project, a run for a training, found again by its tag `peibi.run` or `peibi.report`.

Through MLflow's own client (https://mlflow.org/docs/latest/api_reference/python_api/mlflow.client.html), which takes
credentials from its own variables (MLFLOW_TRACKING_USERNAME, ..._PASSWORD, ..._TOKEN): they pass through no code here.
"""

import importlib.util
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from core.errors import CoreError
from core.models.endpoints import is_web
from core.runs import State
from core.trackers import Progress
from core.trackers.described import Told, text_of
from core.workspace import suggest

T = TypeVar("T")

_SETTINGS: Mapping[str, str] = {  # for whoever has not said otherwise
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",  # to where nobody said that credentials may go
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_STATES: Mapping[State, str] = {
    **{"queued": "SCHEDULED", "running": "RUNNING", "succeeded": "FINISHED"},
    **{"failed": "FAILED", "cancelled": "KILLED", "interrupted": "RUNNING"},
}
_METRICS, _PARAMS = 1000, 100  # in a request, at most
_SQLITE = "sqlite:///"


def check_address(address: str) -> None:
    """Raises CoreError `tracker_address` for what is no http(s) address or SQLite file, or holds more than
    that."""
    if not is_web(address) and not (address.startswith(_SQLITE) and len(address) > len(_SQLITE)):
        shown = re.sub(r"//.*@|[?#].*", lambda found: "//" if found[0].startswith("//") else "", address)
        raise CoreError("tracker_address", {"address": shown}, "hint_tracker_mlflow")


def send(told: Sequence[Told], address: str, experiment: str, progress: Progress) -> list[str]:
    """Tell an MLflow server, or its SQLite file. -> ids of MLflow's runs

    Raises CoreError `tracker_missing`, `tracker_address`, `tracker_unreachable`, `tracker_refused`.
    """
    check_address(address)
    if importlib.util.find_spec("mlflow") is None:
        raise CoreError("tracker_missing", {"package": "mlflow-skinny"}, "hint_trackers")
    suggest(_SETTINGS)
    import requests
    from mlflow.exceptions import MlflowException, RestException
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    ids: list[str] = []
    try:
        client = MlflowClient(tracking_uri=address)
        place = _experiment(client, address, experiment or told[0].project)
        for one in told:
            ids.append(_tell(client, place, one))
            progress(len(ids))
    except (MlflowException, requests.RequestException, OSError, ImportError) as error:
        raise _failed(error, address, isinstance(error, RestException | ImportError)) from None
    return ids


def _failed(error: Exception, address: str, answered: bool) -> CoreError:
    """What went wrong, without what was sent. `answered`: it was the server, or this machine, that said no."""
    if answered or not address.startswith("http"):
        values = {"address": address, "what": str(error).split("\n")[0][:200]}
        return CoreError("tracker_refused", values, "hint_tracker_refused")
    cause = error.__cause__ or error.__context__ or error
    values = {"address": address, "what": type(cause).__name__}
    return CoreError("tracker_unreachable", values, "hint_tracker_unreachable")


def _experiment(client: Any, address: str, name: str) -> str:
    """The experiment of that name, which is made where there is none; files beside a SQLite file, not where one is."""
    there = client.get_experiment_by_name(name)
    if there is not None:
        return there.experiment_id
    beside = None
    if address.startswith(_SQLITE):
        beside = (Path(address.removeprefix(_SQLITE)).absolute().parent / "mlartifacts").as_uri()
    return client.create_experiment(name, artifact_location=beside)


def _tell(client: Any, experiment: str, one: Told) -> str:
    from mlflow.entities import Param, RunTag

    run = _run(client, experiment, one)
    id, there = run.info.run_id, run.data
    params = [Param(name, text_of(value)) for name, value in one.params.items() if name not in there.params]
    for some in _slices(params, _PARAMS):
        client.log_batch(id, params=some)
    client.log_batch(id, tags=[RunTag(name, value) for name, value in _tags(one).items()])
    for some in _slices([*_new_points(client, run, one)], _METRICS):
        client.log_batch(id, metrics=some)
    for name, words in one.files.items():
        client.log_text(id, words, name)
    state = "FINISHED" if one.state is None else _STATES[one.state]
    client.update_run(id, status=state, name=one.name)
    if one.ended is not None and one.state not in ("queued", "running", "interrupted"):
        client.set_terminated(id, status=state, end_time=_moment(one.ended))
    return id


def _run(client: Any, experiment: str, one: Told) -> Any:
    """MLflow's run for what is told: that which bears its tag, or a new one."""
    [(key, value), *_] = _tags(one).items()
    found = client.search_runs([experiment], f"tags.`{key}` = '{value}'", max_results=1)
    if found:
        return found[0]
    return client.create_run(experiment, start_time=_moment(one.started) or None, tags={key: value}, run_name=one.name)


def _tags(one: Told) -> dict[str, str]:
    """What identifies it first."""
    return {f"peibi.{name}": value for name, value in one.tags.items()}


def _new_points(client: Any, run: Any, one: Told) -> Iterator[Any]:
    """What it doesn't hold yet: MLflow keeps every value that it is told."""
    from mlflow.entities import Metric

    last: Mapping[str, float] = run.data.metrics
    names = {point.name for point in one.points} & {*last}
    there = {(name, old.step, old.value) for name in names for old in client.get_metric_history(run.info.run_id, name)}
    for point in one.points:
        if (point.name, point.step, point.value) not in there:
            yield Metric(point.name, point.value, _moment(point.time), point.step)
    step = max((point.step for point in one.points), default=0)
    for name, value in one.finals.items():
        if last.get(name) != value:
            yield Metric(name, value, _moment(one.ended or one.started), step)


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _moment(seconds: float) -> int:
    return round(seconds * 1000)
