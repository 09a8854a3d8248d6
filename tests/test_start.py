"""A trained run as the start of another: what is installed, which head is kept, and what it must not have seen."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import HARBOUR
from delivered import harbour, network_of, trained_run

from core import corpus as corpora
from core.archive.documents import model_name
from core.corpus import Corpus
from core.errors import CoreError
from core.jobs.folder import read_json
from core.models import loading, started
from core.models.catalogue import at_hand, install
from core.models.checks import check_folder, manifest_of
from core.models.heads import classes_of
from core.models.started import FILE, start_of, starts
from core.seen import seen, told_or_refused
from core.shelf import folder_of
from core.tasks import task as task_of
from core.tasks.letters import letters, marks
from core.workspace import Workspace

TAGGING = task_of("tagging")
WHOLE = harbour()
GOLD, DEV, OTHER = (WHOLE.take(np.arange(*cut)) for cut in ((0, 40), (40, 50), (50, 60)))
LABELS = WHOLE.schema.labels


def network(folder: Path, labels, seed: int = 7):
    import torch

    torch.manual_seed(seed)
    return loading.network(folder, TAGGING.head, TAGGING.classes(labels))


def of_run(space: Workspace, run: str):
    """The network of a run, as it predicts."""
    folder = space.run_folder(run) / "model"
    meta = loading.ModelMeta.read(folder)
    return loading.load_trained(folder, space.models / meta.base, TAGGING.head, TAGGING.classes(meta.labels))


def same(one, other, where) -> bool:
    import torch

    mine, theirs = one.state_dict(), other.state_dict()
    names = [name for name in mine if where(name)]
    return bool(names) and all(torch.equal(mine[name], theirs[name]) for name in names)


def encoder(name: str) -> bool:
    return name.startswith("bert.")


def head(name: str) -> bool:
    return not encoder(name)


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("start") / "w")


@pytest.fixture(scope="module")
def run(space: Workspace, tiny_model) -> str:
    return trained_run(space, tiny_model, GOLD, DEV)


@pytest.fixture(scope="module")
def folder(space: Workspace, run: str) -> Path:
    return install(f"run:{run}", space.models, space.root).folder


def test_a_run_is_installed_like_any_model(space: Workspace, run: str, folder: Path, monkeypatch):
    check_folder(folder, "model")
    assert folder.name == manifest_of(folder) and folder.parent == space.models
    assert same(network(folder, LABELS), of_run(space, run), lambda name: True)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("made again"))
    assert install(f"run:{run}", space.models, space.root).folder == folder
    assert at_hand(f"run:{run}", space.root, space.models) == folder == folder_of(space, f"run:{run}", space.root)
    assert not [path for path in space.models.iterdir() if path.suffix == ".tmp"]


def test_what_is_known_of_it(space: Workspace, run: str, folder: Path):
    start = start_of(folder)
    assert start is not None and (start.run, start.before, start.labels) == (run, (), LABELS)
    assert start.base == loading.ModelMeta.read(space.run_folder(run) / "model").base
    assert start.corpora == {"gold": GOLD.id}
    assert set(start.texts.tolist()) == set(marks(GOLD.table).tolist())
    assert [found for _, found in starts(space.models)] == [start]


def test_the_head_is_kept_for_the_same_labels_alone(space: Workspace, run: str, folder: Path):
    trained = of_run(space, run)
    others = tuple(f"X{number}" for number in range(len(LABELS)))  # as many, so that the shapes agree
    for labels in (others, LABELS[::-1], LABELS[1:], (*LABELS, "ZZ")):
        fresh = network(folder, labels)
        assert same(fresh, trained, encoder)
        if labels is others or labels == LABELS[::-1]:
            assert not same(fresh, trained, lambda name: name == "classifier.weight")
        assert float(fresh.classifier.weight.detach().std()) == pytest.approx(0.02, rel=0.3)  # as BERT begins
        again = network(folder, labels)
        assert same(fresh, again, head)  # the same seed gives the same head


def test_a_model_that_names_no_classes_begins_with_a_fresh_head(tmp_path: Path, space: Workspace, tiny_model):
    base = install(str(tiny_model), space.models, space.root).folder
    place = tmp_path / "named"
    network_of(base, ("A",), 3).save_pretrained(str(place))
    shutil.copyfile(base / "tokenizer.json", place / "tokenizer.json")
    assert classes_of(place) == ("LABEL_0", "LABEL_1", "LABEL_2")
    found, kept = network(place, ("A",)), network_of(base, ("A",), 3)
    assert same(found, kept, encoder)
    assert not same(found, kept, lambda name: name == "classifier.weight")
    assert not found.classifier.bias.any()  # as BERT begins; what had learned has others
    assert kept.classifier.bias.any()


def test_a_start_of_a_start(space: Workspace, run: str, folder: Path):
    second = trained_run(space, f"run:{run}", OTHER, DEV, seed=1)
    found = install(f"run:{second}", space.models, space.root).folder
    start = start_of(found)
    assert start is not None and (start.before, start.base) == ((run,), folder.name)
    assert set(start.texts.tolist()) == set(marks(GOLD.table).tolist()) | set(marks(OTHER.table).tolist())
    trained = of_run(space, second)
    assert same(network(found, LABELS), trained, lambda name: True)
    words = "bert.embeddings.word_embeddings.weight"  # frozen in the second: those of the first, not of the encoder
    assert same(network(found, LABELS), network(folder, LABELS), lambda name: name == words)
    third = trained_run(space, f"run:{second}", OTHER, DEV, seed=2)
    last = start_of(install(f"run:{third}", space.models, space.root).folder)
    assert last is not None and last.before == (run, second)


def test_it_outlives_the_weights_of_the_run_and_follows_new_ones(space: Workspace, tiny_model):
    run = trained_run(space, tiny_model, GOLD, DEV, seed=3)
    first = install(f"run:{run}", space.models, space.root).folder
    weights = space.run_folder(run) / "model"
    weights.rename(weights.with_name("away"))
    assert install(f"run:{run}", space.models, space.root).folder == first
    weights.with_name("away").rename(weights)
    meta = loading.ModelMeta.read(weights)
    loading.save_trained(network_of(space.models / meta.base, meta.labels, 9), meta, weights)
    second = install(f"run:{run}", space.models, space.root).folder
    assert second != first and same(network(second, LABELS), of_run(space, run), lambda name: True)


def code_of(call) -> str:
    with pytest.raises(CoreError) as caught:
        call()
    return caught.value.code


def test_what_cannot_be_a_start(space: Workspace, tiny_model):
    models = space.models
    assert code_of(lambda: install("run:0123456789abcdef", models, space.root)) == "run_without_weights"
    assert code_of(lambda: install("run:01234567", models, space.root)) == "run_ambiguous"
    run = trained_run(space, tiny_model, GOLD, DEV, seed=4)
    weights = space.run_folder(run) / "model" / loading.OVERLAY
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-5])
    assert code_of(lambda: install(f"run:{run}", models, space.root)) == "model_bad_weights"
    target = space.root / "elsewhere"
    target.mkdir()
    assert code_of(lambda: started._in_its_own_process(run, models, target)) == "model_bad_weights"
    weights.write_bytes(whole)
    path = space.corpus_path(GOLD.id)
    path.rename(path.with_suffix(".away"))
    try:
        assert code_of(lambda: install(f"run:{run}", models, space.root)) == "start_corpus_gone"
    finally:
        path.with_suffix(".away").rename(path)
    assert not [path for path in models.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": "x"}', "[" * 100_000])
def test_a_start_file_that_is_none(tmp_path: Path, folder: Path, text: str):
    place = tmp_path / "models" / "a"
    shutil.copytree(folder, place)
    (place / FILE).write_text(text)
    assert code_of(lambda: start_of(place)) == "model_bad_start"
    assert list(starts(tmp_path / "models")) == []
    data = json.loads((folder / FILE).read_text()) | {"seen": "AAAA"}  # three bytes: no number of 64 bits
    (place / FILE).write_text(json.dumps(data))
    started._read.cache_clear()
    assert code_of(lambda: start_of(place)) == "model_bad_start"


def test_texts_are_told_apart_by_their_letters_alone():
    one = pa.table({"tokens": [["New-York", "is", "big", "."], []]})
    two = pa.table({"tokens": [["New", "-", "York", "is", "bi", "g."], ["x"]]})
    text = pa.table({"text": ["New-York is\u00a0big.", None]})
    assert [*letters(one)] == [*letters(text)] == ["New-Yorkisbig.", ""]
    assert marks(one)[0] == marks(two)[0] == marks(text)[0]
    assert marks(one)[1] != marks(two)[1]


def stored(space: Workspace, corpus: Corpus) -> str:
    corpora.write(corpus, space.corpora)
    return corpus.id


def test_what_a_start_has_seen_of_other_splits(space: Workspace, run: str, folder: Path, tiny_model):
    few = Corpus(WHOLE.schema, pa.concat_tables([*[OTHER.table] * 10, GOLD.table.slice(0, 1)]))
    ids = {"train": GOLD.id, "dev": stored(space, few), "test": stored(space, OTHER)}
    assert [(one.split, one.rows, one.all) for one in seen(space, folder, ids)] == [("dev", 1, 101), ("test", 0, 10)]
    [issue] = told_or_refused(space, f"run:{run}", folder, ids, "r.yaml")
    assert (issue.file, issue.column, issue.code) == ("r.yaml", "train.model", "model_saw")
    assert issue.values == {"model": f"run:{run}", "split": "dev", "rows": 1, "all": 101}
    much = ids | {"test": stored(space, GOLD.take(np.arange(2)))}
    assert code_of(lambda: told_or_refused(space, f"run:{run}", folder, much)) == "model_saw_much"
    base = install(str(tiny_model), space.models, space.root).folder
    assert seen(space, base, much) == []


def test_a_start_keeps_its_name_in_archives():
    assert model_name("run:0123456789abcdef") == "run:0123456789abcdef"
    assert model_name("run:../etc") == "./etc"


def test_a_recipe_over_a_run(space: Workspace, run: str, folder: Path, core, tmp_path: Path):
    text = HARBOUR.read_text().strip().split("\n\n")
    for name, rows in (("train", text[50:56]), ("dev", text[56:]), ("seen", text[:4])):
        (tmp_path / f"{name}.conll").write_text("\n\n".join(rows) + "\n")
    at = ("--workspace", space.root, "--json")
    for name in ("dev", "seen"):
        recipe = f"version: 1\ndata: {{train: train.conll, dev: {name}.conll}}\ntrain: {{model: 'run:{run}', steps: 2, "
        (tmp_path / f"{name}.yaml").write_text(recipe + "seeds: [0]}\n")
    done = core("run", "seen.yaml", *at, folder=tmp_path)
    assert (done.status, done.json["error"]["code"]) == (2, "model_saw_much")
    assert "seen.yaml:3" in done.json["error"]["message"]
    done = core("run", "dev.yaml", *at, folder=tmp_path)
    assert done.status == 0, done.stderr
    [made] = done.json["runs"]
    spec = read_json(space.run_folder(made["id"]) / "spec.json")
    assert spec["inputs"]["model"] == f"model:{folder.name}"
