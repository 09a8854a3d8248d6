"""The Compare page: a null study, every view of the sample, the rule of counting, what is missing."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from streamlit.testing.v1 import AppTest

from core import project as projects
from core.__main__ import main
from core.groups import groups
from core.jobs import trash
from core.recipe import AugmentedIngredient
from core.sample import open_sample
from core.workspace import Workspace
from tests.conftest import ROOT
from tests.crowd import fill, retest

DRAWERS = ("plane", "confusion", "slices", "trust", "worth", "settle", "settings", "cost")
SEEDS = ROOT / "bench" / "seeds" / "wnut17-300-dev.parquet"  # 16 repeats of one recipe, without text


def opened(space: Workspace, monkeypatch: pytest.MonkeyPatch, **address: str) -> AppTest:
    """Compare as a fresh visitor sees it at an address."""
    import streamlit as st

    monkeypatch.setenv("PEIBI_HOME", str(space.root))
    st.cache_resource.clear()
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.query_params["project"] = address.get("project", "newsroom")
    at.run()
    for name, value in address.items():
        at.query_params[name] = value
    at.switch_page("pages/compare.py").run()
    assert not at.exception, at.exception
    return at


def words(at: AppTest) -> str:
    """All that is said, without the backslashes and joiners that make it safe."""
    found = [element.value for kind in (at.markdown, at.caption, at.info, at.warning, at.error) for element in kind]
    return "\n".join(found).replace("\\", "").replace("\u2060", "")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = Workspace.open(tmp_path_factory.mktemp("compare"))
    open_sample(found, "newsroom")
    return found


@pytest.fixture(scope="module")
def null(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One recipe under two names: sixteen real repeats of it, eight each."""
    found = Workspace.open(tmp_path_factory.mktemp("null"))
    fill(found, ["null"], 2, 8)
    table = pyarrow.parquet.read_table(SEEDS)
    tags = {name: table.column(name).cast(pa.list_(pa.string())).to_pylist() for name in table.column_names}
    runs = [tags[f"repeat_{at}"] for at in range(16)]
    labels = sorted({tag[2:] for row in tags["gold"] for tag in row if tag != "O"})
    retest(found, "null", tags["gold"], [runs[:8], runs[8:]], labels)
    return found


def test_a_null_study_shows_no_difference_on_the_page_and_on_the_command_line(null, monkeypatch, capsys):
    text = words(opened(null, monkeypatch, project="null"))
    assert "no difference is shown: F1" in text and "8 repeats each" in text
    assert "is better" not in text and "is worse" not in text and "What it gains" not in text
    assert "would be shown in four of five cases" in text  # what it would take to know
    assert main(["compare", "null", "--json", "--workspace", str(null.root)]) == 0
    [answer] = json.loads(capsys.readouterr().out)["answers"].values()
    assert answer["verdict"] == "open" and "no difference shown" in answer["sentence"]
    assert not answer["gains"] and not answer["losses"]


def test_the_answer_comes_first_and_holds_for_one_mix(sample, monkeypatch):
    text = words(opened(sample, monkeypatch, split="test"))
    assert (
        "**harbour news**: over all labels no difference is shown: F1 +2.7 points (95 %: +0.5 to +5.0, 8 repeats each)"
        in text
    )
    assert "By itself its interval leaves out zero" in text and text.count("By itself its interval") == 1
    assert "(precision +8.2 points" in text  # of organisations: what is shown is said
    assert "Of 4 mixes 0 are better over all labels, 1 worse and 0 the same; of 3 it can't be told." in text
    other = next(g for g in projects.events(sample, "newsroom") if g.get("mix") == "auto-labelled archive")["group"]
    text = words(opened(sample, monkeypatch, split="test", against=other))
    assert "**auto-labelled archive** is worse: F1 -17.7 points" in text
    assert "more mentions of **person** missed (recall -42.2 points" in text


def test_a_control_that_helps_is_doubted(tmp_path, monkeypatch):
    space = Workspace.open(tmp_path / "ws")
    open_sample(space, "newsroom")
    group = {event["mix"]: event["group"] for event in projects.events(space, "newsroom") if "mix" in event}
    asked = {"split": "test", "baseline": group["auto-labelled archive"], "against": group["mention swaps"]}
    text = words(opened(space, monkeypatch, **asked))
    assert "is better" in text and "Doubt this" not in text

    def to_control(project: projects.Project) -> projects.Project:
        parts = {
            name: replace(part, augmenter="duplicate", params={}) if isinstance(part, AugmentedIngredient) else part
            for name, part in project.ingredients.items()
        }
        return replace(project, recipe=replace(project.recipe, ingredients=parts))

    projects.edit(space, "newsroom", to_control, {"event": "settings"})
    assert "holds a control" in words(opened(space, monkeypatch, **asked))
    asked["against"] = group["gold only"]
    assert "Doubt this" not in words(opened(space, monkeypatch, **asked))


@pytest.mark.parametrize("split", ["test", pytest.param("dev", marks=pytest.mark.whole)])
@pytest.mark.parametrize("view", DRAWERS)
def test_every_view_opens(sample, monkeypatch, view, split):
    at = opened(sample, monkeypatch, split=split, drawer=view)
    assert at.session_state["drawer"] == view
    assert not at.error, at.error


def test_another_rule_counts_the_same_runs_otherwise(sample, monkeypatch):
    figures = {
        rule: words(opened(sample, monkeypatch, split="test", rule=rule)) for rule in ("strict", "exact", "token")
    }
    answers = {rule: text[text.index("**harbour news**") :].split("\n", 1)[0] for rule, text in figures.items()}
    assert len({*answers.values()}) == 3


def test_sentences_can_be_narrowed_to_a_kind_of_mention(sample, monkeypatch):
    def shown(**address: str) -> int:
        at = opened(sample, monkeypatch, split="test", **address)
        ways = next(group for group in at.get("button_group") if group.key == "changed")
        return int(ways.options[0].rpartition("(")[2].rstrip(")"))  # "All (167)"

    every, seen, new = shown(), shown(**{"with": "seen:seen"}), shown(**{"with": "seen:unseen"})
    assert 0 < seen < every and 0 < new <= every
    assert shown(label="person") < every


def test_missing_repeats_are_started_where_they_are_missed(tmp_path: Path, monkeypatch):
    space = Workspace.open(tmp_path)
    open_sample(space, "newsroom")
    (tmp_path / "slots.json").write_text('{"train": 0}')  # they wait, so that nothing is trained here
    gold = next(group for group in groups(space, "newsroom") if group.name == "gold only")
    trash.delete(space.root, gold.finished[3:])
    at = opened(space, monkeypatch)
    assert "not enough repeats to judge, 3 of at least 5" in words(at)
    assert "gold only has 3 repeats: 5 more, which makes 8, take about" in words(at)
    at.button(key=f"compare_more_{gold.id}").click().run()
    assert not at.exception and "gold only has 3 repeats; more are under way." in words(at)
    again = next(group for group in groups(space, "newsroom") if group.id == gold.id)
    assert len(again.runs) == 8 and sum(run.state == "queued" for run in again.runs.values()) == 5


def test_what_has_no_runs_says_where_to_get_them(tmp_path: Path, monkeypatch):
    space = Workspace.open(tmp_path)
    open_sample(space, "newsroom_zh")
    assert "Nothing to compare yet" in words(opened(space, monkeypatch, project="newsroom_zh"))
