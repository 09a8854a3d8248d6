"""The contract of every augmenter, what each does beyond it, and the filters of a pool."""

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import corpus as corpora
from core.augment import AUGMENTERS, augmenter, draws_on, lacking, make, params_class, params_of
from core.augment.chain import Link
from core.augment.deletion import Deletion, DeletionParams
from core.augment.edits import Edit, edited
from core.augment.mention_replacement import MentionReplacement, MentionReplacementParams
from core.augment.occurrences import Occurrences
from core.augment.pool import AugmentParams, build_pool, pool_schema, run
from core.augment.protocol import Change, Child, Example, Rejected, Resources, Scope, restore, rng_for
from core.augment.rejected import rejected_rows
from core.augment.shuffle_segments import ShuffleSegments, ShuffleSegmentsParams
from core.augment.swap import Swap, SwapParams
from core.augment.token_replacement import TokenReplacement, TokenReplacementParams
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.params import canonical
from core.runs import Cancelled, RunSpec, located
from core.tasks import task
from core.tasks.example import valid_iob2
from core.tasks.running import Running, spliced
from core.tasks.tagging import OUTSIDE, TABLE, content, spans, text_content
from tests.language_server import author, configured, serving
from tests.victims import learned

TAGGING = task("tagging")
OUTSIDE_ONLY = ("synonym", "neighbours", "graph", "insertion", "swap", "deletion", "attack")
FAILED = ("already_wrong", "attack_failed")  # of an attack
NOISE = ("keyboard", "ocr", "spelling")

# token/tag, "?" for a masked token; "_" before a token: nothing stands between it and the one before it
SENTENCES = (
    "The/O old/O ship/O left/O New/B-LOC York/I-LOC after/O a/O big/O storm/O _./O",
    "Mary/B-PER Ellen/I-PER Jones/I-PER and/O John/B-PER Smith/I-PER _'s/O brother/O buy/O a/O quick/O car/O _./O",
    "we/O begin/O to/O help/O the/O people/O of/O Oslo/B-LOC Acme/B-ORG Ltd/I-ORG says/O",
    "the/O report/O of/O Widget/? Works/? reached/O Paris/B-LOC on/O 10/O May/? 2005/O",
    "nobody/O thinks/O that/O this/O is/O important/O _,/O however/O happy/O the/O city/O may/O be/O",
    "happy/O 🎉/O 👩‍👩‍👧/O in/O Köln/B-LOC with/O é/O 10/O friends/O because/O of/O the/O beautiful/O weather/O",
    "Hello/O",
    "Bob/B-PER",
    "secret/?",
    "李/B-PER _明/I-PER _住/O _在/O _北/B-LOC _京/I-LOC _。/O",
)
MODEL, VICTIM = f"model:{'0' * 64}", f"model:{'1' * 64}"
GIVEN: dict[str, dict[str, Any]] = {  # what a method can't do without
    "masked_lm": {"model": MODEL},
    "written": {"model": "endpoint:local"},
    "attack": {"model": VICTIM},
}
METHODS = [name for name, entry in AUGMENTERS.items() if not (entry.control or entry.labels)]
PARAMS: dict[str, Any] = {
    name: params_of(name, GIVEN.get(name, {})) for name, entry in AUGMENTERS.items() if not entry.labels
}


def row_of(sentence: str) -> tuple[list[str], list[str | None], str, list[int], list[int]]:
    tokens: list[str] = []
    tags: list[str | None] = []
    text, starts, ends = "  ", list[int](), list[int]()
    for item in sentence.split():
        token, _, tag = item.removeprefix("_").rpartition("/")
        text += " " if tokens and not item.startswith("_") else ""
        starts.append(len(text))
        text += token
        ends.append(len(text))
        tokens.append(token)
        tags.append(None if tag == "?" else tag)
    return tokens, tags, text + "\n", starts, ends


def corpus_of(sentences: tuple[str, ...] = SENTENCES, language: str = "en", text: bool = True) -> Corpus:
    rows = [row_of(sentence) for sentence in sentences]
    ids = corpora.numbered([content(tokens, tags) for tokens, tags, *_ in rows])
    columns = [*zip(*rows, strict=True)] if rows else [()] * 5
    running = columns[2:] if text else [[None] * len(rows)] * 3
    table = pa.table([ids, ids, [None] * len(ids), *columns[:2], *running], schema=TABLE)
    return Corpus(Schema("tagging", ("LOC", "ORG", "PER"), language), table)


GOLD = corpus_of()
ROWS = TAGGING.examples(GOLD.table)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, masked_model: Path, tables: Path) -> Generator[Path]:
    """A workspace, as far as methods need one."""
    root = tmp_path_factory.mktemp("root")
    (root / "cache").symlink_to(tables)
    shutil.copytree(masked_model, root / located(MODEL))
    strange = [Example(b"", ("zzz",) * n, ("B-ORG",) * n) for n in (1, 2, 5)]  # so it takes new words for names
    learned(root / located(VICTIM), "tagging", ROWS, GOLD.schema.labels, strange)
    with serving(author) as server:
        configured(root, server.url)
        yield root


@pytest.fixture
def resources(root: Path, request: pytest.FixtureRequest) -> Resources:
    """What a method is built from; of one that a test goes by, with the model that it can't do without."""
    told = getattr(request.node, "callspec", None)
    model = GIVEN.get("" if told is None else told.params.get("name", ""), {}).get("model", MODEL)
    named = {} if model.startswith("endpoint:") else {"model": root / located(model)}
    return Resources(ROWS, "en", root / "cache", named, root / "endpoints.yaml")


words = st.sampled_from(
    ["big", "car", "happy", "Report", "the", "BEGIN", "Smith", "🎉", "10", "Oslo", "京", "quick", "l0l", "city", "ß"]
)


