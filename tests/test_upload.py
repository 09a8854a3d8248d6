"""Bringing files in: what is guessed about them, what the workspace remembers, and the Data page as people use it."""

import io

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import launch, project, sources
from core.errors import CoreError, Issue
from core.formats.guesses import guess_language, guess_roles, guess_title
from core.formats.importing import Source, Split
from core.formats.protocol import ReadOptions
from core.report import issues
from core.sources import Gold
from core.submit import result_of
from core.workspace import Workspace
from tests.conftest import ROOT

TOWNS = ("Oslo", "Lima", "Bern", "Riga", "Quito", "Cairo")


def conll(start: int, count: int, extra: str = "") -> bytes:
    """Rows of their own, each with a town. `extra`: further columns."""
    rows = ("Day\tO{0}\nno{1}\tO{0}\nin\tO{0}\n{2}{1}\tB-LOC{0}\n\n" for _ in range(count))
    return "".join(row.format(extra, n, TOWNS[n % 6]) for n, row in enumerate(rows, start)).encode()


def gold(workspace: Workspace, files: dict[str, bytes], **more) -> Gold:
    inputs = {role: f"file:{workspace.add_stream(io.BytesIO(data), role)}" for role, data in files.items()}
    return Gold({role: Source(f"{role}.conll") for role in files}, inputs, **more)


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (["whatever_test.conll"], ["file"]),
        (["b.test.txt", "b.train.txt", "b.dev.txt"], ["test", "train", "dev"]),
        (["eng.testa", "eng.testb", "eng"], ["dev", "test", "train"]),
        (["one.conll", "two.conll"], ["train", "dev"]),
        (["a-train.conll", "b-train.conll"], ["train", "dev"]),
    ],
)
def test_each_file_gets_a_role_of_its_own(names, roles):
    assert guess_roles(names) == roles


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["wnut17train.conll"], "wnut17"),
        (["train.conll", "dev.conll"], ""),
        (["dev.conll", "my_news-train.v2.conll"], "my news"),
        (["contest.conll"], "contest"),
        (["医疗训练集.txt"], "医疗"),
        ([], ""),
    ],
)
def test_a_title_is_what_a_name_says_beside_its_split(names, title):
    assert guess_title(names) == title


def test_chinese_is_told_from_japanese_and_english():
    assert [guess_language(text) for text in ("张\tB-PER\n三\tI-PER", "東京\tB\nの\tO", "Anna\tB-PER", "")] == [
        "zh", "en", "en", "en",
    ]  # fmt: skip


def test_projects_of_the_same_name_keep_their_own_files(tmp_path):
    workspace = Workspace.open(tmp_path)
    first = sources.bring(workspace, "News", gold(workspace, {"train": b"1"}), "en")
    second = sources.bring(workspace, "News", gold(workspace, {"train": b"2"}), "en")
    project.delete(workspace, first.slug)
    third = sources.bring(workspace, "News", gold(workspace, {"train": b"3"}), "en")
    data = [found.recipe.data for found in (first, second, third)]
    assert len(set(data)) == 3
    assert len({sources.named_gold(workspace, reference).inputs["train"] for reference in data}) == 3


def test_what_is_named_comes_back_as_it_was(tmp_path):
    workspace = Workspace.open(tmp_path)
    wanted = Gold(
        {"file": Source("a.conll", ReadOptions(separator="tab", tag_column=1, columns={"text": "body"}))},
        {"file": "file:00"},
        Split(0.2, None, 3),
        300,
    )
    sources.name_gold(workspace, "a", wanted)
    assert sources.named_gold(workspace, "corpus:a") == wanted


def test_reading_again_changes_the_project_and_not_the_name(tmp_path):
    workspace = Workspace.open(tmp_path)
    wrong = gold(workspace, {"train": conll(0, 30, "\tX")})
    made = sources.bring(workspace, "News", wrong, "en")
    right = Gold({"train": Source("train.conll", ReadOptions(tag_column=1))}, wrong.inputs)
    again = sources.bring_again(workspace, made.slug, right, "de")
    assert sources.named_gold(workspace, made.recipe.data) == wrong
    assert sources.named_gold(workspace, again.recipe.data) == right
    assert project.load(workspace, made.slug).recipe.language == "de"


@pytest.mark.parametrize("roles", [{}, {"dev"}, {"train", "file"}])
def test_gold_is_train_or_one_file(roles):
    with pytest.raises(CoreError, match="Gold is either"):
        sources.check_roles(roles)


def found_issues() -> list[Issue]:
    return [
        Issue("a.conll", 3, None, "leak_exact", {"split": "dev", "other": "=dev.conll"}, "dropped"),
        Issue("a.conll", 9, None, "leak_exact", {"split": "dev", "other": "=dev.conll"}, "dropped"),
        Issue("b.conll", None, None, "no_labels", {}, "kept"),
        Issue("b.conll", 14, "tags", "tag_repaired", {"count": 2}, "repaired"),
    ]


def test_issues_are_found_by_kind_action_file_and_text():
    table = issues.issue_table(found_issues(), "en")

    def lines(*text: str, **wanted) -> list[int | None]:
        return issues.matching(table, *text, **wanted).column("line").to_pylist()

    assert lines() == [3, 9, 14, None]  # dropped, repaired, noted
    assert lines(code=["leak_exact"], action=["dropped"]) == [3, 9]
    assert lines(file=["b.conll"], action=["kept", "repaired"]) == [14, None]
    assert lines("INSIDE TAGS") == [14]
    assert lines("14") == [14]
    assert lines("(") == [3, 9]
    assert lines("nowhere") == []


