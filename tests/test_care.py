"""Disk use, cleaning up with a way back, and the trash: real files, real processes that are killed in the middle."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import project as projects
from core.__main__ import main
from core.care import batches
from core.care.cleaning import CHOICES, clean, plan
from core.care.folders import measure
from core.care.tables import by_corpus, by_model, by_project, by_run, owned
from core.care.trash import bring_back, empty, entries
from core.care.usage import KINDS, by_kind, usage
from core.commands.arguments import CLEAN
from core.errors import CoreError, message
from core.jobs.folder import Exit, hold
from core.jobs.trash import delete
from core.runs import RunSpec
from core.sample import open_sample
from core.submit import wait
from core.workspace import Workspace
from tests.conftest import ROOT, environment
from tests.workshop import CORPUS, checkpointed, ended, lying, old, rows, train_spec


def quiet(done: int, of: int) -> None:
    pass


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "ws")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the sample, never changed."""
    workspace = Workspace.open(tmp_path_factory.mktemp("opened") / "ws")
    open_sample(workspace, "newsroom")
    return workspace


def full(space: Workspace) -> dict[str, str]:
    """Something of everything that can be cleaned up. -> ids of the runs by name"""
    store = space.store
    weights = {"model/trained.safetensors": bytes(9000), "model/model.json": "{}", "predictions-ab.arrow": bytes(5000)}
    ids = {
        name: ended(store, train_spec(seed), weights, result={"best_dev": best})
        for seed, (name, best) in enumerate({"good": 0.7, "best": 0.9, "bad": 0.2}.items())
    }
    ids["only"] = ended(store, train_spec(0, steps=3), weights, result={"best_dev": 0.1})
    ids["failed"] = ended(store, train_spec(7), {"log.txt": "old\n"}, state="failed", ago=40 * 86400)
    checkpointed(store.folder(ids["failed"]), [5, 10, 15], best=10)
    ids["export"] = ended(store, RunSpec("export"), {"newsroom.zip": bytes(8000)}, result={})
    (space.root / "cache" / "words.arrow").write_bytes(bytes(4096))
    (space.corpora / f"{'99' * 32}.arrow").write_bytes(bytes(4096))
    (space.corpora / f"{CORPUS}.arrow").write_bytes(bytes(4096))
    file = space.root / "files" / ("88" * 32)
    file.write_bytes(bytes(4096))
    for path in (*space.corpora.iterdir(), file):
        old(path)
    return ids


def paths(space: Workspace, *choices: str) -> set[str]:
    return {item.path for item in plan(space, usage(space), choices).items}


def tidy(space: Workspace, *choices: str) -> batches.Batch:
    batch = batches.begin(space, plan(space, usage(space), choices).items)
    clean(space, batch, quiet)
    return batch


# what takes room


def test_totals_are_those_of_du(space):
    full(space)
    source = space.root / "runs" / "someone" / "big"
    source.parent.mkdir()
    with source.open("wb") as file:
        file.truncate(1 << 30)  # a hole takes no room
        file.write(b"x" * 10_000)
    os.link(source, space.root / "files" / "same")  # one inode, two names
    os.link(space.corpora / f"{CORPUS}.arrow", space.root / "trash" / "same")
    (source.parent / "away").symlink_to("/usr")
    (source.parent / "loop").symlink_to("..")
    found = by_kind(usage(space))
    done = subprocess.run(["du", "-s", "-B1", str(space.root)], capture_output=True, text=True, check=True)
    assert sum(by_kind(usage(space)).values()) == int(done.stdout.split()[0])
    assert set(found) == set(KINDS) and found["weights"] > 4 * 9000 and found["unused"] == 2 * 4096


