"""Graph expansion: WordNet's relations, and triples of one's own with mentions among them."""

import csv
import tempfile
from pathlib import Path
from typing import Any

import pytest

from core.augment import Entry, make, params_of
from core.augment.graph import GraphExpansion, GraphParams
from core.augment.pool import AugmentParams, build_pool
from core.augment.protocol import Change, Child, Example, Rejected, Resources, restore, rng_for
from core.augment.triples import RELATIONS, read
from core.errors import CoreError
from core.pipeline import staged
from core.recipe import load
from core.tasks.example import valid_iob2
from core.workspace import Workspace
from tests.test_augment import GOLD, ROWS

CITIES = (
    ("Oslo", "capital of", "Norway"),
    ("Rome", "capital of", "Italy"),
    ("Oslo", "on", "fjord"),
    ("Bergen", "on", "fjord"),
    ("New York", "on", "Hudson"),
    ("Berlin", "on", "Spree"),
    ("pizza", "from", "Italy"),
    ("risotto", "from", "Italy"),
    ("北京", "首都", "中国"),
    ("storm", "kind", "bad weather"),
)
SAID = (
    Example(b"1", ("he", "left", "OSLO", "by", "ship"), ("O", "O", "B-LOC", "O", "O")),
    Example(b"2", ("Italy", "and", "Bergen"), ("B-GPE", "O", "B-LOC")),
    Example(b"3", ("pizza", "in", "Rome", "?"), ("O", "O", "B-LOC", None)),
    Example(b"4", ("new", "york", "storm"), ("B-LOC", "I-LOC", "O")),
)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, tables: Path) -> Path:
    root = tmp_path_factory.mktemp("graph")
    (root / "cache").symlink_to(tables)
    return root