@st.composite
def random_rows(draw: st.DrawFn) -> Example:
    """Valid IOB2 with mentions of one to three tokens, O and masked tokens in any order."""
    parts = draw(st.lists(st.sampled_from(["O", "O", "?", "PER", "LOC"]), min_size=1, max_size=10))
    tags: list[str | None] = []
    for part in parts:
        if part in ("PER", "LOC"):
            tags += [f"B-{part}", *[f"I-{part}"] * draw(st.integers(0, 2))]
        else:
            tags.append(None if part == "?" else OUTSIDE)
    tokens = draw(st.lists(words, min_size=len(tags), max_size=len(tags)))
    return Example(content(tokens, tags), tuple(tokens), tuple(tags))


def mentions(row: Example | Child, surfaces: bool = True) -> Counter[Any]:
    return Counter((s.label, row.tokens[s.start : s.end] if surfaces else ()) for s in spans(row.tags))


def masked(row: Example | Child) -> list[str]:
    return [token for token, tag in zip(row.tokens, row.tags, strict=True) if tag is None]


def protected(row: Example | Child) -> list[tuple[str, str | None]]:
    return [(token, tag) for token, tag in zip(row.tokens, row.tags, strict=True) if tag != OUTSIDE]


def few(name: str, n: int) -> int:
    """So many, or a tenth of it and one for an attack, which asks a model hundreds of times."""
    return 1 + n // 10 if name == "attack" else n


def children(name: str, resources: Resources, copies: int = 0, **params: Any) -> list[tuple[Example, Child]]:
    copies = copies or few(name, 20)
    method = make(name, params_of(name, GIVEN.get(name, {}) | params), resources)
    made = [(row, method.augment(row, c, rng_for(0, name, row.id, c))) for row in ROWS for c in range(copies)]
    return [(row, child) for row, child in made if isinstance(child, Child)]


def assert_holds(name: str, row: Example, child: Child) -> None:
    """What is promised of every child."""
    assert len(child.tokens) == len(child.tags) > 0
    assert valid_iob2(child.tags)
    assert restore(child) == row.tokens
    assert child.tokens != row.tokens
    assert masked(child) == masked(row)
    assert mentions(child, surfaces=False) == mentions(row, surfaces=False)
    if AUGMENTERS[name].keeps_mentions:
        assert mentions(child) == mentions(row)
    if name in OUTSIDE_ONLY:
        assert protected(child) == protected(row)
    end = 0
    for change in child.changes:
        assert end <= change.start <= change.end <= len(child.tokens)
        assert child.tokens[change.start : change.end] != change.was
        end = change.end


