"""People's decisions about children: they persist, can be taken back, and the pool that is built again follows them."""

import shutil
from pathlib import Path

import pytest

from core import decided as deciding
from core import launch
from core import project as projects
from core.augment import decisions
from core.augment.decisions import Decision
from core.corpus import Corpus
from core.errors import CoreError
from core.jobs.folder import read_json
from core.project import Project
from core.recipe import AugmentedIngredient
from core.sample import open_sample
from core.sources import keep_named
from core.submit import result_of
from core.workspace import Workspace

NAME = "word swaps"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newsroom with a pool of word swaps."""
    space = Workspace.open(tmp_path_factory.mktemp("decided") / "ws")
    open_sample(space, "newsroom")
    part = AugmentedIngredient("swap", copies=2)
    projects.edit(space, "newsroom", projects.with_ingredient(NAME, part), {"event": "ingredient", "name": NAME})
    result_of(space, launch.start_import(space, project(space)), lambda runs: None)
    result_of(space, launch.start_pool(space, project(space), NAME), lambda runs: None)
    return space.root


@pytest.fixture
def space(opened: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(opened, tmp_path / "ws"))


def project(space: Workspace) -> Project:
    return projects.load(space, "newsroom")


def pool(space: Workspace) -> Corpus:
    stage = launch.standing(space, project(space)).stage
    assert stage is not None
    return stage.pools[NAME]


def decide(space: Workspace, child: bytes, verdict: decisions.Verdict, *words: str) -> None:
    one = Decision(child.hex(), verdict, made(space, child), words, ("O",) * len(words))
    deciding.decide(space, "newsroom", NAME, one, pool(space).schema.labels)


def made(space: Workspace, child: bytes) -> str:
    [row] = [row for row in pool(space).table.to_pylist() if row["id"] == child]
    return decisions.mark(row["tokens"], row["tags"])


def decided(space: Workspace) -> deciding.Decided:
    return deciding.decided(space, "newsroom", NAME)


def unused(space: Workspace) -> int:
    part = project(space).ingredients[NAME]
    assert isinstance(part, AugmentedIngredient)
    return deciding.unused(space, part, decided(space), [id.hex() for id in pool(space).table.column("id").to_pylist()])


def used(space: Workspace) -> dict[str, int]:
    return result_of(space, deciding.use(space, project(space), NAME), lambda runs: None)["rejected"]


def test_a_pool_built_again_follows_what_was_decided(space: Workspace):
    before = pool(space)
    first, second, third, *_ = before.table.column("id").to_pylist()
    decide(space, first, "rejected")
    decide(space, second, "edited", "A", "child", "by", "hand")
    decide(space, third, "accepted")
    assert (decided(space).count("rejected"), decided(space).taken, unused(space)) == (1, 3, 2)
    assert used(space)["rejected_by_hand"] == 1
    after = pool(space)
    assert unused(space) == 0 and len(after) == len(before) - 1
    rows = {row["id"]: row for row in after.table.to_pylist()}
    assert first not in rows and rows[third] == {row["id"]: row for row in before.table.to_pylist()}[third]
    assert rows[second]["tokens"] == ["A", "child", "by", "hand"] and rows[second]["changes"]
    assert {*rows} == {*before.table.column("id").to_pylist()} - {first}


def test_a_decision_is_taken_back_and_so_is_the_pool(space: Workspace):
    before, (child, *_) = pool(space).id, pool(space).table.column("id").to_pylist()
    decide(space, child, "accepted")
    decide(space, child, "rejected")
    used(space)
    assert pool(space).id != before
    deciding.take_back(space, "newsroom", NAME)
    assert decided(space).now[child.hex()].verdict == "accepted" and unused(space) == 1
    deciding.take_back(space, "newsroom", NAME)
    deciding.take_back(space, "newsroom", NAME)  # more than there is
    assert not decided(space).now and not decided(space).taken
    used(space)
    part = project(space).ingredients[NAME]
    assert isinstance(part, AugmentedIngredient) and part.decisions is None
    assert pool(space).id == before and unused(space) == 0


def test_decisions_hold_for_the_children_of_more_copies(space: Workspace):
    child = pool(space).table.column("id").to_pylist()[0]
    decide(space, child, "rejected")
    used(space)
    part = project(space).ingredients[NAME]
    assert isinstance(part, AugmentedIngredient)
    more = AugmentedIngredient("swap", copies=3, decisions=part.decisions)
    projects.edit(space, "newsroom", projects.with_ingredient(NAME, more), {"event": "ingredient", "name": NAME})
    run = launch.start_pool(space, project(space), NAME)
    assert result_of(space, run, lambda runs: None)["rejected"]["rejected_by_hand"] == 1
    assert child not in pool(space).table.column("id").to_pylist()
    spec = read_json(space.run_folder(run.id) / "spec.json")
    assert spec["inputs"]["decisions"] == spec["params"]["decisions"] == str(part.decisions).partition("/")[0]


def test_an_edited_child_must_be_a_row(space: Workspace):
    child = pool(space).table.column("id").to_pylist()[0].hex()
    for tokens, tags in (((), ()), (("a",), ()), (("a", " "), ("O", "O")), (("a",), ("I-PER",)), (("a",), ("B-GOD",))):
        with pytest.raises(CoreError) as error:
            one = Decision(child, "edited", "", tokens, tags)
            deciding.decide(space, "newsroom", NAME, one, pool(space).schema.labels)
        assert error.value.code == ("decision_label" if tags == ("B-GOD",) else "bad_decision")
    assert decided(space) == deciding.Decided()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "bad_json"),
        ("[]", "not_object"),
        ('{"child": "../x", "verdict": "rejected"}', "bad_value"),
        (f'{{"child": "{"0" * 32}", "verdict": "burnt"}}', "bad_value"),
        (f'{{"child": "{"0" * 32}", "verdict": "edited", "tokens": ["a"], "tags": ["I-X"]}}', "bad_decision"),
    ],
)
def test_a_bad_file_of_decisions_is_refused_with_its_line(tmp_path: Path, line: str, code: str):
    good = decisions.text_of([Decision("1" * 32, "rejected")])
    (tmp_path / "d.jsonl").write_text(good + line + "\n")
    with pytest.raises(CoreError) as error:
        decisions.read(tmp_path / "d.jsonl", "d.jsonl")
    assert (error.value.code, error.value.values["file"], error.value.values["line"]) == (code, "d.jsonl", 2)


def test_the_file_does_not_hang_on_the_order_and_is_read_back():
    some = [Decision("2" * 32, "rejected"), Decision("1" * 32, "edited", "", ("ä", "b"), ("B-X", None))]
    assert decisions.text_of(some) == decisions.text_of(some[::-1])


def test_a_strange_event_is_passed_over(space: Workspace):
    for event in ({"child": 3}, {"child": "0" * 32, "verdict": "x"}, {}):
        projects.record(space, "newsroom", {"event": "child", "ingredient": NAME, **event})
    assert decided(space) == deciding.Decided()


def test_a_decision_holds_for_the_child_that_was_seen_and_no_other(space: Workspace):
    child = pool(space).table.column("id").to_pylist()[0]
    one = Decision(child.hex(), "rejected", decisions.mark(["another", "child"], ["O", "O"]))
    deciding.decide(space, "newsroom", NAME, one, pool(space).schema.labels)
    before = pool(space).id
    assert "rejected_by_hand" not in used(space) and pool(space).id == before


def test_what_was_rejected_does_not_come_back_as_another_copy(space: Workspace):
    part = AugmentedIngredient("mention_replacement", params={"rate": 1.0}, copies=12)
    projects.edit(space, "newsroom", projects.with_ingredient(NAME, part), {"event": "ingredient", "name": NAME})
    first = result_of(space, launch.start_pool(space, project(space), NAME), lambda runs: None)
    assert first["rejected"]["duplicate"] > 10
    rows = pool(space).table.to_pylist()
    for row in rows:
        one = Decision(row["id"].hex(), "rejected", decisions.mark(row["tokens"], row["tags"]))
        deciding.decide(space, "newsroom", NAME, one, ())
    assert used(space)["rejected_by_hand"] == len(rows) and len(pool(space)) == 0


def test_an_ingredient_made_anew_under_a_name_begins_without_decisions(space: Workspace):
    decide(space, pool(space).table.column("id").to_pylist()[0], "rejected")
    event = {"event": "ingredient_deleted", "name": NAME}
    before = project(space)
    projects.edit(space, "newsroom", projects.without_ingredient(NAME), event)
    assert not decided(space).now
    event = {"event": "ingredient_restored", "name": NAME}
    projects.edit(space, "newsroom", projects.with_again(before, NAME), event)
    assert decided(space).count("rejected") == 1


def test_decisions_that_came_with_an_ingredient_stay(space: Workspace, tmp_path: Path):
    first, second, *_ = pool(space).table.column("id").to_pylist()
    (tmp_path / "d.jsonl").write_text(decisions.text_of([Decision(first.hex(), "rejected", made(space, first))]))
    part = keep_named(space, AugmentedIngredient("swap", copies=2, decisions="d.jsonl"), tmp_path, "en")
    projects.edit(space, "newsroom", projects.with_ingredient(NAME, part), {"event": "ingredient", "name": NAME})
    result_of(space, launch.start_pool(space, project(space), NAME), lambda runs: None)
    assert unused(space) == 0
    decide(space, second, "rejected")
    assert unused(space) == 1 and used(space)["rejected_by_hand"] == 2


def test_an_edit_with_a_label_that_is_gone_costs_that_child_alone(space: Workspace, tmp_path: Path):
    child = pool(space).table.column("id").to_pylist()[0]
    one = Decision(child.hex(), "edited", "", ("Thor",), ("B-god",))
    (tmp_path / "d.jsonl").write_text(decisions.text_of([one, Decision("0" * 32, "edited", "", ("x",), ("B-y",))]))
    part = keep_named(space, AugmentedIngredient("swap", copies=2, decisions="d.jsonl"), tmp_path, "en")
    projects.edit(space, "newsroom", projects.with_ingredient(NAME, part), {"event": "ingredient", "name": NAME})
    found = result_of(space, launch.start_pool(space, project(space), NAME), lambda runs: None)
    assert found["rejected"]["invalid_tags"] == 1
