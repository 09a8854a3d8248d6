"""The words of the app: complete in Chinese, and text from users shown as typed."""

import ast
import re
from pathlib import Path

import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.words import escape, visible

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "components" / "locale" / "zh_CN" / "LC_MESSAGES" / "app.po"
FILES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "components").glob("*.py"))]
# Sinks that read Markdown or HTML, and are never given text from users unescaped; these two aren't used at all.
BANNED = ("unsafe_allow_html", "html")
SAME = {"F1", "CoNLL", "JSON Lines"}  # the same in both languages


def sentences() -> dict[str, str]:
    """Every sentence that goes through t() or raw(), with the place that says it."""
    found: dict[str, str] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("t", "raw"):
                place = f"{path.name}:{node.lineno}"
                assert node.args, place
                first = node.args[0]
                texts = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                for text in texts:
                    if isinstance(text, ast.Constant):
                        found[str(text.value)] = place
                    else:  # t(TABLE[name]): the table's sentences are collected by `marked`
                        assert isinstance(text, ast.Subscript | ast.Name | ast.Attribute), (
                            f"{place}: {ast.unparse(text)}"
                        )
        found |= marked(path)
    return found


def marked(path: Path) -> dict[str, str]:
    """Sentences in literal tables that are translated where they are shown: lists under `# words` comments."""
    source = path.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        line = source.split("\n")[node.lineno - 1]
        if isinstance(node, ast.Assign | ast.AnnAssign) and "# words" in line:
            for constant in ast.walk(node.value):  # pyright: ignore[reportArgumentType]
                if (
                    isinstance(constant, ast.Constant)
                    and isinstance(constant.value, str)
                    and re.search("[ -]", constant.value)
                ):
                    found[constant.value] = f"{path.name}:{constant.lineno}"
    return found


def test_every_sentence_has_chinese_words_with_the_same_places():
    known = {entry.msgid: entry.msgstr for entry in polib.pofile(str(CATALOGUE))}
    used = sentences()
    assert len(used) > 100
    assert {text: place for text, place in used.items() if not known.get(text)} == {}
    for text in used:
        assert places(text) == places(known[text]), text
        wordless = not re.search(r"[A-Za-z]{2}", re.sub(r"\{\w+\}", "", text))
        assert re.search(r"[\u4e00-\u9fff]", known[text]) or wordless or text in SAME, text


def places(text: str) -> set[str]:
    return set(re.findall(r"(?<!\{)\{(\w+)\}(?!\})", text))


def test_no_sentence_is_left_over():
    known = {entry.msgid for entry in polib.pofile(str(CATALOGUE))}
    assert known - set(sentences()) == set()


def test_compiled_catalogue_is_up_to_date():
    assert CATALOGUE.with_suffix(".mo").read_bytes() == polib.pofile(str(CATALOGUE)).to_binary(), "run: make catalogues"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_page_writes_html(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword):
            assert node.arg != BANNED[0], f"{path.name}:{node.value.lineno}"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "st":
            assert node.attr != BANNED[1], f"{path.name}:{node.lineno}"


@given(st.text())
def test_nothing_of_a_text_is_lost_when_it_is_escaped(text):
    shown = re.sub(r"\\([\\`*_{}\[\]()<>#+\-.!|~$&\"'^=@/])", r"\1", escape(text)).replace("\u2060", "")
    assert shown == visible(text).replace("\u2060", "")


@given(st.text(alphabet="[](){}<>!*_`~#$:@/\\-+=|.wh tp1\u202e\n", max_size=30))
def test_an_escaped_text_has_no_bare_mark(text):
    bare = re.sub(r"\\.", "", escape(text))
    assert not set(bare) & set("`*_{}[]()<>#+-.!|~$&\"'^=@/"), bare
    assert (not re.search(r":(?!\u2060)", bare) and bare.isprintable()) or "\u2060" in bare


def test_what_cannot_be_seen_is_shown_as_a_code():
    assert visible("a\u202eb\u200bc\x00") == "a\\u202eb\\u200bc\\u0000"
