"""What the params of a method name: files of the user, read before they are taken, kept, and told by what they hold."""

from pathlib import Path

import pytest

from components import given
from core import project as projects
from core.archive import contents
from core.augment import gazetteer
from core.augment.pool import AugmentParams
from core.care.links import Known, belongings
from core.care.usage import usage
from core.errors import CoreError
from core.formats import table
from core.pipeline import staged
from core.recipe import AugmentedIngredient, Recipe, load
from core.runs import kept
from core.sources import keep_named
from core.tasks.example import spans
from core.workspace import Workspace

NAMES = "label,mention\nLOC,Ostrava\nLOC,Rio de Janeiro\nPER,Ada Lovelace\nGOD,Thor\n"
CONLL = "Anna\tB-PER\nlives\tO\nin\tO\nOslo\tB-LOC\n\nBern\tB-LOC\nis\tO\nold\tO\n\n"


def recipe(folder: Path, **params: object) -> Recipe:
    (folder / "train.conll").write_text(CONLL)
    (folder / "dev.conll").write_text("Ib\tB-PER\nslept\tO\n\n")
    given = "".join(f", {name}: {value}" for name, value in params.items())
    (folder / "r.yaml").write_text(
        "version: 1\ndata: {train: train.conll, dev: dev.conll}\n"
        f"ingredients:\n  named: {{augmenter: mention_replacement, params: {{rate: 1.0{given}}}}}\n"
    )
    return load(folder / "r.yaml")


def code(error: "pytest.ExceptionInfo[CoreError]") -> tuple[str, object, object]:
    return error.value.code, error.value.values.get("line"), error.value.values.get("column")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("label;name\nLOC;Rio\n", [(2, ("LOC", "Rio"))]),
        ("id\tMention\tLabel\n1\t  a   b \tLOC\n", [(2, ("LOC", "a b"))]),
        ('\ufefflabel,mention\n\nLOC,"a, ""b"""\n', [(3, ("LOC", 'a, "b"'))]),
    ],
)
def test_a_table_is_read_by_its_column_names(tmp_path: Path, text: str, found: list[object]):
    (tmp_path / "t.csv").write_text(text)
    assert [*table.read(tmp_path / "t.csv", "t.csv", gazetteer.COLUMNS)] == found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("LOC,Rio\n", ("table_columns", 1, None)),
        ("label,label\nLOC,Rio\n", ("table_columns", 1, None)),
        ("label,mention\nLOC,Rio\nLOC\n", ("table_ragged", 3, None)),
        ("label,mention\nLOC, \n", ("table_blank", 2, "mention")),
        (f"label,mention\nLOC,{'x' * 501}\n", ("table_field", 2, "mention")),
        ('label,mention\nLOC,"Rio\nLOC,a\n', ("csv_quote_open", 2, None)),
        ("label,mention\nLOC,R\0o\n", ("binary_file", 2, None)),
        ("label,mention\n", ("empty_file", None, None)),
        ("", ("empty_file", None, None)),
    ],
)
def test_a_bad_table_is_refused_with_its_place_and_leaves_nothing(tmp_path: Path, text: str, what: tuple[object, ...]):
    space = Workspace.open(tmp_path / "ws")
    (tmp_path / "names.csv").write_text(text)
    part = AugmentedIngredient("mention_replacement", params={"gazetteer": "names.csv"})
    with pytest.raises(CoreError) as error:
        keep_named(space, part, tmp_path, "en")
    assert code(error) == what and error.value.values["file"] == "names.csv"
    assert not [*(space.root / "files").iterdir()]


def test_mentions_become_names_of_the_file_where_it_has_their_label(tmp_path: Path):
    space = Workspace.open(tmp_path / "ws")
    (tmp_path / "names.csv").write_text(NAMES + "LOC,Oslo\n")
    stage, _ = staged(space, recipe(tmp_path, gazetteer="names.csv"), lambda runs: None)
    rows = stage.pools["named"].table.to_pylist()
    found = {(s.label, " ".join(row["tokens"][s.start : s.end])) for row in rows for s in spans(row["tags"])}
    assert len(rows) == 2 and found <= {("PER", "Ada Lovelace"), ("LOC", "Ostrava"), ("LOC", "Rio de Janeiro")}
    assert ("PER", "Ada Lovelace") in found  # the one name of its label; the city that gold has is left out


