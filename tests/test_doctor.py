"""doctor finds what is wrong with a workspace, mends it, and loses nothing."""

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from invariants import until

from core import project as projects
from core.__main__ import main
from core.care import batches
from core.care.cleaning import plan
from core.care.doctor import Finding, examine
from core.care.mending import mend
from core.care.trash import DROPPED, bring_back
from core.care.usage import usage
from core.corpus import read
from core.errors import message
from core.jobs.folder import hold, read_json
from core.jobs.trash import delete
from core.launch import start_import
from core.submit import result_of
from core.workspace import Workspace
from tests.conftest import HARBOUR
from tests.workshop import checkpointed, ended, lying, old, rows, train_spec

Ids = dict[str, str]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Ids]:
    """A workspace with an import by a real run, a training that succeeded and one that failed; never changed."""
    space = Workspace.open(tmp_path_factory.mktemp("sound") / "ws")
    inputs = {"file": f"file:{space.add_file(HARBOUR, 'harbour.conll')}"}
    sources = {"sources": {"file": {"name": "harbour.conll"}}, "inputs": inputs, "split": {"dev": 0.2}}
    space.name_corpus("harbour", sources)
    project = projects.create(space, "Harbour", "corpus:harbour")
    run = start_import(space, project)
    result_of(space, run, lambda runs: None)
    ids = {"import": run.id}
    ids["good"] = ended(space.store, train_spec(0), {"model/trained.safetensors": bytes(100)}, result={"best_dev": 0.5})
    ids["failed"] = ended(space.store, train_spec(1), {"log.txt": "x"}, state="failed")
    checkpointed(space.run_folder(ids["failed"]), [5, 10], best=10)
    return space, ids


@pytest.fixture
def copy(sound: tuple[Workspace, Ids], tmp_path: Path) -> tuple[Workspace, Ids]:
    space, ids = sound
    return Workspace(shutil.copytree(space.root, tmp_path / "ws")), ids


def test_a_sound_workspace_has_nothing(copy):
    assert examine(copy[0]) == []


def test_a_new_workspace_has_nothing(tmp_path):
    assert examine(Workspace.open(tmp_path / "ws")) == []


def row(space: Workspace, id: str, **values: object) -> None:
    """Write into a row what its folder does not say."""
    with sqlite3.connect(space.root / "runs.db") as db:
        for name, value in values.items():
            db.execute(f"UPDATE runs SET {name} = ? WHERE id = ?", (value, id))


