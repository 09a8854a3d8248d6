"""Screenshots of every page: light and dark, English and Chinese, 1280 and 420 pixels wide. `make pictures`.

    python tools/pictures.py [--only PAGE ...] [--out docs/pictures] [--png]

A fresh server over a fresh workspace with the samples, in a real Chromium.
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core.sample import open_sample  # noqa: E402
from core.workspace import Workspace  # noqa: E402
from tests.browser import Visitor, browsing, served  # noqa: E402

# name -> address below the server
SCENES: Mapping[str, str] = {
    "home": "/",
    "data": "/data?project=newsroom",
    "data-browse": "/data?project=newsroom&view=browse",
    "augment": "/augment?project=newsroom",
    "augment-each": "/augment?project=newsroom&children=each",
    "augment-became": "/augment?project=newsroom&children=became",
    "augment-methods": "/augment?project=newsroom&way=compare&sentence=7",
    "mix": "/mix?project=newsroom&m=gold*1~harbour%20news*1",
    "runs": "/runs?project=newsroom",
    "compare": "/compare?project=newsroom&split=test",
    "report": "/report?project=newsroom",
    "learn-on": "/continual?project=newsroom",
    "models": "/models?project=newsroom",
    "storage": "/storage?project=newsroom",
}
BELOW = ("augment-each", "augment-became")  # of these the end of the page is what matters
WIDTHS: Mapping[int, int] = {1280: 1500, 420: 2000}  # width -> height in pixels
SETTLED = 1500  # milliseconds that figures take to draw


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(SCENES), default=list(SCENES))
    parser.add_argument("--out", default=str(ROOT / "docs" / "pictures"))
    parser.add_argument("--png", action="store_true", help="lossless, to look at closely")
    parser.add_argument("--schemes", nargs="*", default=["light", "dark"])
    parser.add_argument("--languages", nargs="*", default=["en", "zh_CN"])
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "ws")
        for sample in ("newsroom", "newsroom_zh"):
            open_sample(workspace, sample)
        with served(workspace.root) as address:
            for width, height in WIDTHS.items():
                for scheme in args.schemes:
                    view = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
                    with browsing(address, **view) as visitor:
                        for language in args.languages:
                            for scene in args.only:
                                take(visitor, scene, language, out / f"{scene}-{width}-{scheme}-{language}", args.png)
    return 0


def take(visitor: Visitor, scene: str, language: str, path: Path, png: bool) -> None:
    """One picture."""
    address = SCENES[scene]
    visitor.goto(address + ("&" if "?" in address else "?") + f"lang={language}")
    visitor.page.wait_for_timeout(SETTLED)
    visitor.settle()
    if scene in BELOW:
        visitor.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 1e6)")
        visitor.page.wait_for_timeout(SETTLED)
    picture = Image.open(io.BytesIO(visitor.page.screenshot())).convert("RGB")
    picture.save(path.with_suffix(".png" if png else ".webp"), quality=72, method=6)


if __name__ == "__main__":
    sys.exit(main())
