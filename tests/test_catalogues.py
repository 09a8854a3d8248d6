"""Every code that the code can raise has words, in English and in Simplified Chinese."""

import ast
import re
from pathlib import Path
from typing import get_args

import polib
import pytest

from core.care.cleaning import CHOICES
from core.care.doctor import Mend
from core.care.trash import Kind
from core.care.usage import KINDS
from core.errors import LANGUAGES, message
from core.evaluation.verdicts import Verdict
from core.tasks import TASKS
from core.tasks import task as task_of
from core.tasks.pairs import KINDS as MISTAKES
from core.training.portions import Name as Part
from core.trials import State, Why

CORE = Path(__file__).parents[1] / "core"
CATALOGUES = {
    language: polib.pofile(str(CORE / "locale" / language / "LC_MESSAGES" / "core.po")) for language in LANGUAGES
}
# words that are put together: message("state_" + state), message(f"unit_{unit}")
FAMILIES = {
    "state_": ("queued", "running", "succeeded", "failed", "cancelled", "interrupted"),
    "action_": ("kept", "repaired", "dropped"),
    "unit_": ("times_gold", "rows", "share"),
    "event_": (
        *("queued", "started", "taken_in", "interrupted", "failed", "succeeded", "succeeded_score", "cancelled"),
        *("moved_first", "moved_last", "asked_again", "goes_on", "at_once", "waits"),
    ),
    "disk_": KINDS,
    "clean_": tuple(CHOICES),
    "cost_": tuple(CHOICES),
    "trash_": get_args(Kind),
    "mend_": get_args(Mend),
    "verdict_": get_args(Verdict),
    "kind_": MISTAKES,
    "lean_": ("over", "under", "mixed", "fair", "few"),
    "settle_": ("better", "worse", "same", "open"),
    "trial_": get_args(State),
    "stopped_": get_args(Why),
    "confirm_": ("better", "worse", "same", "open", "few_repeats"),
    "col_": ("recall", "precision", "f1"),
    "metric_": tuple({name for task in map(task_of, TASKS) for name in task.also}),
    "part_": get_args(Part),
    "says_": (*get_args(Verdict), "gains", "losses", "effect", "none", "too_few"),
}


def codes_in_source() -> dict[str, str]:
    """code -> a place that uses it, from CoreError(...), Issue(...), Rejected(...), message(...) and hints."""
    found: dict[str, str] = {}
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            wanted = {
                "CoreError": (0, 2),
                "Issue": (3,),
                "Rejected": (0,),
                "Bad": (0,),
                "message": (0,),
                "note": (2,),
                "refused": (0,),
                "Finding": (0,),
                "Told": (0,),
                "_failed": (0,),
            }
            for at in wanted.get(name, ()):
                if at < len(node.args):
                    for constant in ast.walk(node.args[at]):
                        if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                            text = constant.value
                            if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", text) and text + "_" not in FAMILIES:
                                found[text] = f"{path.name}:{node.lineno}"
    return found


def test_source_uses_codes_at_all():
    assert len(codes_in_source()) > 80


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_words(language):
    known = {entry.msgid for entry in CATALOGUES[language] if entry.msgstr}
    used = codes_in_source() | {prefix + word: prefix for prefix, words in FAMILIES.items() for word in words}
    assert {code: place for code, place in used.items() if code not in known} == {}


def test_both_languages_have_the_same_codes_and_the_same_placeholders():
    english, chinese = ({e.msgid: e.msgstr for e in CATALOGUES[language]} for language in ("en", "zh_CN"))
    assert english.keys() == chinese.keys()
    for code, text in english.items():
        assert fields(text) == fields(chinese[code]), code


def fields(text: str) -> set[str]:
    return set(re.findall(r"(?<!\{)\{(\w+)\}(?!\})", text))


def test_chinese_is_chinese():
    same = {e.msgid for e in CATALOGUES["zh_CN"] if not re.search(r"[\u4e00-\u9fff]", e.msgstr)}
    assert same <= {"col_f1", "col_times_gold", "unit_times_gold", "line_run_state", "usage"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogue_is_up_to_date(language):
    place = CORE / "locale" / language / "LC_MESSAGES" / "core.mo"
    assert place.read_bytes() == CATALOGUES[language].to_binary(), "run: make catalogues"


def test_values_are_inserted_as_they_are():
    hostile = "{0.__class__} ![x](http://example.org) <b>"
    assert hostile in message("corpus_unknown", {"name": hostile})
    assert "没有" in message("corpus_unknown", {"name": "x"}, "zh_CN")