def test_figures_are_remembered_until_a_folder_changes(space, monkeypatch):
    ids = full(space)
    for path in (space.root / "runs").rglob("*"):
        os.utime(path, (1e9, 1e9)) if path.is_dir() else None
    for path in (space.root / "runs").iterdir():
        os.utime(path, (1e9, 1e9))
    before = by_kind(usage(space))
    looked: list[str] = []
    monkeypatch.setattr(
        "core.care.usage.measure", lambda folder, part: looked.append(Path(folder).name) or measure(folder, part)
    )
    assert by_kind(usage(space)) == before
    assert not {*ids.values()} & {*looked}
    (space.run_folder(ids["good"]) / "model" / "more.safetensors").write_bytes(bytes(100_000))
    shutil.rmtree(space.run_folder(ids["bad"]) / "model")
    after = by_kind(usage(space))
    assert {*ids.values()} & {*looked} == {ids["good"], ids["bad"]}
    assert after["weights"] == sum(line.parts.get("weights", 0) for line in by_run(space, usage(space)))
    assert after["weights"] > before["weights"] + 50_000


def test_an_active_run_is_looked_at_each_time(space):
    id = ended(space.store, train_spec(0), state="failed")
    os.utime(space.run_folder(id), (1e9, 1e9))
    usage(space)
    space.store.submit(train_spec(0), {"inputs": {}})
    (space.run_folder(id) / "log.txt").write_bytes(b" " * 50_000)
    os.utime(space.run_folder(id), (1e9, 1e9))  # what grows in place leaves the folder's stamps as they were
    assert by_kind(usage(space))["logs"] > 50_000


def test_who_has_no_patience_hears_how_many_are_left(space):
    full(space)
    for path in sorted((space.root / "runs").rglob("*"), reverse=True):
        os.utime(path, (1e9, 1e9))
    whole = by_kind(usage(space))
    (space.root / "cache" / "disk-use.json").unlink()
    first = usage(space, seconds=0.0)
    assert first.left >= 6 and not first.unused and sum(by_kind(first).values()) < sum(whole.values())
    while usage(space, seconds=0.001).left:
        pass
    last = by_kind(usage(space, seconds=0.0))
    assert last == whole | {"cache": last["cache"]}


@pytest.mark.parametrize(
    "text", ["", "{", '{"version": 1}', '{"version": 1, "folders": {"runs/x": 3}}', '{"version": 9}']
)
def test_a_broken_memory_is_no_harm(space, text):
    full(space)
    before = by_kind(usage(space))
    (space.root / "cache" / "disk-use.json").write_text(text)
    after = by_kind(usage(space))
    assert after == before | {"cache": after["cache"]}


def test_what_belongs_to_a_project(opened, tmp_path):
    space = Workspace(shutil.copytree(opened.root, tmp_path / "ws"))
    [line] = by_project(usage(space), owned(space, usage(space)))
    assert (line.slug, line.runs) == ("newsroom", 45) and line.bytes == line.alone
    parts = by_kind(usage(space))
    rest = [space.corpora, space.root / "files", *space.corpora.glob("*.json")]
    rest = sum(path.stat().st_blocks * 512 for path in rest)
    assert line.bytes == sum(parts[kind] for kind in parts if kind not in ("cache", "trash", "other")) - rest
    projects.create(space, "Second", "corpus:newsroom")
    found = {line.slug: line for line in by_project(usage(space), owned(space, usage(space)))}
    assert found["second"].alone < found["second"].bytes < found["newsroom"].bytes
    assert found["newsroom"].alone == found["newsroom"].bytes - (found["second"].bytes - found["second"].alone)
    lines = by_corpus(space, usage(space), owned(space, usage(space)))
    assert {line.what for line in lines} >= {"train", "dev", "test", "pool:harbour news", "synonym"}
    assert next(line for line in lines if line.what == "synonym").projects == ("newsroom",)


