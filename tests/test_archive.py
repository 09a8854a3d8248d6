"""Archives: a round trip through real runs, and every attack of a hostile file stopped before anything comes in."""

import hashlib
import io
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from core import project as projects
from core.__main__ import main
from core.archive import documents
from core.archive.contents import contents
from core.archive.entries import KINDS, MANIFEST, MOST_ENTRIES, PLACES, Entry, Manifest, manifest_lines
from core.archive.export import _behaviours, archive_of, start
from core.archive.unpack import STAGING, run, spec_of, unpacked
from core.errors import CoreError
from core.groups import groups
from core.jobs.folder import read_json
from core.jobs.trainer import Context
from core.launch import estimate, standing
from core.models.checks import manifest_of
from core.params import digest
from core.runs import RunSpec
from core.sample import open_sample
from core.submit import result_of, wait
from core.workspace import Workspace
from tests.conftest import ROOT, environment
from tests.workshop import lying, rows

Entries = dict[str, bytes]


def quiet(runs) -> None:
    pass


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the sample and its archive; never changed."""
    workspace = Workspace.open(tmp_path_factory.mktemp("home") / "ws")
    open_sample(workspace, "newsroom")
    result_of(workspace, start(workspace, projects.load(workspace, "newsroom"), False, False), quiet)
    return workspace


@pytest.fixture(scope="module")
def archive(home: Workspace) -> Path:
    [run] = home.store.list(kind="export")
    found = archive_of(home, run)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def small(archive: Path) -> Entries:
    """The entries of an archive with the import, a pool, one training and what these need; without the manifest."""
    with zipfile.ZipFile(archive) as file:
        found = {name: file.read(name) for name in file.namelist() if name != MANIFEST}
    kinds: dict[str, list[str]] = {}
    for name in found:
        if name.endswith("/spec.json"):
            kinds.setdefault(json.loads(found[name])["kind"], []).append(name.split("/")[1])
    kept = {*kinds["import"], kinds["augment"][0], kinds["train"][0]}
    return {name: data for name, data in found.items() if not name.startswith("runs/") or name.split("/")[1] in kept}


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "ws")


def listing(entries: Mapping[str, bytes], **about: object) -> bytes:
    listed = tuple(Entry(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in entries.items())
    head = Manifest("newsroom", False, False, _behaviours(), listed)
    return manifest_lines(replace(head, **about))


def zipped(entries: Mapping[str, bytes], manifest: bytes | None = None, *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive as Peibi writes one, of whatever entries."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as file:
        file.writestr(zipfile.ZipInfo(MANIFEST), listing(entries) if manifest is None else manifest, method)
        for name, data in entries.items():
            file.writestr(zipfile.ZipInfo(name), data, method)
    return target.getvalue()


def ordered(entries: Mapping[str, bytes]) -> Entries:
    return dict(sorted(entries.items()))


def context(space: Workspace, file: Path) -> Context:
    """What the code of an unpacking is given, without a process of its own."""
    spec = RunSpec("unpack", {"archive": f"file:{'0' * 64}"})
    folder = space.run_folder(spec.id)
    folder.mkdir(exist_ok=True)
    return Context(space.root, folder, spec, {"inputs": {"archive": str(file)}}, 1)


def brought(space: Workspace, data: bytes) -> str:
    """Unpack an archive here and now. -> the project"""
    file = space.root.parent / "incoming.zip"
    file.write_bytes(data)
    ctx = context(space, file)
    run(ctx)
    return read_json(ctx.folder / "result.json")["project"]


def refused(space: Workspace, data: bytes) -> CoreError:
    """What is said of an archive that isn't let in; the workspace must be as it was."""
    before = lying(space.root)
    with pytest.raises(CoreError) as error:
        brought(space, data)
    shutil.rmtree(context(space, space.root).folder)
    after = {name: digest for name, digest in lying(space.root).items() if not name.startswith("runs/" + "0")}
    assert after == before and not space.store.list() and not projects.names(space)
    return error.value


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    """A command of the command line in this process, which must succeed."""
    assert main([str(argument) for argument in arguments] + ["--json"]) == 0
    return json.loads(capsys.readouterr().out)


# the round trip


def test_a_project_lives_elsewhere_as_it_did_at_home(home, archive, space, capsys):
    sha = space.add_file(archive, "a.zip")
    done = result_of(space, space.submit(spec_of(space, sha))[0], quiet)
    assert done == {
        "project": "newsroom", "title": "Newsroom", "runs": 45,
        "new": {"files": 5, "corpora": 8, "models": 0, "runs": 45},
    }  # fmt: skip
    mine = {id: row for id, row in rows(home).items() if row[0] != "export"}
    assert {id: row for id, row in rows(space).items() if row[0] != "unpack"} == mine
    for split in ("dev", "test"):
        asked = ("compare", "newsroom", "--split", split, "--workspace")
        assert command(capsys, *asked, space.root) == command(capsys, *asked, home.root)
    project = projects.load(space, "newsroom")
    assert projects.text_of(project) == projects.text_of(projects.load(home, "newsroom"))
    assert len(groups(space, "newsroom")) == 5
    stage = standing(space, project).stage
    assert stage is not None and not standing(space, project).waiting
    assert estimate(space, project, stage, project.mixes, range(8)).new == 0  # every run counts as done
    assert not (space.run_folder(spec_of(space, sha).id) / STAGING).exists()


