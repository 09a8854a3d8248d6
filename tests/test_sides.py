"""`compare` on the command line: a project, mixes, recipes, printed objects and anybody's predictions, held to its
schema; and what can't be compared is refused with the reason."""

import json
from pathlib import Path

import jsonschema
import pytest

from core import groups
from core.__main__ import main
from core.groups import split_of
from core.pipeline import export_predictions
from core.project import load, names
from core.recipe_text import recipe_text
from core.sample import open_sample
from core.training import predictions
from core.workspace import Workspace
from tests.conftest import ROOT

SCHEMA = json.loads((ROOT / "docs" / "compare-output.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = Workspace.open(tmp_path_factory.mktemp("sides"))
    open_sample(found, "newsroom")
    return found


@pytest.fixture(scope="module")
def folders(space: Workspace) -> dict[str, Path]:
    """The test predictions of two mixes as another program would leave them: a folder each, a file a repeat."""
    out: dict[str, Path] = {}
    for group in groups.groups(space, "newsroom"):
        if group.name in ("gold only", "harbour news"):
            folder = space.root / group.name.replace(" ", "-")
            folder.mkdir()
            for run in groups.evaluated(space, group, "test"):
                kept = predictions.file_of(space.run_folder(run), group.corpora["test"])
                export_predictions(space, kept, group.corpora["test"]).rename(folder / f"{run}.conll")
            out[group.name] = folder
    return out


def compared(space: Workspace, capsys: pytest.CaptureFixture[str], *names: str, status: int = 0):
    """The object of `compare ... --json`, held to its schema; that of an error as it is."""
    assert main(["compare", *names, "--json", "--workspace", str(space.root)]) == status
    data = json.loads(capsys.readouterr().out)
    if not status:
        jsonschema.validate(data, SCHEMA)
    return data


def test_a_project_is_compared_with_its_gold_only(space, capsys):
    found = compared(space, capsys, "newsroom", "--split", "test")
    assert found["baseline"] == "gold only" and set(found["repeats"].values()) == {8}
    verdicts = {mix: answer["verdict"] for mix, answer in found["answers"].items()}
    assert verdicts == {
        "mention swaps": "open",
        "harbour news": "open",
        "a bit of everything": "open",
        "auto-labelled archive": "worse",
    }
    assert ["person", "recall"] in found["answers"]["auto-labelled archive"]["losses"]
    assert "no difference shown over all labels: F1 +2.7 points (95 %: " in found["answers"]["harbour news"]["sentence"]


def test_mixes_folders_and_recipes_are_one_and_the_same(space, folders, capsys, tmp_path):
    """By name, by the recipe that was run, by a printed object and by bare predictions: the very same figures."""
    project = load(space, "newsroom")
    recipes = {name: tmp_path / f"{name.replace(' ', '-')}.yaml" for name in folders}
    mixes = {group.name: group.mix for group in groups.groups(space, "newsroom")}
    printed: dict[str, Path] = {}
    for name, path in recipes.items():
        path.write_text(recipe_text(project.with_mix(mixes[name])), encoding="utf-8")
        files = [{"predictions": {"dev": None, "test": str(file)}} for file in sorted(folders[name].iterdir())]
        printed[name] = tmp_path / f"{name}.json"
        printed[name].write_text(json.dumps({"runs": files}), encoding="utf-8")
    ways = [{name: f"newsroom/{name}" for name in folders}, folders, recipes, printed]
    found = [
        compared(space, capsys, *(str(way[n]) for n in ("gold only", "harbour news")), "--split", "test")
        for way in ways
    ]
    lines = [[{**line, "mix": None} for line in one["lines"]] for one in found]
    assert lines[0] == lines[2]
    for other in (lines[1], lines[3]):  # files hold the same repeats in another order
        assert [line["rates"]["f1"]["value"] for line in other] == pytest.approx(
            [line["rates"]["f1"]["value"] for line in lines[0]]
        )
    answers = [next(iter(one["answers"].values())) for one in found]
    assert {answer["verdict"] for answer in answers} == {"better"}
    assert {len(runs) for one in found for runs in one["runs"].values()} == {8}


def test_two_names_for_one_recipe_show_no_difference(space, folders, capsys):
    one = str(folders["gold only"])
    found = compared(space, capsys, one, one)
    answer = next(iter(found["answers"].values()))
    assert found["same_runs"] == [f"{one} (2)"]
    assert answer["verdict"] in ("open", "same") and "no difference shown" in answer["sentence"]
    assert not answer["gains"] and not answer["losses"]


def test_halves_of_one_recipe_are_too_few_and_say_so(space, folders, capsys, tmp_path):
    files = sorted(folders["gold only"].iterdir())
    halves = [tmp_path / "a", tmp_path / "b"]
    for half, mine in zip(halves, (files[::2], files[1::2]), strict=True):
        half.mkdir()
        for file in mine:
            (half / file.name).write_bytes(file.read_bytes())
    found = compared(space, capsys, *map(str, halves))
    assert {answer["verdict"] for answer in found["answers"].values()} == {"few_repeats"}
    assert "4 of at least 5" in next(iter(found["answers"].values()))["sentence"]


@pytest.mark.parametrize("rule", ["strict", "exact", "partial", "type", "token", "tag"])
def test_every_rule_counts_old_runs(space, capsys, rule):
    found = compared(space, capsys, "newsroom", "--split", "test", "--rule", rule)
    whole = next(line for line in found["lines"] if line["label"] is None)
    labels = {line["label"] for line in found["lines"]}
    assert ("B-person" in labels) == (rule == "tag")
    strict = next(line for line in compared(space, capsys, "newsroom", "--split", "test")["lines"])
    if rule in ("exact", "partial", "type"):  # each is kinder than the strict one
        assert whole["rates"]["f1"]["value"] > strict["rates"]["f1"]["value"]


def other_predictions(space: Workspace, folders, path: Path, tags=None, rows=None) -> Path:
    """A file of predictions over the same test set, with other labels or with fewer rows."""
    group = next(g for g in groups.groups(space, "newsroom") if g.name == "gold only")
    data = split_of(space, group, "test")
    file = next(iter(folders["gold only"].iterdir()))
    text = file.read_text(encoding="utf-8")
    if tags:
        text = "".join(text.replace(f"-{old}\t", f"-{new}\t") for old, new in tags.items())
    if rows:
        text = "\n\n".join(text.split("\n\n")[:rows]) + "\n"
    assert len(data) > (rows or 0)
    path.write_text(text, encoding="utf-8")
    return path


def test_what_was_put_to_another_test_is_refused_with_the_reason(space, folders, capsys, tmp_path):
    base = str(folders["gold only"])
    fewer = other_predictions(space, folders, tmp_path / "fewer.conll", rows=20)
    error = compared(space, capsys, base, str(fewer), status=2)["error"]
    assert error["code"] == "sides_rows" and "(20 against 351)" in error["message"]
    renamed = other_predictions(space, folders, tmp_path / "renamed.conll", tags={"person": "human"})
    error = compared(space, capsys, base, str(renamed), status=2)["error"]
    assert error["code"] == "sides_labels" and "human" in error["message"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("nothing", "newsroom/gold only"), "side_unknown"),
        (("newsroom/gold only", "newsroom/never"), "group_unknown"),
        (("newsroom", "--rule", "kind"), "rule_unknown"),
        (("newsroom", "--margin", "2"), "usage"),
        (("newsroom/gold only", "newsroom/gold only", "--baseline", "x"), "usage"),
        ((str(ROOT / "docs" / "recipes" / "harbour.yaml"), "newsroom/gold only"), "side_not_run"),
        ((str(ROOT / "docs" / "compare-output.schema.json"), "newsroom/gold only"), "side_json"),
        ((str(ROOT / "docs"), "newsroom/gold only"), "side_empty"),
    ],
)
def test_what_is_not_there_is_said(space, capsys, asked, code):
    assert compared(space, capsys, *asked, status=2)["error"]["code"] == code


def test_people_read_it_in_both_languages(space, capsys):
    assert names(space) == ["newsroom"]
    for language, words in (("en", "auto-labelled archive is worse: F1"), ("zh_CN", "auto-labelled archive 更差：F1")):
        assert main(["compare", "newsroom", "--lang", language, "--workspace", str(space.root)]) == 0
        assert words in capsys.readouterr().out