def test_leakage_is_counted_by_file_and_split():
    assert issues.leaks(found_issues()) == [issues.Leak("leak_exact", "a.conll", "dev", "=dev.conll", 2)]


def test_issues_for_a_spreadsheet_speak_of_actions_in_words():
    table = issues.issue_table([Issue("=1+1", 3, None, "no_labels", {}, "kept")], "en")
    data = issues.issues_csv(table, {"file": "File", "line": "Line", "action": "Done"}, {"kept": "was kept"})
    assert data.decode("utf-8-sig").split("\r\n")[:2] == ["File,Line,Done", "'=1+1,3,was kept"]


@pytest.fixture
def page(tmp_path, monkeypatch) -> AppTest:
    monkeypatch.setenv("PEIBI_HOME", str(tmp_path))
    st.cache_resource.clear()
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    return at.switch_page("pages/data.py").run()


def upload(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    at.file_uploader(key="data_files").set_value([(name, data, "text/plain") for name, data in files]).run()
    assert not at.exception
    return at


def choose(at: AppTest, name: str) -> None:
    """As by the sidebar's list, which AppTest doesn't draw on a page it switched to."""
    at.session_state["project"] = name
    assert not at.run().exception


def by_key(elements, start: str):
    return next(element for element in elements if element.key and element.key.startswith(start))


def test_three_files_become_a_project_with_data(page, tmp_path):
    files = ("my-train.conll", conll(0, 40)), ("my-dev.conll", conll(50, 10)), ("my-test.conll", conll(70, 10))
    upload(page, *files)
    assert [box.value for box in page.selectbox if box.key.startswith("data_role")] == ["train", "dev", "test"]
    page.button(key="data_import").click().run()
    assert not page.exception
    assert not page.error
    workspace = Workspace.open(tmp_path)
    [name] = project.names(workspace)
    made = project.load(workspace, name)
    assert made.title == "my"
    result = result_of(workspace, launch.start_import(workspace, made), lambda *_: None)
    assert result["rows"] == {"train": 40, "dev": 10, "test": 10}
    assert page.query_params["project"] == name
    choose(page, name)
    assert list(page.dataframe[0].value["rows"]) == [40, 10, 10]
    for view in ("issues", "browse", "new"):
        page.segmented_control(key="view").set_value(view).run()
        assert not page.exception, view
        assert not page.error, view


def test_the_column_of_the_tags_can_be_changed(page, tmp_path):
    upload(page, ("all.conll", conll(0, 40, "\tNN")))
    box = by_key(page.selectbox, "data_tag_")
    assert box.value == "2"
    box.set_value("1").run()
    page.button(key="data_import").click().run()
    workspace = Workspace.open(tmp_path)
    [name] = project.names(workspace)
    made = project.load(workspace, name)
    kept = sources.named_gold(workspace, made.recipe.data)
    assert kept.sources["file"].options.tag_column == 1
    assert kept.split == Split(0.1, 0.1)
    result = result_of(workspace, launch.start_import(workspace, made), lambda *_: None)
    assert result["labels"]["train"] == ["LOC"]


def test_a_quick_look_takes_some_of_the_sentences(page, tmp_path):
    upload(page, ("train.conll", conll(0, 600)), ("dev.conll", conll(700, 10)))
    by_key(page.toggle, "data_quick_").set_value(True).run()
    page.button(key="data_import").click().run()
    workspace = Workspace.open(tmp_path)
    [name] = project.names(workspace)
    assert sources.named_gold(workspace, project.load(workspace, name).recipe.data).train_rows == 300


@pytest.mark.parametrize(
    "files",
    [
        [("train.conll", b"\x89PNG\r\n\x1a\n0000")],
        [("train.conll", b"")],
        [("a.conll", conll(0, 9)), ("b.conll", b"word\nword\n")],
        [("a.conll", conll(0, 9)), ("b.conll", conll(20, 3)), ("c.conll", conll(30, 3)), ("d.conll", conll(40, 3))],
    ],
)
def test_what_cannot_be_read_is_said_and_not_imported(page, tmp_path, files):
    upload(page, *files)
    assert page.error
    assert all(button.disabled for button in page.button if button.key == "data_import")
    assert project.names(Workspace.open(tmp_path)) == []


def test_two_files_for_one_part_are_refused(page):
    upload(page, ("train.conll", conll(0, 9)), ("dev.conll", conll(20, 3)))
    roles = [box for box in page.selectbox if box.key.startswith("data_role")]
    roles[1].set_value("train").run()
    assert page.button(key="data_import").disabled
    assert page.warning


def test_a_failed_import_can_be_changed_and_a_deleted_project_comes_back(page, tmp_path):
    workspace = Workspace.open(tmp_path)
    made = sources.bring(workspace, "Twice", gold(workspace, {"train": conll(0, 9), "dev": conll(0, 9)}), "en")
    with pytest.raises(CoreError):
        result_of(workspace, launch.start_import(workspace, made), lambda *_: None)
    choose(page, made.slug)
    assert "dev" in page.error[0].value
    page.button(key="data_import").click().run()
    assert project.load(workspace, made.slug).recipe.data != made.recipe.data
    page.button(key="data_delete").click().run()
    assert not page.exception
    assert project.names(workspace) == []
    page.button(key="data_undo").click().run()
    assert project.names(workspace) == [made.slug]