def said(row: Example, relation: str, how: Any, triples: Any = CITIES, language: str = "en") -> list[tuple[str, str]]:
    """The children of a row by a graph of one's own, each word with its tag, without repeats."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        csv.writer(file).writerows([("head", "relation", "tail"), *triples])
        file.flush()
        params = GraphParams(rate=1.0, how=how, triples="own.csv", along=relation)
        method = GraphExpansion(params, Resources(SAID, language, Path(), {"triples": Path(file.name)}))
    found: dict[tuple[str, str], None] = {}
    for copy in range(12):
        child = method.augment(row, copy, rng_for(0, "graph", row.id, copy))
        if isinstance(child, Child):
            assert valid_iob2(child.tags) and restore(child) == row.tokens
            found[" ".join(child.tokens), " ".join(str(tag) for tag in child.tags)] = None
        else:
            assert child == Rejected("nothing_to_change")
    return [*found]


def test_a_mention_becomes_its_sibling_and_keeps_its_label():
    assert said(SAID[0], "sibling", "replace") == [("he left Bergen by ship", "O O B-LOC O O")]
    assert said(SAID[2], "sibling", "replace") == [("risotto in Rome ?", "O O B-LOC None")]
    assert said(SAID[0], "sibling", "append") == [("he left OSLO / Bergen by ship", "O O B-LOC O B-LOC O O")]
    assert said(SAID[3], "sibling", "replace") == []


def test_along_another_relation_a_mention_is_only_followed_by_what_it_is_related_to():
    assert said(SAID[0], "capital of", "replace") == []
    assert said(SAID[2], "capital of", "append") == [("pizza in Rome ( Italy ) ?", "O O B-LOC O B-GPE O None")]
    assert said(SAID[0], "capital of", "append") == [("he left OSLO ( Norway ) by ship", "O O B-LOC O O O O O")]
    assert said(SAID[3], "on", "append") == [("new york ( Hudson ) storm", "B-LOC I-LOC O O O O")]


def test_outside_mentions_nothing_becomes_what_is_a_mention_elsewhere():
    assert said(SAID[2], "from", "replace") == said(SAID[2], "from", "append") == []
    assert said(SAID[3], "kind", "replace") == [("new york bad weather", "B-LOC I-LOC O O")]
    masked = Example(b"5", ("storm", "storm", "Oslo"), (None, None, None))
    assert said(masked, "kind", "replace") == said(masked, "sibling", "append") == []


def test_texts_without_spaces_have_their_characters_and_brackets():
    row = Example(b"6", ("他", "在", "北", "京", "。"), ("O", "O", "B-LOC", "I-LOC", "O"))
    assert said(row, "首都", "append", language="zh") == [("他 在 北 京 （ 中 国 ） 。", "O O B-LOC I-LOC O O O O O")]


def test_wordnet_relates_words_as_they_stand(root: Path):
    resources = Resources(ROWS, "en", root / "cache")

    def others(relation: str, **params: Any) -> set[str]:
        row = Example(b"w", ("The", "SPANIEL", ".", "Spaniel"), ("O", "O", "O", "O"))
        method = make("graph", params_of("graph", {"relation": relation} | params), resources)
        made = [method.augment(row, copy, rng_for(0, "graph", b"w", copy)) for copy in range(30)]
        return {" ".join(child.tokens) for child in made if isinstance(child, Child)}

    assert others("hypernym") == {"The DOG . Spaniel"}
    assert others("hypernym", how="append") == {"The SPANIEL ( DOG ) . Spaniel"}
    assert "The SETTER . Spaniel" in others("sibling") and "The SPANIEL / SETTER . Spaniel" in others(
        "sibling", how="append"
    )
    assert others("part") == set()
    graph: Any = make("graph", params_of("graph", {}), resources)
    tails = {relation: graph._graph.neighbours("house", relation) for relation in RELATIONS}
    assert "building" in tails["hypernym"] and "porch" in tails["part"] and "mansion" in tails["hyponym"]
    assert graph._graph.neighbours("friend", "hypernym") == ["person"]
    assert all(tail.islower() and tail.isalpha() for found in tails.values() for tail in found)
    more: Any = make("graph", params_of("graph", {"senses": 5}), resources)
    assert set(tails["hypernym"]) < set(more._graph.neighbours("house", "hypernym"))
    assert not any(graph._graph.neighbours(word, r) for word in ("the", "paris", "ran", "dogs") for r in RELATIONS)


def test_nothing_is_put_between_two_words_of_one_phrase(root: Path):
    method = make("graph", params_of("graph", {"how": "append", "rate": 1.0}), Resources(ROWS, "en", root / "cache"))
    row = Example(b"p", ("spaniel", "puppy", "of", "spaniel", "New", "York"), ("O", "O", "O", "O", "B-LOC", "I-LOC"))
    child = method.augment(row, 0, rng_for(0, "graph", b"p", 0))
    assert isinstance(child, Child)
    assert " ".join(child.tokens) == "spaniel puppy ( dog ) of spaniel New York"


def test_a_pool_takes_new_mentions_only_from_a_method_that_may_add_them(root: Path, monkeypatch: pytest.MonkeyPatch):
    def counts(adds: bool) -> dict[str, int]:
        entry = Entry(f"{__name__}:Doubling", "core.augment.swap:SwapParams", 1, True, adds)
        monkeypatch.setattr("core.augment.AUGMENTERS", {"doubling": entry})
        return build_pool(GOLD, AugmentParams("doubling"), root, set(), lambda: None).counts

    assert counts(False) == {"mentions_changed": len(GOLD)}
    assert counts(True) == {"mentions_changed": 1}


class Doubling:
    """Adds a mention to every row, and takes the mention from one."""

    def __init__(self, params: object, resources: Resources) -> None: ...

    def augment(self, row: Example, copy: int, rng: object) -> Child | Rejected:
        tags = ("O",) if row.tokens == ("Bob",) else row.tags
        end = len(row.tokens)
        return Child((*row.tokens, "Eve"), (*tags, "B-PER"), (Change(end, end + 1, ()),))


def test_a_sibling_of_another_kind_and_a_name_among_words_are_left_out():
    """Where the corpus labels what the graph would put in, that label counts."""
    places = (
        ("Oslo", "in", "Norway"),
        ("Italy", "in", "Norway"),
        ("ship", "to", "port of Bergen"),
        ("ship", "to", "port"),
    )
    assert said(SAID[0], "sibling", "replace", places[:2]) == []
    assert said(SAID[0], "to", "replace", places) == [("he left OSLO by port", "O O B-LOC O O")]


def test_a_relation_that_no_triple_has_is_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_text("head,relation,tail\nOslo,capital of,Norway\n")
    resources = Resources(SAID, "en", tmp_path, {"triples": tmp_path / "a.csv"})
    with pytest.raises(CoreError) as error:
        make("graph", params_of("graph", {"triples": "a.csv", "along": "Capital of"}), resources)
    assert error.value.code == "relation_unknown" and "capital of" in str(error.value.values["known"])


def test_a_file_of_triples_is_read_as_it_is_meant(tmp_path: Path):
    lines = (
        *("\ufeffHead, relation ,TAIL", "", "Oslo,capital of,Norway", '"New  York",on,"Hudson, the"'),
        *("Oslo,capital of,Norway", "京,在,国", ""),
    )
    path = tmp_path / "a.csv"
    path.write_bytes("\r\n".join(lines).encode())
    found = read(path, "a.csv")
    assert found.neighbours("NEW york", "on") == ["Hudson, the"] and found.neighbours("京", "在") == ["国"]
    assert found.neighbours("oslo", "capital of") == ["Norway"]
    path.write_text("head,relation,tail\n")
    with pytest.raises(CoreError) as error:
        read(path, "a.csv")
    assert error.value.code == "empty_file"


NAMES = "head,relation,tail\nOslo,capital of,Norway\nRome,capital of,Italy\nBern,capital of,Norway\n"


@pytest.mark.parametrize(
    ("params", "texts"),
    [
        ({}, {"Bern lies in Italy"}),
        ({"how": "append"}, {"Oslo / Bern lies in Italy"}),
        ({"how": "append", "along": "capital of"}, {"Oslo ( Norway ) lies in Italy"}),
        ({"along": "capital of"}, set()),
    ],
)
def test_a_recipe_brings_its_own_triples(tmp_path: Path, params: dict[str, str], texts: set[str]):
    space = Workspace.open(tmp_path / "ws")
    (tmp_path / "names.csv").write_text(NAMES)
    (tmp_path / "train.conll").write_text("Oslo\tB-LOC\nlies\tO\nin\tO\nItaly\tB-LOC\n\nRome\tB-LOC\n\n")
    (tmp_path / "dev.conll").write_text("Ib\tB-LOC\n\n")
    given = "".join(f", {name}: {value}" for name, value in params.items())
    (tmp_path / "r.yaml").write_text(
        "version: 1\ndata: {train: train.conll, dev: dev.conll}\ningredients:\n"
        f"  wider: {{augmenter: graph, params: {{triples: names.csv{given}}}}}\n"
    )
    stage, _ = staged(space, load(tmp_path / "r.yaml"), lambda runs: None)
    rows = stage.pools["wider"].table.to_pylist()
    assert {" ".join(row["tokens"]) for row in rows if "lies" in row["tokens"]} == texts
    for row in rows:
        assert all(tag in ("O", "B-LOC") for tag in row["tags"])


def test_a_relation_that_is_called_sibling_is_not_lost():
    triples = (("nurse", "sibling", "doctor"), ("Oslo", "on", "fjord"), ("Bergen", "on", "fjord"))
    row = Example(b"5", ("the", "nurse", "left"), ("O", "O", "O"))
    assert said(row, "sibling", "replace", triples) == [("the doctor left", "O O O")]
    assert said(SAID[0], "", "replace", triples) != []  # nothing: siblings
