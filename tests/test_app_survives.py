"""The app and its runs in a real browser: reload, second tab, double click, a laptop asleep, the app killed."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from invariants import check, processes, until

from core import project as projects
from core.formats.importing import Source
from core.jobs.folder import PROCESSES, last_metrics, read_object, stalled_file
from core.launch import start_import
from core.params import canonical
from core.project import Project
from core.submit import result_of
from core.workspace import Workspace
from tests.browser import WAIT, SecondTab, Visitor, browsing, free_port, needs_chromium, start, stop
from tests.conftest import HARBOUR

pytestmark = [needs_chromium(), pytest.mark.timeout(420)]
STEPS = 400


@pytest.fixture
def slow(tmp_path: Path, tiny_model: Path) -> tuple[Workspace, Project]:
    """A project whose trainings go on for a while."""
    space = Workspace.open(tmp_path / "ws")
    sentences = HARBOUR.read_text(encoding="utf-8").strip().split("\n\n")
    files = {"train": tmp_path / "train.conll", "dev": tmp_path / "dev.conll"}
    files["train"].write_text("\n\n".join(sentences[:40]) + "\n", encoding="utf-8")
    files["dev"].write_text("\n\n".join(sentences[40:]) + "\n", encoding="utf-8")
    inputs = {role: f"file:{space.add_file(path, path.name)}" for role, path in files.items()}
    sources = {role: canonical(Source(path.name)) for role, path in files.items()}
    space.name_corpus("harbour", {"sources": sources, "inputs": inputs})
    project = projects.create(space, "harbour", "corpus:harbour")
    train = replace(project.recipe.train, model=str(tiny_model), steps=STEPS, batch_tokens=256, checkpoint_every=100)
    settings = replace(project.recipe, train=train, seeds=(0,))
    project = projects.edit(space, project.slug, lambda p: replace(p, recipe=settings), {"event": "settings"})
    result_of(space, start_import(space, project), lambda runs: None)
    return space, project


def look(visitor: Visitor, path: str) -> None:
    """Open a page that draws itself again and again: it may never be at rest."""
    visitor.page.goto(visitor.address + path)
    visitor.page.wait_for_selector("h1", timeout=WAIT)


def says_running(visitor: Visitor) -> None:
    """The sidebar tells that a run goes on."""
    until(lambda: re.search(r"\b1 running", visitor.text()))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The trainer stands still meanwhile, so that it isn't done before the browser is."""
    pid = (read_object(folder / PROCESSES) or {})["trainer"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def asleep_and_awake(pids: list[int]) -> None:
    assert len(pids) >= 3  # the app, a supervisor, a trainer
    for number, seconds in ((signal.SIGSTOP, 3), (signal.SIGCONT, 1)):
        for pid in pids:
            os.kill(pid, number)
        time.sleep(seconds)


@pytest.mark.whole
def test_a_run_outlives_whatever_happens_to_the_app(slow):
    space, project = slow
    server = start(space.root, free_port())
    try:
        with browsing(server.address) as one, SecondTab(one) as two:
            one.goto(f"/mix?project={project.slug}")
            repeats = one.page.get_by_role("spinbutton", name="Repeats")
            repeats.fill("1")
            repeats.press("Enter")
            one.settle()
            one.page.get_by_role("button", name=re.compile("Launch")).first.dblclick(timeout=WAIT)
            [run] = until(lambda: space.store.list(kind="train"))  # a double click starts it once
            folder = space.run_folder(run.id)
            until(lambda: len(last_metrics(folder)) > 5)
            with held(folder):
                look(two, f"/runs?project={project.slug}")
                says_running(two)
                look(one, f"/runs?project={project.slug}")
                one.page.reload()
                says_running(one)
                assert [r.id for r in space.store.list(kind="train")] == [run.id]

            asleep_and_awake([server.process.pid, *processes(space.root)])
            seen = len(last_metrics(folder))
            until(lambda: len(last_metrics(folder)) > seen)
            assert not stalled_file(folder, 1).exists()
            with held(folder):
                one.page.reload()
                says_running(one)
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        seen = len(last_metrics(folder))
        until(lambda: len(last_metrics(folder)) > seen)  # it goes on without the app
        with held(folder):
            server = start(space.root, int(server.address.rpartition(":")[2]))
        with browsing(server.address) as visitor:
            look(visitor, f"/runs?project={project.slug}")
            until(lambda: space.store.get(run.id).state == "succeeded", 240)
            visitor.page.reload()
            visitor.settle()
            until(lambda: visitor.page.locator(".js-plotly-plot").count())
            assert not visitor.errors()
        steps = [line["step"] for line in last_metrics(folder) if line.get("loss") is not None]
        assert steps == list(range(1, STEPS + 1))  # the whole curve
        assert space.store.get(run.id).attempt == 1
        until(lambda: not processes(space.root, run.id))
        check(space.store, [run.id])
    finally:
        stop(server)


@pytest.mark.whole
def test_ctrl_c_in_the_terminal_of_the_app_ends_the_app_alone(slow):
    from core.launch import launch, plan_launch, standing
    from core.mix import Mix

    space, project = slow
    server = start(space.root, free_port())
    with browsing(server.address) as visitor:
        look(visitor, f"/runs?project={project.slug}")
        stage = standing(space, project).stage
        [run] = launch(space, project, stage, plan_launch(space, project, stage, {"gold only": Mix()}, [0]))
        until(lambda: len(last_metrics(space.run_folder(run))) > 5)
        os.killpg(server.process.pid, signal.SIGINT)  # what a terminal does
        server.process.wait(30)
        visitor.faults.clear()  # the page says that its server is gone
    seen = len(last_metrics(space.run_folder(run)))
    until(lambda: len(last_metrics(space.run_folder(run))) > seen)
    assert space.store.get(run).state == "running"

    space.store.cancel(run)
    until(lambda: not space.store.get(run).pending and not processes(space.root, run))
    check(space.store, [run])
