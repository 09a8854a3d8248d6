"""Methods beside each other: one answer for all of them, the same children whatever else is looked at."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from core import corpus as corpora
from core.augment import beside
from core.augment.beside import Column, answer, usual
from core.augment.pool import AugmentParams, Pool, build_pool
from core.augment.preview import child_of
from core.augment.protocol import Rejected
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.formats import read
from core.formats.leakage import contents
from core.formats.protocol import ReadOptions
from core.params import canonical
from core.tasks import task
from tests.conftest import HARBOUR

WHOLE = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
GOLD, DEV = (Corpus(WHOLE.schema, WHOLE.table.slice(*cut)) for cut in ((0, 48), (48, 12)))
COLUMNS = (Column("swap"), Column("deletion", {"rate": 0.3}, 5), Column("mention_replacement", seed=2))


class Patient:
    """A turn whose client waits for as long as it takes."""

    def check(self) -> None: ...

    def loading(self) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A workspace's folder with gold and dev, and gold's rows once more as Chinese ones."""
    root = tmp_path_factory.mktemp("beside")
    for corpus in (GOLD, DEV, chinese()):
        corpora.write(corpus, root / "corpora")
    return root


def chinese() -> Corpus:
    return Corpus(Schema(WHOLE.schema.task, WHOLE.schema.labels, "zh"), GOLD.table)


def ask(root: Path, rows, columns=COLUMNS, **more):
    request = {"corpus": GOLD.id, "rows": list(rows), "columns": [canonical(one) for one in columns], **more}
    return answer(root, request, Patient())


def pool_of(root: Path, column: Column) -> Pool:
    params = AugmentParams(column.method, column.params, 2, column.seed)
    return build_pool(GOLD, params, root, contents(DEV), lambda: None)


def test_a_column_has_the_first_child_of_its_pool(root):
    """All but those that a pool calls duplicates of children of other rows."""
    ids = GOLD.table.column("id").to_pylist()
    for column in COLUMNS:
        pool = pool_of(root, column)
        known = {(one.parent, one.copy): one.code for one in pool.rejected}
        made = {(row["parent"], row["copy"]): tuple(row["tokens"]) for row in pool.corpus.table.to_pylist()}
        for row, id in enumerate(ids):
            found = ask(root, [row], (column,), held_out=[DEV.id])
            assert (found["row"], found["looked"]) == (row, 1)
            child = child_of(found["columns"][0]["child"])
            if isinstance(child, Rejected):
                assert child.code == known[id, 0]
            else:
                assert known.get((id, 0)) == "duplicate" or child.tokens == made[id, 0]


def test_what_stands_in_dev_or_test_is_rejected(root):
    held_out = pool_of(root, COLUMNS[0]).corpus
    corpora.write(held_out, root / "corpora")
    [free] = ask(root, [0], COLUMNS[:1])["columns"]
    [found] = ask(root, [0], COLUMNS[:1], held_out=[DEV.id, held_out.id])["columns"]
    assert "tokens" in free["child"] and found["child"] == {"rejected": "overlaps_held_out"}


def test_what_stands_among_the_parents_is_a_duplicate(root, tmp_path):
    (tmp_path / "two.conll").write_text("a\tO\nb\tO\n\nb\tO\na\tO\n\nc\tO\nd\tO\n")
    two = read(tmp_path / "two.conll", name="two.conll", options=ReadOptions()).corpus
    corpora.write(two, root / "corpora")
    found = [ask(root, [row], COLUMNS[:1], corpus=two.id)["columns"][0]["child"] for row in range(3)]
    assert found[:2] == [{"rejected": "duplicate"}] * 2 and [*found[2]["tokens"]] == ["d", "c"]


def test_columns_come_in_the_order_asked_for_and_do_not_depend_on_each_other(root):
    alone = [ask(root, [7], (column,))["columns"][0] for column in COLUMNS]
    assert ask(root, [7])["columns"] == alone
    assert ask(root, [7], COLUMNS[::-1])["columns"] == alone[::-1]


def test_a_method_that_cannot_work_says_why_and_the_others_are_there(root):
    columns = (Column("synonym"), Column("swap"), Column("nosuch"), Column("swap", {"rate": 7}))
    found = ask(root, [3], columns, corpus=chinese().id)["columns"]
    assert [CoreError.from_json(one["problem"]).code if "problem" in one else "" for one in found] == [
        *("no_synonyms", "", "unknown_augmenter", "bad_value"),
    ]  # fmt: skip
    assert found[1]["child"]


def test_a_slow_method_is_left_for_a_question_of_its_own(root):
    columns = (Column("back_translation"), Column("swap"))
    first = ask(root, [0], columns)["columns"]
    assert first[0] == {} and "child" in first[1]
    assert ask(root, [0], columns[:1])["columns"][0]


def test_when_the_time_is_used_up_the_rest_is_left(root, monkeypatch):
    monkeypatch.setattr(beside, "MOMENT", -1.0)
    found = ask(root, [0])["columns"]
    assert "child" in found[0] and found[1:] == [{}, {}]


def rejected(found) -> bool:
    return any(isinstance(child_of(column["child"]), Rejected) for column in found["columns"])


@pytest.mark.parametrize("rows", [range(48), range(47, -1, -1), range(20, 48)])
def test_a_search_finds_the_first_row_with_a_rejected_child(root, rows):
    hits = [row for row in rows if rejected(ask(root, [row]))]
    assert 0 < len(hits) < len(rows)
    found = ask(root, rows, rejected=True)
    assert (found["row"], found["looked"]) == (hits[0], [*rows].index(hits[0]) + 1)
    assert found["columns"] == ask(root, hits[:1])["columns"]


def test_a_search_without_a_hit_says_how_far_it_looked(root, monkeypatch):
    never = (Column("duplicate"),)  # a control has nothing against it
    assert ask(root, range(48), never, rejected=True) == {"row": None, "looked": 48, "columns": []}
    monkeypatch.setattr(beside, "SEARCH", -1.0)
    assert ask(root, range(48), never, rejected=True)["looked"] == 8


def test_rows_that_are_not_there_are_refused(root):
    for request in ({"rows": [48]}, {"rows": []}, {"rows": [0], "columns": ()}, {"rows": [0], "corpus": "0" * 64}):
        with pytest.raises(CoreError):
            ask(root, **request)


@pytest.mark.parametrize("name", ["tagging", "classification"])
@pytest.mark.parametrize("language", ["en", "en-GB", "zh"])
def test_the_methods_to_begin_with_work_there(name, language):
    found = usual(task(name), language, 3)
    assert len(found) == 3 and ("synonym" in found) == (language != "zh")