def left(path: Path, text: str = "half") -> None:
    """A file as a killed process leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    old(path)


def database(space: Workspace, ids: Ids) -> None:
    data = bytearray((space.root / "runs.db").read_bytes())
    data[4096:8192] = b"\xff" * 4096
    (space.root / "runs.db").write_bytes(data)


def no_database(space: Workspace, ids: Ids) -> None:
    (space.root / "runs.db").write_text("this is no database")


def row_alone(space: Workspace, ids: Ids) -> None:
    shutil.rmtree(space.run_folder(ids["good"]))


def folder_alone(space: Workspace, ids: Ids) -> None:
    space.store.forget(ids["good"])


def unreadable_spec(space: Workspace, ids: Ids) -> None:
    (space.run_folder(ids["good"]) / "spec.json").write_text("{")
    old(space.run_folder(ids["good"]))


def corpus_of(space: Workspace) -> Path:
    return sorted(space.corpora.glob("*.arrow"))[0]


def damaged_corpus(space: Workspace, ids: Ids) -> None:
    path = corpus_of(space)
    data = bytearray(path.read_bytes())
    at = data.index(read(path).table.column("id")[0].as_py())
    data[at] ^= 1
    path.write_bytes(data)


def cut_corpus(space: Workspace, ids: Ids) -> None:
    path = corpus_of(space)
    path.write_bytes(path.read_bytes()[:1000])


def lost_batch(space: Workspace, ids: Ids) -> None:
    batch = batches.begin(space, plan(space, usage(space), ["checkpoints"]).items)
    batches.carry_out(space, batch, lambda items: items, lambda done, of: None)
    (space.trash / batch.name / batches.MANIFEST).unlink()


def dropped(space: Workspace, ids: Ids) -> None:
    delete(space.root, [ids["good"]])
    (space.trash / f"run-{ids['good']}").rename(space.trash / f"{DROPPED}run-1")


def stale_socket(space: Workspace, ids: Ids) -> None:
    with socket.socket(socket.AF_UNIX) as found:
        found.bind(str(space.root / "warm.sock"))
    (space.root / "warm.sock").chmod(0o600)


def open_folder(space: Workspace, ids: Ids) -> None:
    space.root.chmod(0o755)
    space.run_folder(ids["good"]).chmod(0o770)


WRONG: dict[str, tuple[Callable[[Workspace, Ids], object], Sequence[str]]] = {
    "a page of the database": (database, ["database"]),
    "no database at all": (no_database, ["database"]),
    "a row that says another state": (lambda s, i: row(s, i["good"], state="failed"), ["row_differs"]),
    "a row that says it runs": (lambda s, i: row(s, i["good"], state="running"), ["row_differs"]),
    "a row of another attempt": (lambda s, i: row(s, i["failed"], attempt=7), ["row_differs"]),
    "a row without a folder": (row_alone, ["row_alone"]),
    "a folder without a row": (folder_alone, ["folder_alone"]),
    "a spec that can't be read": (unreadable_spec, ["spec"]),
    "half a document": (lambda s, i: left(s.run_folder(i["good"]) / ".tmp-x1"), ["leftover"]),
    "half a checkpoint": (lambda s, i: left(s.run_folder(i["failed"]) / "checkpoints/.draft-1/a"), ["leftover"]),
    "a checkpoint half dropped": (lambda s, i: left(s.run_folder(i["failed"]) / "best/.dropped-1/a"), ["leftover"]),
    "half an unpacking": (lambda s, i: left(s.run_folder(i["failed"]) / "staging/runs/a"), ["leftover"]),
    "half an export": (lambda s, i: left(s.run_folder(i["failed"]) / ".tmp-a.zip"), ["leftover"]),
    "half an upload": (lambda s, i: left(s.root / "files" / ".12-34.tmp"), ["leftover"]),
    "half a corpus": (lambda s, i: left(s.corpora / f"{'a' * 64}.12.tmp"), ["leftover"]),
    "half a project file": (lambda s, i: left(s.root / "projects/harbour/.tmp-abc"), ["leftover"]),
    "an old database": (lambda s, i: left(s.root / "runs.db.aside-1"), ["leftover"]),
    "a flag that nobody reads": (lambda s, i: left(s.run_folder(i["good"]) / "cancel-1", ""), ["leftover"]),
    "a damaged corpus": (damaged_corpus, ["corpus"]),
    "a corpus cut short": (cut_corpus, ["corpus"]),
    "a corpus that is gone": (lambda s, i: corpus_of(s).unlink(), ["corpus_gone"]),
    "a damaged upload": (lambda s, i: next((s.root / "files").iterdir()).write_text("x"), ["upload"]),
    "a damaged checkpoint": (
        lambda s, i: (s.run_folder(i["failed"]) / "checkpoints/step-00000010/state.json").write_text("x"),
        ["checkpoint"],
    ),
    "folders that others may read": (open_folder, ["mode", "mode"]),
    "a batch that lost its list": (lost_batch, ["batch"]),
    "a trash half emptied": (dropped, ["dropped"]),
    "a socket that nobody answers": (stale_socket, ["socket"]),
}
GONE = ("a damaged upload",)  # what is set aside here is missing afterwards, and only its owner has it


@pytest.mark.parametrize("name", WRONG)
def test_it_is_found_and_mended(copy, name):
    space, ids = copy
    damage, codes = WRONG[name]
    damage(space, ids)
    before = lying(space.root)
    found = examine(space)
    assert [finding.code.removeprefix("finding_") for finding in found] == list(codes)
    assert examine(space) == found and lying(space.root) == before  # nothing is touched by looking
    batch, again = mend(space, found)
    for spec in again:
        result_of(space, space.submit(spec)[0], lambda runs: None)
    left = [finding.code for finding in examine(space)]
    assert left == (["finding_name_empty"] if name in GONE else [])
    if batch and name not in ("a trash half emptied",):
        kept = {path.split("/", 2)[2] for path in lying(space.root) if path.startswith(f"trash/{batch}/")}
        assert {finding.where for finding in found if finding.mend == "aside"} <= {
            where for path in kept for where in (path, *(str(parent) for parent in Path(path).parents))
        } | {"warm.sock"}


def test_what_was_set_aside_comes_back(copy):
    space, ids = copy
    path = space.run_folder(ids["failed"]) / "checkpoints" / "step-00000010" / "state.json"
    path.write_text("broken")
    left(space.root / "files" / ".1.tmp")
    before = lying(space.root)
    batch, _ = mend(space, examine(space))
    assert batch and not path.exists() and examine(space) == []
    assert bring_back(space, batch).items == 2
    assert lying(space.root) == before


def test_a_damaged_corpus_is_made_again_as_it_was(copy):
    space, ids = copy
    path = corpus_of(space)
    whole = path.read_bytes()
    result = read_json(space.run_folder(ids["import"]) / "result.json")
    damaged_corpus(space, ids)
    _, [spec] = mend(space, examine(space))
    assert spec.id == ids["import"] and not path.exists()
    result_of(space, space.submit(spec)[0], lambda runs: None)
    assert path.read_bytes() == whole
    assert read_json(space.run_folder(ids["import"]) / "result.json") == result


def test_what_lives_is_not_called_wrong(copy):
    space, ids = copy
    folder = space.run_folder(ids["failed"])
    space.store.submit(train_spec(1), {"inputs": {}})
    lock = hold(folder)
    assert space.store.claim(ids["failed"])
    (folder / ".tmp-abc").write_text("being written")
    (folder / "checkpoints" / ".draft-1").mkdir()
    (space.root / "files" / ".5.tmp").write_text("an upload that goes on")
    assert examine(space) == [] and lock is not None


def test_what_only_a_person_can_mend_is_said(copy):
    space, _ = copy
    (space.root / "projects" / "harbour" / projects.FILE).write_text("data: [")
    (space.corpora / "harbour.json").write_text("{")
    found = examine(space)
    assert {finding.code for finding in found} == {"finding_project", "finding_name"}
    mend(space, found)
    assert examine(space) == found


def test_all_at_once(copy):
    space, ids = copy
    one_by_one = ("a page of the database", "no database at all", "a row without a folder", "a trash half emptied")
    for name, (damage, _) in WRONG.items():
        if name not in (*one_by_one, *GONE):
            damage(space, ids)
    database(space, ids)
    found = examine(space)
    assert [finding.code for finding in found] == ["finding_database"]  # the rest can't be known yet
    mend(space, found)
    found = examine(space)
    assert len(found) >= 10
    for spec in mend(space, found)[1]:
        result_of(space, space.submit(spec)[0], lambda runs: None)
    assert examine(space) == []


def said(capsys: pytest.CaptureFixture[str], space: Workspace, *more: str) -> tuple[int, dict]:
    status = main(["doctor", *more, "--json", "--workspace", str(space.root)])
    return status, json.loads(capsys.readouterr().out)


def test_command(copy, capsys):
    space, ids = copy
    assert said(capsys, space)[0] == 0
    damaged_corpus(space, ids)
    row(space, ids["good"], state="failed")
    before = lying(space.root)
    status, data = said(capsys, space)
    assert status == 1 and {line["code"] for line in data["findings"]} == {"finding_corpus", "finding_row_differs"}
    assert lying(space.root) == before and not any(line["mended"] for line in data["findings"])
    status, data = said(capsys, space, "--mend")
    assert (status, data["left"]) == (0, 0) and all(line["mended"] for line in data["findings"])
    assert data["aside"] and (space.trash / data["aside"]).is_dir()
    assert said(capsys, space)[0] == 0
    database(space, ids)
    assert said(capsys, space)[0] == 1
    kept = rows_of(space)
    assert said(capsys, space, "--mend")[0] == 0 and rows(space) == kept
    assert main(["doctor", "--workspace", str(space.root), "--lang", "zh_CN"]) == 0
    assert "工作区" in capsys.readouterr().out


def test_the_page_looks_and_mends(copy, open_page):
    space, ids = copy
    damaged_corpus(space, ids)
    row(space, ids["good"], state="failed")
    page = open_page(space.root, "storage", store="check")
    looks: list[str] = []
    for key in ("storage_check", "storage_mend"):
        page.button(key=key).click().run()
        [run] = [run for run in space.store.list(kind="doctor") if run.id not in looks]
        looks.append(run.id)
        until(lambda: not space.store.pending())  # what is made anew as well
        page.run()
        assert not page.exception and space.store.get(run.id).state == "succeeded"
        if key == "storage_check":
            codes = {line["code"] for line in space.result(run.id)["findings"]}
            assert codes == {"finding_corpus", "finding_row_differs"}
            assert len(page.dataframe[0].value) == 2
    assert space.result(looks[1])["aside"] and any("Mended: " in text.value for text in page.success)
    assert examine(space) == []


def rows_of(space: Workspace) -> dict[str, tuple[object, ...]]:
    """The rows as the folders alone say them."""
    other = Workspace(shutil.copytree(space.root, space.root.parent / "again"))
    (other.root / "runs.db").unlink()
    return rows(other)


def test_every_finding_is_one_line_in_both_languages():
    for language in ("en", "zh_CN"):
        text = message("finding_mode", {"mode": "755"}, language)
        assert "755" in text and "\n" not in text
    assert Finding("finding_mode", "runs", "mode") == Finding("finding_mode", "runs", "mode")
