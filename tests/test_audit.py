"""What is said of a pool beside the rows that it was made of: counted by hand here."""

from pathlib import Path

import pyarrow as pa
import pytest

from core.augment import AUGMENTERS, lacking
from core.augment.audit import OfLabel, audit
from core.augment.pool import AugmentParams, build_pool, pool_schema
from core.corpus import Corpus
from core.tasks import task
from tests.test_augment import corpus_of

GOLD = corpus_of(("Bob/B-PER met/O Ann/B-PER in/O Oslo/B-LOC", "we/O left/O Rome/B-LOC", "no/O name/O here/O"))


def pool_of(rows: list[dict[str, object]]) -> Corpus:
    schema = pool_schema(task("tagging"))
    made = [dict.fromkeys(schema.names) | row for row in rows]
    return Corpus(GOLD.schema, pa.Table.from_pylist(made, schema=schema))


def test_every_figure_of_a_pool():
    first, second, _ = GOLD.table.column("id").to_pylist()
    change = {"start": 0, "end": 1, "was": ["Bob"]}
    two, one = ["B-PER", "O", "B-PER", "O", "B-LOC"], ["O", "O", "O", "B-LOC", "I-LOC"]
    both = [{"start": 1, "end": 2, "was": []}, {"start": 3, "end": 5, "was": ["Rome"]}]
    pool = pool_of(
        [
            {"parent": first, "tokens": ["Eve", "met", "Ann", "in", "oslo"], "tags": two, "changes": [change]},
            {"parent": first, "tokens": ["Ann", "met", "Ann", "in", "Oslo"], "tags": two, "changes": [change]},
            {
                "parent": second,
                "tokens": ["we", "quickly", "left", "New", "York"],
                "tags": one,
                "changes": both,
            },
        ]
    )
    found = audit(GOLD, pool)
    assert (found.rows, found.parents, found.words, found.new_words) == (3, 2, 10, 4)  # eve, quickly, new, york
    assert found.changed == pytest.approx(5 / 15)
    assert found.labels == {
        "LOC": OfLabel(parents=2, children=3, forms=3, new=2),  # oslo in small letters is another spelling
        "PER": OfLabel(parents=2, children=4, forms=2, new=1),
    }


@pytest.mark.parametrize("name", [name for name in AUGMENTERS if not lacking(name, {})])
def test_every_method_has_an_audit(name: str, tmp_path: Path, tables: Path):
    (tmp_path / "cache").symlink_to(tables)
    pool = build_pool(GOLD, AugmentParams(name, copies=2), tmp_path, set(), lambda: None)
    found = audit(GOLD, pool.corpus)
    assert found.rows == len(pool.corpus) and found.parents <= min(3, found.rows) and 0 <= found.changed <= 1
    if AUGMENTERS[name].keeps_mentions and not AUGMENTERS[name].control:
        assert all(of.new == 0 for of in found.labels.values())
    if name == "duplicate":
        assert (found.changed, found.new_words) == (0, 0)


def test_a_pool_without_children_has_one_too():
    found = audit(GOLD, pool_of([]))
    assert (found.rows, found.parents, found.changed, found.words) == (0, 0, 0, 0)
    assert found.labels["PER"] == OfLabel(parents=2, children=0, forms=0, new=0)


def test_the_command_line_says_it(tmp_path: Path, core):
    (tmp_path / "a.conll").write_text("Bob\tB-PER\nmet\tO\nAnn\tB-PER\n\nEve\tB-PER\nleft\tO\n\n")
    arguments = ("augment", "a.conll", "--method", "mention_replacement", "--workspace", tmp_path / "ws")
    told = core(*arguments, "--json", folder=tmp_path).json["audit"]
    assert told["parents"] == 2 and told["labels"]["PER"]["new"] == 0 and told["labels"]["PER"]["parents"] == 3
    assert "PER: 3 mentions before" in core(*arguments, folder=tmp_path).stdout
