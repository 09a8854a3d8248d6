"""How soon the app answers: start to the first heading, a slider to its composition, a search in 100,000 sentences.

    python bench/app.py [--json] [--quick]

A fresh server and a real Chromium for each start; files are warm, the browser is open before the clock starts. Times
are taken outside the app, from the key press to the new text on the screen.
"""

import argparse
import contextlib
import json
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core import project as projects  # noqa: E402
from core.launch import start_import  # noqa: E402
from core.recipe import FileIngredient  # noqa: E402
from core.sample import open_sample  # noqa: E402
from core.submit import result_of  # noqa: E402
from core.workspace import Workspace  # noqa: E402
from tests.browser import CHROMIUM, FLAGS, WAIT, Visitor, browsing, served  # noqa: E402
from tests.conftest import environment  # noqa: E402

LABELS = ("person", "place", "organisation")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a smaller version, within two minutes")
    args = parser.parse_args()
    sizes = (5_000, 10_000, 2, 3) if args.quick else (50_000, 100_000, 5, 10)
    with tempfile.TemporaryDirectory() as folder:
        claims = measured(Path(folder), *sizes)
    if args.json:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
        print(json.dumps({"machine": machine, "claims": claims}))
    else:
        for claim in claims:
            times = ", ".join(f"{value:.2f}" for value in claim["detail"]["seconds"])
            print(f"{claim['name']:<58} {claim['value']:>8.2f} {claim['unit']}   ({times})")
    return 0


def measured(folder: Path, pool: int, rows: int, starts: int, moves: int) -> list[dict[str, Any]]:
    """All claims; the value of each is the median."""
    small = Workspace.open(folder / "small")
    open_sample(small, "newsroom")
    claims = [claim("process start to Home's heading", [first_heading(small) for _ in range(starts + 1)][1:])]
    large = Workspace.open(folder / "large")
    with_pool(large, folder, pool, rows)
    with served(large.root) as address, browsing(address) as visitor:
        claims.append(claim(f"slider to new composition, pool of {pool:,}", slider(visitor, moves)))
        for name, times in browse(visitor, moves).items():
            claims.append(claim(f"{name}, {rows:,} sentences", times))
    return claims


def claim(name: str, seconds: list[float]) -> dict[str, Any]:
    return {"name": name, "value": statistics.median(seconds), "unit": "s", "detail": {"seconds": seconds}}


def first_heading(workspace: Workspace) -> float:
    """Seconds from the start of the server's process to the heading in a browser that is open already."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page()
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(PEIBI_HOME=str(workspace.root)), stdout=-3, stderr=-3
        )
        try:
            while True:
                with contextlib.suppress(Exception):
                    page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
                    break
                time.sleep(0.05)
            page.wait_for_selector("h1", timeout=WAIT)
            return time.monotonic() - began
        finally:
            process.terminate()
            process.wait(20)
            browser.close()


def with_pool(workspace: Workspace, folder: Path, pool: int, rows: int) -> None:
    """Two projects: `mixing`, 1,000 gold sentences and a large pool; `browsing`, many gold sentences."""
    draw = random.Random(0)
    sizes = {"gold": 1000, "dev": 300, "pool": pool, "many": rows}
    for name, size in sizes.items():
        (folder / f"{name}.conll").write_text("".join(sentence(draw) for _ in range(size)), encoding="utf-8")
    for corpus, roles in {
        "mixing": {"train": "gold", "dev": "dev"},
        "wiki": {"file": "pool"},
        "browsing": {"train": "many", "dev": "dev"},
    }.items():
        inputs = {r: f"file:{workspace.add_file(folder / f'{f}.conll', f)}" for r, f in roles.items()}
        workspace.name_corpus(
            corpus, {"sources": {r: {"name": f"{f}.conll"} for r, f in roles.items()}, "inputs": inputs}
        )
    for name in ("mixing", "browsing"):
        projects.create(workspace, name, f"corpus:{name}")
    projects.edit(workspace, "mixing", projects.with_ingredient("wiki", FileIngredient("corpus:wiki")), {"event": "i"})
    for name in ("mixing", "browsing"):
        result_of(workspace, start_import(workspace, projects.load(workspace, name)), lambda runs: None)


def sentence(draw: random.Random) -> str:
    """A CoNLL sentence of about 16 invented words with one or two mentions."""
    words = ["".join(draw.choices("abdegiklmnoprstu", k=draw.randint(2, 9))) for _ in range(draw.randint(8, 24))]
    tags = ["O"] * len(words)
    for at in draw.sample(range(len(words)), 2):
        tags[at] = f"B-{draw.choice(LABELS)}"
    return "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n"


def slider(visitor: Visitor, moves: int) -> list[float]:
    """Seconds from a key on the slider of the large pool to the new sentence that says what the mix consists of."""
    visitor.goto("/mix?project=mixing")
    handle = visitor.page.get_by_role("slider").first
    handle.focus()
    said = visitor.page.get_by_test_id("stMain")
    times = [
        _changed(visitor, lambda: visitor.page.keyboard.press("ArrowRight"), r"[\d,]+ sentences: [^\n]+")
        for _ in range(moves + 2)
    ]
    said.wait_for()
    return times[2:]


def browse(visitor: Visitor, moves: int) -> dict[str, list[float]]:
    """Seconds to the next page, and from a search to its result."""
    visitor.goto("/data?project=browsing&view=browse")
    pages = [_changed(visitor, visitor.page.get_by_role("button", name="Next").first.click) for _ in range(moves + 1)]
    box = visitor.page.get_by_placeholder("Search").first
    searches: list[float] = []
    for number in range(moves + 1):
        text = "abdegiklmno"[number % 9 : number % 9 + 2]

        def search(text: str = text) -> None:
            box.fill(text)
            box.press("Enter")

        searches.append(_changed(visitor, search))
    return {"next page": pages[1:], "search": searches[1:]}


def _changed(visitor: Visitor, act: Callable[[], object], pattern: str = r"Sentences \d[^\n]*") -> float:
    """Seconds from an act to a change of the text that matches the pattern."""
    script = "p => (document.querySelector('[data-testid=stMain]').innerText.match(new RegExp(p)) || [''])[0]"
    visitor.settle()
    before = visitor.page.evaluate(script, pattern)
    began = time.monotonic()
    act()
    while visitor.page.evaluate(script, pattern) == before and time.monotonic() - began < 30:
        time.sleep(0.005)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