def test_a_project_has_what_its_runs_came_from(space):
    read = ended(space.store, RunSpec("import", {"file": f"file:{'0' * 64}"}), result={"corpora": {"train": "1" * 64}})
    made = ended(space.store, RunSpec("augment", {"of": f"corpus:{'1' * 64}"}), result={"corpus": CORPUS})
    mine, other = (ended(space.store, train_spec(seed), result={"best_dev": 0.5}) for seed in (0, 1))
    look = ended(space.store, RunSpec("evaluate", {"model:0": f"run:{mine}"}), result={"models": 1})
    ended(space.store, RunSpec("evaluate", {"model:0": f"run:{mine}", "model:1": f"run:{other}"}), result={"models": 2})
    projects.create(space, "Mine", "corpus:gone")
    launched = {"event": "launch", "group": "g", "mix": "m", "asked": {}, "train": {}, "corpora": {}}
    projects.record(space, "mine", {**launched, "seeds": {mine: 0}})
    [(_, belongs)] = owned(space, usage(space)).values()
    assert belongs.runs == {read, made, mine, look}
    assert belongs.files == {"0" * 64} and belongs.corpora >= {"1" * 64, CORPUS} and belongs.names == {"gone"}


def test_encoders_and_what_began_with_them(space):
    full(space)
    (space.models / ("ef" * 32)).mkdir()
    (space.models / ("ef" * 32) / "model.safetensors").write_bytes(bytes(5000))
    [line] = by_model(usage(space))
    assert (line.identity, line.runs, line.bytes) == ("ef" * 32, 5, 3 * 4096)


# cleaning up


def test_what_each_choice_takes(space):
    ids = full(space)
    failed = f"runs/{ids['failed']}"
    assert paths(space, "spare_checkpoints") == {
        *(f"{failed}/checkpoints/step-0000000{n}" for n in (5,)), f"{failed}/checkpoints/step-00000010",
        f"{failed}/best/step-00000005",
    }  # fmt: skip
    assert paths(space, "checkpoints") == {f"{failed}/checkpoints", f"{failed}/best"}
    assert paths(space, "checkpoints", "spare_checkpoints") == paths(space, "checkpoints")
    assert paths(space, "weights") == {f"runs/{ids[name]}/model" for name in ("good", "bad")}
    assert paths(space, "logs") == {f"{failed}/log.txt"}
    assert paths(space, "archives") == {f"runs/{ids['export']}"}
    assert paths(space, "cache") == {"cache/words.arrow"}
    assert paths(space, "unused") == {f"corpora/{'99' * 32}.arrow", f"files/{'88' * 32}"}
    assert paths(space) == set()


def test_every_choice_has_words():
    for language in ("en", "zh_CN"):
        for choice in CHOICES:
            for code in (f"clean_{choice}", f"cost_{choice}"):
                assert message(code, {"n": 1}, language) != code


def test_bytes_promised_are_bytes_freed(space):
    full(space)
    before = sum(by_kind(usage(space)).values())
    promised = plan(space, usage(space), CHOICES).bytes
    batch = tidy(space, *CHOICES)
    assert abs(sum(by_kind(usage(space)).values()) - before) < 100_000  # the trash takes room until it is emptied
    kept = sum(by_kind(usage(space)).values()) - sum(entry.bytes for entry in entries(space, usage(space)))
    assert kept == before - promised + usage(space).cache.of("disk-use.json") - 0 or kept <= before - promised + 20_000
    assert empty(space, [batch.name]) == 0 and not list(space.trash.iterdir())
    assert sum(by_kind(usage(space)).values()) <= before - promised + 20_000


def test_everything_comes_back(space):
    full(space)
    before, listed = lying(space.root), rows(space)
    batch = tidy(space, *CHOICES)
    gone = set(before) - set(lying(space.root))
    assert len(gone) > 12 and set(rows(space)) < set(listed)
    moved = batches.undo(space, batch.name)
    assert moved.items == len(batch.items) and moved.left == 0
    assert lying(space.root) == before and rows(space) == listed
    assert not list(space.trash.iterdir())