def test_files_are_the_same_after_a_second_trip(home, archive, space):
    brought(space, archive.read_bytes())
    again = start(space, projects.load(space, "newsroom"), False, False)
    result_of(space, again, quiet)
    second = archive_of(space, space.store.get(again.id))
    assert second is not None
    with zipfile.ZipFile(archive) as one, zipfile.ZipFile(second) as two:
        changed = {name for name in one.namelist() if name not in two.namelist() or one.read(name) != two.read(name)}
        assert one.namelist() == two.namelist()
    assert changed <= {MANIFEST} | {name for name in changed if re.search(r"(resolved|run)\.json$|\.arrow$", name)}
    theirs = {path.name: path for path in space.corpora.glob("*.arrow")}
    for path in home.corpora.glob("*.arrow"):
        assert theirs[path.name].read_bytes() == path.read_bytes()


def test_the_same_project_is_the_same_export(home, archive, tmp_path):
    space = Workspace(shutil.copytree(home.root, tmp_path / "ws"))
    project = projects.load(space, "newsroom")
    [known] = [run.id for run in space.store.list(kind="export")]
    assert start(space, project, False, False).id == known
    assert spec_id(space, weights=True) != known
    projects.record(space, "newsroom", {"event": "look", "split": "test", "groups": [], "runs": []})
    assert spec_id(space) != known
    other = Workspace(shutil.copytree(home.root, tmp_path / "other"))
    shutil.rmtree(other.run_folder(known))
    other.store.rebuild()
    result_of(other, start(other, project, False, False), quiet)
    assert (other.run_folder(known) / "newsroom.zip").read_bytes() == archive.read_bytes()  # to the byte


def spec_id(space: Workspace, weights: bool = False) -> str:
    from core.archive.export import ExportParams
    from core.params import canonical

    found = contents(space, projects.load(space, "newsroom"), weights, False)
    return RunSpec("export", {}, canonical(ExportParams("newsroom", found.state, weights))).id


def test_an_archive_that_was_cleaned_up_is_written_again(home, tmp_path):
    space = Workspace(shutil.copytree(home.root, tmp_path / "ws"))
    [known] = space.store.list(kind="export")
    (space.run_folder(known.id) / "newsroom.zip").unlink()
    again = start(space, projects.load(space, "newsroom"), False, False)
    assert again.id != known.id
    result_of(space, again, quiet)
    assert archive_of(space, space.store.get(again.id)) is not None


def test_what_an_archive_does_not_hold(home, archive):
    names = zipfile.ZipFile(archive).namelist()
    assert names[0] == MANIFEST and names[1:] == sorted(names[1:])
    assert not [name for name in names if re.search(r"checkpoints|best/|lock|log\.txt|model|cache|runs\.db", name)]
    assert all(any(pattern.fullmatch(name) for pattern, _ in PLACES) for name in names[1:])
    text = b"".join(
        zipfile.ZipFile(archive).read(name) for name in names if name.endswith((".json", ".jsonl", ".yaml"))
    )
    assert str(home.root).encode() not in text and b"/root" not in text and b"/home" not in text


def safetensors(size: int) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def with_weights(space: Workspace) -> tuple[str, str]:
    """Give one run of the sample weights, and put an encoder there. -> run, encoder"""
    run_id = space.store.list(kind="train")[0].id
    folder = space.run_folder(run_id)
    draft = space.models / "draft"
    draft.mkdir()
    (draft / "config.json").write_text('{"model_type": "bert"}')
    (draft / "tokenizer.json").write_text("{}")
    (draft / "model.safetensors").write_bytes(safetensors(3_000_000))
    identity = manifest_of(draft)
    draft.rename(space.models / identity)
    base = read_json(folder / "spec.json")["inputs"]["model"].removeprefix("model:")
    (folder / "model").mkdir()
    meta = {"base": base, "task": "tagging", "language": "en", "labels": ["a"], "max_length": 8}
    (folder / "model" / "model.json").write_text(json.dumps(meta))
    (folder / "model" / "trained.safetensors").write_bytes(safetensors(2_000_000))
    (folder / "checkpoints").mkdir()
    return run_id, identity


def test_weights_and_encoders_come_along_by_choice(home, tmp_path, space):
    source = Workspace(shutil.copytree(home.root, tmp_path / "home"))
    run_id, identity = with_weights(source)
    base = read_json(source.run_folder(run_id) / "spec.json")["inputs"]["model"].removeprefix("model:")
    (source.models / identity).rename(source.models / base)  # by a name that its files don't have
    project = projects.load(source, "newsroom")
    found = contents(source, project, True, True)
    assert found.left_out == (base,)
    assert [part.name for part in found.entries if "model/" in part.name] == [
        f"runs/{run_id}/model/model.json", f"runs/{run_id}/model/trained.safetensors",
    ]  # fmt: skip
    result = result_of(source, start(source, project, True, True), quiet)
    assert result["left_out"] == [base]
    export = next(run for run in source.store.list(kind="export") if source.result(run.id)["left_out"])
    written = archive_of(source, export)
    assert written is not None
    brought(space, written.read_bytes())
    assert (space.run_folder(run_id) / "model" / "trained.safetensors").read_bytes() == safetensors(2_000_000)


