"""A project's results taken along: tables that `datasets` loads back, MLflow with a real server, TensorBoard."""

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import environment

from core import project as projects
from core.__main__ import main
from core.contrast import named
from core.errors import CoreError
from core.groups import counts_of, groups, split_of
from core.jobs.folder import json_lines
from core.jobs.trainer import Context
from core.params import canonical
from core.runs import RunSpec
from core.sample import open_sample
from core.submit import cancel_all
from core.table_files import FORMATS, packed
from core.tables import tables
from core.trackers import sending, tensorboard
from core.trackers.asked import asked
from core.trackers.described import Told, names_of, told, told_report
from core.trackers.mlflow import check_address, send
from core.trackers.sending import TrackParams
from core.workspace import Workspace


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Workspace:
    found = Workspace.open(tmp_path_factory.mktemp("trackers"))
    open_sample(found, "newsroom")
    return found


@pytest.fixture(scope="module")
def runs(space: Workspace) -> list[str]:
    """Two repeats of gold only."""
    return named(groups(space, "newsroom"), "gold only").finished[:2]


def answered(capsys: Any, *arguments: str) -> Any:
    status = main([*arguments, "--json"])
    out = json.loads(capsys.readouterr().out)
    assert status == 0, out
    return out


def test_datasets_loads_the_tables_back(space, tmp_path, capsys):
    import datasets

    out = tmp_path / "tables"
    ours = tables(space, projects.load(space, "newsroom"), "gold only")
    for format in ("parquet", "arrow"):
        at = ("--workspace", str(space.root), "--out", str(out), "--format", format, "--mix", "gold only")
        told = answered(capsys, "tables", "newsroom", *at)
        assert {name: of["rows"] for name, of in told["tables"].items()} == {n: t.num_rows for n, t in ours.items()}
        for name in ("runs", "scores", "mixes", "train"):
            file = str(out / f"{name}.{format}")
            read = datasets.load_dataset(format, data_files=file, split="train", cache_dir=str(tmp_path / "cache"))
            assert read.column_names == ours[name].column_names
            assert read.to_list() == ours[name].to_pylist(), (format, name)


def test_the_figures_are_those_of_the_predictions(space):
    found = tables(space, projects.load(space, "newsroom"))
    group = named(groups(space, "newsroom"), "gold only")
    for split in ("dev", "test"):
        counts = counts_of(space, group, split)[0]
        rows = [
            row
            for row in found["scores"].to_pylist()
            if (row["run"], row["split"]) == (group.finished[0], split)
        ]  # fmt: skip
        assert [row["label"] for row in rows] == [None, *counts.names]
        for row, label in zip(rows[1:], range(len(counts.names)), strict=True):
            tp, predicted, gold = (int(c[:, label].sum()) for c in (counts.tp, counts.pred, counts.gold))
            assert (row["tp"], row["predicted"], row["gold"]) == (tp, predicted, gold)
            assert row["recall"] == pytest.approx(tp / gold) and row["precision"] == pytest.approx(tp / predicted)
        whole = sum(row["tp"] for row in rows[1:])
        assert rows[0]["tp"] == whole and rows[0]["f1"] == pytest.approx(
            2 * whole / (rows[0]["predicted"] + rows[0]["gold"])
        )
        marks = [r for r in found["marks"].to_pylist() if (r["run"], r["split"]) == (group.finished[0], split)]
        ids = split_of(space, group, split).table.column("id").to_pylist()
        assert all(row["id"] == ids[row["row"] - 1].hex() for row in marks)
        assert sum(row["tp"] for row in marks) == whole and {row["gold"] + row["predicted"] for row in marks} > {1, 2}
    run = next(row for row in found["runs"].to_pylist() if row["run"] == group.finished[0])
    assert run["mix"] == "gold only" and run["state"] == "succeeded" and run["method"] == "full"
    assert run["rows"] == next(row["rows"] for row in found["mixes"].to_pylist() if row["group"] == group.id)