def test_scores_and_comparisons_stay(opened, tmp_path, capsys):
    space = Workspace(shutil.copytree(opened.root, tmp_path / "ws"))
    for run in space.store.list(kind="train"):
        (space.run_folder(run.id) / "model").mkdir()
        (space.run_folder(run.id) / "model" / "trained.safetensors").write_bytes(b"x" * 100)

    def compared() -> str:
        assert main(["compare", "newsroom", "--split", "test", "--json", "--workspace", str(space.root)]) == 0
        return capsys.readouterr().out

    before = compared()
    batch = tidy(space, *CHOICES)
    assert len(batch.items) == 35  # of five mixes with eight repeats the best of each stays
    assert compared() == before


def test_what_an_active_run_reads_stays(space):
    ids = full(space)
    batch = batches.begin(space, plan(space, usage(space), ["weights", "unused", "cache"]).items)
    reads = {"model:0": f"run:{ids['good']}", "data": f"corpus:{'99' * 32}"}
    space.store.submit(RunSpec("evaluate", reads), {"inputs": {}})
    moved = clean(space, batch, quiet)
    assert (space.run_folder(ids["good"]) / "model").is_dir() and not (space.run_folder(ids["bad"]) / "model").exists()
    assert (space.corpora / f"{'99' * 32}.arrow").exists() and moved.left == 2


def test_nothing_that_a_running_import_may_write_is_touched(space):
    full(space)
    batch = batches.begin(space, plan(space, usage(space), ["unused", "cache"]).items)
    space.store.submit(RunSpec("import"), {"inputs": {}})
    assert clean(space, batch, quiet).items == 0


def test_a_run_that_goes_on_meanwhile_keeps_its_checkpoints(space):
    ids = full(space)
    batch = batches.begin(space, plan(space, usage(space), ["checkpoints", "weights"]).items)
    space.store.submit(train_spec(7), {"inputs": {}})
    assert space.store.claim(ids["failed"])
    assert clean(space, batch, quiet).left == 2  # queued, running, and ended at another attempt
    assert (space.run_folder(ids["failed"]) / "checkpoints").is_dir()
    assert space.store.end(ids["failed"], Exit(2, "failed", time.time()))  # these are of a later attempt
    assert clean(space, batch, quiet).left == 2


def test_a_run_whose_process_lives_is_left_alone(space):
    ids = full(space)
    batch = batches.begin(space, plan(space, usage(space), ["checkpoints"]).items)
    lock = hold(space.run_folder(ids["failed"]))
    assert lock is not None
    assert clean(space, batch, quiet).items == 0
    os.close(lock)
    assert clean(space, batch, quiet).items == 2


def test_the_newest_checkpoint_that_verifies_stays(space):
    folder = space.run_folder(full(space)["failed"])
    (folder / "checkpoints" / "step-00000015" / "state.json").write_text("broken")
    tidy(space, "spare_checkpoints")
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["step-00000010", "step-00000015"]
    assert [path.name for path in (folder / "best").iterdir()] == ["step-00000010"]


def test_what_is_new_or_may_come_back_from_the_trash_is_not_unused(space):
    id = ended(space.store, RunSpec("augment"), result={"corpus": "77" * 32})
    (space.corpora / f"{'77' * 32}.arrow").write_bytes(b"x")
    (space.root / "files" / ("66" * 32)).write_bytes(b"x")
    assert paths(space, "unused") == set()
    for path in (space.corpora / f"{'77' * 32}.arrow", space.root / "files" / ("66" * 32)):
        old(path)
    delete(space.root, [id])
    assert paths(space, "unused") == {f"files/{'66' * 32}"}
    space.name_corpus("known", {"sources": {}, "inputs": {"file": f"file:{'66' * 32}"}})
    assert paths(space, "unused") == set()
    empty(space, [f"run-{id}"])
    assert paths(space, "unused") == {f"corpora/{'77' * 32}.arrow"}