def test_an_encoder_is_brought_in_under_its_identity(small, space, tmp_path):
    source = Workspace.open(tmp_path / "other")
    draft = source.models / "draft"
    draft.mkdir()
    (draft / "config.json").write_text('{"model_type": "bert"}')
    (draft / "model.safetensors").write_bytes(safetensors(100))
    identity = manifest_of(draft)
    entries = {f"models/{identity}/{path.name}": path.read_bytes() for path in draft.iterdir()}
    brought(space, zipped(ordered(small | entries)))
    assert manifest_of(space.models / identity) == identity
    other = Workspace.open(tmp_path / "third")
    wrong = {name: data + b" " if name.endswith("config.json") else data for name, data in entries.items()}
    assert refused(other, zipped(ordered(small | wrong))).code == "archive_damaged"


def test_a_project_that_reads_outside_is_not_exported(home, tmp_path):
    space = Workspace(shutil.copytree(home.root, tmp_path / "ws"))
    outside = replace(
        projects.load(space, "newsroom"), recipe=replace(projects.load(space, "newsroom").recipe, data="/x")
    )
    with pytest.raises(CoreError) as error:
        contents(space, outside, False, False)
    assert (error.value.code, error.value.values["name"]) == ("export_outside", "/x")


def test_the_folders_of_a_machine_stay_there(home, tmp_path):
    space = Workspace(shutil.copytree(home.root, tmp_path / "ws"))
    projects.edit(
        space, "newsroom",
        lambda p: replace(p, recipe=replace(p.recipe, train=replace(p.recipe.train, model="/home/me/secret/my bert"))),
        {"event": "train", "time": 1.0},
    )  # fmt: skip
    found = contents(space, projects.load(space, "newsroom"), False, False)
    text = next(part.data for part in found.entries if part.name == "project.yaml").decode()
    assert "secret" not in text and "./my-bert" in text


# names that are taken, things that are there


def test_what_is_there_stays_and_a_taken_name_gets_a_number(small, space):
    assert brought(space, zipped(small)) == "newsroom"
    own = f"runs/{context(space, space.root).folder.name}"
    before = {name: (space.root / name).stat().st_ino for name in lying(space.root) if not name.startswith(own)}
    first = projects.load(space, "newsroom")
    shutil.rmtree(context(space, space.root).folder)
    mine = next(space.corpora.glob("newsroom.json"))
    mine.write_text(json.dumps({"sources": {"file": {"name": "other"}}, "inputs": {"file": f"file:{'12' * 32}"}}))
    events = space.root / "projects" / "newsroom" / "events.jsonl"
    events.write_text("".join(line for line in events.read_text().splitlines(True) if "unpacked" not in line))
    assert brought(space, zipped(small)) == "newsroom-2"
    second = projects.load(space, "newsroom-2")
    assert (first.recipe.data, second.recipe.data) == ("corpus:newsroom", "corpus:newsroom-2")
    assert [part.file for part in second.ingredients.values() if hasattr(part, "file")] == [
        part.file for part in first.ingredients.values() if hasattr(part, "file")
    ]
    changed = {name for name, inode in before.items() if (space.root / name).stat().st_ino != inode}
    assert not changed
    assert standing(space, second).runs["import"].state == "succeeded"


def test_unpacked_once_and_again_when_the_project_is_gone(small, space):
    sha = space.add_stream(io.BytesIO(zipped(small)), "a.zip")
    first = spec_of(space, sha)
    result_of(space, space.submit(first)[0], quiet)
    assert spec_of(space, sha) == first and unpacked(space, first.id) == "newsroom"
    assert space.submit(first)[1]
    projects.delete(space, "newsroom")
    second = spec_of(space, sha)
    assert second.repeat == 1
    assert result_of(space, space.submit(second)[0], quiet)["new"] == {"files": 0, "corpora": 0, "models": 0, "runs": 0}
    assert projects.names(space) == ["newsroom"]


# hostile files


def raw(
    entries: Mapping[str, bytes], change: Callable[[bytearray, int, str], None], manifest: bytes | None = None
) -> bytes:
    """An archive whose local headers are changed: change(the file, where a header begins, its entry's name)."""
    data = bytearray(zipped(entries))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as file:
        places = [(info.header_offset, info.filename) for info in file.infolist()]
    for at, name in places:
        change(data, at, name)
    return bytes(data)


def flagged(bits: int, target: str) -> Callable[[Entries], bytes]:
    def change(data: bytearray, at: int, name: str) -> None:
        if name == target:
            struct.pack_into("<H", data, at + 6, struct.unpack_from("<H", data, at + 6)[0] | bits)

    return lambda entries: raw(entries, change)


def packed_by(method: int) -> Callable[[Entries], bytes]:
    return lambda entries: zipped(entries, method=method)


def named(name: str, data: bytes = b"x") -> Callable[[Entries], bytes]:
    """An archive with one entry more, whose list says so."""
    return lambda entries: zipped(ordered(entries | {name: data}))


def renamed(old: str, new: str) -> Callable[[Entries], bytes]:
    """The list is as it should be, an entry's own header says another name."""

    def act(entries: Entries) -> bytes:
        def change(data: bytearray, at: int, name: str) -> None:
            if name == old:
                data[at + 30 : at + 30 + len(old)] = new.encode().ljust(len(old), b"_")[: len(old)]

        return raw(entries, change)

    return act


