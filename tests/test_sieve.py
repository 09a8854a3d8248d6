"""What a model has against children: those that say something else, nothing new, or are labelled otherwise."""

from pathlib import Path

import numpy as np
import pytest

from core.augment.pool import AugmentParams, build_pool, sifted
from core.augment.rejected import rejected_children
from core.augment.sieve import Checks, Judged, judged
from core.corpus import Corpus
from core.errors import CoreError
from core.formats import read
from core.formats.protocol import ReadOptions
from core.jobs.folder import read_json
from core.models.catalogue import DEFAULT, at_hand
from core.models.reading import Encoder
from core.pipeline import staged
from core.recipe import load
from core.recipe_text import recipe_text
from core.sample import sample
from core.tasks import task
from core.workspace import Workspace

BOTH = Checks(similarity=(0.75, 0.98), agreement=0.3)


@pytest.fixture(scope="module")
def encoder() -> Path:
    found = at_hand(DEFAULT, Path())
    assert found is not None
    return found


@pytest.fixture(scope="module")
def everything() -> Corpus:
    folder = sample("newsroom").folder
    return read(folder / "train.jsonl", name="train.jsonl", options=ReadOptions()).corpus


@pytest.fixture(scope="module")
def gold(everything: Corpus) -> Corpus:
    """Half of it."""
    return everything.take(np.arange(42))


def pool(gold: Corpus, tmp_path: Path, method: str, **params: object) -> Corpus:
    return build_pool(gold, AugmentParams(method, dict(params)), tmp_path, set(), lambda: None).corpus


def parents(gold: Corpus, children: Corpus) -> list[int]:
    at = {id: place for place, id in enumerate(gold.table.column("id").to_pylist())}
    return [at[id] for id in children.table.column("parent").to_pylist()]


def test_a_row_is_read_alike_alone_and_among_others(gold: Corpus, encoder: Path):
    reader = Encoder(encoder, task("tagging"))
    all, one = reader.read(gold.table), reader.read(gold.table.slice(7, 1))
    assert np.allclose(all.rows[7], one.rows[0], atol=1e-4) and np.allclose(
        np.linalg.norm(all.rows, axis=1), 1, atol=1e-4
    )
    assert np.allclose(all.items[all.ends[7] : all.ends[8]], one.items, atol=1e-3)
    assert all.ends[-1] == len(all.items) == sum(len(words) for words in gold.table.column("tokens").to_pylist())


def test_the_more_is_changed_the_less_similar(gold: Corpus, tmp_path: Path, encoder: Path):
    found: list[float] = []
    for rate in (0.05, 0.5, 1.0):
        some = gold.take(np.arange(30))
        children = pool(some, tmp_path, "deletion", rate=rate)
        told = judged(
            some, children, parents(some, children), Checks(similarity=(0, 1)), {"encoder": encoder}, lambda: None
        )
        assert told.similarity is not None and told.agreement is None
        found.append(float(np.median(told.similarity)))
    assert found[0] > found[1] > found[2] and found[0] > 0.9 and found[2] < 0.85


def test_labels_that_are_wrong_are_doubted(everything: Corpus, tmp_path: Path, encoder: Path):
    right, wrong = (pool(everything, tmp_path, method) for method in ("swap", "label_shuffle"))
    checks = Checks(agreement=0.3)
    share: list[float] = []
    for children in (right, wrong):
        told = judged(everything, children, parents(everything, children), checks, {"encoder": encoder}, lambda: None)
        share.append(float(np.mean([code is not None for code in told.objections(checks)])))
    assert share[0] < 0.2 and share[1] > max(0.45, 2 * share[0])


def test_a_child_that_is_its_parent_agrees_as_its_parent_does(gold: Corpus, encoder: Path):
    told = judged(gold, gold, [*range(len(gold))], BOTH, {"encoder": encoder}, lambda: None)
    assert told.agreement is not None and told.similarity is not None
    assert np.abs(told.agreement).max() == 0 and np.allclose(told.similarity, 1, atol=1e-5)
    assert {*told.objections(BOTH)} == {"too_near"}