def test_what_was_made_anew_is_not_overwritten(space):
    ids = full(space)
    batch = tidy(space, "weights", "cache")
    (space.root / "cache" / "words.arrow").write_text("new")
    delete(space.root, [ids["bad"]])
    moved = batches.undo(space, batch.name)
    assert (moved.items, moved.left) == (1, 2)
    assert (space.root / "cache" / "words.arrow").read_text() == "new"
    assert (space.run_folder(ids["good"]) / "model" / "trained.safetensors").exists()
    bring_back(space, f"run-{ids['bad']}")
    assert batches.undo(space, batch.name).items == 1
    assert (space.run_folder(ids["bad"]) / "model" / "trained.safetensors").exists()


@pytest.mark.parametrize("name", ["", "..", "run-x", "clean-1", "clean-" + "0" * 19, "../runs"])
def test_only_batches_are_undone(space, name):
    with pytest.raises(CoreError) as error:
        bring_back(space, name)
    assert error.value.code in ("batch_unknown", "run_not_deleted")


# the trash


def test_runs_projects_and_batches_lie_in_the_trash_and_come_back(space):
    ids = full(space)
    projects.create(space, "Gone", "corpus:x")
    before, listed = lying(space.root), rows(space)
    tidy(space, "weights")
    delete(space.root, [ids["only"]])
    projects.delete(space, "gone")
    found = entries(space, usage(space))
    assert {(entry.kind, entry.what) for entry in found} == {
        ("clean", ("weights",)), ("run", ("train",)), ("project", ("gone",)),
    }  # fmt: skip
    assert all(entry.bytes >= 4096 and time.time() - entry.since < 60 for entry in found)
    for entry in found:
        bring_back(space, entry.name)
    assert lying(space.root) == before and rows(space) == listed


def test_only_what_is_named_goes_for_good(space):
    ids = full(space)
    delete(space.root, [ids["only"], ids["bad"]])
    assert empty(space, [f"run-{ids['only']}", "../runs", ".", "", "missing"]) == 0
    assert [entry.name for entry in entries(space, usage(space))] == [f"run-{ids['bad']}"]
    assert (space.root / "runs").is_dir()


def test_emptying_a_bit_at_a_time(space):
    ids = full(space)
    delete(space.root, [ids["only"], ids["bad"]])
    names = [entry.name for entry in entries(space, usage(space))]
    assert empty(space, names, seconds=0.0) == 2
    assert entries(space, usage(space)) == []  # out of reach at once
    while empty(space, [], seconds=0.0001):
        pass
    assert not list(space.trash.iterdir())


