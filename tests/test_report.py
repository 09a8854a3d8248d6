"""The report: what a hundred mentions come to, what it advises, and that its file needs nothing and trusts nobody."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core import project as projects
from core.__main__ import main
from core.augment import AUGMENTERS
from core.brief import document as written
from core.brief.facts import Brief, counted
from core.brief.gathering import brief
from core.brief.hundred import WHOLE, hundred
from core.brief.page import Marked
from core.brief.voice import Voice
from core.brief.words import page
from core.errors import LANGUAGES, CoreError
from core.report.browse import Segment
from core.sample import open_sample
from core.workspace import Workspace
from tests.conftest import ROOT

HOSTILE = '<img src=x onerror="alert(1)"> {{ 7 * 7 }} </script> \u202e=1+1 ![x](http://evil.example)'
PATH = re.compile(r"""(?:^|[\s"'(>])/[\w.-]+/[\w.-]+/""", re.MULTILINE)  # of a folder in a folder of a machine
JARGON = re.compile(r"\bF1\b|p-value|\bepoch|\bp =|\bp <|recall|precision", re.IGNORECASE)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = Workspace.open(tmp_path_factory.mktemp("report"))
    open_sample(found, "newsroom")
    return found


@pytest.fixture(scope="module")
def found(space) -> Brief:
    return brief(space, projects.load(space, "newsroom"))


class _Text(HTMLParser):
    """What a reader sees: words by the section they stand in; and every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: dict[str, list[str]] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._at = ""
        self._silent = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._at = dict(attrs).get("id") or ""
        self._silent = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.setdefault(self._at, []).append(data)

    def of(self, *sections: str) -> str:
        return " ".join(" ".join("".join(self.words.get(name, [])).split()) for name in sections)


# a hundred


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_a_hundred_adds_up(shares):
    before, now = np.array(shares).T
    one = hundred(before, now)
    assert one.before == pytest.approx(100 * before.mean(), abs=1e-6)
    assert one.now == pytest.approx(100 * now.mean(), abs=1e-6)
    assert sum(one.whole) == WHOLE and min(one.whole) >= 0
    exact = (one.kept, one.gained, one.lost, WHOLE - one.kept - one.gained - one.lost)
    assert max(abs(a - b) for a, b in zip(one.whole, exact, strict=True)) < 1


def test_what_was_lost_is_not_hidden_by_what_was_gained():
    one = hundred(np.array([1.0, 1.0, 0.0, 0.5]), np.array([0.0, 1.0, 1.0, 0.75]))
    assert (one.kept, one.gained, one.lost) == (37.5, 31.25, 25.0)


def test_the_same_runs_lose_nothing(space, found):
    base = brief(space, found.project, found.baseline.id, found.mix.id, found.split)  # the other way round
    assert base.whole.hundred.gained == pytest.approx(found.whole.hundred.lost)
    assert base.whole.hundred.lost == pytest.approx(found.whole.hundred.gained)


def test_found_is_the_recall_that_compare_shows(found, space, capsys):
    names = ["newsroom", "--json", "--split", found.split, "--workspace", str(space.root)]
    assert main(["compare", *names]) == 0
    said = json.loads(capsys.readouterr().out)
    lines = said["lines"]
    for name, answer in said["answers"].items():
        mine = brief(space, found.project, name, split=found.split).finding
        assert mine.overall is not None and mine.overall.verdict == answer["verdict"], name
    for one in found.readings:
        [line] = [row for row in lines if (row["label"] or "") == one.label and row["mix"] == found.titles[0]]
        assert line["rates"]["recall"]["value"] == pytest.approx(one.hundred.now / 100, abs=1e-5)
        assert line["rates"]["precision"]["value"] == pytest.approx(one.right[1], abs=1e-5)


# what it advises


def _as(found: Brief, verdict: str, **more: object) -> Brief:
    """With another verdict over all labels, and none on single ones."""
    judged = tuple(replace(one, verdict=verdict if not one.label else "open") for one in found.finding.judged)
    return replace(found, finding=replace(found.finding, judged=judged), **more)


@pytest.mark.parametrize(
    ("verdict", "advice"), [("better", "use"), ("worse", "worse"), ("same", "same"), ("open", "unclear")]
)
def test_the_verdict_decides(found, verdict, advice):
    assert _as(found, verdict).advice == advice


def test_with_few_repeats_nothing_is_advised(found):
    few = replace(found.finding, repeats=(8, 4))
    assert replace(found, finding=few).advice == "few"


def test_a_label_that_gains_is_worth_it_unless_another_loses(found):
    def told(*verdicts: str) -> Brief:
        labels = [one.label for one in found.labels]
        by_label = dict(zip(labels, verdicts, strict=False))
        judged = tuple(
            replace(one, verdict=by_label.get(one.label, "open") if one.metric == "recall" else "open")
            for one in found.finding.judged
        )
        return replace(found, finding=replace(found.finding, judged=judged))

    assert told("better").advice == "use_for"
    assert told("better", "worse").advice == "unclear"
    assert told("open", "worse").advice == "worse"


def test_how_sure_goes_by_fresh_seeds_and_kept_rows(found):
    assert len(found.candidates) > 2
    sure = {
        (split, fresh): _as(found, "better", split=split, fresh=fresh).sure
        for split in ("dev", "test")
        for fresh in (False, True)
    }
    assert sure == {
        ("dev", False): "sign", ("dev", True): "rather", ("test", False): "rather", ("test", True): "confident",
    }  # fmt: skip
    assert _as(found, "better", split="dev", fresh=False, candidates=found.candidates[:2]).sure == "rather"
    assert _as(found, "open", split="test", fresh=True).sure == "not"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("verdict", ["better", "worse", "same", "open"])
def test_every_answer_has_its_words(found, verdict, language):
    told = page(_as(found, verdict), language)
    said = [told.question, told.answer, *told.sure, *told.cost, *told.worse, *told.open, *told.more]
    assert not [text for text in said if "report_" in text or "{" in text]
    keep = {"en": "keep gold only", "zh_CN": "只用金标"}[language]
    assert (keep in told.answer) == (verdict != "better")


def test_every_method_has_words_for_those_who_decide():
    for language in LANGUAGES:
        voice = Voice(language)
        assert not [name for name in AUGMENTERS if voice.say(f"made_{name}").startswith("report_")]


def test_it_speaks_of_what_one_is_advised_to_do(found):
    missed = [100 - counted(found.whole)[at] for at in (0, 1)]
    assert missed[0] != missed[1]
    for verdict, at in (("better", 1), ("same", 0)):
        [line] = [line for line in page(_as(found, verdict)).open if "of 100 real names are missed" in line]
        assert f"{missed[at]} of 100" in line


def test_what_it_costs_in_wrong_marks_is_said(found):
    wrong = replace(found.whole, wrong=(10.0, 40.0))
    told = page(_as(found, "better", readings=[wrong, *found.readings[1:]]))
    assert "marks 40 wrongly, 10 without" in told.answer
    assert [line for line in told.worse if "40 for every 100" in line]


# the sample's, as a file


def test_before_the_fold_it_speaks_plainly(found):
    seen = _Text(written.document(page(found)))
    top = seen.of("answer", "changes", "next")
    before, now, _ = counted(found.whole)
    assert f"finds {now} with them, {before} without" in top
    assert not JARGON.search(top), JARGON.search(top)
    assert "F1 of all labels" in seen.of("check")  # for those who check


def test_it_quotes_three_sentences_and_one_got_worse(found, space):
    assert [one.change for one in found.examples] == ["fixed", "fixed", "broken"]
    for one in found.examples:
        better = one.shares[1] > one.shares[0]
        assert better == (one.change == "fixed")
        right = one.now if better else one.before
        wrong = one.before if better else one.now
        assert right.tags == one.gold.tags != wrong.tags
    assert not brief(space, found.project, examples=0).examples


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_needs_nothing_and_runs_nothing_but_its_own(found, language):
    text = written.document(page(found, language))
    assert len(text.encode()) < 3_000_000
    seen = _Text(text)
    assert not [a for _, a in seen.elements if {"src", "href", "action", "style"} & a.keys() and "--c" not in str(a)]
    assert not [name for _, a in seen.elements for name in a if name.startswith("on")]
    policy = next(a["content"] for _, a in seen.elements if a.get("http-equiv") == "Content-Security-Policy")
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert b64encode(sha256(script.encode()).digest()).decode() in policy and "default-src 'none'" in policy
    pictures = [a for tag, a in seen.elements if tag == "svg"]
    assert pictures and all(a.get("aria-label") and a.get("role") == "img" for a in pictures)


def test_text_from_users_stays_text(found):
    told = page(found, question=HOSTILE)
    lines = [Marked("now", [Segment(HOSTILE), Segment(HOSTILE, HOSTILE)], [HOSTILE], True)]
    told = replace(told, title=HOSTILE, examples=[replace(told.examples[0], lines=lines)], labels=(HOSTILE,))
    text = written.document(told)
    assert "<img" not in text and "\u202e" not in text and "{{ 7 * 7 }}" in text  # shown as it was typed
    assert text.count("</script>") == 1
    assert "\\u202e" in text


def test_paths_of_a_machine_stay_out(found, tmp_path):
    file = tmp_path / "secret" / "a.conll"
    sources = replace(found.sources, recipes=(f'data:\n  train: "{file}"\n', "data: {}\n"))
    assert PATH.search(sources.recipes[0])
    text = written.document(page(replace(found, sources=sources)))
    assert "secret" not in text and "a.conll" in text and not PATH.search(text)


def test_on_the_command_line(space, tmp_path, capsys):
    out = tmp_path / "report.html"
    command = ["report", "newsroom", "--out", str(out), "--json", "--workspace", str(space.root)]
    assert main([*command, "--mix", "mention swaps", "--split", "dev"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["mix"] == "mention swaps" and said["split"] == "dev" and said["bytes"] == out.stat().st_size
    assert said["answer"] in _Text(out.read_text(encoding="utf-8")).of("answer")
    assert main([*command, "--no-sentences", "--lang", "zh_CN", "--question", "值得吗？"]) == 0
    text = out.read_text(encoding="utf-8")
    assert "值得吗？" in text and "<article" not in text and 'lang="zh-CN"' in text
    assert main([*command, "--mix", "no such mix"]) == 2
    assert main(["report", "newsroom", "--out", str(tmp_path / "no" / "r.html"), "--workspace", str(space.root)]) == 2
    assert "r.html" in capsys.readouterr().err


def test_without_a_second_mix_there_is_nothing_to_report(space):
    alone = replace(projects.load(space, "newsroom"), slug="alone")
    with pytest.raises(CoreError) as told:
        brief(space, alone)
    assert told.value.code == "nothing_to_compare"


# in the app


def _opened(space: Workspace, monkeypatch: pytest.MonkeyPatch, start: str = "", **address: str) -> AppTest:
    import streamlit

    monkeypatch.setenv("PEIBI_HOME", str(space.root))
    monkeypatch.setenv("PEIBI_SHOW", start)
    streamlit.cache_resource.clear()
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in {"project": "newsroom", "lang": "en", **address}.items():
        at.query_params[name] = value
    return at.run()


def test_the_page_shows_it_and_gives_it_away(space, monkeypatch):
    at = _opened(space, monkeypatch)
    at.switch_page("pages/report.py").run()
    assert not at.exception and not at.error
    assert at.title[0].value == "Report" and at.get("iframe")
    at.text_input(key="report_question").set_value("Is it worth it?").run()
    assert "Is it worth it?" in at.get("iframe")[0].proto.srcdoc
    at.toggle(key="report_quoted").set_value(False).run()
    assert "<article" not in at.get("iframe")[0].proto.srcdoc


@pytest.mark.parametrize(("start", "address"), [("", {"show": "1"}), ("newsroom", {})])
def test_a_link_and_a_server_that_show_nothing_else(space, monkeypatch, start, address):
    at = _opened(space, monkeypatch, start, **address)
    assert not at.exception and at.get("iframe")
    assert not at.title and not at.sidebar.selectbox and not at.button
    at.query_params["page"] = "storage"
    at.run()
    assert at.get("iframe") and not at.title  # no way from here to another page


def test_the_reports_of_docs_are_of_this_version():
    """Every report under docs/ has the script and the style of today: it was made anew when they changed."""
    made = sorted((ROOT / "docs" / "reports").glob("*.html"))
    folder = Path(written.__file__).parent / "template"
    for path in made:
        text = path.read_text(encoding="utf-8")
        assert (folder / "report.js").read_text(encoding="utf-8") in text, path.name
        assert not PATH.search(text), path.name
