"""What words became: counted from a pool, drawn in two columns, and told by the command line."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import HARBOUR, ended, environment, start

from core.augment.links import Link, links
from core.augment.pool import AugmentParams, build_pool, pool_schema
from core.corpus import Corpus, Schema
from core.report.network import MOST, network
from core.tasks import task
from tests.test_augment import GOLD

WORDS = {"none": "no mention", "was": "Before", "now": "Now", "times": "times"}


def pool_of(*rows: tuple[str, str, list[tuple[int, int, list[str]]]]) -> Corpus:
    """A pool of children: words, tags, changes."""
    schema = pool_schema(task("tagging"))
    made: list[dict[str, Any]] = []
    for number, (words, tags, changes) in enumerate(rows):
        found = [{"start": a, "end": b, "was": was} for a, b, was in changes]
        row = {"tokens": words.split(), "tags": tags.split(), "changes": found, "method": "graph", "copy": 0}
        made.append(dict.fromkeys(schema.names) | row | dict.fromkeys(("id", "origin", "parent"), bytes([number]) * 16))
    return Corpus(Schema("tagging", ("LOC", "PER"), "en"), pa.Table.from_pylist(made, schema=schema))


def test_what_is_replaced_put_in_and_set_beside():
    found = links(
        pool_of(
            ("a dog barked", "O O O", [(1, 2, ["spaniel"])]),
            ("the dog ran", "O O O", [(1, 2, ["spaniel"])]),
            ("to Oslo ( Norway )", "O B-LOC O B-LOC O", [(2, 5, [])]),
            ("in New York / Berlin today", "O B-LOC I-LOC O B-LOC O", [(3, 5, [])]),
            ("Ann came", "B-PER O", [(0, 1, ["Eve", "Smith"])]),
        )
    )
    assert found == [
        Link("spaniel", "dog", None, 2),
        Link("Eve Smith", "Ann", "PER", 1),
        Link("New York", "Berlin", "LOC", 1),
        Link("Oslo", "Norway", "LOC", 1),
    ]


def test_what_only_moves_goes_or_changes_its_case_is_none():
    assert links(pool_of(("A dog", "O O", [(0, 1, ["a"]), (2, 2, ["now"])]), ("b !", "O O", [(1, 2, [])]))) == []


@pytest.mark.parametrize("relation", ["hypernym", "sibling"])
def test_they_are_those_of_the_graph(tmp_path: Path, tables: Path, relation: str):
    from core.augment.protocol import Resources
    from core.augment.triples import WordNet

    (tmp_path / "cache").symlink_to(tables)
    params = AugmentParams("graph", {"relation": relation, "rate": 0.5})
    found = links(build_pool(GOLD, params, tmp_path, set(), lambda: None).corpus)
    net = WordNet(Resources((), "en", tables), 1)
    assert found
    for one in found:
        assert one.now.lower() in net.neighbours(one.was, relation) and one.label is None


def test_the_figure_has_a_line_for_each_and_no_markup():
    many = [Link(f"w{n // 2}", f"<b>n{n}</b>$x$", "LOC" if n % 2 else None, n + 1) for n in range(MOST + 5)]
    figure = network(many, ["LOC", "PER"], WORDS)
    drawn = [trace for trace in figure.data if trace.mode == "lines" and trace.x[0] is not None]
    assert len(drawn) == MOST
    assert {trace.name for trace in figure.data if trace.name} == {"LOC", "no mention"}
    texts = [text for trace in figure.data if trace.text is not None for text in trace.text]
    assert texts and not any("<" in text or "$" in text for text in texts)
    places = [trace.y for trace in figure.data if trace.mode == "markers+text"]
    assert all(len({*ys}) == len(ys) for ys in places)


def test_few_lines_cross():
    """What hangs on the same word lies together: here none has to cross."""
    found = [Link(was, now, None, 1) for now in "XYZ" for was in (f"{now}1", f"{now}2")]
    mixed = [found[at] for at in (0, 2, 4, 1, 3, 5)]
    ends = [(trace.y[0], trace.y[-1]) for trace in network(mixed, [], WORDS).data if trace.mode == "lines"][:6]
    assert not any((a[0] - b[0]) * (a[1] - b[1]) < 0 for a in ends for b in ends)


def test_the_command_line_tells_them(tmp_path: Path):
    csv = tmp_path / "own.csv"
    csv.write_text("head,relation,tail\nship,kind of,vessel\nharbour,kind of,place\n")
    arguments = ["augment", HARBOUR, "--method", "graph", "--param", f"triples={csv}", "--param", "along=kind of"]
    done = ended(start([*arguments, "--links", 5, "--json", "--workspace", tmp_path / "w"], tmp_path, environment()))
    assert done.status == 0, done.stderr
    told = done.json["links"]
    pairs = {(one["was"].lower(), one["now"].lower()) for one in told}
    assert pairs and pairs <= {
        ("ship", "vessel"),
        ("harbour", "place"),
    }