def test_links_in_the_trash_lead_nowhere(space, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("keep")
    id = full(space)["only"]
    (space.run_folder(id) / "link").symlink_to(tmp_path / "mine")
    delete(space.root, [id])
    empty(space, [f"run-{id}"])
    assert (tmp_path / "mine" / "file").read_text() == "keep"


def test_a_batch_that_is_being_moved_is_neither_undone_nor_emptied(space):
    full(space)
    batch = batches.begin(space, plan(space, usage(space), ["weights"]).items)
    with batches.alone(space, batch.name):
        for act in (lambda: batches.undo(space, batch.name), lambda: clean(space, batch, quiet)):
            with pytest.raises(CoreError) as error:
                act()
            assert error.value.code == "batch_busy"
        assert empty(space, [batch.name]) == 0 and (space.trash / batch.name).is_dir()


# killed in the middle

CODE = {
    "clean.planned": "batches.begin(space, plan(space, usage(space), CHOICES).items)",
    "clean.moved": "clean(space, batches.begin(space, plan(space, usage(space), CHOICES).items), lambda a, b: None)",
    "clean.undone": "batches.undo(space, sys.argv[2])",
    "clean.dropped": "empty(space, [e.name for e in entries(space, usage(space))])",
}
HEAD = """import sys; from pathlib import Path
from core.care import batches; from core.care.cleaning import *; from core.care.trash import *
from core.care.usage import usage; from core.workspace import Workspace
space = Workspace(Path(sys.argv[1]))
"""


def struck(space: Workspace, point: str, number: int, *more: str) -> bool:
    """Do what passes a point in a process of its own, which is killed there; False where it came through."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + CODE[point], str(space.root), *more],
        env=environment(PEIBI_FAULT=f"{point}:{number}"), capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


def test_killed_while_cleaning_up_nothing_is_lost(space):
    full(space)
    before, listed = lying(space.root), rows(space)
    assert struck(space, "clean.planned", 1)
    [batch] = [entry.name for entry in entries(space, usage(space))]
    batches.undo(space, batch)
    assert lying(space.root) == before
    for number in (1, 5, 9):
        assert struck(space, "clean.moved", number)
        [batch] = [entry.name for entry in entries(space, usage(space))]
        here = lying(space.root)
        there = {name.split("/", 2)[2]: digest for name, digest in here.items() if name.startswith(f"trash/{batch}/")}
        kept = {name: digest for name, digest in here.items() if not name.startswith("trash/")}
        emptied = dict.fromkeys(set(kept) - set(before), "")  # folders of which everything went
        assert kept | {n: d for n, d in there.items() if n != batches.MANIFEST} == before | emptied
        if number == 5:  # it can go on as well
            clean(space, batches.read(space, batch), quiet)
        assert struck(space, "clean.undone", 1, batch)
        batches.undo(space, batch)
        assert lying(space.root) == before and rows(space) == listed


def test_killed_while_emptying_it_goes_on(space):
    ids = full(space)
    delete(space.root, [ids["only"], ids["bad"]])
    assert struck(space, "clean.dropped", 1)
    assert len(entries(space, usage(space))) == 1
    assert empty(space, []) == 0
    assert len(list(space.trash.iterdir())) == 1


def test_the_run_goes_on_after_it_was_killed(space, monkeypatch):
    full(space)
    batch = batches.begin(space, plan(space, usage(space), CHOICES).items)
    spec = RunSpec("clean", {}, {"batch": batch.name})
    monkeypatch.setenv("PEIBI_FAULT", "clean.moved:4")
    id = space.submit(spec)[0].id
    monkeypatch.delenv("PEIBI_FAULT")
    wait(space, [id], lambda runs: None)
    space.submit(spec)
    [run] = wait(space, [id], lambda runs: None)
    assert run.state == "succeeded"
    assert space.result(id) == {
        "batch": batch.name, "items": len(batch.items), "bytes": sum(i.bytes for i in batch.items), "left": 0,
    }  # fmt: skip


# the command line


def test_commands(space, core, capsys, tmp_path):
    ids = full(space)
    assert ("disk", tuple(CHOICES)) == ("disk", CLEAN)

    def disk(*more: object, status: int = 0) -> dict:
        assert main(["disk", *map(str, more), "--json", "--workspace", str(space.root)]) == status
        return json.loads(capsys.readouterr().out)

    for by in ("kind", "project", "corpus", "run", "model", "trash"):
        done = disk("--by", by)
        assert done["by"] == by and isinstance(done["lines"], list)
    preview = disk("--clean", "weights", "--clean", "cache")
    assert preview["batch"] is None and len(preview["items"]) == 3 and preview["bytes"] > 18_000
    assert (space.run_folder(ids["good"]) / "model").exists()
    done = disk("--clean", "weights", "--yes")
    assert not (space.run_folder(ids["good"]) / "model").exists()
    assert disk("--undo", done["batch"])["items"] == 2
    assert (space.run_folder(ids["good"]) / "model").exists()
    batch = disk("--clean", "weights", "--yes")["batch"]
    assert disk("--empty-trash")["emptied"] == [] and (space.trash / batch).exists()
    assert disk("--empty-trash", "--yes")["emptied"] == [batch] and not (space.trash / batch).exists()
    assert disk("--clean", "everything", status=2)["error"]["code"] == "usage"
    assert disk("--undo", "clean-7", status=2)["error"]["code"] == "batch_unknown"
    told = core("disk", "--clean", "logs", "--workspace", space.root, "--lang", "zh_CN", folder=tmp_path)
    assert told.status == 0 and "log.txt" in told.stdout and "日志" in told.stdout
