"""Whole journeys in a real browser over a fresh server: what a person does from the first look to the first answer."""

import os
import re
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from core import project as projects
from core.groups import groups
from core.launch import start_import
from core.mix import Mix, Part
from core.recipe import AugmentedIngredient
from core.sample import open_sample
from core.submit import result_of
from core.workspace import Workspace
from tests.browser import WAIT, SecondTab, Visitor, browsing, needs_chromium, served

pytestmark = [needs_chromium(), pytest.mark.timeout(420)]
DATA = Path(os.environ["PEIBI_DATA"]) if "PEIBI_DATA" in os.environ else None
PAGES = ("home", "data", "augment", "mix", "runs", "compare", "report", "models", "storage")
HEADINGS = {
    "en": {
        "data": "Data",
        "augment": "Augment",
        "mix": "Mix",
        "runs": "Runs",
        "compare": "Compare",
        "report": "Report",
        "models": "Models",
        "storage": "Storage",
    },
    "zh_CN": {
        **{"data": "数据", "augment": "增强", "mix": "配比", "runs": "运行", "compare": "对比", "models": "模型"},
        **{"report": "报告", "storage": "存储"},
    },
}
SHORT = 4  # training steps of a journey


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Workspace, str]]:
    """A server over a workspace in which the samples were opened."""
    workspace = Workspace.open(tmp_path_factory.mktemp("sampled") / "ws")
    for name in ("newsroom", "newsroom_zh"):
        open_sample(workspace, name)
    with served(workspace.root) as address:
        yield workspace, address


def heading(visitor: Visitor) -> str:
    return visitor.page.locator("h1").first.inner_text()


@pytest.mark.parametrize("language", ["en", pytest.param("zh_CN", marks=pytest.mark.whole)])
def test_a_deep_link_to_a_fresh_server_shows_its_page(tmp_path, language):
    workspace = Workspace.open(tmp_path / "ws")
    open_sample(workspace, "newsroom")
    with served(workspace.root) as address, browsing(address) as visitor:
        visitor.goto(f"/compare?project=newsroom&split=test&lang={language}")
        visitor.page.wait_for_url(re.compile("/compare"), timeout=WAIT)
        visitor.settle()
        assert heading(visitor) == HEADINGS[language]["compare"]
        for part in ("project=newsroom", "split=test"):
            assert part in visitor.page.url
        assert "page=" not in visitor.page.url and not visitor.errors()
        assert visitor.page.get_by_role("link", name=HEADINGS[language]["models"], exact=True).count()


def test_from_an_empty_workspace_to_why(tmp_path):
    with served(Workspace.open(tmp_path / "ws").root) as address, browsing(address) as visitor:
        visitor.goto("/")
        for name in PAGES[1:]:  # every page of an empty workspace says what to do next
            visitor.goto(f"/{name}")
            assert not visitor.errors() and len(visitor.text()) > 200, name
        visitor.goto("/")
        visitor.press("Open the sample")
        visitor.see("95 %")
        visitor.press("See why")
        visitor.page.wait_for_url(re.compile("/compare"), timeout=WAIT)
        visitor.settle()
        assert heading(visitor) == "Compare" and "project=newsroom" in visitor.page.url
        visitor.see("harbour news")
        assert visitor.page.locator(".js-plotly-plot").count() and not visitor.errors()


def test_a_report_is_presented_and_taken_along(sampled, tmp_path):
    _, address = sampled
    with browsing(address) as visitor:
        visitor.goto("/report?project=newsroom")
        with visitor.page.expect_download() as taken:
            visitor.page.get_by_role("button", name="Download as one file").click()
        taken.value.save_as(tmp_path / "report.html")
        visitor.page.goto(f"{address}/?show=1&project=newsroom&lang=zh_CN")
        report = visitor.page.frame_locator("iframe").first
        report.get_by_role("button", name="演示").click(timeout=WAIT)
        report.get_by_text("1 / 3").wait_for(timeout=WAIT)
        visitor.page.keyboard.press("ArrowRight")
        report.get_by_role("heading", name="请您自己判断").wait_for(timeout=WAIT)
        visitor.page.keyboard.press("Escape")
        report.get_by_text("供核查").wait_for(timeout=WAIT)
        assert not visitor.page.get_by_role("link").filter(has_text="存储").count()  # nothing else to go to
        visitor.page.goto((tmp_path / "report.html").as_uri())  # a file, without a server
        visitor.page.get_by_role("heading", level=1).wait_for(timeout=WAIT)
        visitor.page.keyboard.press("p")
        visitor.page.get_by_text("1 / 3").wait_for(timeout=WAIT)
        assert not visitor.page.get_by_role("heading", name="For those who check").is_visible()