def test_the_same_file_under_another_name_is_the_same_pool_and_another_file_another(tmp_path: Path):
    space = Workspace.open(tmp_path / "ws")
    made: list[str] = []
    for name, text in (("a.csv", NAMES), ("b.csv", NAMES), ("c.csv", NAMES + "LOC,Lima\n")):
        (tmp_path / name).write_text(text)
        staged(space, recipe(tmp_path, gazetteer=name), lambda runs: None)
        made += [run.id for run in space.store.list(kind="augment") if run.id not in made]
    assert len(made) == 2


def test_what_the_workspace_does_not_keep_is_refused(tmp_path: Path):
    space = Workspace.open(tmp_path / "ws")
    gone = f"file:{'0' * 64}/names.csv"
    with pytest.raises(CoreError) as error:
        staged(space, recipe(tmp_path, gazetteer=gone), lambda runs: None)
    assert error.value.code == "named_gone"
    for outside in ("file:../../etc/passwd", "/etc/passwd", f"file:{'0' * 63}"):
        assert kept(outside) is None


def test_a_file_named_by_a_project_belongs_to_it_and_is_not_cleaned_away(tmp_path: Path):
    space = Workspace.open(tmp_path / "ws")
    (tmp_path / "names.csv").write_text(NAMES)
    space.name_corpus("x", {"sources": {}, "inputs": {}})
    project = projects.create(space, "p", "corpus:x")
    part = keep_named(
        space, AugmentedIngredient("mention_replacement", params={"gazetteer": "names.csv"}), tmp_path, "en"
    )
    project = projects.edit(space, project.slug, projects.with_ingredient("named", part), {"event": "ingredient"})
    assert project.ingredients["named"] == part and keep_named(space, part, tmp_path, "en") == part
    sha = str(part.params["gazetteer"]).partition("/")[0].removeprefix("file:")
    assert belongings(space, project, Known(space)).files == {sha}
    (path,) = (space.root / "files").iterdir()
    old = path.stat().st_mtime - 7200
    import os

    os.utime(path, (old, old))
    assert not usage(space).unused
    projects.edit(space, project.slug, projects.without_ingredient("named"), {"event": "ingredient_deleted"})
    assert usage(space).unused == {f"files/{sha}"}


def test_a_project_that_names_a_file_outside_is_not_archived(tmp_path: Path):
    space = Workspace.open(tmp_path / "ws")
    space.name_corpus("x", {"sources": {}, "inputs": {}})
    project = projects.create(space, "p", "corpus:x")
    part = AugmentedIngredient("mention_replacement", params={"gazetteer": "/etc/hostname"})
    project = projects.edit(space, project.slug, projects.with_ingredient("named", part), {"event": "ingredient"})
    with pytest.raises(CoreError) as error:
        contents.contents(space, project, weights=False, models=False)
    assert (error.value.code, error.value.values["name"]) == ("export_outside", "/etc/hostname")


def test_a_spec_holds_no_name_of_a_file():
    params = AugmentParams("mention_replacement", {"gazetteer": f"file:{'a' * 64}/secret plans.csv"}).canonical()
    assert params.params == {"gazetteer": f"file:{'a' * 64}"} and params.named() == {
        "param:gazetteer": f"file:{'a' * 64}"
    }


def test_a_gazetteer_of_other_labels_is_refused(tmp_path: Path):
    space = Workspace.open(tmp_path / "ws")
    (tmp_path / "names.csv").write_text("label,mention\nPERSON,Ada\n")
    with pytest.raises(CoreError) as error:
        staged(space, recipe(tmp_path, gazetteer="names.csv"), lambda runs: None)
    assert (error.value.code, error.value.values["known"]) == ("gazetteer_labels", "LOC, PER")


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "x" * 300, "a\0b", "/etc", "../.."])
def test_a_model_that_is_no_folder_inside_is_refused_in_words(tmp_path: Path, name: str):
    space = Workspace.open(tmp_path / "ws")
    with pytest.raises(CoreError) as error:
        given.check_inside(space, name)
    assert error.value.code in ("model_missing", "model_outside")
