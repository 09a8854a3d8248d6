"""Back-translation: both ways to keep labels, and what is remembered of translations."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.augment import make, params_of
from core.augment.back_translation import BackTranslation
from core.augment.pool import AugmentParams, build_pool
from core.augment.protocol import Ahead, Child, Example, Rejected, Resources, rng_for
from core.augment.translation import Embedded, Memory
from core.errors import CoreError
from core.tasks import task
from tests.test_augment import GOLD, ROWS, assert_holds, corpus_of

SENTENCES = (
    "we/O watched/O the/O fire/O from/O our/O house/O in/O New/B-LOC York/I-LOC for/O two/O weeks/O _./O",
    "yesterday/O Mary/B-PER did/O n't/O come/O to/O work/O because/O of/O the/O heavy/O rain/O ..././O",
    "read/O http://tinyurl.com/24agj38/O @paulwalk/O before/O you/O go/O home/O tonight/O #news/O",
)


class Upper:
    """Capitals there, small letters back: what it was asked is noted."""

    told = ("en-xx", "xx-en")
    name = "upper-1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def known(self, source: str, target: str) -> bool:
        return f"{source}-{target}" in self.told

    def translate(self, texts: Sequence[str], source: str, target: str, draws: Sequence[int]) -> list[str]:
        self.asked += texts
        return [text.upper() if target == "xx" else text.lower() for text in texts]


def back(memory: Memory, *texts: str) -> dict[str, str]:
    """Each text as it comes back, of a translator that knows one way to say it."""
    return {
        text: found for (text, _), found in memory.there_and_back([(text, 0) for text in texts], "en", "xx").items()
    }


def made(mode: str, cache: Path, sentences: tuple[str, ...] = SENTENCES) -> list[tuple[Example, Child | Rejected]]:
    rows = task("tagging").examples(corpus_of(sentences).table)
    method = BackTranslation(params_of("back_translation", {"mode": mode, "rate": 1.0}), Resources(rows, "en", cache))
    return [(row, method.augment(row, 0, rng_for(0, "back_translation", row.id, 0))) for row in rows]


@pytest.mark.parametrize("mode", ["segments", "markers"])
def test_names_addresses_and_the_way_words_are_cut_are_kept(tmp_path: Path, mode: str):
    found = made(mode, tmp_path)
    children = [(row, child) for row, child in found if isinstance(child, Child)]
    assert len(children) >= 2
    for row, child in children:
        assert_holds("back_translation", row, child)
        assert not any("'" in token[1:] and token.endswith("n't") and token != "n't" for token in child.tokens)
    fixed = {"http://tinyurl.com/24agj38", "@paulwalk", "#news"}
    assert all(fixed <= {*child.tokens} for row, child in children if fixed <= {*row.tokens})


def test_segments_leave_everything_in_its_place(tmp_path: Path):
    [(row, child)] = made("segments", tmp_path, SENTENCES[:1])
    assert isinstance(child, Child)
    at = child.tokens.index("New")
    assert child.tags[at : at + 2] == ("B-LOC", "I-LOC") and child.tokens[0].islower()
    assert child.tokens[:at] != row.tokens[:8] or child.tokens[at + 2 :] != row.tokens[10:]


@pytest.mark.parametrize("mode", ["segments", "markers"])
def test_what_no_latin_translator_knows_stays(tmp_path: Path, mode: str):
    words = "yesterday we watched the fire from our house 👩‍👩‍👧 שלום 北京 cafe\u0301 because of the heavy rain"
    sentence = words.replace(" ", "/O ") + "/O"
    [(row, child)] = made(mode, tmp_path, (sentence,))
    kept = {"👩‍👩‍👧", "שלום", "北京", "cafe\u0301"}
    assert isinstance(child, Rejected) or kept <= {*child.tokens}
    if mode == "segments":
        assert isinstance(child, Child) and child.tokens != row.tokens


@pytest.mark.parametrize("mode", ["segments", "markers"])
@pytest.mark.parametrize("sentence", ["we/O went/O home/O " * 200, "x" * 100_000 + "/O " + "we/O all/O went/O home/O"])
def test_endless_texts_are_not_put_to_a_translator(tmp_path: Path, mode: str, sentence: str):
    [(row, found)] = made(mode, tmp_path, (sentence,))
    longest = max(map(len, row.tokens))
    assert (
        isinstance(found, Rejected) if longest < 100 else isinstance(found, Rejected) or row.tokens[0] in found.tokens
    )


def test_a_word_that_only_looks_parted_does_not_part_others(tmp_path: Path):
    rows = [Example(b"a", ("nobody's", "n", "rock'n'roll"), ("O",) * 3)]
    assert not BackTranslation(params_of("back_translation", {}), Resources(rows, "en", tmp_path))._parted
    rows.append(Example(b"b", ("do", "n't"), ("O",) * 2))
    assert BackTranslation(params_of("back_translation", {}), Resources(rows, "en", tmp_path))._parted


def test_brackets_of_its_own_do_not_confuse_a_sentence(tmp_path: Path):
    sentence = "he/O wrote/O [sic]/O that/O Mary/B-PER would/O never/O come/O home/O again/O _./O"
    [(row, child)] = made("markers", tmp_path, (sentence,))
    if isinstance(child, Child):
        assert_holds("back_translation", row, child)
        assert "[sic]" in child.tokens
    else:
        assert child.code in ("markers_lost", "mention_lost")


def test_what_was_translated_once_is_not_asked_again(tmp_path: Path):
    upper = Upper()
    assert back(Memory(upper, tmp_path), "A b", "c", "A b", " ") == {"A b": "a b", "c": "c"}
    assert upper.asked == ["A b", "c", "A B", "C"]
    assert back(Memory(upper, tmp_path), "c", "d") == {"c": "c", "d": "d"}
    assert upper.asked[4:] == ["d", "D"]


def test_a_translator_that_dies_loses_no_finished_batch(tmp_path: Path):
    class Dying(Upper):
        def translate(self, texts: Sequence[str], source: str, target: str, draws: Sequence[int]) -> list[str]:
            if len(self.asked) >= 64:
                raise KeyboardInterrupt
            return super().translate(texts, source, target, draws)

    texts = [f"text {n}" for n in range(100)]
    with pytest.raises(KeyboardInterrupt):
        back(Memory(Dying(), tmp_path), *texts)
    upper = Upper()
    back(Memory(upper, tmp_path), *texts)
    assert upper.asked[:36] == texts[64:]


def test_a_memory_that_is_cleaned_up_or_damaged_begins_anew(tmp_path: Path):
    upper, folder = Upper(), tmp_path / "cache"
    memory = Memory(upper, folder)
    assert back(memory, "a") == {"a": "a"}
    (folder / "translations.db").unlink()  # as a clean-up does, while the process goes on
    folder.rmdir()
    assert back(memory, "a") == {"a": "a"} and upper.asked == ["a", "A"] * 2
    (folder / "translations.db").write_bytes(b"no database at all" * 100)
    assert back(memory, "a") == {"a": "a"} and upper.asked == ["a", "A"] * 3


def test_another_translator_has_a_memory_of_its_own(tmp_path: Path):
    class Other(Upper):
        name = "other-1"

    back(Memory(Upper(), tmp_path), "a")
    other = Other()
    back(Memory(other, tmp_path), "a")
    assert other.asked == ["a", "A"]
    with sqlite3.connect(tmp_path / "translations.db") as db:
        assert db.execute("SELECT count(*) FROM translations").fetchone() == (4,)


def test_a_pool_is_the_same_whether_rows_were_announced_or_not(tmp_path: Path):
    pool = build_pool(GOLD, AugmentParams("back_translation", copies=2), tmp_path / "a", set(), lambda: None)
    method = BackTranslation(params_of("back_translation", {}), Resources(ROWS, "en", tmp_path / "b"))
    alone = [method.augment(row, 0, rng_for(0, "back_translation", row.id, 0)) for row in ROWS]
    tokens = [list(child.tokens) for child in alone if isinstance(child, Child)]
    assert [row for row in pool.corpus.table.column("tokens").to_pylist() if row in tokens] and len(pool.corpus)


def test_a_chain_announces_rows_to_the_method_that_sees_them_first(tmp_path: Path):
    def kept() -> int:
        with sqlite3.connect(tmp_path / "translations.db") as db:
            return db.execute("SELECT count(*) FROM translations").fetchone()[0]

    chain = make(
        "chain", params_of("chain", {"methods": ["back_translation", "case"]}), Resources(ROWS, "en", tmp_path)
    )
    assert isinstance(chain, Ahead)
    chain.ahead([(row, rng_for(0, "chain", row.id, 0)) for row in ROWS])
    announced = kept()
    made = [chain.augment(row, 0, rng_for(0, "chain", row.id, 0)) for row in ROWS]
    assert announced > 4 and kept() == announced and any(isinstance(child, Child) for child in made)


@pytest.mark.parametrize(("language", "pivot"), [("zh", "pt"), ("en", "de"), ("en", "en")])
def test_a_way_that_nobody_knows_is_refused(tmp_path: Path, language: str, pivot: str):
    with pytest.raises(CoreError) as refused:
        BackTranslation(params_of("back_translation", {"pivot": pivot}), Resources(ROWS, language, tmp_path))
    assert refused.value.code == "no_translation" and "en-pt" in str(refused.value.values["known"])


def test_the_embedded_translator_gives_texts_in_their_order():
    found = Embedded().translate(["How are you today?", "Good night."], "en", "pt", [0, 0])
    assert len(found) == 2 and "oite" in found[1] and all(found)