def test_the_rows_of_a_mix_are_as_many_as_it_drew(space):
    found = tables(space, projects.load(space, "newsroom"), "mention swaps")
    drawn = {row["ingredient"]: row["rows"] for row in found["mixes"].to_pylist() if row["mix"] == "mention swaps"}
    counted = Counter(found["train"]["ingredient"].to_pylist())
    assert len(drawn) > 1 and counted == {name: rows for name, rows in drawn.items() if rows}
    gold = {row["id"] for row in found["train"].to_pylist() if row["ingredient"] == "gold"}
    assert {row["origin"] for row in found["train"].to_pylist()} <= gold


def test_no_cell_of_a_spreadsheet_is_a_formula(space):
    found = tables(space, projects.load(space, "newsroom"), "gold only")
    archive = zipfile.ZipFile(io.BytesIO(packed({n: found[n] for n in ("runs", "train")}, "csv")))
    assert set(archive.namelist()) == {"runs.csv", "train.csv"} and set(FORMATS) == {"parquet", "arrow", "csv"}
    rows = [*csv.reader(io.TextIOWrapper(archive.open("train.csv"), "utf-8-sig", newline=""))]
    assert rows[0] == found["train"].column_names and len(rows) == 1 + found["train"].num_rows
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_test_stays_closed_where_nobody_looked(space):
    blind = space.root / "projects" / "blind"
    shutil.copytree(space.root / "projects" / "newsroom", blind)
    kept = [event for event in json_lines(blind / "events.jsonl") if event.get("event") != "look"]
    (blind / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in kept))
    try:
        [of] = asked(space, ["blind"], space.store.get)
        assert {name.split("/")[0] for one in told(space, of) for name in one.finals} == {"dev"}
        found = tables(space, projects.load(space, "blind"))
        assert {*found["scores"]["split"].to_pylist(), *found["marks"]["split"].to_pylist()} == {"dev"}
    finally:
        shutil.rmtree(blind)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """MLflow's own server on loopback, over SQLite. -> its address, its database"""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ["--backend-store-uri", f"sqlite:///{folder}/m.db", "--artifacts-destination", str(folder / "files")]
    places += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", *places]
    env = environment(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--workers", "1"], env=env, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1)
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield address, folder / "m.db"
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def in_mlflow(address: str, experiment: str = "Newsroom") -> dict[str, Any]:
    """Its runs in an experiment, by the tag that Peibi gave them."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=address)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    assert len(found) == len({run.data.tags.get("peibi.run", "report") for run in found})  # none twice
    return {run.data.tags.get("peibi.run", "report"): run for run in found}


def test_a_server_of_mlflow_is_told_once_and_brought_up_to_date(space, runs, server, capsys):
    from mlflow.tracking import MlflowClient

    address, database = server
    at = ("--to", "mlflow", "--workspace", str(space.root))
    first = answered(capsys, "track", *runs, *at, "--address", address)
    client, scores = MlflowClient(tracking_uri=address), tables(space, projects.load(space, "newsroom"))["scores"]
    for again in (address, f"sqlite:///{database}"):  # the client on the server's own file counts as another way
        assert answered(capsys, "track", *runs, *at, "--address", again)["sent"] == first["sent"]
    [of] = asked(space, [runs[0]], space.store.get)
    late = [replace(one, points=[replace(p, time=p.time + 5) for p in one.points]) for one in told(space, of)]
    send(late, address, "", lambda done: None)  # as of a training that was resumed: other times, the same steps
    for run, one in in_mlflow(address).items():
        assert one.info.status == "FINISHED" and one.data.params["mix.gold"] == "1 times_gold"
        assert one.data.tags["peibi.mix"] == "gold only" and one.data.params["train.method"] == "full"
        rows = [row for row in scores.to_pylist() if row["run"] == run]
        wanted = {
            f"{row['split']}/{'overall' if row['label'] is None else 'label/' + row['label']}/recall": row["recall"]
            for row in rows
        }
        assert len(wanted) == 10 and {name: one.data.metrics[name] for name in wanted} == wanted
        lines = [line for line in json_lines(space.run_folder(run) / "metrics-1.jsonl") if line.get("loss") is not None]
        history = client.get_metric_history(one.info.run_id, "train/loss")
        assert [(old.step, old.value) for old in history] == [(line["step"], line["loss"]) for line in lines]
        assert len(client.get_metric_history(one.info.run_id, "test/overall/f1")) == 1


def test_the_app_sends_a_project_as_a_run(space, server, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    address, _ = server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    small = space.root / "projects" / "small"
    shutil.copytree(space.root / "projects" / "newsroom", small)
    events = json_lines(small / "events.jsonl")
    for event in (event for event in events if event["event"] == "launch"):
        event["seeds"] = dict([*event["seeds"].items()][:2] if event["mix"] in ("gold only", "mention swaps") else [])
    (small / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    spec = RunSpec(sending.KIND, {}, canonical(TrackParams("small", address, "From the app")))
    ctx = Context(space.root, tmp_path, spec, {}, 1)
    sending.run(ctx)
    lines, [of] = json_lines(tmp_path / "metrics-1.jsonl"), asked(space, ["small"], space.store.get)
    assert lines[-1]["step"] == lines[-1]["total"] == len(told(space, of)) + 1
    found = in_mlflow(address, "From the app")
    path = MlflowClient(tracking_uri=address).download_artifacts(found["report"].info.run_id, "report.html")
    [report] = told_report(space, projects.load(space, "small"), "en")
    assert Path(path).read_text() == report.files["report.html"] and len(found) == lines[-1]["total"]


@pytest.mark.parametrize("address", ["sqlite:////etc/x.db", "/tmp/x", "http://"])
def test_a_run_sends_to_servers_alone(space, address, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(CoreError) as caught:
        sending.start(space, TrackParams("newsroom", address))
    assert caught.value.code == "tracker_address" and not space.store.list(kind=sending.KIND)


@pytest.mark.parametrize("named", ["", "http://127.0.0.1:5000"])
@pytest.mark.parametrize("address", ["", "http://169.254.169.254", "http://127.0.0.1:5000/x", "http://127.0.0.1:5001"])
def test_a_run_sends_to_the_server_that_was_named_alone(space, tmp_path, address, named, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
    params = TrackParams("newsroom", address)
    with pytest.raises(CoreError) as caught:
        sending.start(space, params)
    assert caught.value.code == "tracker_other" and not space.store.list(kind=sending.KIND)
    with pytest.raises(CoreError) as caught:  # another was named when it was asked for
        sending.run(Context(space.root, tmp_path, RunSpec(sending.KIND, {}, canonical(params)), {}, 1))
    assert caught.value.code == "tracker_other"


class Elsewhere(BaseHTTPRequestHandler):
    """Sends whoever asks to another path, and keeps which paths were asked for."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def test_no_redirect_is_followed(space, runs, capsys):
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        at = ("--to", "mlflow", "--address", address, "--workspace", str(space.root))
        status = main(["track", runs[0], *at, "--json"])
        server.shutdown()
    assert status == 2 and json.loads(capsys.readouterr().out)["error"]["code"].startswith("tracker_")
    assert Elsewhere.asked and "/elsewhere" not in Elsewhere.asked


def test_a_server_that_is_not_there_is_given_up_soon(space, runs, capsys):
    with socket.socket() as free:  # bound, and nobody listens
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        began = time.monotonic()
        status = main(["track", runs[0], "--to", "mlflow", "--address", address, "--workspace", str(space.root)])
    assert status == 2 and time.monotonic() - began < 20 and address in capsys.readouterr().err


@pytest.mark.parametrize(
    "address",
    [
        *("", "m.db", "http://", "ftp://h", "sqlite:///", "http://h:x", "http://["),
        *("https://me:secret@h:5000/x", "https://secret@[", "https://me:a/secret?@h", "https://h/?token=secret"),
    ],
)
def test_what_is_no_address_of_mlflow(address):
    with pytest.raises(CoreError) as caught:
        check_address(address)
    assert caught.value.code == "tracker_address" and "secret" not in json.dumps(caught.value.to_json())


def scalars(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()


def test_tensorboard_reads_what_is_written(space, tmp_path, capsys):
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    at = ("--to", "tensorboard", "--address", str(tmp_path / "tb"), "--workspace", str(space.root))
    sent = answered(capsys, "track", "newsroom", *at)["sent"]
    folders = sorted((tmp_path / "tb" / "Newsroom").iterdir())
    before = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    assert answered(capsys, "track", "newsroom", *at)["sent"] == sent
    assert {p: p.read_bytes() for f in (tmp_path / "tb" / "Newsroom").iterdir() for p in f.iterdir()} == before
    [of] = asked(space, ["newsroom"], space.store.get)
    entries = told(space, of)
    assert sorted(sent) == [str(folder) for folder in folders] and len(folders) == len(entries) + 1
    for one in entries[::13]:
        [folder] = [path for path in folders if path.name.endswith(one.id)]
        read = scalars(folder)
        points = [(event.step, event.value) for event in read.Scalars("train/loss")]
        assert points == [(p.step, pytest.approx(p.value)) for p in one.points if p.name == "train/loss"]
        assert read.Scalars("dev/overall/f1")[-1].value == pytest.approx(one.finals["dev/overall/f1"])
        content = read.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        session = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        assert session.hparams["train.method"].string_value == "full"
    [report] = [path for path in folders if path.name.endswith("newsroom")]
    assert (report / "report.html").read_text().startswith("<!")


def test_what_was_told_before_is_replaced_and_nothing_else(tmp_path):
    mine, other, own = (tmp_path / "T" / name for name in ("Report--a-a", "Report--old-a-old-a", "photos-of-a"))
    own.mkdir(parents=True)
    (own / "one.jpg").write_bytes(b"")
    for name in ("old-a", "a", "a"):
        told = Told(f"report:{name}", f"Report: {name}", "T", {"report": name}, files={"report.html": name})
        tensorboard.send([told], str(tmp_path), "", lambda done: None)
    assert sorted((tmp_path / "T").iterdir()) == sorted([mine, other, own])
    assert [*own.iterdir()] and len([*mine.iterdir()]) == 2
    renamed = replace(told, name="Now called b")
    [path] = tensorboard.send([renamed], str(tmp_path), "", lambda done: None)
    assert sorted((tmp_path / "T").iterdir()) == sorted([Path(path), other, own])


def test_labels_and_ingredients_become_names_that_trackers_take(space):
    [of] = asked(space, ["newsroom"], space.store.get)
    group = next(group for group in of.groups if group.mix.parts)
    [part, *_] = group.mix.parts.values()
    odd = replace(group, mix=replace(group.mix, parts={"swaps+typos": part}))
    assert "mix.swaps_typos" in told(space, replace(of, groups=[odd]))[0].params
    found = names_of(["PER", "a+b", "a/b", "..", "组织", "a_b"])
    assert found == {"PER": "PER", "a+b": "a_b", "a/b": "a_b-2", "..": "_", "组织": "组织", "a_b": "a_b-3"}


def test_writing_for_tensorboard_loads_no_torch(tmp_path):
    code = (
        "import core.trackers.tensorboard as t, core.trackers.sending, core.commands.taking, sys\n"
        "from core.trackers.described import Told\n"
        "t.send([Told('a', 'b', 'c', {}, params={'x': 1})], sys.argv[1], '', lambda n: None)\n"
        "print({'torch', 'tensorflow', 'mlflow', 'datasets', 'transformers'} & {*sys.modules})"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


def test_the_page_offers_the_server_that_was_named_alone(space, open_page, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    page = open_page(space.root, "report", project="newsroom")
    assert "report_track" not in {button.key for button in page.button}
    [commands] = [code.value for code in page.code if "--to tensorboard" in code.value]
    assert "track newsroom --to mlflow" in commands and not page.error
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////etc/x.db")
    assert any("sqlite" in error.value for error in page.run().error)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "127" in page.run().button(key="report_track").label and not page.error
    assert [button.label for button in page.get("download_button")] == ["Download as one file", "Download the tables"]
    assert not page.exception and not space.store.list(kind=sending.KIND)
    page.button(key="report_track").click().run()
    [run] = space.store.list(kind=sending.KIND)
    cancel_all(space, [run.id])
    spec = json.loads((space.run_folder(run.id) / "spec.json").read_text())
    assert not page.exception and spec["params"]["address"] == "http://127.0.0.1:9"