def test_the_first_reason_counts():
    told = Judged(np.array([0.5, 0.9, 0.99, 0.9]), np.array([-1.0, -0.31, 0.0, -0.3]))
    assert told.objections(BOTH) == ["too_far", "labels_doubted", "too_near", None]
    assert told.objections(Checks(similarity=(0.75, 0.98), agreement=1.0)) == ["too_far", None, "too_near", None]
    assert Judged(None, told.agreement).objections(BOTH) == ["labels_doubted", "labels_doubted", None, None]


def test_who_is_sifted_out_is_counted(gold: Corpus, tmp_path: Path, encoder: Path):
    whole = build_pool(gold, AugmentParams("deletion", {"rate": 0.4}, copies=2), tmp_path, set(), lambda: None)
    left, told = sifted(gold, whole, BOTH, {"encoder": encoder}, lambda: None)
    assert 0 < len(left.corpus) < len(whole.corpus)
    assert len(left.corpus) + len(left.rejected) == 2 * len(gold)
    assert told.similarity is not None and len(told.similarity) == len(left.corpus) and told.similarity.min() >= 0.75
    ids = whole.corpus.table.column("id").to_pylist()
    assert [id for id in ids if id in {*left.corpus.table.column("id").to_pylist()}] == left.corpus.table.column(
        "id"
    ).to_pylist()


def test_what_people_wrote_is_not_sifted_out(gold: Corpus, tmp_path: Path, encoder: Path):
    whole = build_pool(gold, AugmentParams("swap"), tmp_path, set(), lambda: None)
    nothing = Checks(similarity=(0.0, 0.0))
    assert len(sifted(gold, whole, nothing, {"encoder": encoder}, lambda: None)[0].corpus) == 0
    mine = whole.corpus.table.column("id").to_pylist()[3]
    left, _ = sifted(gold, whole, nothing, {"encoder": encoder}, lambda: None, {mine})
    assert left.corpus.table.column("id").to_pylist() == [mine]
    assert len(sifted(gold, whole, Checks(similarity=(0.0, 1.0)), {"encoder": encoder}, lambda: None)[0].corpus) == len(
        whole.corpus
    )


def test_a_recipe_asks_for_it_and_says_so_again(tmp_path: Path):
    space = Workspace.open(tmp_path / "ws")
    folder = sample("newsroom").folder
    (tmp_path / "r.yaml").write_text(
        f"version: 1\ndata: {{train: {folder}/train.jsonl, dev: {folder}/dev.jsonl}}\ningredients:\n"
        "  shorter: {augmenter: deletion, params: {rate: 0.4}, checks: {similarity: [0.75, 0.98], agreement: 0.3}}\n"
    )
    recipe = load(tmp_path / "r.yaml")
    stage, rejected = staged(space, recipe, lambda runs: None)
    assert {"too_far", "labels_doubted"} & {*rejected} and len(stage.pools["shorter"]) > 10
    (run,) = space.store.list(kind="augment")
    folder, gold, left = space.run_folder(run.id), stage.pools["gold"], stage.pools["shorter"].table
    for code in {"too_far", "too_near", "labels_doubted"} & {*rejected}:
        gone = rejected_children(folder, gold, code)
        assert gone is not None and len(gone) == rejected[code] and gone.table.schema == left.schema
        assert not {*gone.table.column("id").to_pylist()} & {*left.column("id").to_pylist()}
    assert rejected_children(folder, gold, "unchanged") is None
    spec = read_json(folder / "spec.json")
    assert spec["inputs"]["encoder"] == spec["params"]["checks"]["encoder"]
    low, middle, high = space.result(run.id)["audit"]["similarity"]
    assert 0.75 <= low <= middle <= high <= 0.98
    (tmp_path / "again.yaml").write_text(recipe_text(recipe))
    assert load(tmp_path / "again.yaml").ingredients == recipe.ingredients


def test_bounds_in_the_wrong_order_are_refused(tmp_path: Path):
    (tmp_path / "r.yaml").write_text(
        "version: 1\ndata: {train: a}\ningredients: {x: {augmenter: swap, checks: {similarity: [0.9, 0.1]}}}\n"
    )
    with pytest.raises(CoreError) as error:
        load(tmp_path / "r.yaml")
    assert error.value.code == "similarity_order"