def link(entries: Entries) -> bytes:
    """A symlink, by what the directory says."""
    entries, target = ordered(entries | {"names.json": b"../../../etc/passwd"}), io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr(MANIFEST, listing(entries))
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            file.writestr(info, data)
    return target.getvalue()


def twice(entries: Entries) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        target = io.BytesIO(zipped(entries))
        with zipfile.ZipFile(target, "a") as file:
            file.writestr("project.yaml", b"data: /etc/passwd")
        return target.getvalue()


def listed_twice(entries: Entries) -> bytes:
    lines = listing(entries).splitlines(True)
    return zipped(entries, b"".join([*lines, lines[-1]]))


def overlapping(entries: Entries) -> bytes:
    """The list has two entries; the directory lets both lie at one place of the file."""
    one, two = f"files/{hashlib.sha256(b'').hexdigest()}", "project.yaml"
    data = zipped({one: b""}, listing({one: b"", two: b""}))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        at = file.getinfo(one).header_offset
    end = data.rindex(b"PK\5\6")
    more = (
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(two), 0, 0, 0, 0, 0, at) + two.encode()
    )
    return data[:end] + more + data[end:]


def edited(name: str, change: Callable[[bytes], bytes]) -> Callable[[Entries], bytes]:
    """One entry changed, and the list with it."""

    def act(entries: Entries) -> bytes:
        [found] = [key for key in entries if re.fullmatch(name, key)][:1]
        return zipped(entries | {found: change(entries[found])})

    return act


def json_edit(name: str, change: Callable[[dict], None]) -> Callable[[Entries], bytes]:
    def act(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value).encode()

    return edited(name, act)


def of_kind(kind: str, file: str, change: Callable[[dict], None]) -> Callable[[Entries], bytes]:
    """A document of the first run of a kind changed."""

    def act(entries: Entries) -> bytes:
        ids = [
            key.split("/")[1]
            for key in entries
            if key.endswith("/spec.json") and json.loads(entries[key])["kind"] == kind
        ]
        return json_edit(f"runs/{ids[0]}/{file}", change)(entries)

    return act


def yaml(old: str, new: str) -> Callable[[Entries], bytes]:
    return edited("project.yaml", lambda data: data.replace(old.encode(), new.encode()))


def naming(file: str) -> Callable[[Entries], bytes]:
    """A project with a method that draws names from a file."""
    made = f"ingredients:\n  x: {{augmenter: mention_replacement, params: {{gazetteer: '{file}'}}}}\n"
    return yaml("ingredients:\n", made)


def event(**more: object) -> Callable[[Entries], bytes]:
    line = {
        "time": 1.0,
        "event": "launch",
        "group": "0" * 12,
        "mix": "m",
        "asked": {},
        "train": {},
        "corpora": {},
        "seeds": {},
    }
    return edited("events.jsonl", lambda data: data + json.dumps(line | more).encode() + b"\n")


def table(change: Callable[[pa.Table], pa.Table], name: str, **options: object) -> Callable[[Entries], bytes]:
    """An Arrow file written by somebody else."""

    def act(data: bytes) -> bytes:
        read = pa.ipc.open_file(data).read_all()
        target = io.BytesIO()
        made = change(read).replace_schema_metadata(read.schema.metadata)
        with pa.ipc.new_file(target, made.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(made)
        return target.getvalue()

    return edited(name, act)


def swapped(found: pa.Table, name: str, values: list) -> pa.Table:
    at = found.schema.get_field_index(name)
    return found.set_column(at, found.schema.field(at), pa.array(values, found.schema.field(at).type))


def broken_offsets(data: bytes) -> bytes:
    """The offsets of a list point far behind its values, in a file that is right otherwise."""
    found = pa.ipc.open_file(data).read_all().column("tokens").chunk(0)
    offsets = found.buffers()[1].to_pybytes()[: 4 * (len(found) + 1)]
    assert data.count(offsets) >= 1
    return data.replace(offsets, offsets[:-4] + struct.pack("<i", 2_000_000_000), 1)


CORPUS, PREDICTED = r"corpora/\w+\.arrow", r"runs/\w+/predictions-\w+\.arrow"
SPEC, RESULT = r"runs/\w+/spec.json", r"runs/\w+/result.json"
GROWING = "\n".join(
    ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 7)), "title: Newsroom"]
)
Attack = Callable[[Entries], bytes]


def without_list(entries: Entries) -> bytes:
    return zipped(entries).replace(MANIFEST.encode(), b"nanifest.jsonl")


def with_list(change: Callable[[bytes], bytes]) -> Attack:
    """The entries as they are, under another list."""
    return lambda entries: zipped(entries, change(listing(entries)))


def as_listed(change: Callable[[Entries], Entries]) -> Attack:
    """Other entries than the list says."""
    return lambda entries: zipped(change(entries), listing(entries))


def unknown_predictions(entries: Entries) -> bytes:
    return zipped(ordered({re.sub("predictions-....", "predictions-0000", name): d for name, d in entries.items()}))


def many_parts(entries: Entries) -> bytes:
    [name] = [name for name in entries if re.fullmatch(SPEC, name)][:1]
    return zipped(entries | {name: b'{"a":[' + b"[]," * 500_000 + b"1]}"}, method=zipfile.ZIP_STORED)


