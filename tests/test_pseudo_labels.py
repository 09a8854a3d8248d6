"""Text without labels: how it is read, what a trained run gives it, who may give it, and what is told of that."""

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import HARBOUR
from delivered import harbour, trained_run
from streamlit.testing.v1 import AppTest

from core import corpus as corpora
from core import project as projects
from core.augment.audit import audit
from core.augment.decisions import Decision, mark
from core.augment.pool import AugmentParams, Pool, build_pool
from core.augment.protocol import Child, Example, Rejected, Resources
from core.augment.pseudo_labels import PseudoLabels, PseudoLabelsParams
from core.augment.victim import guessed
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.formats.importing import ImportParams, bring_in
from core.formats.parts import Source
from core.formats.preview import preview
from core.labeller import told_of_labeller, trusted
from core.mix_search import usual_most
from core.models.catalogue import install
from core.recipe import AugmentedIngredient, check
from core.sources import import_spec, keep_named
from core.stage import Stage, augment_spec_of, drawable, settle
from core.tasks import task as task_of
from core.tasks.example import spans
from core.training import predictions
from core.training.predictions import Predictions
from core.workspace import Workspace
from tests.victims import learned

BARE = ReadOptions(unlabelled=True)
LABELS = ("LOC", "PER")
SENTENCES = (
    "The/O old/O ship/O left/O New/B-LOC York/I-LOC after/O a/O big/O storm/O",
    "Mary/B-PER Jones/I-PER says/O that/O people/O buy/O a/O quick/O car/O in/O Oslo/B-LOC",
    "beautiful/O weather/O in/O the/O happy/O city/O",
    "Bob/B-PER saw/O York/B-LOC",
)
TEXTS = (
    ("A beautiful ship, and the weather is happy.", ("good",)),
    ("The big storm hit the old car!", ("bad",)),
    ("People buy a car in the city", ("good",)),
    ("Whatever", ("bad", "good")),  # learned once with each
)
MODEL = f"model:{'1' * 64}"


def row_of(sentence: str) -> Example:
    pairs = [item.rpartition("/")[::2] for item in sentence.split()]
    return Example(sentence.encode(), tuple(word for word, _ in pairs), tuple(tag for _, tag in pairs))


ROWS = [row_of(sentence) for sentence in SENTENCES]


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def bare_rows(folder: Path, labels: Sequence[str] = LABELS) -> Corpus:
    """The sentences without their labels, under a schema that has some."""
    text = "\n".join(" ".join(row.tokens) for row in ROWS)
    options = replace(BARE, separator="space")
    found = read(written(folder, "rows.txt", text), name="rows.txt", options=options).corpus
    return Corpus(Schema("tagging", tuple(labels), "en"), found.table)


