"""Imports: splits, leakage, label maps; every row that goes has a reason."""

import pytest

from core.corpus import Corpus
from core.errors import CoreError
from core.formats import leakage
from core.formats.importing import Imported, ImportParams, Source, Split, bring_in

TOWNS = ["Paris", "Lima", "Oslo", "Rome", "Bern", "Kyiv", "Riga", "Cairo", "Quito", "Delhi"]
VERBS = ["visited", "left", "praised", "mapped", "sketched", "crossed", "toured", "painted", "searched", "rebuilt"]


def sentence(number: int, label: str = "LOC") -> str:
    town, verb = TOWNS[number % 10], VERBS[number // 10 % 10]
    return f"Somebody\tO\n{verb}\tO\n{town}{number}\tB-{label}\ntoday\tO\n\n"


def bring(tmp_path, sources: dict[str, str], labels=None, split: Split | None = None) -> Imported:
    files, params = {}, {}
    for role, text in sources.items():
        path = tmp_path / f"{role.replace(':', '-')}.conll"
        path.write_text(text, encoding="utf-8")
        files[role], params[role] = path, Source(path.name, labels=(labels or {}).get(role))
    return bring_in(ImportParams(params, split=split), files)


def codes(found: Imported, code: str) -> list:
    return [issue for issue in found.issues if issue.code == code]


def tokens(corpus: Corpus) -> list[tuple[str, ...]]:
    return [tuple(row) for row in corpus.table.column("tokens").to_pylist()]


def test_a_row_that_stands_in_dev_or_test_is_dropped_with_its_line(tmp_path):
    train = "".join(map(sentence, range(30)))
    found = bring(tmp_path, {"train": train, "dev": sentence(3) + sentence(90), "test": sentence(7) + sentence(91)})
    dropped = codes(found, "leak_exact")
    assert sorted((i.row, i.values["split"], i.action) for i in dropped) == [
        (16, "dev", "dropped"),
        (36, "test", "dropped"),
    ]
    assert len(found.parts["train"].corpus) == 28
    assert {i.file for i in dropped} == {"train.conll"}


def test_the_same_text_with_other_labels_leaks_too(tmp_path):
    found = bring(tmp_path, {"train": sentence(1) + sentence(2), "dev": sentence(1, "PER") + sentence(5)})
    assert len(found.parts["train"].corpus) == 1


def test_ingredient_rows_leak_as_well(tmp_path):
    sources = {"train": sentence(1) + sentence(2), "dev": sentence(3), "pool:more": sentence(3) + sentence(4)}
    found = bring(tmp_path, sources)
    assert len(found.parts["pool:more"].corpus) == 1
    assert [i.file for i in codes(found, "leak_exact")] == ["pool-more.conll"]


def test_near_duplicates_are_noted_and_kept(tmp_path):
    long = "".join(f"word{i}\tO\n" for i in range(30))
    found = bring(tmp_path, {"train": f"{long}one\tO\n\n{sentence(1)}", "dev": f"{long}two\tO\n\n{sentence(8)}"})
    [near] = codes(found, "leak_near")
    assert (near.row, near.values["other_row"], near.action) == (1, 1, "kept")
    assert near.values["similarity"] > 0.9
    assert len(found.parts["train"].corpus) == 2


def test_near_duplicates_are_those_of_a_plain_search(tmp_path):
    """The LSH finds what comparing every pair finds (at .9 and more, where it hardly ever misses)."""
    base = ["".join(f"{w}{s}\tO\n" for w in TOWNS + VERBS) for s in range(12)]
    changed = [text + "extra\tO\n" for text in base]
    found = bring(tmp_path, {"train": "\n".join(changed) + "\n", "dev": "\n".join(base) + "\n"})
    assert len(codes(found, "leak_near")) == 12
    corpus, dev = found.parts["train"].corpus, found.parts["dev"].corpus
    grams = [[leakage._grams(t) for t in tokens(c)] for c in (corpus, dev)]
    best = [max(len(a & b) / len(a | b) for b in grams[1]) for a in grams[0]]
    assert [n.similarity for n in leakage.near(corpus, dev)] == best


def test_shared_mentions_are_counted(tmp_path):
    found = bring(tmp_path, {"train": sentence(1) + sentence(2), "dev": "Yes\tO\nLima1\tB-LOC\n\nNo\tO\nX\tB-LOC\n\n"})
    [issue] = codes(found, "mention_overlap")
    assert (issue.values["shared"], issue.values["of"], issue.row) == (1, 2, None)


def test_dev_is_split_off_when_it_is_absent(tmp_path):
    found = bring(tmp_path, {"train": "".join(map(sentence, range(50)))})
    assert (len(found.parts["train"].corpus), len(found.parts["dev"].corpus)) == (45, 5)
    [issue] = codes(found, "dev_split")
    assert (issue.row, issue.action, issue.file) == (None, "kept", "train.conll")


def test_one_file_is_split_by_ratio_stratified_and_seeded(tmp_path):
    text = "".join(sentence(i, "LOC" if i % 4 else "ORG") for i in range(80))
    first = bring(tmp_path, {"file": text}, split=Split(dev=0.25, test=0.1, seed=1))
    again = bring(tmp_path, {"file": text}, split=Split(dev=0.25, test=0.1, seed=1))
    other = bring(tmp_path, {"file": text}, split=Split(dev=0.25, test=0.1, seed=2))
    sizes = {role: len(part.corpus) for role, part in first.parts.items()}
    assert sizes == {"train": 52, "dev": 20, "test": 8}
    assert [first.parts[r].corpus.id for r in sizes] == [again.parts[r].corpus.id for r in sizes]
    assert tokens(first.parts["dev"].corpus) != tokens(other.parts["dev"].corpus)
    everything = [t for part in first.parts.values() for t in tokens(part.corpus)]
    assert len(everything) == len(set(everything)) == 80
    rare = sum("B-ORG" in row for row in first.parts["dev"].corpus.table.column("tags").to_pylist())
    assert rare == 5  # a quarter of 20, as in the file


def test_labels_are_mapped_masked_or_refused(tmp_path):
    sources = {
        "train": sentence(1) + sentence(2),
        "dev": sentence(3),
        "pool:x": sentence(4, "PLACE") + sentence(5, "DAY"),
    }
    found = bring(tmp_path, sources, labels={"pool:x": {"PLACE": "LOC", "DAY": None}})
    assert found.parts["pool:x"].corpus.table.column("tags").to_pylist() == [
        ["O", "O", "B-LOC", "O"],
        ["O", "O", None, "O"],
    ]
    with pytest.raises(CoreError) as unlisted:
        bring(tmp_path, sources, labels={"pool:x": {"PLACE": "LOC"}})
    assert (unlisted.value.code, unlisted.value.values["label"]) == ("label_unlisted", "DAY")
    with pytest.raises(CoreError) as outside:
        bring(tmp_path, sources)
    assert outside.value.code == "label_outside_schema"
    with pytest.raises(CoreError) as typo:
        bring(tmp_path, sources, labels={"pool:x": {"PLACE": "LOG", "DAY": None}})
    assert (typo.value.code, typo.value.values["nearest"]) == ("unknown_key", "LOC")


def test_a_label_that_only_test_has_is_said(tmp_path):
    found = bring(tmp_path, {"train": sentence(1), "dev": sentence(2), "test": sentence(3, "ORG")})
    assert [i.values["label"] for i in codes(found, "label_only_in_test")] == ["ORG"]


def test_rows_in_are_rows_kept_and_rows_with_a_reason(tmp_path):
    ragged = "one\ttwo\tthree\n\n"
    train = "".join(map(sentence, range(10))) + ragged
    found = bring(tmp_path, {"train": train, "dev": sentence(3), "test": sentence(4) + sentence(60)})
    dropped = [i for i in found.issues if i.action == "dropped" and i.file == "train.conll"]
    assert found.rows_in["train"] == 11 == len(found.parts["train"].corpus) + len(dropped)


def test_the_same_file_as_train_and_dev_leaves_nothing(tmp_path):
    with pytest.raises(CoreError) as caught:
        bring(tmp_path, {"train": sentence(1), "dev": sentence(1)})
    assert caught.value.code == "no_rows_left"


def test_too_few_rows_to_split(tmp_path):
    with pytest.raises(CoreError) as caught:
        bring(tmp_path, {"train": sentence(1)})
    assert caught.value.code == "split_too_small"