def no_such_label(found: pa.Table) -> pa.Table:
    return swapped(found, "tags", [["B-x"] * len(words) for words in found["tokens"].to_pylist()])


def no_tags(found: pa.Table) -> pa.Table:
    return swapped(found, "tags", [[] for _ in range(len(found))])


def input_of(role: str, value: str) -> Callable[[dict], None]:
    return lambda data: data["inputs"].update({role: value})


def named_input(value: str) -> Callable[[dict], None]:
    return lambda data: data["newsroom"]["inputs"].update(train=value)


ZIPS: dict[str, tuple[Attack, str]] = {
    "empty file": (lambda entries: b"", "unknown"),
    "no zip": (lambda entries: b"GIF89a" * 100, "unknown"),
    "some other zip": (lambda entries: zipped({}, b"hello"), "unknown"),
    "an empty zip": (lambda entries: b"PK\5\6" + bytes(18), "unknown"),
    "a zip without a list": (without_list, "unknown"),
    "cut in the middle": (lambda entries: zipped(entries)[: len(zipped(entries)) // 2], "cut"),
    "cut before the directory": (lambda entries: zipped(entries)[: zipped(entries).index(b"PK\1\2")], "cut"),
    "a newer version": (with_list(lambda lines: lines.replace(b'"archive": 1', b'"archive": 2')), "newer"),
    "absolute": (named("/etc/cron.d/x"), "entry"),
    "parent": (named("../../x"), "entry"),
    "parent inside": (named("files/../../x"), "entry"),
    "backslash": (named("files\\..\\x"), "entry"),
    "nul": (named("files/" + "a" * 64 + "\0.txt"), "entry"),
    "drive": (named("C:/x"), "entry"),
    "device": (named("CON"), "entry"),
    "device in a folder": (named("runs/NUL/spec.json"), "entry"),
    "a folder": (named("runs/0123456789abcdef/", b""), "entry"),
    "other case": (named("Project.yaml"), "entry"),
    "other case of a digest": (named("files/" + "A" * 64), "entry"),
    "line break at the end": (named("project.yaml\n"), "entry"),
    "5,000 characters": (named("files/" + "a" * 5000), "entry"),
    "right-to-left override": (named("files/\u202egnp.exe"), "entry"),
    "pickle": (named("runs/0123456789abcdef/model/pytorch_model.bin"), "entry"),
    "pickle of an encoder": (named(f"models/{'a' * 64}/training_args.bin"), "entry"),
    "code": (named(f"models/{'a' * 64}/modeling.py"), "entry"),
    "nested zip": (named("inner.zip", b"PK\3\4"), "entry"),
    "a checkpoint": (named("runs/0123456789abcdef/checkpoints/step-00000001/state.json"), "entry"),
    "a lock": (named("runs/0123456789abcdef/lock"), "entry"),
    "another name in the header": (renamed("project.yaml", "../../p.yaml"), "order"),
    "link": (link, "document"),
    "an entry twice": (twice, "order"),
    "listed twice": (listed_twice, "twice"),
    "entries that share bytes": (overlapping, "order"),
    "not in order": (lambda entries: zipped(dict(reversed(entries.items()))), "twice"),
    "encrypted": (flagged(1, "project.yaml"), "packing"),
    "sizes behind the data": (flagged(8, "project.yaml"), "packing"),
    "bzip2": (packed_by(zipfile.ZIP_BZIP2), "packing"),
    "lzma": (packed_by(zipfile.ZIP_LZMA), "packing"),
    "other bytes than listed": (as_listed(lambda e: e | {"project.yaml": e["project.yaml"][::-1]}), "damaged"),
    "more bytes than listed": (as_listed(lambda e: e | {"project.yaml": e["project.yaml"] * 2}), "large"),
    "fewer bytes than listed": (as_listed(lambda e: e | {"project.yaml": b""}), "damaged"),
    "an entry less": (as_listed(lambda e: {n: d for n, d in e.items() if n != "project.yaml"}), "order"),
    "an entry more": (as_listed(lambda e: {**e, "zz": b"x"}), "order"),
    "a negative size": (with_list(lambda lines: re.sub(rb'l", \d+', b'l", -1', lines)), "unknown"),
    "an upload that is another": (named(f"files/{'0' * 64}"), "damaged"),
    "a project that is a path": (lambda entries: zipped(entries, listing(entries, project="../../x")), "document"),
    "a project without a name": (lambda entries: zipped(entries, listing(entries, project="")), "document"),
}  # fmt: skip
TABLES: dict[str, tuple[Attack, str]] = {
    "corpus of other rows": (table(lambda found: found.slice(1), CORPUS), "damaged"),
    "corpus with a column more": (table(lambda found: found.append_column("x", pa.nulls(len(found))), CORPUS), "table"),
    "corpus that is compressed": (table(lambda found: found, CORPUS, compression="zstd"), "table"),
    "corpus with broken offsets": (edited(CORPUS, broken_offsets), "table"),
    "corpus cut": (edited(CORPUS, lambda data: data[:2000]), "table"),
    "corpus of nothing": (edited(CORPUS, lambda data: b""), "table"),
    "corpus of noise": (edited(CORPUS, lambda data: b"ARROW1\0\0" + os.urandom(3000)), "table"),
    "tags that no label has": (table(no_such_label, CORPUS), "table"),
    "fewer tags than words": (table(no_tags, CORPUS), "table"),
    "predictions of other rows": (table(lambda found: found.slice(1), PREDICTED), "table"),
    "predictions too short": (table(lambda t: swapped(t, "predicted", [["O"]] * len(t)), PREDICTED), "table"),
    "predictions of nothing known": (unknown_predictions, "absent"),
}  # fmt: skip
DOCUMENTS: dict[str, tuple[Attack, str]] = {
    "a spec of another run": (of_kind("train", "spec.json", lambda d: d["params"].update(seed=99)), "document"),
    "a kind that no project has": (of_kind("train", "spec.json", lambda d: d.update(kind="selftest")), "document"),
    "an input that is a path": (of_kind("train", "spec.json", input_of("gold", "corpus:../../x")), "document"),
    "inputs that lie elsewhere": (of_kind("train", "resolved.json", input_of("gold", "/etc/passwd")), "document"),
    "a run that is not done": (of_kind("train", "run.json", lambda d: d.update(state="queued")), "document"),
    "a run of another name": (of_kind("train", "run.json", lambda d: d.update(id="0" * 16)), "document"),
    "a result without scores": (of_kind("train", "result.json", lambda d: d.pop("best_dev")), "document"),
    "a corpus that is a path": (of_kind("augment", "result.json", lambda d: d.update(corpus="../../x")), "document"),
    "a corpus that is not there": (of_kind("augment", "result.json", lambda d: d.update(corpus="0" * 64)), "absent"),
    "corpora that are paths": (of_kind("import", "result.json", lambda d: d["corpora"].update(dev="../x")), "document"),
    "deep JSON": (edited(SPEC, lambda data: b'{"a":' + b"[" * 200_000), "document"),
    "JSON of many parts": (many_parts, "document"),
    "a long number": (edited(SPEC, lambda data: b'{"a":' + b"9" * 5000 + b"}"), "document"),
    "NaN": (edited(RESULT, lambda data: b'{"best_dev": NaN}'), "document"),
    "no JSON": (edited(RESULT, lambda data: b"\xff\xfe"), "document"),
    "metrics that are no numbers": (edited(".*metrics-1.jsonl", lambda d: d + b'{"step": "x"}\n'), "document"),
    "data of this machine": (yaml("data: corpus:newsroom\n", "data: {train: /etc/passwd}\n"), "outside"),
    "an ingredient of this machine": (yaml("file: corpus:harbour", "file: ../../../etc/passwd"), "outside"),
    "a method that reads this machine": (naming("/etc/passwd"), "outside"),
    "a method that reads what is not there": (naming(f"file:{'0' * 64}/a.csv"), "absent"),
    "data of a hub": (yaml("data: corpus:newsroom\n", "data: hub:evil/data\n"), "outside"),
    "a name that did not come along": (yaml("data: corpus:newsroom\n", "data: corpus:mine\n"), "outside"),
    "an encoder of this machine": (yaml("  steps: 100", "  steps: 100\n  model: /etc"), "document"),
    "an encoder beside": (yaml("  steps: 100", "  steps: 100\n  model: ../../models/x"), "document"),
    "a sample that is a path": (yaml("sample: newsroom", "sample: ../x"), "document"),
    "YAML that grows": (yaml("title: Newsroom", GROWING), "yaml_too_large"),
    "YAML that makes objects": (yaml("title: Newsroom", "title: !!python/object/apply:os.system [id]"), "yaml_syntax"),
    "YAML that is a list": (edited("project.yaml", lambda data: b"- 1\n"), "document"),
    "a group of paths": (event(corpora={"dev": "../../x"}), "document"),
    "a group of nothing": (event(group="../x"), "document"),
    "a group of an encoder of this machine": (event(train={"model": "/etc"}), "document"),
    "a mix that is none": (event(asked={"parts": {"x": "y"}}), "document"),
    "a line that is no event": (edited("events.jsonl", lambda data: data + b"[]\n"), "document"),
    "a name that is a path": (json_edit("names.json", lambda d: d.update({"../x": d["newsroom"]})), "document"),
    "a name without its file": (json_edit("names.json", named_input(f"file:{'0' * 64}")), "absent"),
    "a name of a path": (json_edit("names.json", named_input("file:../../x")), "document"),
}  # fmt: skip
ATTACKS = ZIPS | TABLES | DOCUMENTS


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_hostile_is_let_in(small, space, attack):
    make, code = ATTACKS[attack]
    found = refused(space, make(small))
    assert found.code in (code, f"archive_{code}"), found.values


def test_what_is_not_hostile_is_let_in(small, space):
    assert brought(space, zipped(small)) == "newsroom"
    assert brought(Workspace.open(space.root.parent / "two"), zipped(small, method=zipfile.ZIP_STORED)) == "newsroom"


@pytest.mark.parametrize("base", ["another", ""])
def test_weights_are_those_of_their_run(small, space, base):
    [run_id] = [key.split("/")[1] for key in small if key.endswith("spec.json") and b'"train"' in small[key][:20]]
    meta = {"base": base * 8, "task": "tagging", "language": "en", "labels": ["a"], "max_length": 8}
    more = {f"runs/{run_id}/model/model.json": json.dumps(meta).encode()}
    more[f"runs/{run_id}/model/trained.safetensors"] = safetensors(10)
    assert refused(space, zipped(ordered(small | more))).code == "archive_document"
    base = json.loads(small[f"runs/{run_id}/spec.json"])["inputs"]["model"].removeprefix("model:")
    more[f"runs/{run_id}/model/model.json"] = json.dumps(meta | {"base": base}).encode()
    broken = {f"runs/{run_id}/model/trained.safetensors": b"\x80\x04pickle" * 10}
    assert refused(space, zipped(ordered(small | more | broken))).code == "model_bad_weights"
    assert brought(space, zipped(ordered(small | more))) == "newsroom"


# bombs: what is small and would be large. Each in one process, whose memory is measured


def deflated(size: int) -> bytes:
    """So many zero bytes, packed; without holding them."""
    pack, out = zlib.compressobj(9, zlib.DEFLATED, -15), []
    for _ in range(size >> 20):
        out.append(pack.compress(bytes(1 << 20)))
    return b"".join([*out, pack.flush()])


def header(name: str, packed: int, size: int, method: int = 8, extra: bytes = b"") -> bytes:
    return (
        struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, method, 0, 0, 0, packed, size, len(name), len(extra))
        + name.encode()
        + extra
    )


def first(lines: bytes) -> bytes:
    """The manifest as the first entry."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = pack.compress(lines) + pack.flush()
    return header(MANIFEST, len(packed), len(lines)) + packed


def bombs() -> dict[str, tuple[bytes, str]]:
    zeros = deflated(1 << 28)
    sha = "a" * 64
    large = [Entry(f"files/{sha}", 1 << 28, sha)]
    head = Manifest("newsroom", False, False, _behaviours(), ())
    tiny = manifest_lines(replace(head, entries=(Entry(f"files/{sha}", 10, sha),)))
    honest = manifest_lines(replace(head, entries=tuple(large)))
    many = replace(head, entries=tuple(Entry(f"files/{n:064x}", 1, sha) for n in range(MOST_ENTRIES + 5)))
    huge = tuple(Entry(f"files/{n:064x}", 8 << 30, sha) for n in range(9))
    line = json.dumps([f"files/{sha}", 1, sha]).encode()[:-1] + b" " * (16 << 20)
    zip64 = struct.pack("<HHQQ", 1, 16, 1 << 40, 1 << 40)
    files, one = f"files/{sha}", replace(head, entries=(Entry("project.yaml", 1 << 30, sha),))
    behind = deflated(0) + bytes(64 << 20)
    return {
        "a bomb": (first(honest) + header(files, len(zeros), 1 << 28) + zeros, "ratio"),
        "a lying header": (first(tiny) + header(files, len(zeros), 10) + zeros, "large"),
        "a list that is a bomb": (header(MANIFEST, len(zeros), 1 << 28) + zeros, "unknown"),
        "a line without end": (first(manifest_lines(head) + line), "unknown"),
        "too many entries": (first(manifest_lines(many)), "entries"),
        "too much in all": (first(manifest_lines(replace(head, entries=huge))), "total"),
        "too large an entry": (first(manifest_lines(one)), "large"),
        "bytes behind the end": (first(honest) + header(files, len(behind), 1 << 28) + behind, "damaged"),
        "sizes beyond the file": (first(honest) + header(files, 0xFFFFFFFF, 0xFFFFFFFF, 0, zip64), "cut"),
        "a directory of gigabytes": (first(manifest_lines(head)) + (b"PK\1\2" + bytes(42)) * 1_000_000, "document"),
    }


def test_bombs_are_stopped_while_they_are_read_and_cost_no_memory(tmp_path):
    found = bombs()
    for number, (data, _) in enumerate(found.values()):
        (tmp_path / f"{number}.zip").write_bytes(data)
    code = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from core.archive.unpack import run
from core.errors import CoreError
from core.jobs.trainer import Context
from core.runs import RunSpec
from core.workspace import Workspace
space = Workspace.open(Path({str(tmp_path / "ws")!r}))
spec = RunSpec("unpack", {{"archive": "file:" + "0" * 64}})
folder = space.run_folder(spec.id)
folder.mkdir()
said = []
for number in range({len(found)}):
    file = Path({str(tmp_path)!r}) / f"{{number}}.zip"
    try:
        run(Context(space.root, folder, spec, {{"inputs": {{"archive": str(file)}}}}, 1))
        said.append("let in")
    except CoreError as error:
        said.append(error.code)
    assert not (folder / "staging").exists() and not (folder / "result.json").exists()
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss has the parent's in it
print(json.dumps([said, int(peak.split()[1]) // 1024]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment())
    assert done.returncode == 0, done.stderr[-2000:]
    said, megabytes = json.loads(done.stdout)
    for name, code in zip(found, said, strict=True):
        assert code == f"archive_{found[name][1]}", name
    assert 30 < megabytes < 200


# killed in the middle


POINTS = (
    "unpack.read:9",
    "unpack.staged:1",
    "unpack.moving:1",
    "unpack.moving:12",
    "unpack.moved:1",
    "unpack.placed:1",
)


UNPACKING = """
import json, os, sys; from pathlib import Path
from core.archive.unpack import run; from core.jobs.trainer import Context
from core.runs import RunSpec; from core.workspace import Workspace
spec = RunSpec("unpack", {"archive": "file:" + "0" * 64})
ended = []
for root, fault in json.loads(sys.argv[1]):  # each in a process of its own
    child = os.fork()
    if not child:
        os.environ["PEIBI_FAULT"] = fault
        space = Workspace.open(Path(root))
        folder = space.run_folder(spec.id); folder.mkdir(exist_ok=True)
        run(Context(space.root, folder, spec, {"inputs": {"archive": sys.argv[2]}}, 1))
        os._exit(0)
    ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(ended))