def bare_texts(folder: Path, task: str, labels: Sequence[str] = ("bad", "good")) -> Corpus:
    lines = "\n".join(text for text, _ in TEXTS)
    found = read(written(folder, "texts.txt", lines), name="texts.txt", options=BARE, task=task).corpus
    return Corpus(Schema(task, tuple(labels), "en"), found.table)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a model that knows the sentences by heart."""
    place = tmp_path_factory.mktemp("labels")
    learned(place / "models" / MODEL.removeprefix("model:"), "tagging", ROWS, LABELS)
    return place


def pool_of(corpus: Corpus, root: Path, forbidden: set[bytes] | None = None, **params: Any) -> Pool:
    asked = AugmentParams("pseudo_labels", {"model": MODEL} | params)
    return build_pool(corpus, asked, root, forbidden or set(), lambda: None)


def tags_of(pool: Pool) -> list[list[str | None]]:
    return pool.corpus.table.column("tags").to_pylist()


# reading


@pytest.mark.parametrize("task", ["tagging", "classification"])
def test_every_format_gives_texts_without_labels(task: str, tmp_path: Path):
    pairs = [("Anna left Oslo .", "B-PER O B-LOC O"), ("Who cares ?", "O O O")]
    lines = "\n\n".join("\n".join(f"{w}\t{t}" for w, t in zip(a.split(), b.split(), strict=True)) for a, b in pairs)
    texts = [text for text, _ in pairs]
    records = "\n".join(json.dumps({"text": text, "label": "x", "spans": [[0, 3, "X"]]}) for text in texts)
    files = {"a.txt": "\n\n".join(texts), "a.jsonl": records}
    files |= {"a.conll": lines + "\n"} if task == "tagging" else {}
    paths = [written(tmp_path, name, content) for name, content in files.items()]
    if task != "tagging":
        with (tmp_path / "a.csv").open("w", encoding="utf-8") as stream:
            csv.writer(stream).writerows([["id", "text"], *enumerate(texts)])
        pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
        paths += [tmp_path / "a.csv", tmp_path / "a.parquet"]
    kind = task_of(task)
    for path in paths:
        found = read(path, name=path.name, options=BARE, task=task)
        assert [" ".join(words) for words in kind.words(found.corpus.table)] == texts, path.name
        gold = found.corpus.table.column(kind.gold_column).combine_chunks()
        assert gold.flatten().null_count == len(gold.flatten()) and found.corpus.schema.labels == ()
        assert (found.rows_in, [issue.action for issue in found.issues]) == (2, ["kept"])
        seen = preview(path.read_bytes(), True, path.name, BARE, task=task)
        assert (len(seen.read.corpus), seen.read.layout.format) == (2, found.layout.format)


def test_plain_text_is_cut_into_words_or_at_blanks(tmp_path: Path):
    path = written(tmp_path, "a.txt", "  @bob's in Oslo. \n")
    whole, parted = (
        read(path, name="a", options=replace(BARE, separator=mark)).corpus.table for mark in (None, "space")
    )
    assert parted.column("tokens").to_pylist() == [["@bob's", "in", "Oslo."]]
    [row] = whole.to_pylist()
    assert [row["text"][a:b] for a, b in zip(row["starts"], row["ends"], strict=True)] == row["tokens"]
    assert row["tokens"][-2:] == ["Oslo", "."]


def test_only_ingredients_are_read_without_labels(tmp_path: Path):
    train = written(tmp_path, "a.txt", "Oslo\n")
    with pytest.raises(CoreError) as error:
        bring_in(ImportParams({"train": Source("a.txt", BARE)}), {"train": train})
    assert error.value.code == "gold_unlabelled"


def test_rows_that_stand_in_dev_or_test_are_dropped_at_import(tmp_path: Path):
    gold = harbour()
    words = [" ".join(tokens) for tokens in gold.table.column("tokens").to_pylist()]
    other = "Nobody has ever written this about a harbour"
    more = written(tmp_path, "more.txt", "\n".join([words[1], other, words[-1], words[0]]))
    lines = HARBOUR.read_text(encoding="utf-8").strip().split("\n\n")
    cuts = {"train": lines[:-20], "dev": lines[-20:-10], "test": lines[-10:]}
    files = {role: written(tmp_path, f"{role}.conll", "\n\n".join(some)) for role, some in cuts.items()}
    files |= {"pool:more": more}
    options = {"pool:more": replace(BARE, separator="space")}
    sources = {role: Source(path.name, options.get(role, ReadOptions())) for role, path in files.items()}
    found = bring_in(ImportParams(sources), files)
    left = [" ".join(tokens) for tokens in found.parts["pool:more"].corpus.table.column("tokens").to_pylist()]
    told = [(issue.row, issue.values["split"]) for issue in found.issues if issue.code == "leak_exact"]
    assert left == [words[1], other, words[0]] and told == [(3, "test")]
    assert found.parts["pool:more"].corpus.schema.labels == gold.schema.labels


# labels by a model


def test_rows_get_what_the_model_is_sure_of(root: Path, tmp_path: Path):
    corpus = bare_rows(tmp_path)
    pool = pool_of(corpus, root, confidence=0.5)
    assert tags_of(pool) == [list(row.tags) for row in ROWS] and not pool.rejected
    parents = corpus.table.column("id")
    assert pool.corpus.table.column("parent").to_pylist() == parents.to_pylist()
    assert pool.corpus.table.column("tokens") == corpus.table.column("tokens")
    assert pool_of(corpus, root, confidence=0.5).corpus.id == pool.corpus.id
    assert pool_of(corpus, root, confidence=0.6).corpus.id != pool.corpus.id
    told = audit(corpus, pool.corpus, labels=True).labelled
    assert told is not None and (told.labels, told.known) == ({"LOC": 3, "PER": 2}, 1.0)


def test_what_it_doubts_stays_unknown_and_a_row_without_a_sure_name_is_rejected(root: Path, tmp_path: Path):
    corpus = bare_rows(tmp_path)
    method = of_words(root, corpus, confidence=0.0)
    examples = task_of("tagging").examples(corpus.table)
    model = method._model  # pyright: ignore[reportPrivateUsage]
    sure = {row.id: guessed(model, "tagging", [row])[row.id].predicted for row in examples}
    least = {id: round(min(found.confidence), 4) for id, found in sure.items()}
    confidence = sorted(least.values())[1] + 5e-5  # between the least sure word of one row and all of others
    pool = pool_of(corpus, root, confidence=confidence)
    rejected = {one.parent: one.code for one in pool.rejected}
    masked = 0
    for row in examples:
        tags, found = list(sure[row.id].values), [round(one, 4) for one in sure[row.id].confidence]
        for span in spans(tags):
            if min(found[span.start : span.end]) < confidence:
                tags[span.start : span.end] = [None] * (span.end - span.start)
        tags = [None if tag == "O" and one < confidence else tag for tag, one in zip(tags, found, strict=True)]
        if row.id in rejected:
            assert rejected[row.id] == "unsure" and not spans(tags)
            continue
        masked += tags.count(None)
        at = pool.corpus.table.column("parent").to_pylist().index(row.id)
        assert tags_of(pool)[at] == tags
    assert masked or rejected
    assert pool_of(corpus, root, confidence=0.999999).counts == {"unsure": 4}


def of_words(root: Path, corpus: Corpus, **params: Any) -> PseudoLabels:
    folder = root / "models" / MODEL.removeprefix("model:")
    given = Resources((), "en", root, {"model": folder}, labels=corpus.schema.labels)
    return PseudoLabels(PseudoLabelsParams(MODEL, **params), given)


def test_of_each_label_the_surest_stay(root: Path, tmp_path: Path):
    corpus = bare_rows(tmp_path)
    method = of_words(root, corpus, confidence=0.5, most=1)
    made = [method.augment(row, 0, None) for row in task_of("tagging").examples(corpus.table)]  # pyright: ignore[reportArgumentType]
    children = [child for child in made if isinstance(child, Child)]
    assert len(children) == 4 and [len(child.sure) for child in children] == [1, 2, 0, 2]
    given = [
        (sure, span.label, at, span)
        for at, child in enumerate(children)
        for span, sure in zip(spans(child.tags), child.sure, strict=True)
    ]
    stay = {max((one for one in given if one[1] == label), key=lambda one: one[0]) for label in LABELS}
    pool = pool_of(corpus, root, confidence=0.5, most=1)
    left = dict(zip(pool.corpus.table.column("parent").to_pylist(), tags_of(pool), strict=True))
    for at, (row, child) in enumerate(zip(task_of("tagging").examples(corpus.table), children, strict=True)):
        tags = list(child.tags)
        for one in given:
            if one[2] == at and one not in stay:
                tags[one[3].start : one[3].end] = [None] * (one[3].end - one[3].start)
        gone = bool(spans(child.tags)) and not spans(tags)
        assert left.get(row.id) == (None if gone else tags)
    assert pool.counts == {"over_cap": 4 - len(left)}


def test_people_correct_them_after_the_cap(root: Path, tmp_path: Path):
    corpus = bare_rows(tmp_path)
    params = AugmentParams("pseudo_labels", {"model": MODEL, "confidence": 0.5, "most": 1})
    before = build_pool(corpus, params, root, set(), lambda: None).corpus.table.to_pylist()
    child = next(row for row in before if None in row["tags"] and spans(row["tags"]))
    tags = tuple(tag or "B-PER" for tag in child["tags"])
    made = mark(child["tokens"], child["tags"])
    decision = Decision(child["id"].hex(), "edited", made, tuple(child["tokens"]), tags)
    after = build_pool(corpus, params, root, set(), lambda: None, {child["id"]: decision}).corpus.table.to_pylist()
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert [tuple(row["tags"]) for row in after if row["id"] == child["id"]] == [tags]
    assert [row for row in after if row["id"] != child["id"]] == [row for row in before if row["id"] != child["id"]]


def test_labels_that_the_model_has_never_heard_of_leave_its_o_unknown(root: Path, tmp_path: Path):
    pool = pool_of(bare_rows(tmp_path, (*LABELS, "ORG")), root, confidence=0.5)
    assert {tag for tags in tags_of(pool) for tag in tags} == {None, "B-LOC", "I-LOC", "B-PER", "I-PER"}
    assert pool.counts == {"unsure": 1}  # a row without a name
    with pytest.raises(CoreError) as error:
        pool_of(bare_rows(tmp_path, ("LOC",)), root)
    assert (error.value.code, error.value.values["labels"]) == ("labels_other", "PER")
    alone = pool_of(bare_rows(tmp_path, ()), root, confidence=0.5)  # without gold, the model says which there are
    assert alone.corpus.schema.labels == LABELS and tags_of(alone) == [list(row.tags) for row in ROWS]


def test_known_rows_and_rows_of_dev_and_test_get_none(root: Path, tmp_path: Path):
    corpus = bare_rows(tmp_path)
    forbidden = {task_of("tagging").text_content(ROWS[0].tokens)}
    assert pool_of(corpus, root, forbidden, confidence=0.5).counts == {"overlaps_held_out": 1}
    known = pool_of(corpus, root, confidence=0.5).corpus
    assert pool_of(known, root).counts == {"labels_known": 4}
    partly = replace(ROWS[0], tags=(None, *ROWS[0].tags[1:]))
    assert of_words(root, corpus).augment(partly, 0, None) == Rejected("labels_known")  # pyright: ignore[reportArgumentType]
    twice = AugmentParams("pseudo_labels", {"model": MODEL, "confidence": 0.5}, copies=2)
    assert build_pool(corpus, twice, root, set(), lambda: None).counts == {"duplicate": 4}


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_texts_get_a_label_or_are_left_out(task: str, root: Path, tmp_path: Path):
    corpus = bare_texts(tmp_path, task)
    rows = zip(task_of(task).examples(corpus.table), TEXTS, strict=True)
    gold = [replace(row, labels=(label,)) for row, (_, labels) in rows for label in labels]
    name = "model:" + ("2" if task == "multilabel" else "3") * 64
    learned(root / "models" / name.removeprefix("model:"), task, gold, ("bad", "good"))
    pool = pool_of(corpus, root, model=name, confidence=0.8)
    assert pool.corpus.table.column("labels").to_pylist() == [list(labels) for _, labels in TEXTS[:3]]
    assert pool.counts == {"unsure": 1}
    capped = pool_of(corpus, root, model=name, confidence=0.8, most=1)
    assert capped.counts == {"unsure": 1, "over_cap": 1}
    assert sorted(label for [label] in capped.corpus.table.column("labels").to_pylist()) == ["bad", "good"]


# who may give labels


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("labeller") / "w")


WHOLE = harbour()
GOLD, DEV, OTHER = (WHOLE.take(np.arange(*cut)) for cut in ((0, 40), (40, 50), (50, 60)))


def stored(space: Workspace, corpus: Corpus) -> str:
    corpora.write(corpus, space.corpora)
    return corpus.id


def test_a_run_that_saw_dev_or_test_gives_no_labels(space: Workspace, tiny_model: Path):
    run = trained_run(space, tiny_model, GOLD, DEV)
    part = AugmentedIngredient("pseudo_labels", "more", {"model": f"run:{run}"})
    whole = keep_named(space, part, space.root, "en")
    clean = {"train": stored(space, GOLD), "dev": stored(space, DEV), "test": stored(space, OTHER)}
    assert told_of_labeller(space, whole, clean) == []
    for split in ("dev", "test"):
        with pytest.raises(CoreError) as error:
            told_of_labeller(space, whole, clean | {split: GOLD.id})
        told = error.value.values
        assert (error.value.code, told["split"], told["rows"]) == ("labels_saw_much", split, 40)
    assert told_of_labeller(space, AugmentedIngredient("swap"), {"dev": GOLD.id}) == []
    strange = keep_named(space, replace(part, params={"model": str(tiny_model)}), space.root, "en")
    with pytest.raises(CoreError) as error:
        told_of_labeller(space, strange, clean)
    assert error.value.code == "labels_no_run"
    spec = augment_spec_of(whole, OTHER.id, clean)
    assert spec.inputs["param:model"] == f"model:{install(f'run:{run}', space.models, space.root).identity}"


def test_its_confidence_is_held_against_its_dev(space: Workspace, tiny_model: Path):
    run = trained_run(space, tiny_model, GOLD, DEV, seed=1)
    assert trusted(space, f"run:{run}") is None  # what it found in dev isn't there
    tags = DEV.table.column("tags").to_pylist()
    wrong = next(at for at, row in enumerate(tags) if spans(row))
    sure = [[0.9] * len(row) for row in tags]
    sure[wrong] = [0.6] * len(tags[wrong])
    guessed = [
        ["O" if tag == "O" else "B-" + tag[2:] for tag in row] if at == wrong else row for at, row in enumerate(tags)
    ]
    predictions.write(predictions.file_of(space.run_folder(run), DEV.id), DEV, Predictions(guessed, sure, 1.0))
    found = trusted(space, f"run:{run}")
    assert found is not None and found.run == run
    gold, doubtful = sum(len(spans(row)) for row in tags), len(spans(guessed[wrong]))
    at = found.at(0.8)
    assert at.kept == (gold - len(spans(tags[wrong])) + doubtful, gold - len(spans(tags[wrong])))
    assert at.precision[1] == 1.0 and found.reliability.right <= 1


def form(root: str, model: str, dev: str) -> None:
    from pathlib import Path

    import streamlit as st

    from components.labeller import told_trust
    from core import project as projects
    from core.recipe import AugmentedIngredient
    from core.stage import Stage
    from core.workspace import Workspace

    space = Workspace(Path(root))
    part = AugmentedIngredient("pseudo_labels", "more", {"model": model, "confidence": 0.8})
    stage = Stage({"corpora": {"dev": dev}})
    st.session_state["able"] = told_trust(space, projects.load(space, "labels"), stage, part)


def test_the_form_says_what_a_run_is_worth_and_refuses_one_that_saw_dev(space: Workspace, tiny_model: Path):
    projects.create(space, "labels", "corpus:any", "en", "tagging")
    run = trained_run(space, tiny_model, GOLD, DEV, seed=2)
    tags = DEV.table.column("tags").to_pylist()
    sure = [[0.9 if at % 2 else 0.5] * len(row) for at, row in enumerate(tags)]
    predictions.write(predictions.file_of(space.run_folder(run), DEV.id), DEV, Predictions(tags, sure, 1.0))
    at = AppTest.from_function(form, args=(str(space.root), f"run:{run}", DEV.id), default_timeout=60).run()
    left, all = (sum(len(spans(row)) for row in some) for some in (tags[1::2], tags))
    told = at.caption[0].value.replace("\u2060", "").replace("\\", "")
    assert not at.exception and at.session_state["able"]
    assert f"marked {all} names" in told and f"{left} of them have this confidence, 100 % of these right" in told
    at = AppTest.from_function(form, args=(str(space.root), f"run:{run}", GOLD.id), default_timeout=60).run()
    assert not at.session_state["able"] and "40 of the 40 rows of dev" in at.error[0].value.replace("\\", "")


# in a mix


def test_labels_by_a_run_count_as_whole_and_nothing_is_learned_without(space: Workspace, root: Path, tmp_path: Path):
    for name in ("train", "dev"):
        shutil.copyfile(HARBOUR, tmp_path / f"{name}.conll")
    written(tmp_path, "more.txt", "Nobody left the harbour\nA ship came\n")
    data = {"version": 1, "data": {"train": "train.conll", "dev": "dev.conll"}}
    more = {"more": {"file": "more.txt", "options": {"unlabelled": True}}}
    named = {"named": {"augmenter": "pseudo_labels", "of": "more", "params": {"model": "run:0123456789abcdef"}}}
    noisy = {"noisy": {"augmenter": "swap", "of": "named"}}
    recipe = check(data | {"ingredients": more | named | noisy, "mix": {"parts": {"noisy": 1}}}, tmp_path, "r.yaml")
    spec = import_spec(space, recipe)
    assert spec.params["sources"]["pool:more"]["options"] == {"unlabelled": True}
    corpus = Corpus(WHOLE.schema, WHOLE.table)
    labels = list(WHOLE.schema.labels)
    imported = {"labels": {"train": labels, "dev": labels, "pool:more": []}, "covered": {"pool:more": []}}
    stage = Stage(imported, dict.fromkeys(("gold", "more", "named", "noisy"), corpus))
    params, names = settle(recipe, stage)
    assert (params.mask_outside, names) == ((), ["gold", "noisy"])
    assert usual_most(drawable(recipe, stage), recipe.mix).keys() == {"named", "noisy"}  # what a search is over
    for part in ("more", "plain"):
        plain = {"plain": {"augmenter": "swap", "of": "more"}}
        other = check(data | {"ingredients": more | plain, "mix": {"parts": {part: 1}}}, tmp_path, "r.yaml")
        with pytest.raises(CoreError) as error:
            settle(other, replace(stage, pools={**stage.pools, "plain": corpus}))
        assert (error.value.code, error.value.values["where"]) == ("part_unlabelled", f"mix.parts.{part}")
