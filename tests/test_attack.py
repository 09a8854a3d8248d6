"""Attacks on trained models: who is asked, what is searched, what it comes to, and how it is told."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core import attack as attacks
from core import corpus as corpora
from core.attack import Asked
from core.augment import make, params_of
from core.augment.audit import attacked
from core.augment.embeddings import neighbours_for
from core.augment.pool import AugmentParams, build_pool
from core.augment.protocol import Attempt, Child, Example, Rejected, Resources, restore, rng_for
from core.augment.victim import same, victim
from core.augment.wordnet import synonyms_for
from core.commands.answer import Setting
from core.commands.arguments import parser
from core.commands.attack import attack
from core.corpus import Corpus, Schema, numbered
from core.errors import CoreError
from core.groups import counts_of, groups
from core.jobs.folder import read_json
from core.models import started
from core.models.catalogue import DEFAULT, at_hand
from core.models.trained import TrainedModel
from core.project import Project
from core.runs import located
from core.tasks import task
from core.tasks.labelled import TABLE, content
from core.tasks.tagging import OUTSIDE, spans
from core.workspace import Workspace
from tests import test_robustness
from tests.test_robustness import carry_out
from tests.trust_page import opened, said
from tests.victims import learned

trained = test_robustness.trained  # a project with two mixes
MODEL = f"model:{'1' * 64}"
LABELS = ("LOC", "PER")
SENTENCES = (
    "The/O old/O ship/O left/O New/B-LOC York/I-LOC after/O a/O big/O storm/O",
    "Mary/B-PER Jones/I-PER says/O that/O people/O buy/O a/O quick/O car/O in/O Oslo/B-LOC",
    "beautiful/O weather/O in/O the/O happy/O city/O",
    "Bob/B-PER",
)
TEXTS = (
    ("A beautiful ship, and the weather is happy.", ["good"]),
    ("The big storm hit the old car!", ["bad"]),
    ("People buy a car in the city", ["good"]),
    ("of the and", ["bad"]),
)


def row_of(sentence: str) -> Example:
    pairs = [item.rpartition("/")[::2] for item in sentence.split()]
    return Example(sentence.encode(), tuple(word for word, _ in pairs), tuple(tag for _, tag in pairs))


ROWS = [row_of(sentence) for sentence in SENTENCES]
STRANGE = [Example(b"", ("zzz",) * n, ("B-LOC",) * n) for n in (1, 2, 5)]  # so that new words are taken for names


def texts() -> Corpus:
    ids = numbered([content(*row) for row in TEXTS])
    columns = [ids, ids, [None] * len(ids), *zip(*TEXTS, strict=True)]
    return Corpus(Schema("classification", ("bad", "good"), "en"), pa.table(columns, schema=TABLE))


@pytest.fixture(scope="module")
def words(tables: Path) -> Path:
    """A folder in which what attacks draw from is made."""
    resources = Resources((), "en", tables)
    neighbours_for(resources, 1, 0.5)
    synonyms_for(resources, "attack")
    return tables


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learned(tmp_path_factory.mktemp("victims") / "tagger", "tagging", ROWS, LABELS, STRANGE)


def method(folder: Path, words: Path, rows: Sequence[Example] = ROWS, name: str = "attack", **params: Any) -> Any:
    given = {"model" if name == "attack" else "against": MODEL, **params}
    kind = "tagging" if rows[0].running is None else "classification"
    named = {next(iter(given)): folder}
    return make(name, params_of(name, given), Resources(rows, "en", words, named, task=kind))


def tried(maker: Any, rows: Sequence[Example] = ROWS, copy: int = 0) -> list[Child | Rejected]:
    return [maker.augment(row, copy, rng_for(0, "attack", row.id, copy)) for row in rows]


# Who is asked


def test_a_model_of_a_hub_may_have_its_classes_in_another_order(tagger: Path, tmp_path: Path):
    from safetensors.numpy import load_file, save_file

    other = shutil.copytree(tagger, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    order = [3, 4, 0, 2, 1]
    config["id2label"] = {str(new): config["id2label"][str(old)] for new, old in enumerate(order)}
    config["label2id"] = {name: int(at) for at, name in config["id2label"].items()}
    (other / "config.json").write_text(json.dumps(config))
    tensors = load_file(str(other / "model.safetensors"))
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = np.ascontiguousarray(tensors[name][order])
    save_file(tensors, str(other / "model.safetensors"), {"format": "pt"})
    table = task("tagging").changed([(row, same(row)) for row in ROWS])
    one, two = (TrainedModel(folder, task("tagging"), "x").read(table) for folder in (tagger, other))
    assert np.array_equal(one.found, two.found) and np.allclose(one.sure, two.sure, atol=1e-3)
    assert one.found[:, 2].tolist() == [1, 2, 0, 1] and not one.wrong.any()


def test_a_label_that_a_model_never_heard_of_is_missed(tagger: Path):
    row = row_of("Bob/B-ORG")
    held = victim(tagger, "tagging").held(row, [same(row)])
    assert held.found[0].tolist()[2] == 1 and held.wrong[0]


@pytest.mark.parametrize("kind", ["encoder", "other task", "no weights"])
def test_a_model_that_labels_no_such_rows_is_refused(tagger: Path, tmp_path: Path, kind: str):
    folder, of = (at_hand(DEFAULT, Path()) if kind == "encoder" else tagger), "tagging"
    assert folder is not None
    if kind == "other task":
        of = "classification"
    if kind == "no weights":
        from safetensors.numpy import load_file, save_file

        folder = shutil.copytree(tagger, tmp_path / "bare")
        left = {k: v for k, v in load_file(str(folder / "model.safetensors")).items() if "classifier" not in k}
        save_file(left, str(folder / "model.safetensors"), {"format": "pt"})
    with pytest.raises(CoreError) as error:
        TrainedModel(folder, task(of), "x")
    assert error.value.code == "model_not_trained"


# What is searched


def test_a_child_is_what_a_model_was_right_about_and_is_wrong_about_now(tagger: Path, words: Path):
    made = tried(method(tagger, words, similar=0.5))
    asked = victim(tagger, "tagging")
    found = [(row, child) for row, child in zip(ROWS, made, strict=True) if isinstance(child, Child)]
    assert len(found) == 3 and isinstance(made[3], Rejected) and made[3].code == "nothing_to_change"
    for row, child in found:
        assert not asked.held(row, [same(row)]).wrong[0] and asked.held(row, [child]).wrong[0]
        assert restore(child) == row.tokens and child.tags == row.tags and child.attempt is not None
        assert all(row.tags[change.start] == OUTSIDE for change in child.changes)
        assert child.attempt.beaten and child.attempt.changed == len(child.changes)
        right, predicted, gold = child.attempt.before
        assert right == predicted == gold == len(spans(row.tags)) and child.attempt.after != child.attempt.before


def test_queries_are_counted_and_end_the_search(tagger: Path, words: Path):
    """Of the row, of each word that may change once, and of each word that is tried."""
    row = ROWS[0]
    whole = method(tagger, words, similar=1.0, candidates=2).augment(row, 0, Random(0))
    assert isinstance(whole, Rejected) and whole.code == "attack_failed" and whole.attempt is not None
    able = [at for at, word in enumerate(row.tokens) if word in ("old", "ship", "left", "big", "storm")]
    assert whole.attempt.queries == 1 + len(able) + 2 * len(able)
    for most in (2, 7, 9):
        less = method(tagger, words, similar=1.0, candidates=2, queries=most).augment(row, 0, Random(0))
        assert isinstance(less, Rejected) and less.attempt is not None and less.attempt.queries == most
    assert whole.attempt.after == whole.attempt.before


def test_no_word_of_a_mention_comes_in_and_no_more_words_than_asked_for(tagger: Path, words: Path):
    rows = [*ROWS, row_of("vessel/B-PER boat/I-PER ships/I-PER")]
    free, kept = (method(tagger, words, of)._near for of in (ROWS, rows))
    assert {"vessel", "boat", "ships"} & {word for found in free.values() for word in found}
    assert not {"vessel", "boat", "ships"} & {word for found in kept.values() for word in found}
    for child in tried(method(tagger, words, rate=0.01, similar=0)):
        assert isinstance(child, Rejected) or len(child.changes) == 1


def test_what_the_model_gets_wrong_as_it_is_isnt_attacked(tagger: Path, words: Path):
    row = row_of("ship/B-PER storm/O")
    made = method(tagger, words).augment(row, 0, Random(0))
    assert isinstance(made, Rejected) and made.code == "already_wrong"
    assert made.attempt is not None and (made.attempt.queries, made.attempt.beaten) == (1, False)


@pytest.mark.parametrize("kind", ["classification", pytest.param("multilabel", marks=pytest.mark.whole)])
def test_texts_are_attacked_as_they_read(kind: str, words: Path, tmp_path: Path):
    data = texts()
    data = Corpus(Schema(kind, data.schema.labels, "en"), data.table)
    rows = task(kind).examples(data.table)
    strange = [Example(b"", ("zzz",) * n, (OUTSIDE,) * n, ("odd",)) for n in (1, 2, 5)]
    folder = learned(tmp_path / located(MODEL), kind, rows, ("bad", "good", "odd"), strange)
    (tmp_path / "cache").symlink_to(words)
    params = AugmentParams("attack", {"model": MODEL, "similar": 0.3, "rate": 1.0})
    pool = build_pool(data, params, tmp_path, set(), lambda: None)
    assert len(pool.corpus) >= 1 and len(pool.attempts) == 4
    asked = TrainedModel(folder, task(kind), "x")
    assert asked.read(pool.corpus.table).wrong.all() and not asked.read(data.table).wrong.any()
    parents = {row["id"]: row for row in data.table.to_pylist()}
    for row in pool.corpus.table.to_pylist():
        assert row["labels"] == parents[row["parent"]]["labels"] and row["text"] != parents[row["parent"]]["text"]
    unknown = [Example(b"u", ("big", "car"), (OUTSIDE,) * 2, None)]
    given = Resources(rows, "en", words, {"model": folder}, task=kind)
    attack = make("attack", params_of("attack", params.params), given)
    [made] = [attack.augment(one, 0, Random(0)) for one in unknown]
    assert made == Rejected("nothing_to_change")


def test_other_names_in_other_words_are_kept_where_the_model_is_wrong(tagger: Path, words: Path):
    plain = make("rockner", params_of("rockner", {}), Resources(ROWS, "en", words))
    both = [plain.augment(ROWS[1], copy, rng_for(0, "rockner", b"", copy)) for copy in range(8)]
    for child in both:
        assert isinstance(child, Child) and child.attempt is None
        names = [child.tokens[s.start : s.end] for s in spans(child.tags)]
        assert ("Mary", "Jones") not in names and ("Oslo",) not in names and [s.label for s in spans(child.tags)] == [
            "PER", "LOC"
        ]  # fmt: skip
        around = [word for word, tag in zip(child.tokens, child.tags, strict=True) if tag == OUTSIDE]
        assert len(around) == 8 and around != ["says", "that", "people", "buy", "a", "quick", "car", "in"]
    asked = victim(tagger, "tagging")
    against, chosen = method(tagger, words, name="rockner", tries=6, mentions=0.5), 0
    assert against.augment(ROWS[2], 0, Random(0)) == Rejected("no_mentions")
    plain = make("rockner", params_of("rockner", {"mentions": 0.5}), Resources(ROWS, "en", words))
    for copy in range(6):
        made, same_rng = against.augment(ROWS[1], copy, Random(copy)), Random(copy)
        held = asked.held(ROWS[1], [plain.augment(ROWS[1], copy, same_rng) for _ in range(6)])
        assert isinstance(made, Child) and made.attempt is not None and made.attempt.queries == 7
        assert asked.held(ROWS[1], [made]).faults[0] == held.faults.max() > 0
        chosen += held.faults.min() < held.faults.max()
    assert chosen


# What it comes to


def test_figures_by_hand():
    found = attacked(
        [
            Attempt(1, (1, 2, 1), (1, 2, 1), words=4),  # wrong already
            Attempt(10, (2, 2, 2), (2, 2, 2), words=4),
            Attempt(20, (2, 2, 2), (1, 2, 2), True, 1, 4),
            Attempt(60, (0, 0, 0), (0, 1, 0), True, 3, 6),
        ]
    )
    assert (found.rows, found.right, found.beaten, found.success) == (4, 3, 2, pytest.approx(2 / 3))
    assert found.queries == (20, 30) and found.changed == pytest.approx((1 / 4 + 3 / 6) / 2)
    assert found.before == pytest.approx(2 * 5 / (6 + 5)) and found.after == pytest.approx(2 * 4 / (7 + 5))


def ready(space: Workspace, words: Path) -> None:
    """What attacks draw from, where this workspace looks for it."""
    (space.root / "cache").mkdir(exist_ok=True)
    for path in words.glob("*.arrow"):
        if not (space.root / "cache" / path.name).exists():
            (space.root / "cache" / path.name).symlink_to(path)


def test_a_run_is_attacked_on_dev_as_it_marked_dev(trained: tuple[Workspace, Project], words: Path):
    """What it was right about before is what its own predictions say; and test is no input."""
    space, project = trained
    ready(space, words)
    group = groups(space, project.slug)[0]
    asked = Asked(group.finished[0], params={"similar": 0})
    run, data = attacks.start(space, asked, space.root)
    carry_out(space)
    found = attacks.attacked(space, run)
    assert found is not None and found.rows == len(data) == 12 and found.right > 0
    kept = counts_of(space, group, "dev")[0]
    right, predicted, gold = (int(one.sum()) for one in (kept.tp, kept.pred, kept.gold))
    assert found.before == pytest.approx(2 * right / (predicted + gold)) and found.after <= found.before
    inputs = read_json(space.run_folder(run.id) / "spec.json")["inputs"]
    assert set(inputs) == {"of", "param:model"} and group.corpora["test"] not in str(inputs)
    result = space.result(run.id)
    assert found.beaten >= result["rows"] and sum(result["rejected"].values()) + result["rows"] == 12
    some, rows = attacks.start(space, Asked(asked.run, rows=5, split="train"), space.root)
    assert len(rows) == 5 and space.store.cancel(some.id)


def test_a_run_for_other_rows_is_refused(trained: tuple[Workspace, Project]):
    space, project = trained
    folder = started.install(groups(space, project.slug)[0].finished[0], space.models)
    with pytest.raises(CoreError) as error:
        TrainedModel(folder, task("classification"), "x")
    assert error.value.code == "model_other_task" and str(error.value.values["model"]).startswith("run:")


def test_the_command_and_the_page(trained: tuple[Workspace, Project], words: Path, tmp_path: Path):
    space, project = trained
    ready(space, words)
    page = opened(space.root, tmp_path, project.slug, ("gold only", "half"), "dev")
    press = [found for found in page.button if found.key.startswith("attack_")]
    assert [found.label for found in press] == ["Attack gold only", "Attack half"]
    press[0].click().run()
    assert not page.exception
    [run] = carry_out(space)
    assert run.kind == "augment"
    page.run()
    assert "gold only** was right about" in said(page) and len([b for b in page.button if b.key == "attack_1"]) == 1
    group = next(one for one in groups(space, project.slug) if one.name == "gold only")
    answer = attack(parser().parse_args(["attack", group.finished[0][:8]]), Setting(space, "en", lambda runs: None))
    told = json.loads(json.dumps(answer.data, allow_nan=False))
    assert told["right"] >= told["beaten"] and {*told["queries"]} == {"median", "mean"} and told["split"] == "dev"
    assert "Questions to the model" in answer.text and space.store.list(kind="augment")[0].id == run.id
    assert corpora.read(space.corpus_path(told["corpus"])).schema.task == "tagging"


def test_the_beginning_of_a_runs_number_is_enough(tmp_path: Path):
    from core.models.started import whole_name

    runs = tmp_path / "runs"
    for number in ("ccba58dfb656cdf3", "ccbb000000000000"):
        (runs / number).mkdir(parents=True)
    assert whole_name("run:ccba", runs) == "run:ccba58dfb656cdf3"
    assert whole_name("all-MiniLM-L6-v2", runs) == "all-MiniLM-L6-v2"
    for name in ("run:", "run:zzz", "run:cc", "run:ccb0", "run:ccba58dfb656cdf3x", "run:../x"):
        with pytest.raises(CoreError) as error:
            whole_name(name, runs)
        assert error.value.code == "run_ambiguous"
