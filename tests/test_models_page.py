"""The Models page: a trained run taken along as files and with its card, and as the start of other trainings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HARBOUR
from delivered import exported, trained_run
from invariants import kill, processes, until

from components.starts import known_models
from core import corpus as corpora
from core import project as projects
from core.formats.importing import Source
from core.groups import LAUNCH
from core.launch import standing, start_import
from core.model_export import package_of, spec_of
from core.models.catalogue import BUNDLED
from core.project import Project
from core.sources import Gold, bring
from core.workspace import Workspace


def brought(space: Workspace, folder: Path, title: str, train: slice, dev: slice) -> Project:
    """A project over some sentences of the harbour corpus, imported."""
    blocks, sources, inputs = HARBOUR.read_text().strip().split("\n\n"), {}, {}
    for role, rows in (("train", train), ("dev", dev)):
        file = folder / f"{title}-{role}.conll"
        file.write_text("\n\n".join(blocks[rows]) + "\n")
        sources[role], inputs[role] = Source(file.name), f"file:{space.add_file(file, file.name)}"
    project = bring(space, title, Gold(sources, inputs), "en")
    run = start_import(space, project)
    until(lambda: not space.store.get(run.id).pending, 200)
    return project


def launched(space: Workspace, project: Project, model: Path) -> str:
    """A training of a project that has ended, with weights."""
    stage = standing(space, project).stage
    assert stage is not None
    ids = stage.imported["corpora"]
    gold, dev = (corpora.read(space.corpus_path(ids[role])) for role in ("train", "dev"))
    run = trained_run(space, model, gold, dev)
    event = {"event": LAUNCH, "group": "0123456789ab", "mix": "gold **only**", "asked": {}, "train": {"steps": 2}}
    projects.record(space, project.slug, event | {"corpora": {"dev": dev.id}, "seeds": {run: 0}})
    return run


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Iterator[Workspace]:
    found = Workspace.open(tmp_path_factory.mktemp("models") / "w")
    yield found
    for pid in processes(found.root, "core.jobs.warm.guard"):  # the page started it
        kill(pid)


@pytest.fixture(scope="module")
def project(space: Workspace, tmp_path_factory) -> Project:
    return brought(space, tmp_path_factory.mktemp("files"), "first", slice(0, 40), slice(40, 60))


@pytest.fixture(scope="module")
def run(space: Workspace, project: Project, tiny_model) -> str:
    return launched(space, project, tiny_model)


@pytest.fixture(scope="module")
def begun(space: Workspace, run: str) -> None:
    """The run is installed as a start already, by the run that the button asks for."""
    exported(space, spec_of(space, run, "start"))


@pytest.mark.usefixtures("begun")
def test_it_becomes_the_start_of_the_project(space: Workspace, project: Project, run: str, open_page):
    at = open_page(space.root, "models", project=project.slug)
    assert not any("installed" in one.value for one in at.success)
    at.button(key="models_start").click().run()  # that run
    assert not at.exception and any(f"run:\u2060{run}" in one.value for one in at.success)
    assert not at.warning
    at.button(key="models_use").click().run()
    assert projects.load(space, project.slug).recipe.train.model == f"run:{run}"
    assert not [one for one in at.button if one.key == "models_use"]
    shown = known_models(space)
    assert [*shown] == [*BUNDLED, f"run:{run}"] and "gold **only**" in shown[f"run:{run}"]


@pytest.mark.usefixtures("begun")
def test_another_project_whose_dev_it_has_learned_from_cannot_begin_with_it(
    space: Workspace, run: str, open_page, tmp_path: Path, tiny_model
):
    other = brought(space, tmp_path, "second", slice(40, 60), slice(0, 10))
    projects.record(space, other.slug, {  # the same run is a member of this one's history, too
        "event": LAUNCH, "group": "ba9876543210", "mix": "m", "asked": {}, "train": {"steps": 2},
        "corpora": {"dev": "0" * 64}, "seeds": {run: 0},
    })  # fmt: skip
    at = open_page(space.root, "models", project=other.slug)
    at.button(key="models_start").click().run()
    assert any("10 of the 10 rows of dev" in one.value for one in at.warning)
    assert not [one for one in at.button if one.key == "models_use"]


def test_its_files_and_its_card(space: Workspace, project: Project, run: str, open_page):
    export = exported(space, spec_of(space, run, "safetensors", project=project.slug))
    at = open_page(space.root, "models", project=project.slug)
    at.button(key="models_safetensors").click().run()
    assert space.store.list(kind="model_export", limit=1) == (export,)  # none was started
    assert not at.exception and not at.error
    assert any("its outputs differ from the run" in one.value for one in at.success)
    path = package_of(space, export)
    assert path is not None and path.name in at.get("download_button")[0].proto.label.replace("\\", "")
    at.toggle(key="models_card").set_value(True).run()
    [text] = [one.value for one in at.code if "## Scores" in one.value]
    assert "gold \\*\\*only\\*\\*" in text and run in text and "Test was not looked at" in text
    assert any(f"python -m core serve {run}" in one.value for one in at.code)