@pytest.mark.skipif(DATA is None, reason="PEIBI_DATA is not set")
def test_from_three_files_to_a_result(tmp_path):
    assert DATA is not None
    files = [tmp_path / name for name in ("train.conll", "dev.conll", "test.conll")]
    for path, source, sentences in zip(files, wnut(DATA), (1000, 100, 100), strict=True):
        path.write_text("\n\n".join(source.read_text().split("\n\n")[:sentences]) + "\n")
    workspace = Workspace.open(tmp_path / "ws")
    with served(workspace.root) as address, browsing(address) as visitor:
        visitor.goto("/data?view=new")
        visitor.page.locator("input[type=file]").first.set_input_files([str(path) for path in files])
        visitor.see("IOB2")
        visitor.settle()
        visitor.page.get_by_text(re.compile("Quick look")).first.click()
        visitor.settle()
        visitor.page.get_by_label("Name of the project").fill("WNUT 17")
        visitor.page.get_by_label("Name of the project").press("Enter")
        visitor.settle()
        visitor.press("Import", exact=True)
        visitor.see("Mentions", timeout=3 * WAIT)
        [name] = projects.names(workspace)
        visitor.goto(f"/augment?project={name}")
        visitor.press("Add as ingredient")
        visitor.see("%", timeout=2 * WAIT)
        wait_for(visitor, lambda: "100 %" in visitor.text() or "waiting" not in visitor.text())
        shorten(workspace, name)
        visitor.goto(f"/mix?project={name}")
        handle = visitor.page.get_by_role("slider").first
        handle.focus()
        for _ in range(4):
            visitor.page.keyboard.press("ArrowRight")
        visitor.settle()
        assert re.search(r"3\d\d sentences: 300 gold", visitor.text()), visitor.text()
        repeats = visitor.page.get_by_role("spinbutton", name="Repeats")
        repeats.fill("1")
        repeats.press("Enter")
        visitor.settle()
        gold = visitor.page.get_by_role("checkbox", name="Gold only too")
        if not gold.is_checked():  # on a busy machine a late answer of the browser may have cleared it
            visitor.page.get_by_text("Gold only too").first.click()
        visitor.see("Runs in all: 2")
        visitor.press("Launch")
        wait_for(visitor, lambda: len(workspace.store.list(kind="train")) == 2)
        visitor.goto(f"/runs?project={name}")
        visitor.page.reload()
        visitor.page.get_by_text("gold only").first.wait_for(state="attached")  # a cell of a table on canvas
        wait_for(visitor, lambda: all(run.state == "succeeded" for run in workspace.store.list(kind="train")), 240)
        visitor.goto(f"/compare?project={name}")
        visitor.see("not enough repeats")
        assert not visitor.errors()


def wnut(data: Path) -> list[Path]:
    """Train, dev and test of WNUT-17."""
    found = {path.name: path for path in (data / "wnut17").rglob("*") if path.is_file()}
    return [
        next(path for name, path in sorted(found.items()) if re.search(part, name)) for part in ("train", "dev", "test")
    ]


def shorten(workspace: Workspace, name: str) -> None:
    """Let the trainings of a project take a few steps only."""
    projects.edit(
        workspace,
        name,
        lambda p: replace(p, recipe=replace(p.recipe, train=replace(p.recipe.train, steps=SHORT, evaluations=1))),
        {"event": "train"},
    )