@pytest.mark.parametrize("name", METHODS)
class TestContract:
    """What every method in the table keeps to."""

    def test_every_child_of_the_hand_written_corpus(self, name: str, resources: Resources):
        made = children(name, resources)
        assert len({row.id for row, _ in made}) >= 2
        for row, child in made:
            assert_holds(name, row, child)

    def test_every_child_of_random_rows(self, name: str, resources: Resources):
        method = make(name, PARAMS[name], resources)

        @given(random_rows(), st.integers(0, 2**32))
        @settings(max_examples=few(name, 60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
        def holds(row: Example, seed: int) -> None:
            child = method.augment(row, 0, rng_for(seed, name, row.id, 0))
            if isinstance(child, Child):
                assert_holds(name, row, child)
            else:
                assert child.code in ("nothing_to_change", "no_mentions", "no_other_mention", "unchanged", *FAILED)

        holds()

    def test_the_full_rate_is_allowed(self, name: str, resources: Resources):
        for row, child in children(name, resources, copies=few(name, 5), rate=1.0):
            assert_holds(name, row, child)

    def test_the_same_seed_gives_the_same_child_in_any_order(self, name: str, resources: Resources):
        def made(rows: list[Example]) -> dict[Any, Any]:
            method = make(name, PARAMS[name], replace(resources, examples=rows))
            return {
                (r.id, c): method.augment(r, c, rng_for(3, name, r.id, c)) for r in rows for c in range(few(name, 3))
            }

        forward = made(ROWS)
        assert made(ROWS[::-1]) == forward
        assert made(sorted(ROWS, key=lambda row: row.id)) == forward

    def test_another_seed_or_copy_gives_other_children(self, name: str, resources: Resources):
        method = make(name, PARAMS[name], resources)

        def made(row: Example) -> set[str]:
            return {str(method.augment(row, c, rng_for(s, name, row.id, c))) for s in (0, 1) for c in range(6)}

        assert any(len(made(row)) > 1 for row in ROWS)

    def test_global_random_state_is_left_alone(self, name: str, resources: Resources):
        import torch

        before = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
        assert children(name, resources, copies=few(name, 3))
        assert (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()) == before

    def test_rows_that_cannot_change_are_rejected(self, name: str, resources: Resources):
        method = make(name, PARAMS[name], resources)
        for row in (Example(b"m", ("Oslo", "big"), (None, None)), Example(b"e", (), ())):
            assert isinstance(method.augment(row, 0, random.Random(0)), Rejected)

    def test_parameters_have_defaults_and_are_checked(self, name: str):
        assert canonical(PARAMS[name]) == GIVEN.get(name, {})
        assert lacking(name, {}) == [*GIVEN.get(name, {})]
        with pytest.raises(CoreError) as error:
            params_of(name, {"rat": 0.1}, "ingredients.x.params")
        assert (error.value.code, error.value.values["where"]) == ("unknown_key", "ingredients.x.params")
        assert error.value.values["nearest"] == "rate"
        for rate in (0, 1.5, "0.1", None):
            with pytest.raises(CoreError):
                params_of(name, GIVEN.get(name, {}) | {"rate": rate})

    def test_pool_counts_rebuilds_and_repeats(self, name: str, root: Path):
        params = AugmentParams(name, GIVEN.get(name, {}), copies=3, seed=1)
        pool = build_pool(GOLD, params, root, set(), lambda: None)
        assert len(pool.corpus) > 0
        assert len(pool.corpus) + len(pool.rejected) == sum(pool.counts.values()) + len(pool.corpus) == 3 * len(GOLD)
        assert pool.corpus.table.schema == pool_schema(TAGGING)
        gold = {row["id"]: row for row in GOLD.table.to_pylist()}
        rows = pool.corpus.table.to_pylist()
        for row in rows:
            changes = tuple(Change(c["start"], c["end"], tuple(c["was"])) for c in row["changes"])
            child = Child(tuple(row["tokens"]), tuple(row["tags"]), changes)
            assert_holds(name, ROWS[list(gold).index(row["parent"])], child)
            cuts = [row["text"][s:e] for s, e in zip(row["starts"], row["ends"], strict=True)]
            assert cuts == row["tokens"]
            assert row["text"].startswith("  ") and row["text"].endswith("\n")
            assert (row["origin"], row["method"]) == (gold[row["parent"]]["origin"], name)
        assert len({row["id"] for row in rows}) == len({tuple(row["tokens"]) for row in rows}) == len(rows)
        assert build_pool(GOLD, params, root, set(), lambda: None).corpus.id == pool.corpus.id


@pytest.mark.parametrize("name", [name for name, entry in AUGMENTERS.items() if entry.control])
def test_controls_keep_words_and_have_a_child_wherever_there_can_be_one(name: str, root: Path):
    params = AugmentParams(name, copies=2, seed=1)
    pool = build_pool(GOLD, params, root, set(), lambda: None)
    whole = len(GOLD) if name == "duplicate" else sum(bool(spans(row.tags)) for row in ROWS)
    assert len(pool.corpus) == 2 * whole and len(pool.corpus) + len(pool.rejected) == 2 * len(GOLD)
    for data in pool.corpus.table.to_pylist():
        row = next(row for row in ROWS if row.id == data["parent"])
        tags = tuple(data["tags"])
        assert tuple(data["tokens"]) == row.tokens and valid_iob2(tags) and data["id"] != row.id
        pairs = [*zip(spans(row.tags), spans(tags), strict=True)]
        assert [(a.start, a.end) for a, _ in pairs] == [(b.start, b.end) for _, b in pairs]
        assert all((a.label == b.label) == (name == "duplicate") for a, b in pairs)
    assert build_pool(GOLD, params, root, set(), lambda: None).corpus.id == pool.corpus.id


def test_every_method_can_be_a_link_of_a_chain():
    assert {*get_args(Link)} == {name for name in METHODS if name != "chain" and not lacking(name, {})}


def test_a_chain_hands_on_what_a_link_made(root: Path):
    resources = Resources(ROWS, "en", root / "cache")
    alone = {name: make(name, PARAMS[name], resources) for name in ("mention_replacement", "case")}
    chain = make("chain", params_of("chain", {"methods": ["mention_replacement", "case"]}), resources)
    for row in ROWS:
        rng, same = (rng_for(3, "chain", row.id, 0) for _ in range(2))
        for _ in ("mention_replacement", "case"):
            same.random()  # whether a link is taken
        first = alone["mention_replacement"].augment(row, 0, same)
        between = row if isinstance(first, Rejected) else Example(row.id, first.tokens, first.tags)
        second = alone["case"].augment(between, 0, same)
        last = between if isinstance(second, Rejected) else second
        found = chain.augment(row, 0, rng)
        assert isinstance(found, Rejected) or (found.tokens, found.tags) == (last.tokens, last.tags)
        assert isinstance(found, Child) == (last.tokens != row.tokens)
    with pytest.raises(CoreError):
        params_of("chain", {"methods": ["chain"]})
    with pytest.raises(CoreError):
        params_of("chain", {"methods": []})


def test_balance_lets_what_is_rare_come_as_often(root: Path):
    rows = [Example(bytes([n]), ("Ann", "saw", "Rome"), ("B-PER", "O", "B-LOC")) for n in range(4)]
    rows += [Example(bytes([9 + n]), (name,), ("B-PER",)) for n, name in enumerate(["Ann"] * 30 + ["Bo", "Cy"])]
    rows.append(Example(b"\xff", ("Oslo",), ("B-LOC",)))
    resources = Resources(rows, "en", root / "cache")

    def drawn(**params: Any) -> tuple[Counter[str], float]:
        method = make("mention_replacement", params_of("mention_replacement", params), resources)
        found = [method.augment(rows[0], c, rng_for(0, "m", rows[0].id, c)) for c in range(600)]
        children = [child for child in found if isinstance(child, Child)]
        places = sum(child.tokens[2] != "Rome" for child in children) / len(children)
        bo = make("mention_replacement", params_of("mention_replacement", params), resources)
        row = Example(b"b", ("Bo",), ("B-PER",))
        others = [bo.augment(row, c, rng_for(0, "m", row.id, c)) for c in range(600)]
        return Counter(child.tokens[0] for child in others if isinstance(child, Child)), places

    usual, places = drawn()
    even, more = drawn(balance=True)
    assert usual["Cy"] < 40 and 250 < even["Cy"] < 350 and more > places + 0.1


def test_a_control_may_not_repeat_what_is_held_out(root: Path):
    held = {text_content(ROWS[0].tokens)}
    pool = build_pool(GOLD, AugmentParams("duplicate"), root, held, lambda: None)
    assert pool.counts == {"overlaps_held_out": 1} and len(pool.corpus) == len(GOLD) - 1


def test_words_run_together_only_within_a_name_or_outside_names(root: Path):
    for row, child in children("spacing", Resources(ROWS, "en", root / "cache"), copies=60, rate=0.5):
        assert "".join(child.tokens) == "".join(row.tokens)
        together = ["".join(child.tokens[span.start : span.end]) for span in spans(child.tags)]
        assert together == ["".join(row.tokens[span.start : span.end]) for span in spans(row.tags)]


def test_case_changes_nothing_but_case(root: Path):
    seen: set[str] = set()
    for row, child in children("case", Resources(ROWS, "en", root / "cache"), copies=20, rate=0.5):
        assert child.tags == row.tags and [t.casefold() for t in child.tokens] == [t.casefold() for t in row.tokens]
        seen |= {*child.tokens}
    assert {"NEW", "new", "Ship", "SHIP"} <= seen
    small = children("case", Resources(ROWS, "en", root / "cache"), rate=1.0, style="lower")
    assert small and all(c.tokens[x.start].islower() for _, c in small for x in c.changes)


@pytest.mark.parametrize("name", NOISE)
class TestNoise:
    """What the three methods that disturb single tokens share."""

    def test_tokens_keep_their_number_and_tags(self, name: str, resources: Resources):
        for row, child in children(name, resources):
            assert child.tags == row.tags
            assert len(child.tokens) == len(row.tokens)

    def test_a_word_stays_a_word(self, name: str):
        words = sorted({word for row in ROWS for word in row.tokens if word.isascii()})
        row = Example(b"r", (*words, "because", "Receive", "LOOK", "1980s"), (OUTSIDE,) * (len(words) + 4))
        method = make(name, params_of(name, {"rate": 1.0}), Resources((), "en", Path()))
        for copy in range(100):
            child = method.augment(row, copy, rng_for(0, name, row.id, copy))
            assert isinstance(child, Child) and child.tags == row.tags
            assert len(child.changes) > len(words) / 4
            assert all(new.isalnum() == old.isalnum() for new, old in zip(child.tokens, row.tokens, strict=True))

    @pytest.mark.parametrize("scope", get_args(Scope))
    def test_scope(self, name: str, scope: Scope, resources: Resources):
        touched = {
            row.tags[change.start] == OUTSIDE
            for row, child in children(name, resources, copies=40, scope=scope, rate=0.5)
            for change in child.changes
        }
        assert touched == {"all": {True, False}, "outside": {True}, "inside": {False}}[scope]


def test_noise_does_not_depend_on_the_hash_seed_of_the_process():
    code = (
        f"from tests.{Path(__file__).stem} import *;"
        "print([c for n in NOISE for c in children(n, Resources(ROWS, 'en', Path()), 3)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
            cwd=Path(__file__).parent.parent,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_an_unknown_name_comes_with_the_nearest():
    with pytest.raises(CoreError) as error:
        augmenter("synonyms")
    assert (error.value.code, error.value.values["nearest"]) == ("unknown_augmenter", "synonym")
    assert error.value.hint_code == "hint_nearest"


def test_the_table_and_all_params_pull_nothing_heavy():
    code = (
        "import sys; from core.augment import AUGMENTERS, params_class; import core.augment.pool;"
        "[params_class(n) for n in AUGMENTERS];"
        "print({'torch', 'nlpaug', 'wn', 'transformers', 'sklearn'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert out.stdout.strip() == "set()"


def test_params_classes_are_those_of_the_table():
    assert params_class("swap") is SwapParams
    assert params_of("swap", {"rate": 0.5}) == SwapParams(0.5)


def test_random_numbers_follow_from_seed_method_row_and_copy():
    base = (0, "swap", b"row", 0)
    others = [base, (1, *base[1:]), (0, "ocr", *base[2:]), (0, "swap", b"wor", 0), (*base[:3], 1)]
    assert len({rng_for(*arguments).random() for arguments in others}) == 5
    assert rng_for(*base).random() == 0.3682071913883549  # the same on every machine


@given(st.lists(st.sampled_from("abcd"), min_size=1), st.sampled_from("abcde"), st.integers(0, 1000))
def test_another_occurrence_is_another_one(items: list[str], item: str, seed: int):
    bag = Occurrences(items)
    others = [other for other in items if other != item]
    assert bag.has_other(item) == bool(others)
    if others:
        assert bag.other(item, random.Random(seed)) in others


def test_occurrences_are_drawn_as_often_as_they_occur():
    bag, rng = Occurrences(["a"] * 6 + ["b"] * 3 + ["c"]), random.Random(0)
    drawn = Counter(bag.other("a", rng) for _ in range(4000))
    assert drawn["b"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_an_edit_that_alters_nothing_leaves_no_trace():
    row = Example(b"r", ("a", "b", "c"), ("O", "O", None))
    same, new = Edit(0, 1, ("a",), ("O",)), Edit(1, 2, ("x", "y"), ("O", "O"))
    assert edited(row, [same, new]) == Child(("a", "x", "y", "c"), ("O", "O", "O", None), (Change(1, 3, ("b",)),))


# One method at a time


def test_a_mention_becomes_another_of_its_label(resources: Resources):
    known = {(s.label, row.tokens[s.start : s.end]) for row in ROWS for s in spans(row.tags)}
    method = MentionReplacement(MentionReplacementParams(), resources)
    replaced = 0
    for row in (ROWS[1], ROWS[2]):
        for copy in range(300):
            child = method.augment(row, copy, rng_for(0, "m", row.id, copy))
            assert isinstance(child, Child)
            new = [(s.label, child.tokens[s.start : s.end]) for s in spans(child.tags)]
            assert set(new) <= known
            assert [t for t, g in zip(child.tokens, child.tags, strict=True) if g == OUTSIDE] == [
                t for t, g in zip(row.tokens, row.tags, strict=True) if g == OUTSIDE
            ]
            replaced += len(child.changes) if row is ROWS[1] else 0
    assert replaced / 600 == pytest.approx(0.3 + 0.49 / 2, abs=0.05)  # rate, and one where chance took none of two


def test_a_label_with_one_surface_cannot_be_replaced():
    rows = [Example(b"1", ("Oslo", "x"), ("B-LOC", OUTSIDE)), Example(b"2", ("Oslo",), ("B-LOC",))]
    method = MentionReplacement(MentionReplacementParams(), Resources(rows, "en", Path()))
    assert method.augment(rows[0], 0, random.Random(0)) == Rejected("no_other_mention")
    assert method.augment(Example(b"3", ("x",), ("O",)), 0, random.Random(0)) == Rejected("no_mentions")


def test_a_token_becomes_one_of_its_full_tag(resources: Resources):
    seen = {(token, tag) for row in ROWS for token, tag in zip(row.tokens, row.tags, strict=True)}
    method = TokenReplacement(TokenReplacementParams(1.0), resources)
    for row in ROWS:
        child = method.augment(row, 0, random.Random(1))
        if isinstance(child, Child):
            assert child.tags == row.tags
            assert set(zip(child.tokens, child.tags, strict=True)) <= seen
    changed = sum(len(c.changes) for r, c in children("token_replacement", resources, copies=200) if r == ROWS[1])
    assert changed / 200 / len(ROWS[1].tokens) == pytest.approx(0.3, abs=0.04)  # bar I-ORG, all can change


def test_segments_are_shuffled_within_themselves(resources: Resources):
    method = ShuffleSegments(ShuffleSegmentsParams(1.0), resources)
    for row in ROWS[:6]:
        child = method.augment(row, 0, random.Random(2))
        assert isinstance(child, Child) and child.tags == row.tags
        for span in spans(row.tags):
            assert sorted(child.tokens[span.start : span.end]) == sorted(row.tokens[span.start : span.end])
            if span.end - span.start > 1:
                assert child.tokens[span.start : span.end] != row.tokens[span.start : span.end]


@pytest.mark.parametrize("name", ["swap", "shuffle_segments"])
def test_order_changes_but_no_token_is_lost(name: str, resources: Resources):
    for row, child in children(name, resources, rate=0.6):
        assert sorted(child.tokens) == sorted(row.tokens)


def test_nothing_is_swapped_across_a_mention(resources: Resources):
    row = Example(b"r", tuple("abXcd?ef"), ("O", "O", "B-PER", "O", "O", None, "O", "O"))
    method = Swap(SwapParams(1.0), resources)
    child = method.augment(row, 0, random.Random(0))
    assert isinstance(child, Child)
    assert "".join(child.tokens) == "baXdc?fe"
    assert method.augment(Example(b"r", tuple("aXbb"), ("O", "B-PER", "O", "O")), 0, random.Random(0)) == Rejected(
        "nothing_to_change"
    )


def test_deletion_leaves_mentions_and_at_least_one_token(resources: Resources):
    method = Deletion(DeletionParams(1.0), resources)
    bare = method.augment(ROWS[4], 0, random.Random(0))
    named = method.augment(ROWS[0], 0, random.Random(0))
    assert isinstance(bare, Child) and isinstance(named, Child)
    assert len(bare.tokens) == 1
    assert named.tokens == ("New", "York")


def test_synonyms_keep_the_case_and_leave_function_words_and_names_alone(resources: Resources):
    row = Example(b"r", ("Big", "Report", "BIG", "big", "the", "Oslo", "big"), ("O",) * 5 + ("B-LOC", None))
    method = make("synonym", params_of("synonym", {"rate": 1.0}), resources)
    for copy in range(20):
        child = method.augment(row, copy, rng_for(0, "synonym", b"r", copy))
        assert isinstance(child, Child)
        assert child.tokens == ("Large", "Report", "LARGE", "large", "the", "Oslo", "big")


def test_synonyms_are_single_lower_case_words_of_the_first_senses(resources: Resources):
    from core.augment.wordnet import synonyms_for

    groups = synonyms_for(resources, "synonym")
    assert len(groups) > 30_000
    assert groups["buy"] == ["purchase", "bribe", "corrupt"]
    assert all(w.isalpha() and w.islower() and word not in found for word, found in groups.items() for w in found)
    assert not {"the", "found", "hearing", "two", "paris", "in"} & set(groups)


@pytest.mark.parametrize(("name", "files"), [("synonym", "wordnet"), ("neighbours", "neighbours"), ("graph", "graph")])
def test_words_are_read_without_the_package_once_they_are_kept(name: str, files: str, root: Path, resources: Resources):
    make(name, PARAMS[name], resources)
    there = {path.suffix for path in (root / "cache").glob(f"{files}*")}
    assert ".arrow" in there and there <= {".arrow", ".lock"}  # the lock is left by whoever made it
    code = (
        "import sys, pathlib; from core.augment import *; from core.augment.protocol import Resources;"
        f"make({name!r}, params_of({name!r}, {{}}), Resources((), 'en', pathlib.Path({str(root / 'cache')!r})));"
        "print({'torch', 'wn'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert out.stdout.strip() == "set()"


NEIGHBOURS = ("storm", "children", "said", "STORM", "Storm", "Oslo", "storm", "tonight")


def test_neighbours_have_the_same_form_and_are_no_opposites(resources: Resources):
    near = make("neighbours", params_of("neighbours", {"least": 0.3, "nearest": 32}), resources)._near  # pyright: ignore
    assert {"hurricane", "cyclone"} <= {*near["storm"]} and "storms" not in near["storm"]
    assert {"kids", "babies"} <= {*near["children"]} and "child" not in near["children"]
    assert {"told", "stated"} <= {*near["said"]} and not {"say", "says"} & {*near["said"]}
    assert "excellent" in near["good"] and "bad" not in near["good"] and "hate" not in near["love"]
    assert "sell" not in near["buy"] and "slowly" not in near["quickly"]
    assert not {"the", "two", "paris", "monday", "may"} & (
        {*near} | {word for found in near.values() for word in found}
    )


def test_neighbours_keep_the_case_and_leave_names_alone(resources: Resources):
    row = Example(b"r", NEIGHBOURS, ("O",) * 5 + ("B-LOC", None, "O"))
    method = make("neighbours", params_of("neighbours", {"rate": 1.0}), resources)
    seen: set[str] = set()
    for copy in range(60):
        child = method.augment(row, copy, rng_for(0, "neighbours", b"r", copy))
        assert isinstance(child, Child)
        assert child.tokens[0].islower() and child.tokens[3].isupper() and child.tokens[4:7] == NEIGHBOURS[4:7]
        assert all(child.tokens[at] != NEIGHBOURS[at] for at in (0, 1, 2, 3))
        seen.add(child.tokens[0])
    assert len(seen) > 4


def test_fewer_and_nearer_neighbours_are_the_first_of_more(resources: Resources):
    def near(**params: Any) -> dict[str, list[str]]:
        return make("neighbours", params_of("neighbours", params), resources)._near  # pyright: ignore

    more, fewer, nearer = near(nearest=8), near(nearest=2), near(least=0.6)
    assert all(more[word][: len(found)] == found and len(found) <= 2 for word, found in fewer.items())
    assert fewer.keys() == more.keys() > nearer.keys()
    assert all(more[word][: len(found)] == found for word, found in nearer.items())


def test_neighbours_in_other_languages_are_words_of_the_corpus(root: Path):
    words = ["Haus", "gehen", "laufen", "fahren", "kaufen", "verkaufen", "günstig", "billig", "🎉", "d'é", "ja"]
    rows = [Example(bytes([0]), tuple(words), ("O",) * len(words)), Example(b"n", ("billig",), ("B-ORG",))]
    rows += [Example(bytes([n]), ("kaufen", "billig"), ("O", "O")) for n in range(1, 4)]
    rows += [Example(b"x" + bytes([n]), ("und", "gut"), ("O", None)) for n in range(20)]
    resources = Resources(rows, "de-AT", root / "cache")
    method = make("neighbours", params_of("neighbours", {"rate": 1.0, "least": 0.2}), resources)
    assert method._near["günstig"][0] == "billig" and "laufen" in method._near["gehen"]  # pyright: ignore
    assert not {"und", "Haus", "ja", "🎉"} & {*method._near}  # pyright: ignore
    child = method.augment(rows[0], 0, random.Random(0))
    assert isinstance(child, Child) and {*child.tokens} <= {*words}
    assert method.augment(rows[1], 0, random.Random(0)) == Rejected("nothing_to_change")
    again = make(
        "neighbours", params_of("neighbours", {"rate": 1.0, "least": 0.2}), Resources(rows[::-1], "de", root / "cache")
    )
    assert again.augment(rows[0], 0, random.Random(0)) == child


def test_neighbours_of_single_characters_are_refused(root: Path):
    with pytest.raises(CoreError) as error:
        build_pool(corpus_of(SENTENCES[-1:], "zh"), AugmentParams("neighbours"), root, set(), lambda: None)
    assert (error.value.code, error.value.hint_code) == ("no_neighbours", "hint_other_augmenter")
    whole = [Example(bytes([n]), ("我们", "喜欢", "城市", "。"), ("O",) * 4) for n in range(3)]
    make("neighbours", PARAMS["neighbours"], Resources(whole, "zh", root / "cache"))


def test_insertion_adds_outside_tokens_and_never_splits(resources: Resources):
    row = Example(b"r", ("big", "New", "York", "?", "?"), ("O", "B-LOC", "I-LOC", None, None))
    method = make("insertion", params_of("insertion", {"rate": 1.0}), resources)
    places: set[int] = set()  # before which of the parent's tokens
    for copy in range(100):
        child = method.augment(row, copy, rng_for(0, "insertion", b"r", copy))
        assert isinstance(child, Child)
        assert (len(child.tokens), child.tokens.count("large")) == (10, 5)
        inserted = 0
        for change in child.changes:
            places.add(change.start - inserted)
            inserted += change.end - change.start
    assert places == {0, 1, 3, 5}


@pytest.mark.parametrize(
    ("name", "language", "code"),
    [
        ("synonym", "zh", "no_synonyms"),
        ("insertion", "de", "no_synonyms"),
        ("graph", "zh", "no_graph"),
        ("spelling", "zh", "no_spellings"),
        ("keyboard", "zh", "no_keyboard"),
    ],
)
def test_a_language_without_data_is_refused(name: str, language: str, code: str, root: Path):
    with pytest.raises(CoreError) as error:
        build_pool(corpus_of(language=language), AugmentParams(name), root, set(), lambda: None)
    assert error.value.code == code
    assert error.value.values["language"] == language


def test_keyboards_of_other_languages_and_dialects(root: Path):
    row = Example(b"r", ("привіт", "Schön"), ("O", "O"))
    child = make("keyboard", params_of("keyboard", {"rate": 1.0}), Resources((), "uk", root / "cache")).augment(
        row, 0, random.Random(0)
    )
    assert isinstance(child, Child) and child.tokens[0] != "привіт" and child.tokens[1] == "Schön"
    make("synonym", PARAMS["synonym"], Resources((), "en-GB", root / "cache"))


def test_chinese_characters_change_by_construction(root: Path):
    sentences = (
        "李/B-PER _明/I-PER _住/O _在/O _北/B-LOC _京/I-LOC _。/O",
        "王/B-PER _小/I-PER _红/I-PER _去/O _南/B-LOC _京/I-LOC",
    )
    pool = build_pool(corpus_of(sentences, "zh"), AugmentParams("mention_replacement"), root, set(), lambda: None)
    for row in pool.corpus.table.to_pylist():
        assert row["text"] == "  " + "".join(row["tokens"]) + "\n"


# Text


def run_of(sentence: str) -> tuple[tuple[str, ...], Running]:
    tokens, _, text, starts, ends = row_of(sentence)
    return tuple(tokens), Running(text, tuple(starts), tuple(ends))


@pytest.mark.parametrize(
    ("sentence", "changes", "tokens", "text"),
    [
        ("a/O b/O _./O", [Change(1, 2, ("b",))], "a dog .", "  a dog.\n"),
        ("a/O b/O _./O", [Change(0, 1, ())], "the a b .", "  the a b.\n"),
        ("a/O b/O _./O", [Change(2, 3, ())], "a b c .", "  a b c.\n"),
        ("a/O (/O _b/O", [Change(2, 3, ())], "a ( c b", "  a ( c b\n"),
        ("a/O b/O _./O", [Change(0, 0, ("a",))], "b .", "  b.\n"),
        ("a/O (/O _b/O", [Change(1, 1, ("(",))], "a b", "  a b\n"),
        ("a/O (/O _[/O _b/O", [Change(1, 1, ("(",)), Change(1, 1, ("[",))], "a b", "  a b\n"),
        ("a/O (/O _«/O b/O", [Change(1, 1, ("(",))], "a « b", "  a « b\n"),
        ("a/O (/O _[/O _«/O", [Change(1, 1, ("(",)), Change(1, 1, ("[",))], "a «", "  a «\n"),
        ("a/O _-/O _b/O", [Change(1, 1, ("-",))], "a b", "  a b\n"),
        ("a/O b/O _./O", [Change(2, 2, (".",))], "a b", "  a b\n"),
        ("A/O B/O _'s/O", [Change(0, 1, ("A", "B"))], "C 's", "  C's\n"),
        ("A/O B/O _'s/O", [Change(1, 4, ("B",))], "A C D E 's", "  A C D E's\n"),
        ("京/O _。/O", [Change(0, 3, ("京",))], "北 海 道 。", "  北海道。\n"),
        ("a/O _,/O b/O", [Change(0, 3, ("a", ",", "b"))], "a b ,", "  a b ,\n"),
        ("a/O _,/O b/O", [Change(1, 2, (",",))], "a c b", "  a c b\n"),
        ("'/O _a/O b/O", [Change(0, 1, ("'",))], "c a b", "  c a b\n"),
        ("do/O _n't/O go/O", [Change(0, 1, ("do",))], "did n't go", "  didn't go\n"),
        ("do/O _n't/O go/O", [Change(0, 3, ("do", "n't", "go"))], "do go n't", "  do go n't\n"),
        ("京/O _。/O", [Change(1, 2, ())], "京 都 。", "  京都。\n"),
    ],
)
def test_the_text_is_spliced(sentence: str, changes: list[Change], tokens: str, text: str):
    parent_tokens, running = run_of(sentence)
    child = Child(tuple(tokens.split()), (OUTSIDE,) * len(tokens.split()), tuple(changes))
    assert restore(child) == parent_tokens
    made = spliced(running, child)
    assert made.text == text
    assert tuple(made.text[s:e] for s, e in zip(made.starts, made.ends, strict=True)) == child.tokens


def test_a_row_without_text_has_children_without(root: Path):
    pool = build_pool(corpus_of(text=False), AugmentParams("swap"), root, set(), lambda: None)
    assert pool.corpus.table.column("text").null_count == len(pool.corpus) > 0


# Pool


def rejected_codes(parent: Corpus, root: Path, forbidden: set[bytes], **params: Any) -> dict[str, int]:
    pool = build_pool(parent, AugmentParams(**params), root, forbidden, lambda: None)
    assert len(pool.corpus) + len(pool.rejected) == len(parent) * params.get("copies", 1)
    return pool.counts


def test_children_that_stand_in_dev_or_test_are_refused(root: Path):
    parent = corpus_of(("a/O b/O",))
    assert rejected_codes(parent, root, set(), method="swap") == {}
    assert rejected_codes(parent, root, {text_content(["b", "a"])}, method="swap") == {"overlaps_held_out": 1}


def test_children_that_repeat_a_row_or_a_sibling_are_refused(root: Path):
    assert rejected_codes(corpus_of(("a/O b/O",)), root, set(), method="swap", copies=4) == {"duplicate": 3}
    assert rejected_codes(corpus_of(("a/O b/O", "b/O a/O")), root, set(), method="swap") == {"duplicate": 2}


class Breaking:
    """An augmenter that does what it must not: which filter catches it?"""

    def __init__(self, params: object, resources: Resources) -> None: ...

    def augment(self, row: Example, copy: int, rng: random.Random) -> Child | Rejected:
        match copy:
            case 0:
                return Child(row.tokens, ("I-PER", *row.tags[1:]), ())
            case 1:
                return Child(("x", *row.tokens[1:]), row.tags, ())
            case 2:
                return Child(row.tokens, row.tags, ())
            case 3:
                return Child((*row.tokens[:-1], "x"), row.tags, ())
            case _:
                return Child(row.tokens, ("B-LOC", *row.tags[1:]), ())


@pytest.mark.parametrize(
    ("keeps_mentions", "expected"),
    [
        (True, ["invalid_tags", "mentions_changed", "unchanged", "mentions_changed", "mentions_changed"]),
        (False, ["invalid_tags", "unchanged", "mentions_changed", "mentions_changed"]),
    ],
)
def test_what_breaks_labels_is_refused(
    keeps_mentions: bool, expected: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
):
    from core.augment import Entry

    entry = Entry(f"{__name__}:Breaking", "core.augment.swap:SwapParams", 1, keeps_mentions)
    monkeypatch.setattr("core.augment.AUGMENTERS", {"breaking": entry})
    parent = corpus_of(("Bob/B-PER saw/O it/?",))
    pool = build_pool(parent, AugmentParams("breaking", copies=5), root, set(), lambda: None)
    assert [item.code for item in pool.rejected] == expected


def test_more_copies_begin_with_fewer(root: Path):
    one, three = (build_pool(GOLD, AugmentParams("swap", copies=n), root, set(), lambda: None) for n in (1, 3))
    assert three.corpus.table.slice(0, len(one.corpus)).equals(one.corpus.table)


def test_ids_follow_from_parent_method_params_seed_and_copy(root: Path):
    def ids(**params: Any) -> set[bytes]:
        pool = build_pool(GOLD, AugmentParams(**({"method": "swap", "copies": 2} | params)), root, set(), lambda: None)
        return set(pool.corpus.table.column("id").to_pylist())

    base = ids()
    assert base == ids(params={"rate": 0.1})
    assert AugmentParams("swap", {"rate": 0.1}).canonical() == AugmentParams("swap")
    for other in ({"params": {"rate": 0.2}}, {"seed": 1}, {"method": "deletion"}):
        assert not base & ids(**other)
    assert not base & set(GOLD.table.column("id").to_pylist())


def test_children_of_children_keep_the_root(root: Path):
    first = build_pool(GOLD, AugmentParams("swap"), root, set(), lambda: None).corpus
    second = build_pool(first, AugmentParams("deletion"), root, set(), lambda: None).corpus
    parents = dict(zip(*(first.table.column(name).to_pylist() for name in ("id", "origin")), strict=True))
    assert len(second) > 0
    for row in second.table.to_pylist():
        assert parents[row["parent"]] == row["origin"] in set(GOLD.table.column("id").to_pylist())


def test_an_empty_corpus_and_one_without_children(root: Path, tmp_path: Path):
    assert len(build_pool(corpus_of(()), AugmentParams("swap"), root, set(), lambda: None).corpus) == 0
    pool = build_pool(corpus_of(("secret/?",)), AugmentParams("swap"), root, set(), lambda: None)
    assert pool.counts == {"nothing_to_change": 1}
    assert len(corpora.read(corpora.write(pool.corpus, tmp_path))) == 0


class Context:
    """What the process that carries out a run gives to `run`, with files in one folder."""

    attempt = 1

    def __init__(self, root: Path, params: dict[str, Any], inputs: dict[str, Corpus], stop_at: int = 10**9) -> None:
        self.root, self.folder, self.stop_at = root, root / "runs" / "x", stop_at
        self.folder.mkdir(parents=True)
        self.paths = {role: corpora.write(corpus, root / "corpora") for role, corpus in inputs.items()}
        self.spec = RunSpec("augment", {role: corpus.id for role, corpus in inputs.items()}, params)
        self.resolved = {"inputs": {role: str(path) for role, path in self.paths.items()}}
        self.metrics: list[dict[str, Any]] = []
        self.result: dict[str, Any] = {}

    def input(self, role: str) -> Path:
        return self.paths[role]

    def metric(self, **values: Any) -> None:
        self.metrics.append(values)

    def note(self, text: str) -> None: ...

    def point(self, name: str) -> None: ...

    def check_cancelled(self) -> None:
        if len(self.metrics) >= self.stop_at:
            raise Cancelled

    def finish(self, result: Any) -> None:
        self.result = dict(result)


def test_a_run_writes_the_pool_and_what_was_refused(tmp_path: Path):
    dev, test = corpus_of(("b/O a/O",)), corpus_of(("d/O c/O",))
    parent = corpus_of(("a/O b/O", "c/O d/O", "e/O f/O", "secret/?"))
    ctx = Context(tmp_path, {"method": "swap"}, {"of": parent, "dev": dev, "test": test})
    run(ctx)
    assert ctx.result["rejected"] == {"overlaps_held_out": 2, "nothing_to_change": 1}
    assert (ctx.result["rows"], ctx.result["issues"]) == (1, [])
    pool = corpora.read(tmp_path / "corpora" / f"{ctx.result['corpus']}.arrow")
    assert pool.table.column("tokens").to_pylist() == [["f", "e"]]
    assert pool.id == ctx.result["corpus"]
    rejected = pa.ipc.open_file(str(ctx.folder / "rejected.arrow")).read_all().to_pylist()
    ids = parent.table.column("id").to_pylist()
    assert [(ids.index(row["parent"]), row["copy"]) for row in rejected] == [(0, 0), (1, 0), (3, 0)]
    assert [row["code"] for row in rejected] == ["overlaps_held_out", "overlaps_held_out", "nothing_to_change"]
    assert rejected_rows(ctx.folder, parent, "overlaps_held_out").tolist() == [0, 1]
    assert rejected_rows(ctx.folder, parent, "duplicate").tolist() == []
    assert rejected_rows(tmp_path / "gone", parent, "nothing_to_change").tolist() == []


def test_a_run_reports_progress_and_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.augment.pool.PROGRESS", 0.0)
    parent = corpus_of(tuple(f"a{n}/O b/O" for n in range(1500)))
    ctx = Context(tmp_path / "a", {"method": "swap", "copies": 2}, {"of": parent})
    run(ctx)
    steps = [m["step"] for m in ctx.metrics]
    assert (steps[0], steps[-1]) == (0, 3000) and steps == sorted(set(steps))
    assert {m["total"] for m in ctx.metrics} == {3000}
    stopped = Context(tmp_path / "b", {"method": "swap", "copies": 2}, {"of": parent}, stop_at=2)
    with pytest.raises(Cancelled):
        run(stopped)
    assert not stopped.result


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"method": "swop"}, "unknown_augmenter"),
        ({"method": "swap", "copies": 0}, "bad_value"),
        ({"method": "swap", "params": {"rte": 1}}, "unknown_key"),
        ({}, "missing_key"),
    ],
)
def test_bad_params_of_a_run_are_refused(params: dict[str, Any], code: str, tmp_path: Path):
    with pytest.raises(CoreError) as error:
        run(Context(tmp_path, params, {"of": GOLD}))
    assert error.value.code == code


def test_marks_and_numbers_have_no_spelling():
    """nlpaug's list has "?" misspelt as "Egor"."""
    row = Example(b"1", ("?", "15", "$", "believe"), (OUTSIDE,) * 4)
    found = make("spelling", params_of("spelling", {"rate": 1.0}), Resources((row,), "en", Path()))
    child = found.augment(row, 0, rng_for(0, "spelling", row.id, 0))
    assert isinstance(child, Child) and child.tokens[:3] == row.tokens[:3] and child.tokens[3] != "believe"


@pytest.mark.parametrize("name", ["token_replacement", "shuffle_segments"])
@pytest.mark.parametrize("scope", get_args(Scope))
def test_mentions_or_what_is_between_them_can_be_left_as_they_are(name: str, scope: Scope, resources: Resources):
    touched: set[bool] = set()
    for row, child in children(name, resources, copies=40, scope=scope, rate=0.5):
        was = [row.tokens[at] != token for at, token in enumerate(child.tokens)]
        touched |= {row.tags[at] == OUTSIDE for at, other in enumerate(was) if other}
    assert touched == {"all": {True, False}, "outside": {True}, "inside": {False}}[scope]


def test_whose_words_children_may_take():
    assert draws_on("synonym", {}) == ["WordNet 3.0, Princeton University (WordNet License)"]
    assert draws_on("graph", {"triples": "file:ab/own.csv"}) == ["file:ab/own.csv"]
    assert draws_on("swap", {}) == draws_on("mention_replacement", {}) == []
    assert [one.split(" ")[0] for one in draws_on("chain", {"methods": ["ocr", "synonym", "keyboard"]})] == [
        "tables",
        "WordNet",
    ]
