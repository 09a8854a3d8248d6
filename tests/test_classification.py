"""Text classification through the same seam as tagging: counts against scikit-learn, children, imports, a whole run."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from core import corpus as corpora
from core.archive.tables import corpus as archived
from core.archive.tables import predictions as archived_predictions
from core.augment import AUGMENTERS, available, lacking, make, params_of
from core.augment.copies import with_other_mentions, with_slips
from core.augment.pool import AugmentParams, build_pool, pool_schema
from core.augment.preview import preview
from core.augment.protocol import Change, Child, Resources, restore, rng_for
from core.corpus import Corpus, Schema, numbered
from core.errors import CoreError
from core.formats import leakage
from core.formats.importing import Imported, ImportParams, Source, Split, bring_in, used_labels
from core.recipe import check
from core.report import browse, composition
from core.report.confusion import shares
from core.report.mistakes import judged
from core.report.portrait import portrait
from core.scores import Counts
from core.sources import Gold, gold_spec, import_spec, likely_task, name_gold, named_gold
from core.tasks import TASKS, task
from core.tasks.drawing import draw_mix, split_off, strata
from core.tasks.labelled import TABLE, content
from core.tasks.pairs import CORRECT, MISSED, SPURIOUS, WRONG_TYPE, kinds_of
from core.tasks.protocol import IGNORED, schema_of
from core.training import predictions
from core.trust import marked
from core.workspace import Workspace

SINGLE, MULTI = task("classification"), task("multilabel")
BOTH = ("classification", "multilabel")
LABELS = ("a", "b", "c", "d")
some = settings(max_examples=80, deadline=None)
one = st.sampled_from(LABELS)
many = st.lists(one, max_size=4, unique=True)
pairs_of_one = st.lists(st.tuples(one, one), min_size=1, max_size=25)
pairs_of_many = st.lists(st.tuples(many, many), min_size=1, max_size=25)
Labels = Sequence[str | None] | None


def table_of(labels: Sequence[Labels], texts: Sequence[str] = (), chunks: int = 2) -> pa.Table:
    texts = texts or [f"text {n}" for n in range(len(labels))]
    ids = numbered([content(*row) for row in zip(texts, labels, strict=True)])
    columns = [ids, ids, [None] * len(ids), list(texts), list(labels)]
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, TABLE, strict=True)], schema=TABLE)
    size = max(1, -(-len(ids) // chunks))
    return pa.concat_tables([table.slice(start, size) for start in range(0, max(len(ids), 1), size)])


def corpus_of(labels: Sequence[Labels], texts: Sequence[str] = (), name: str = "classification") -> Corpus:
    known = sorted({label for row in labels for label in row or () if label is not None})
    return Corpus(Schema(name, tuple(known)), table_of(labels, texts))


def rates(counts: Counts) -> list[tuple[float, float, float, int]]:
    """Precision, recall, F1 and support of each label, in plain Python."""
    out: list[tuple[float, float, float, int]] = []
    for tp, pred, gold in zip(*(part.sum(0).tolist() for part in (counts.tp, counts.pred, counts.gold)), strict=True):
        p, r = tp / pred if pred else 0.0, tp / gold if gold else 0.0
        out.append((p, r, 2 * p * r / (p + r) if p + r else 0.0, gold))
    return out


# Counting


@given(pairs_of_one)
@some
def test_one_label_a_row_is_counted_as_by_scikit_learn(pairs):
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    gold, found = [g for g, _ in pairs], [p for _, p in pairs]
    counts = SINGLE.counts(table_of([[g] for g in gold]), [[p] for p in found], LABELS)
    theirs = precision_recall_fscore_support(gold, found, labels=list(LABELS), zero_division=0)
    assert np.allclose(np.array(rates(counts)), np.array(theirs).T)
    accuracy = counts.tp.sum() / len(pairs)
    assert accuracy == accuracy_score(gold, found) and counts.pred.sum() == counts.gold.sum() == len(pairs)


@given(pairs_of_many)
@some
def test_several_labels_a_row_are_counted_as_by_scikit_learn(pairs):
    from sklearn.metrics import precision_recall_fscore_support
    from sklearn.preprocessing import MultiLabelBinarizer

    rows = MultiLabelBinarizer(classes=list(LABELS))
    gold, found = (rows.fit_transform([pair[side] for pair in pairs]) for side in (0, 1))
    counts = MULTI.counts(table_of([g for g, _ in pairs]), [p for _, p in pairs], LABELS)
    for average, ours in (("micro", [part.sum() for part in (counts.tp, counts.pred, counts.gold)]),):
        p, r, f, _ = precision_recall_fscore_support(gold, found, average=average, zero_division=0)
        tp, pred, there = (int(value) for value in ours)
        assert np.allclose((p, r), (tp / pred if pred else 0, tp / there if there else 0))
        assert np.isclose(f, 2 * tp / (pred + there) if pred + there else 0)
    theirs = precision_recall_fscore_support(gold, found, average=None, zero_division=0)
    assert np.allclose(np.array(rates(counts)), np.array(theirs).T)


def test_what_is_not_known_is_not_counted():
    gold = table_of([None, ["a", None], ["a"], [], [None]])
    counts = MULTI.counts(gold, [["a"], ["a", "b"], ["b"], ["c"], ["d"]], LABELS)
    assert counts.tp.tolist() == [[0] * 4, [1, 0, 0, 0], [0] * 4, [0] * 4, [0] * 4]
    assert counts.pred.tolist() == [[0] * 4, [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0] * 4]
    assert counts.gold.sum(0).tolist() == [2, 0, 0, 0]
    single = SINGLE.counts(table_of([None, ["a"]]), [["a"], ["a"]], ("a",))
    assert (single.pred.sum(), single.gold.sum(), single.tp.sum()) == (1, 1, 1)


def test_labels_outside_and_rows_that_do_not_fit():
    assert SINGLE.counts(table_of([["a"]]), [["zzz"]], LABELS).pred.sum() == 0
    with pytest.raises(ValueError, match="differ in length"):
        SINGLE.counts(table_of([["a"]]), [], LABELS)
    with pytest.raises(ValueError, match="no rule"):
        SINGLE.counts(table_of([["a"]]), [["a"]], LABELS, "partial")
    assert SINGLE.counts(table_of([["a"]]), [["a"]], ()).tp.shape == (1, 0)


@pytest.mark.parametrize("kind", ["one", "many"])
def test_pairs_are_the_counts(kind):
    @given(pairs_of_one if kind == "one" else pairs_of_many)
    @some
    def holds(pairs: list[Any]) -> None:
        of = SINGLE if kind == "one" else MULTI
        gold, found = ([[p[s]] if kind == "one" else p[s] for p in pairs] for s in (0, 1))
        table = table_of(gold)
        counts, matches = of.counts(table, found, LABELS), of.pairs(table, found, LABELS)
        assert (matches.kind == CORRECT).sum() == counts.tp.sum()
        assert (
            np.bincount(matches.gold.label[matches.gold.label >= 0], minlength=4).tolist()
            == counts.gold.sum(0).tolist()
        )
        mine = matches.predicted.label[matches.predicted.label >= 0]
        assert np.bincount(mine, minlength=4).tolist() == counts.pred.sum(0).tolist()
        allowed = {CORRECT, WRONG_TYPE} if kind == "one" else {CORRECT, MISSED, SPURIOUS}
        assert set(matches.kind.tolist()) <= allowed
        assert {of.kinds.index(name) >= 0 for name in ("correct", "missed")} == {True}
        first = matches.gold.label >= 0  # gold first, in order
        assert first.tolist() == sorted(first.tolist(), reverse=True)

    holds()


def test_what_was_taken_for_what():
    gold, found = table_of([["a"], ["a"], ["b"], ["c"]]), [["a"], ["b"], ["b"], ["a"]]
    matches = SINGLE.pairs(gold, found, LABELS)
    assert kinds_of(matches)[:, [CORRECT, WRONG_TYPE]].tolist() == [[1, 1], [1, 0], [0, 1], [0, 0]]
    told = shares([matches])
    assert told.values[0, :4].tolist() == [0.5, 0.5, 0, 0] and told.values[2, 0] == 1


@pytest.mark.parametrize("name", BOTH)
def test_confidences_go_with_their_predictions(name):
    found = [["b"], ["a"], ["zzz"]] if name == "classification" else [["a", "b"], [], ["b", "zzz", "a"]]
    sure = [[0.5 + 0.01 * len(row) + 0.1 * at for at in range(len(row))] for row in found]
    data = corpus_of([["a"], ["a"], ["b"]], name=name)
    columns = pa.chunked_array([pa.array(found)]), pa.chunked_array([pa.array(sure, pa.list_(pa.float32()))])
    got = marked(data, *columns, LABELS)
    rows = enumerate(zip(found, sure, strict=True))
    wanted = {(row, label): share for row, each in rows for label, share in zip(*each, strict=True)}
    assert len(got.confidence) == sum(label != "zzz" for row in found for label in row)
    for row, label, confidence, right in zip(got.row, got.label, got.confidence, got.right, strict=True):
        assert np.isclose(confidence, wanted[row, LABELS[label]], atol=1e-6)
        assert right == (LABELS[label] in data.table.column("labels")[int(row)].as_py())


# Learning


def test_targets():
    rows = table_of([["a"], None, ["a", "b"], [], ["b", None], ["zzz"]])
    assert SINGLE.targets(rows, ("a", "b")).tolist() == [0, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED]
    several = MULTI.targets(rows, ("a", "b"))
    nan = np.nan
    wanted = [[1, 0], [nan, nan], [1, 1], [0, 0], [nan, 1], [0, 0]]
    assert several.dtype == np.float32 and np.array_equal(several, np.array(wanted, np.float32), equal_nan=True)
    assert SINGLE.classes(LABELS) == MULTI.classes(LABELS) == LABELS


@given(st.lists(st.floats(-30, 30), min_size=4, max_size=4))
@some
def test_decoding(logits):
    scores, seen = np.array([logits], np.float32), np.array([True])
    single = SINGLE.decode(LABELS, seen, scores)
    shares = np.exp(scores[0].astype(float) - scores.max())
    shares /= shares.sum()
    assert list(single.values) == [LABELS[int(scores[0].argmax())]] and np.isclose(single.confidence[0], shares.max())
    several = MULTI.decode(LABELS, seen, scores)
    wanted = [label for label, score in zip(LABELS, scores[0], strict=True) if score >= 0]
    assert list(several.values) == wanted
    assert np.allclose(several.confidence, [1 / (1 + np.exp(-float(score))) for score in scores[0] if score >= 0])


def test_decoding_of_extremes():
    scores = np.array([[1e4, -1e4, 0.0, -1e-9]], np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert MULTI.decode(LABELS, np.array([True]), scores).values == ["a", "c"]
        assert SINGLE.decode(LABELS, np.array([True]), scores).confidence == [1.0]


def wordpiece(words: str) -> Tokenizer:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words.split()]
    numbers = {word: number for number, word in enumerate(names)}
    found = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    found.normalizer = normalizers.BertNormalizer(lowercase=True)
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    found.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return found


def test_a_row_is_one_item_at_its_first_sub_token():
    texts = ["My card is lost", "my zebra's card", "Is it lost? IT is lost my card", "lost  #card", "京 card"]
    read = wordpiece("my card is it lost ? #")
    pieces = SINGLE.pieces(table_of([["a"]] * 5, texts), read, 7)
    assert pieces.places.tolist() == [0] * 5 and pieces.items.tolist() == list(range(6))
    assert pieces.ids[: pieces.rows[1]].tolist() == [2, 4, 5, 6, 8, 3]
    assert pieces.words.tolist() == [4, 3, 9, 3, 2]
    assert pieces.unknown.tolist() == [0, 1, 0, 0, 1]
    assert pieces.cut.tolist() == [0, 0, 4, 0, 0] and pieces.lengths.max() == 7
    one = SINGLE.pieces(table_of([["a"]] * 5, texts, chunks=5), read, 7)
    assert one.ids.tolist() == pieces.ids.tolist()
    nothing = SINGLE.pieces(table_of([]), read, 7)
    assert len(nothing) == 0 and nothing.truncated == 0


# Words


letters = st.text(st.sampled_from("ab Z9'’-.,!?京都のア\u3000\u00a0\n\té"), min_size=1, max_size=40)


@given(st.lists(letters, min_size=1, max_size=5))
@some
def test_words_are_counted_without_looking_at_each(texts):
    rows = table_of([["a"]] * len(texts), texts)
    assert SINGLE.lengths(rows).tolist() == [len(words) for words in SINGLE.words(rows)]


@given(letters, st.integers(0, 5))
@some
def test_blanks_make_no_other_text(text, blanks):
    first, second = (list(SINGLE.words(table_of([["a"]], [one]))) for one in (text, text.replace(" ", " " * blanks)))
    assert SINGLE.text_content(first[0]) == SINGLE.text_content(second[0])


# Augmenting


TEXTS = (
    "I lost my  credit card yesterday,\nplease help me quickly!",
    "  The big car is quick, isn't it?  ",
    "Where is the nearest happy city office (open late)?",
    "我 想 换一张 card please",
)
GOLD = corpus_of([["lost"], ["car"], None, ["card"]], TEXTS)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, tables: Path) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "cache").symlink_to(tables)
    return root


def test_methods_that_need_mentions_do_not_suit():
    assert available(task("tagging")) == [*AUGMENTERS]
    for name in BOTH:
        missing = {*AUGMENTERS} - {*available(task(name))}
        assert missing == {"mention_replacement", "token_replacement", "shuffle_segments", "rockner", "spacing"}


@pytest.mark.parametrize("name", [name for name in available(SINGLE) if not lacking(name, {})])
class TestMethods:
    """What every method keeps to in texts."""

    def test_children_keep_label_and_spacing(self, name: str, root: Path):
        pool = build_pool(GOLD, AugmentParams(name, copies=4, seed=1), root, set(), lambda: None)
        assert len(pool.corpus) + len(pool.rejected) == 4 * len(GOLD)
        assert len(pool.corpus) >= (1 if name == "back_translation" else 5)  # it always says the same, and no Chinese
        assert pool.corpus.table.schema == pool_schema(SINGLE) and pool.corpus.schema == GOLD.schema
        gold = {row["id"]: row for row in GOLD.table.to_pylist()}
        words = dict(zip(gold, SINGLE.words(GOLD.table), strict=True))
        for row in pool.corpus.table.to_pylist():
            parent = gold[row["parent"]]
            tokens = tuple(row["text"][s:e] for s, e in zip(row["starts"], row["ends"], strict=True))
            changes = tuple(Change(c["start"], c["end"], tuple(c["was"])) for c in row["changes"])
            assert restore(Child(tokens, ("O",) * len(tokens), changes)) == tuple(words[row["parent"]])
            assert (row["labels"] == parent["labels"]) == (name != "label_shuffle") and row["origin"] == parent["id"]
            lead = len(parent["text"]) - len(parent["text"].lstrip())
            assert row["text"][:lead] == parent["text"][:lead] and "".join(row["text"].split()) == "".join(tokens)
            assert SINGLE.text_content(tokens) == SINGLE.text_content(
                next(iter(SINGLE.words(table_of([None], [row["text"]]))))
            )
        assert SINGLE.sound(pool.corpus.table, GOLD.schema.labels)

    def test_the_same_again_and_less_of_it_first(self, name: str, root: Path):
        long, again, short = (
            build_pool(GOLD, AugmentParams(name, copies=c), root, set(), lambda: None).corpus for c in (3, 3, 1)
        )
        assert long.id == again.id and long.table.slice(0, len(short)).equals(short.table)

    def test_no_child_repeats_what_is_held_out(self, name: str, root: Path):
        pool = build_pool(GOLD, AugmentParams(name), root, set(), lambda: None)
        held_out = corpus_of(
            [["x"]] * len(pool.corpus), [f" {t}\n" for t in pool.corpus.table.column("text").to_pylist()]
        )
        again = build_pool(GOLD, AugmentParams(name), root, leakage.contents(held_out), lambda: None)
        assert len(again.corpus) == 0 and again.counts["overlaps_held_out"] == len(pool.corpus)

    def test_children_of_children(self, name: str, root: Path):
        pool = build_pool(GOLD, AugmentParams(name), root, set(), lambda: None).corpus
        second = build_pool(pool, AugmentParams("swap", seed=3), root, set(), lambda: None).corpus
        assert len(second) and SINGLE.sound(second.table, GOLD.schema.labels)
        assert set(second.table.column("origin").to_pylist()) <= set(GOLD.table.column("id").to_pylist())

    def test_a_preview_is_the_pool(self, name: str, root: Path):
        params = AugmentParams(name, copies=2)
        pool = build_pool(GOLD, params, root, set(), lambda: None)
        found = preview(GOLD, range(len(GOLD)), params, root)
        made = [(at, c) for at in found for c in at.children if isinstance(c, Child)]
        assert len(made) == len(pool.corpus)


@pytest.mark.parametrize("name", sorted({*AUGMENTERS} - {*available(SINGLE)}))
def test_methods_that_need_mentions_are_refused(name, root, tmp_path):
    def code(call: Any) -> CoreError:
        with pytest.raises(CoreError) as caught:
            call()
        assert caught.value.code == "augmenter_needs" and "swap" in str(caught.value.values["known"])
        return caught.value

    code(lambda: build_pool(GOLD, AugmentParams(name), root, set(), lambda: None))
    code(lambda: preview(GOLD, [0], AugmentParams(name), root))
    data = {"version": 1, "task": "multilabel", "data": {"train": "a"}, "ingredients": {"x": {"augmenter": name}}}
    assert code(lambda: check(data, tmp_path, "r")).values["where"] == "ingredients.x.augmenter"
    check(data | {"task": "tagging"}, tmp_path, "r")


def test_slips_keep_row_by_row_and_other_mentions_are_refused(cache):
    [copy] = with_slips(GOLD, [1.0], 0, root)
    assert copy.corpus.table.schema == schema_of(SINGLE) and len(copy.corpus) == len(GOLD)
    assert copy.corpus.table.column("labels").to_pylist() == GOLD.table.column("labels").to_pylist()
    assert copy.words > 0.3 and copy.corpus.table.column("text").to_pylist() != list(TEXTS)
    with pytest.raises(CoreError) as caught:
        with_other_mentions(GOLD, 0, root)
    assert caught.value.code == "augmenter_needs"


def test_rows_look_the_same_to_a_method_built_from_examples(cache):
    rows = SINGLE.examples(GOLD.table)
    method = make("swap", params_of("swap", {}), Resources(rows, "en", root))
    child = method.augment(rows[0], 0, rng_for(0, "swap", rows[0].id, 0))
    assert isinstance(child, Child) and set(child.tags) == {"O"}


# Importing


def bring(folder: Path, files: dict[str, str], name: str = "classification", **more: Any) -> Imported:
    labels = more.pop("labels", {})
    for role, text in files.items():
        (folder / role.replace(":", "_")).write_text(text)
    sources = {role: Source(role, labels=labels.get(role)) for role in files}
    paths = {role: folder / role.replace(":", "_") for role in files}
    return bring_in(ImportParams(sources, name, **more), paths)


def csv(rows: Sequence[tuple[str, str]]) -> str:
    return "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows)


def numbered_rows(labels: str, start: int = 0) -> list[tuple[str, str]]:
    return [(f"row number {n} of many rows {n * n}", label) for n, label in enumerate(labels, start)]


def told(found: Imported) -> list[tuple[str, int | None, str]]:
    return [(issue.code, issue.row, issue.action) for issue in found.issues]


def test_leaks_go_and_near_ones_are_told(tmp_path):
    train = [("Hello  there my friend", "a"), ("this is a rather long sentence about cards", "b"), ("other", "a")]
    dev = [("Hello there my  friend", "a"), ("this is a rather long sentence about card", "b")]
    found = bring(tmp_path, {"train": csv(train), "dev": csv(dev)})
    assert ("leak_exact", 2, "dropped") in told(found) and ("leak_near", 3, "kept") in told(found)
    assert len(found.parts["train"].corpus) == 2 and not any(code == "mention_overlap" for code, *_ in told(found))


def test_the_rows_of_gold_settle_which_task_it_is(tmp_path):
    pool = {"pool:x": csv([*numbered_rows("aa", 70), ("pool several", "a|b")])}
    one = bring(tmp_path, {"train": csv(numbered_rows("abab")), "dev": csv(numbered_rows("ab", 50)), **pool})
    assert {part.corpus.schema.task for part in one.parts.values()} == {"classification"}
    assert ("not_one_label", 4, "dropped") in told(one) and len(one.parts["pool:x"].corpus) == 2
    several = bring(
        tmp_path, {"train": csv([*numbered_rows("ab"), ("c", "a|b")]), "dev": csv(numbered_rows("ab", 50)), **pool}
    )
    assert {part.corpus.schema.task for part in several.parts.values()} == {"multilabel"}
    assert ("task_settled", None, "kept") in told(several) and len(several.parts["pool:x"].corpus) == 3
    said = bring(tmp_path, {"train": csv(numbered_rows("ab")), "dev": csv(numbered_rows("ab", 50))}, "multilabel")
    assert said.parts["train"].corpus.schema.task == "multilabel" and not said.issues
    alone = bring(tmp_path, {"pool:x": csv([("several", "a|b"), ("one", "a")])})
    assert len(alone.parts["pool:x"].corpus) == 2


def test_labels_of_ingredients_are_mapped(tmp_path):
    train, dev = csv(numbered_rows("abab")), csv(numbered_rows("ab", 50))
    mapping = {"A": "a", "B": "a", "C": None}
    found = bring(
        tmp_path, {"train": train, "dev": dev, "pool:x": csv(numbered_rows("ABC", 70))}, labels={"pool:x": mapping}
    )
    assert found.parts["pool:x"].corpus.table.column("labels").to_pylist() == [["a"], ["a"], None]
    with pytest.raises(CoreError) as caught:
        bring(
            tmp_path, {"train": train, "dev": dev, "pool:x": csv(numbered_rows("AZ", 70))}, labels={"pool:x": mapping}
        )
    assert caught.value.code == "label_unlisted" and caught.value.values["row"] == 3
    several = corpus_of([["A", "B"], ["A", "C"], ["C"], None, []], name="multilabel")
    mapped = MULTI.mapped(several, mapping, ("a",))
    assert mapped.table.column("labels").to_pylist() == [["a"], ["a", None], [None], None, []]
    hidden = MULTI.masked(mapped, True).table.column("labels").to_pylist()
    assert hidden == [["a", None], ["a", None], [None], None, [None]]
    assert MULTI.masked(mapped, False) is mapped and SINGLE.masked(several, True) is several


def test_splits_and_draws_are_stratified(tmp_path):
    found = bring(tmp_path, {"file": csv(numbered_rows("aaab" * 20))}, split=Split(0.25, 0.25))
    for part in ("dev", "test"):
        labels = found.parts[part].corpus.table.column("labels").to_pylist()
        assert labels.count(["b"]) == 5 and len(labels) == 20
    train = found.parts["train"].corpus
    stay, off, _ = split_off(SINGLE, train, 8, 0)
    assert used_labels(off) == ["a", "b"] and len(stay) == 32
    assert len({*strata(SINGLE, train).tolist()}) == 2
    mix = draw_mix(SINGLE, {"gold": train, "x": found.parts["dev"].corpus}, {"gold": 10, "x": 25}, 0, ("x",))
    assert len(mix) == 35 and mix.table.column("ingredient").to_pylist().count("x") == 25


def test_a_named_corpus_remembers_its_task(tmp_path):
    space = Workspace.open(tmp_path)
    (tmp_path / "a.csv").write_text(csv(numbered_rows("ab")))
    assert likely_task(space, "a.csv", tmp_path) == "classification"
    kept = f"file:{space.add_file(tmp_path / 'a.csv', 'a.csv')}"
    gold = Gold({"train": Source("a.csv")}, {"train": kept}, task="classification")
    name_gold(space, "mine", gold)
    assert named_gold(space, "corpus:mine") == gold and likely_task(space, "corpus:mine", tmp_path) == "classification"
    assert gold_spec(gold, "en").params["task"] == "classification"
    plain = {"version": 1, "data": "corpus:mine"}
    with pytest.raises(CoreError) as caught:
        import_spec(space, check(plain, tmp_path, "r"))
    assert (caught.value.code, caught.value.values["task"]) == ("corpus_other_task", "classification")
    for name in BOTH:
        assert import_spec(space, check(plain | {"task": name}, tmp_path, "r")).params["task"] == name


def test_columns_of_a_recipe_name_those_of_its_files(tmp_path):
    space = Workspace.open(tmp_path)
    (tmp_path / "a.csv").write_text("q,k\nx,y\n")
    data = {"train": "a.csv", "dev": "a.csv", "columns": {"text": "q", "labels": "k"}}
    spec = import_spec(space, check({"version": 1, "task": "classification", "data": data}, tmp_path, "r"))
    sources: Any = spec.params["sources"]
    assert sources["train"]["options"] == {"columns": {"text": "q", "labels": "k"}}
    with pytest.raises(CoreError) as caught:
        bad = data | {"columns": {"txt": "q"}}
        import_spec(space, check({"version": 1, "task": "classification", "data": bad}, tmp_path, "r"))
    assert caught.value.code == "unknown_key" and caught.value.values["nearest"] == "text"


# Looking


def test_rows_are_found_and_shown():
    data = corpus_of(
        [["a"], ["b"], ["a", "b"], None, []], ["Card lost", "my card", "Lost it", "?", "none"], "multilabel"
    )
    index = browse.index(data)
    assert browse.find(index, "lost").tolist() == [0, 2] and browse.find(index, "", ["a", "b"]).tolist() == [2]
    assert browse.find(index, "", (), True).tolist() == [3, 4]
    rows = browse.page(data, np.arange(5), 0, 5)
    assert [row.labels for row in rows] == [("a",), ("b",), ("a", "b"), None, ()]
    assert ["".join(s.text for s in row.segments) for row in rows] == data.table.column("text").to_pylist()
    shown = browse.page(data, np.array([2, 0]), 0, 2, values=[["b"], [], ["c"], [], []])
    assert [(row.position, row.labels) for row in shown] == [(2, ("c",)), (0, ("b",))]


def test_changes_are_shown_where_they_are(root):
    pool = build_pool(GOLD, AugmentParams("deletion"), root, set(), lambda: None).corpus
    for row in browse.page(pool, np.arange(len(pool)), 0, 9):
        assert any(segment.changed for segment in row.segments)
        assert "".join(segment.text for segment in row.segments) == row.text
    [first] = preview(GOLD, [0], AugmentParams("synonym"), root)
    child = first.children[0]
    assert isinstance(child, Child)
    [parent] = browse.page(GOLD, np.array([0]), 0, 1)
    segments = browse.child_segments(parent, child)
    assert "".join(s.text for s in segments).startswith("I lost my  credit") or any(s.changed for s in segments)


def test_a_mix_and_its_splits_are_described():
    train, dev = corpus_of([["a"], ["a"], ["b"]]), corpus_of([["a"], ["b"]], ["text 0", "new words here"])
    index = composition.index(train)
    assert index.label_counts.tolist() == [[1, 0], [1, 0], [0, 1]] and index.lengths.tolist() == [2, 2, 2]
    found = portrait({"train": train, "dev": dev})
    assert dict(found.splits["train"].mentions) == {"a": 2, "b": 1} and found.splits["dev"].without == 0
    assert found.shared == {("train", "dev"): 1}
    told = judged(dev, predictions.Predictions([["a"], ["a"]], [[0.9], [0.6]], 0.0), ("a", "b"))
    assert told.right.tolist() == [1, 0] and told.wrong.tolist() == [0, 2] and told.sure.tolist() == [0.9, 0.6]


def test_answers():
    assert SINGLE.answer("x", ["a"], [0.7]) == {"text": "x", "labels": [{"label": "a", "confidence": 0.7}]}
    assert [one["label"] for one in MULTI.answer("x", ["a", "b"], [0.6, 0.9])["labels"]] == ["b", "a"]
    rows = SINGLE.unlabelled(["one", "京都"])
    assert SINGLE.targets(rows, LABELS).tolist() == [IGNORED] * 2 and list(SINGLE.words(rows)) == [
        ["one"],
        ["京", "都"],
    ]


# Archives


def test_archives_take_sound_rows_alone(tmp_path, root):
    pool = build_pool(GOLD, AugmentParams("swap"), root, set(), lambda: None).corpus
    for data in (GOLD, pool, corpus_of([["a", "b"], []], name="multilabel")):
        path = corpora.write(data, tmp_path)
        assert archived(tmp_path, path.name).id == data.id

    def wrong(data: Corpus) -> str:
        path = corpora.write(data, tmp_path)
        with pytest.raises(CoreError) as caught:
            archived(tmp_path, path.name)
        return caught.value.code

    def changed(column: str, values: list[Any]) -> Corpus:
        at = pool.table.schema.get_field_index(column)
        kind = pool.table.schema.field(at)
        return Corpus(pool.schema, pool.table.set_column(at, kind, pa.array(values, kind.type)))

    starts = pool.table.column("starts").to_pylist()
    assert wrong(changed("starts", [[-1, *row[1:]] for row in starts])) == "archive_table"
    assert wrong(changed("ends", [[*row[:-1], 10_000] for row in starts])) == "archive_table"
    assert wrong(changed("starts", [row[1:] for row in starts])) == "archive_table"
    assert wrong(changed("labels", [["other"]] * len(pool))) == "archive_table"
    assert wrong(changed("text", [None] * len(pool))) == "archive_table"
    assert wrong(Corpus(Schema("tagging", GOLD.schema.labels), GOLD.table)) == "archive_table"
    assert wrong(Corpus(Schema("nobody", GOLD.schema.labels), GOLD.table)) == "archive_table"


@pytest.mark.parametrize("name", BOTH)
def test_archives_take_predictions_that_fit(name, tmp_path):
    data = corpus_of([["a"], ["b"]], name=name)
    known = {data.id: data}

    def taken(values: list[list[str]], sure: list[list[float]]) -> bool:
        path = predictions.file_of(tmp_path, data.id)
        predictions.write(path, data, predictions.Predictions(values, sure, 1.0))
        try:
            archived_predictions(tmp_path, path.name, known)
        except CoreError as error:
            assert error.code == "archive_table"
            return False
        return True

    assert taken([["a"], ["b"]], [[0.5], [0.5]])
    assert not taken([["a"], ["b"]], [[0.5], [0.5, 0.5]])
    assert taken([["a", "b"], []], [[0.5, 0.5], []]) == (name == "multilabel")


# The command line


def texts_of(label: str, start: int, count: int) -> list[str]:
    words = {
        "boats": "ship harbour sea captain",
        "money": "bank company minister contract",
        "sport": "team cup final race",
    }
    mine = words[label].split()
    both = [f"the {one} and the {other} {n}" for n, (one, other) in enumerate(product(mine, mine))]
    return both[start : start + count]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    found = tmp_path_factory.mktemp("classified")
    for split, start, count in (("train", 0, 8), ("dev", 8, 3), ("test", 11, 4)):
        rows = [(text, label) for label in ("boats", "money", "sport") for text in texts_of(label, start, count)]
        (found / f"{split}.csv").write_text("text,category\n" + "".join(f'"{t}",{label}\n' for t, label in rows))
    several = [(text, f"{label}|news" if n % 2 else label) for label in ("boats", "money")
               for n, text in enumerate(texts_of(label, 0, 6))]  # fmt: skip
    (found / "several.csv").write_text(
        "text,labels\n" + "".join(f"{t},{labels}\n" for t, labels in several) + "none,\n"
    )
    recipe = {
        "version": 1,
        "task": "classification",
        "data": {split: f"{split}.csv" for split in ("train", "dev", "test")},
        "ingredients": {"swaps": {"augmenter": "swap"}},
        "mix": {"parts": {"gold": 1.0, "swaps": 0.5}},
        "train": {"model": str(tiny_model), "steps": 2, "seeds": [0, 1]},
    }
    (found / "one.yaml").write_text(json.dumps(recipe))
    data = {"file": "several.csv", "split": {"dev": 0.3, "seed": 1}}
    (found / "many.yaml").write_text(json.dumps({**recipe, "data": data, "train": {**recipe["train"], "seeds": [0]}}))
    return found


@pytest.fixture(scope="session")
def run_of_one(core: Any, folder: Path) -> Any:
    done = core("run", "one.yaml", "--json", "--workspace", "w", folder=folder)
    assert done.status == 0, done.stderr
    return done.json


def test_a_recipe_is_carried_out(core, folder, run_of_one):
    schema = json.loads((ROOT / "docs" / "run-output.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(run_of_one)
    assert run_of_one["corpus"]["train"] == 24 and run_of_one["corpus"]["ingredients"]["swaps"] > 10
    for split, support in (("dev", 9), ("test", 12)):
        scores = run_of_one["scores"][split]
        assert set(scores["per_label"]) == {"boats", "money", "sport"} and scores["support"] == support
        mean = scores["metrics"]["accuracy"]["mean"]
        assert mean == scores["metrics"]["recall"]["mean"] and np.isclose(mean, scores["metrics"]["f1"]["mean"])
    path = run_of_one["runs"][0]["predictions"]["test"]
    assert path.endswith(".csv")
    scored = core("score", path, "--json", "--workspace", "w", folder=folder)
    assert scored.status == 0, scored.stderr
    assert set(scored.json["mistakes"]["boats"]) == {"correct", "wrong_type", "missed", "spurious"}
    again = core("run", "one.yaml", "--json", "--workspace", "w", folder=folder)
    assert all(run["reused"] for run in again.json["runs"])


def test_runs_are_scored_shown_compared_and_asked(core, folder, run_of_one):
    first, second = (run["id"] for run in run_of_one["runs"])
    (folder / "out.json").write_text(json.dumps(run_of_one))
    scored = core("score", first, "--json", "--workspace", "w", folder=folder)
    assert scored.status == 0 and scored.json["scores"]["support"] == 9
    assert core("score", first, "--rule", "partial", "--workspace", "w", folder=folder).status == 2
    shown = core("show", second, "--json", "--workspace", "w", folder=folder)
    assert shown.status == 0 and shown.json["first_batch"]["rows"] > 0
    compared = core("compare", "one.yaml", "out.json", "--json", "--workspace", "w", folder=folder)
    assert compared.status == 0, compared.stderr
    assert {line["label"] for line in compared.json["lines"]} == {None, "boats", "money", "sport"}
    (folder / "lines.txt").write_text("the ship and the sea\n\nthe bank\n")
    asked = core("predict", first, "lines.txt", "--json", "--workspace", "w", folder=folder)
    assert asked.status == 0, asked.stderr
    assert [len(row["labels"]) for row in asked.json["rows"]] == [1, 1]
    assert all(0 <= row["labels"][0]["confidence"] <= 1 for row in asked.json["rows"])


def test_several_labels_a_row_are_trained_and_scored(core, folder):
    done = core("run", "many.yaml", "--json", "--workspace", "w", folder=folder)
    assert done.status == 0, done.stderr
    codes = {issue["code"] for issue in done.json["corpus"]["issues"]}
    assert {"task_settled", "labels_split"} <= codes
    assert "accuracy" not in done.json["scores"]["dev"]["metrics"]
    assert done.json["scores"]["dev"]["support"] > len(done.json["runs"])


MORE = ("--json", "--workspace", "w")


@pytest.fixture(scope="session")
def named(core: Any, folder: Path) -> Any:
    done = core("import", "--name", "mine", "--train", "train.csv", "--dev", "dev.csv", *MORE, folder=folder)
    assert done.status == 0, done.stderr
    return done.json


def test_files_are_imported_and_children_written(core, folder, named):
    assert named["labels"]["train"] == ["boats", "money", "sport"] and named["layouts"]["train"]["format"] == "csv"
    made = core("augment", "corpus:mine", "--method", "swap", "--out", "kids.parquet", *MORE, folder=folder)
    assert made.status == 0, made.stderr
    read = core("import", "kids.parquet", *MORE, folder=folder)
    assert read.json["rows"] == {"pool:file": made.json["rows"]} and made.json["rows"] > 10


def test_what_does_not_suit_is_refused(core, folder):
    refused = core("augment", "train.csv", "--method", "mention_replacement", *MORE, folder=folder)
    assert refused.status == 2 and refused.json["error"]["code"] == "augmenter_needs"
    wrong = core("import", "--train", "train.csv", "--columns", "text=nope", *MORE, folder=folder)
    assert wrong.status == 2 and wrong.json["error"]["code"] == "column_unknown"


@pytest.mark.whole
def test_features_are_those_of_rows(core, folder, named):
    model = json.loads((folder / "one.yaml").read_text())["train"]["model"]
    listed = core("features", "corpus:mine", "--layers", "0", "--model", model, *MORE, folder=folder)
    assert listed.status == 0, listed.stderr
    assert listed.json["words"] == listed.json["rows"] == 24


def test_the_sample_opens_ready_to_run(tmp_path):
    from core.project import load
    from core.sample import open_sample, sample

    space = Workspace.open(tmp_path)
    project = open_sample(space, "bikes")
    assert project.recipe.task == "classification" and load(space, "bikes").recipe == project.recipe
    files = {role: sample("bikes").folder / file for role, file in sample("bikes").corpora["bikes"].items()}
    found = bring_in(ImportParams({role: Source(role) for role in files}, "classification"), files)
    assert {role: len(part.corpus) for role, part in found.parts.items()} == {"train": 80, "dev": 30, "test": 60}
    assert not found.issues and len(found.parts["train"].corpus.schema.labels) == 5


def test_both_names_are_tasks():
    assert {*BOTH} < {*TASKS} and (SINGLE.objective, MULTI.objective) == ("softmax", "sigmoid")
    assert SINGLE.settled([table_of([["a"], None])]) == "classification" and MULTI.settled([]) == "multilabel"


@pytest.mark.parametrize("name", BOTH)
def test_shuffled_labels_are_those_of_another_text(name: str, root: Path):
    labels = [["lost"], ["car"], None, ["card"]] if name == "classification" else [["lost", "car"], [], ["card"], None]
    gold = corpus_of(labels, TEXTS, name)
    pool = build_pool(gold, AugmentParams("label_shuffle", copies=3), root, set(), lambda: None)
    assert pool.counts == {"one_label": 3} and len(pool.corpus) == 9
    of = {row["id"]: row for row in gold.table.to_pylist()}
    stated = {tuple(sorted(one)) for one in labels if one is not None}
    for row in pool.corpus.table.to_pylist():
        parent = of[row["parent"]]
        assert row["text"] == parent["text"] and row["labels"] != parent["labels"]
        assert tuple(row["labels"]) in stated