def wait_for(visitor: Visitor, happened, seconds: int = 120) -> None:
    """Wait for something outside the page, while the page goes on."""
    for _ in range(seconds * 5):
        if happened():
            return
        visitor.page.wait_for_timeout(200)
    raise AssertionError(visitor.text())


@pytest.mark.parametrize(
    ("language", "said"), [("en", "broken.conll"), pytest.param("zh_CN", "broken.conll", marks=pytest.mark.whole)]
)
def test_a_broken_file_is_told_with_its_place(sampled, tmp_path, language, said):
    _, address = sampled
    broken = tmp_path / "broken.conll"
    broken.write_bytes(b"Anna\tB-PER\nKuhn\tI-PER\n\nin\tO\nParis\xff\tB-LOC\n\n")
    zipped = tmp_path / "train.conll"
    zipped.write_bytes(b"PK\x03\x04" + b"\0" * 100)
    with browsing(address) as visitor:
        visitor.goto(f"/data?view=new&lang={language}")
        visitor.page.locator("input[type=file]").first.set_input_files(str(broken))
        visitor.see(said)
        wait_for(visitor, visitor.errors)
        assert "5" in visitor.errors()[0] and "broken.conll" in visitor.errors()[0]
        visitor.page.locator("input[type=file]").first.set_input_files(str(zipped))
        wait_for(visitor, lambda: any("ZIP" in error for error in visitor.errors()))


@pytest.mark.whole
def test_the_sample_in_chinese(sampled):
    _workspace, address = sampled
    with browsing(address, locale="zh-CN") as visitor:
        visitor.goto("/")
        assert "95 %" in visitor.text()
        for name in PAGES[1:]:
            visitor.goto(f"/{name}?project=newsroom_zh")
            assert heading(visitor) == HEADINGS["zh_CN"][name]
            assert not visitor.errors()
        visitor.page.get_by_role("radio", name="English").or_(
            visitor.page.get_by_text("English", exact=True)
        ).first.click()
        wait_for(visitor, lambda: heading(visitor) == "Storage")


@pytest.mark.whole
def test_two_tabs_see_the_same(sampled):
    workspace, address = sampled
    with browsing(address) as one, SecondTab(one) as two:
        one.goto("/mix?project=newsroom&m=mention%20swaps*1")
        two.goto("/mix?project=newsroom&m=harbour%20news*0.5")
        projects.edit(
            workspace,
            "newsroom",
            lambda p: replace(p, mixes={**p.mixes, "from afar": Mix({"synonyms": Part(0.5)})}),
            {"event": "m"},
        )
        for tab in (one, two):
            tab.page.reload()
            tab.settle()
            tab.press("Named mixes")
            tab.page.get_by_role("dialog").or_(tab.page.get_by_test_id("stPopoverBody")).first.wait_for(timeout=WAIT)
        assert "168 sentences" in one.text() and "168 sentences" not in two.text()