"""


def unpacking(archive: Path, orders: list[tuple[Workspace, str]]) -> list[int]:
    """Unpack into workspaces, with a fault in each. -> how the processes ended"""
    given = json.dumps([(str(space.root), fault) for space, fault in orders])
    order = [sys.executable, "-c", UNPACKING, given, str(archive)]
    done = subprocess.run(order, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_killed_while_unpacking_nothing_is_half_there(small, tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped(small))
    whole = Workspace.open(tmp_path / "whole")
    brought(whole, zipped(small))
    wanted = settled(whole)
    spaces = {point: Workspace.open(tmp_path / str(number)) for number, point in enumerate(POINTS)}
    assert set(unpacking(tmp_path / "a.zip", [(space, point) for point, space in spaces.items()])) == {-9}
    for point, space in spaces.items():
        there = settled(space)
        assert there.items() <= wanted.items(), point  # whatever is there is there whole, and right
        assert there or point in POINTS[:2], point
        if projects.names(space):
            assert there == wanted and rows(space) == rows(whole), point  # the project comes last
    assert set(unpacking(tmp_path / "a.zip", [(space, "") for space in spaces.values()])) == {0}
    for point, space in spaces.items():
        assert settled(space) == wanted and rows(space) == rows(whole), point
        assert projects.names(space) == ["newsroom"]


def settled(space: Workspace) -> dict[str, str]:
    """What people can see of a workspace: all but the folder of the unpacking, and what names the moment."""
    own = f"runs/{context(space, space.root).folder.name}/"
    found = lying(space.root)
    return {n: "" if n.endswith("events.jsonl") else d for n, d in found.items() if not n.startswith((own, "cache"))}


def test_the_run_is_found_again_after_a_kill(small, space, monkeypatch):
    spec = spec_of(space, space.add_stream(io.BytesIO(zipped(small)), "a.zip"))
    monkeypatch.setenv("PEIBI_FAULT", "unpack.moving:14")
    space.submit(spec)
    monkeypatch.delenv("PEIBI_FAULT")
    [done] = wait(space, [spec.id], quiet)  # it goes on by itself
    assert (done.state, done.attempt, done.resumes) == ("succeeded", 2, 1)
    assert projects.names(space) == ["newsroom"]
    assert len(space.store.list(state="succeeded")) == 4


# no room


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    order = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(order, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_without_room_nothing_begins(home, small, small_disk):
    space = Workspace.open(small_disk / "ws")
    found = refused(space, zipped(small))
    assert found.code == "no_room" and found.values["need"] > found.values["free"]
    shutil.copytree(home.root, small_disk / "home", ignore=shutil.ignore_patterns("*.zip"))
    source = Workspace(small_disk / "home")
    shutil.rmtree(source.run_folder(source.store.list(kind="export")[0].id))
    source.store.rebuild()
    with pytest.raises(CoreError) as error:
        start(source, projects.load(source, "newsroom"), False, False)
    assert error.value.code == "no_room" and not source.store.list(kind="export")


# the command line


def test_commands(home, space, core, capsys, tmp_path):
    out = tmp_path / "n.zip"
    done = command(capsys, "export", "newsroom", "--out", out, "--workspace", home.root)
    assert done["file"] == str(out) and done["bytes"] == out.stat().st_size and zipfile.is_zipfile(out)
    done = command(capsys, "unpack", out, "--workspace", space.root)
    assert (done["project"], done["reused"], done["runs"]) == ("newsroom", False, 45)
    assert command(capsys, "unpack", out, "--workspace", space.root)["reused"] is True
    assert main(["export", "newsroom", "--out", str(tmp_path / "no" / "n.zip"), "--workspace", str(home.root)]) == 2
    assert main(["export", "missing", "--out", str(out), "--workspace", str(home.root)]) == 2
    out.write_bytes(b"PK\3\4" + bytes(100))
    wrong = core("unpack", out, "--json", "--lang", "zh_CN", "--workspace", space.root, folder=tmp_path)
    assert wrong.status == 2 and wrong.json["error"]["code"] == "archive_unknown" and "归档" in wrong.stderr


def test_every_kind_of_run_in_an_archive_has_its_result():
    assert set(documents.RESULTS) == set(KINDS)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_run_may_be_older_than_the_program_that_wrote_it_down_never_newer(version):
    spec = RunSpec("evaluate", {"data": "corpus:" + "0" * 64, "model:0": "run:" + "0" * 16})
    id = digest(spec.to_json() | {"behaviour_version": version})[:16]
    if version == 3:
        with pytest.raises(CoreError, match="not the spec of this run"):
            documents.spec_of(spec.to_json(), id, {"evaluate": 2}, "runs/x/spec.json")
    else:
        assert documents.spec_of(spec.to_json(), id, {"evaluate": 2}, "runs/x/spec.json") == spec