HOSTILE = (
    "![x](http://evil.example/a.png)",
    "[click](http://evil.example)",
    "<img src=http://evil.example/b.png onerror=alert(1)>",
    "<script>alert(1)</script>",
    "$\\frac{1}{2}$",
    ":material/home:",
    ":smile:",
    ":red[danger]",
    "http://evil.example/auto",
    "www.evil.example",
    "\u202egnp.exe",
    '=HYPERLINK("http://evil.example","x")',
    "**bold** `code` | a | b |",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Generator[tuple[Workspace, str]]:
    """A project whose labels, texts, names of ingredients, mixes and title are attacks, with finished runs."""
    from core.launch import launch, look_at_test, plan_launch, standing, start_pool
    from core.submit import wait

    folder = tmp_path_factory.mktemp("hostile")
    workspace = Workspace.open(folder / "ws")
    lines = []
    for number in range(78):
        lines += [f"{word}\tO" for word in ("The", f"word{number}", *HOSTILE[number % 13].split(" "))]
        label = HOSTILE[number % 13].replace(" ", "_")
        lines += [f"Name{number}\tB-{label}", f"{HOSTILE[(number + 5) % 13].replace(' ', '_')}\tI-{label}", ""]
    (folder / "h.conll").write_text("\n".join(lines) + "\n", encoding="utf-8")
    inputs = {"file": f"file:{workspace.add_file(folder / 'h.conll', HOSTILE[0])}"}
    workspace.name_corpus(
        "hostile",
        {"sources": {"file": {"name": HOSTILE[2]}}, "inputs": inputs, "split": {"dev": 0.2, "test": 0.2}},
    )
    project = projects.create(workspace, HOSTILE[0], "corpus:hostile")
    result_of(workspace, start_import(workspace, project), lambda runs: None)
    part = AugmentedIngredient("mention_replacement", copies=2)
    projects.edit(workspace, project.slug, projects.with_ingredient("swaps", part), {"event": "i"})
    mixes = {HOSTILE[0]: Mix(), HOSTILE[3]: Mix({"swaps": Part(1.0)})}
    project = projects.edit(
        workspace,
        project.slug,
        lambda p: replace(
            p,
            mixes=mixes,
            recipe=replace(p.recipe, train=replace(p.recipe.train, model=str(tiny_model), steps=2, evaluations=1)),
        ),
        {"event": "m"},
    )
    result_of(workspace, start_pool(workspace, project, "swaps"), lambda runs: None)
    stage = standing(workspace, project).stage
    assert stage is not None
    wait(
        workspace,
        launch(workspace, project, stage, plan_launch(workspace, project, stage, mixes, [0])),
        lambda runs: None,
    )
    look = look_at_test(workspace, project.slug, groups(workspace, project.slug))
    assert look is not None
    result_of(workspace, look, lambda runs: None)
    with served(workspace.root) as address:
        yield workspace, address


INJECTED = """() => [
  ...[...document.querySelectorAll('a')].filter(e => /^(https?:)?\\/\\/(www\\.)?evil/.test(
    e.getAttribute('href') || e.getAttribute('xlink:href') || '')),
  ...[...document.querySelectorAll('img')].filter(e => /evil/.test(e.getAttribute('src') || '')),
  ...[...document.querySelectorAll('script')].filter(e => /alert/.test(e.textContent)),
  ...document.querySelectorAll('[data-testid=stMain] .katex, [data-testid=stSidebar] .katex'),
].map(e => e.outerHTML.slice(0, 200))"""  # links, images, scripts and formulas that a text brought in
VIEWS = (
    *("/data?view=browse", "/augment", "/mix?m=swaps*1", "/compare?drawer=confusion", "/models"),
    *("/runs?part=predictions", "/", "/data", "/data?view=issues", "/runs", "/compare", "/compare?split=test"),
    *("/storage?by=project", "/storage?store=archive", "/augment?way=compare&beside=ingredient:swaps&beside=swap"),
    *(f"/compare?drawer={view}" for view in ("slices", "trust", "settings")),
    *("/runs?part=batch", "/runs?part=settings", "/runs?part=events"),
)


@pytest.mark.whole
def test_hostile_labels_and_texts_are_shown_as_typed(hostile, whole):
    workspace, address = hostile
    [name] = projects.names(workspace)
    with browsing(address) as visitor:
        for view in VIEWS if whole else VIEWS[:6]:
            visitor.goto(f"{view}{'&' if '?' in view else '?'}project={name}")
            visitor.page.wait_for_timeout(700)
            assert not visitor.errors(), (view, visitor.errors())
            injected = visitor.page.evaluate(INJECTED)
            assert injected == [], view
        assert not [fault for fault in visitor.faults if "evil" in fault]
    with browsing(address) as visitor:
        visitor.goto(f"/data?view=browse&project={name}")
        visitor.page.locator(".rows .row").first.wait_for(timeout=WAIT)
        text = " ".join(visitor.page.locator(".rows").all_inner_texts())  # it lies in a shadow root
        for attack in (HOSTILE[2], HOSTILE[4], HOSTILE[5], HOSTILE[6], HOSTILE[7]):
            assert attack in text, attack
        assert "\\u202e" in text and "\u202e" not in text
