"""A report as one HTML file: it needs nothing else, says nothing to anybody, and prints.

Whatever users named goes through the template's escaping (Jinja2, autoescape), and the file forbids its reader's
browser everything but its own style and its own script, which is known by its hash.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from core.brief.gathering import brief
from core.brief.page import Figure, Page
from core.brief.words import page as page_of
from core.errors import CoreError
from core.output import plain
from core.project import Project
from core.report.figures import label_colours
from core.report.vector import KINDS, icon, icons, strip
from core.workspace import Workspace

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_FOLDER = Path(__file__).parent / "template"


def report_of(workspace: Workspace, project: Project, language: str, sentences: int = 0) -> str | None:
    """The report of a project as HTML; None where there is nothing to report yet. `sentences`: of the data, quoted."""
    try:
        return document(page_of(brief(workspace, project, examples=sentences), language))
    except CoreError as error:
        if error.code not in ("nothing_to_compare", "nothing_evaluated", "sides_rows_differ"):
            raise
        return None


def document(page: Page) -> str:
    """The whole file."""
    style, script = _file("report.css"), _file("report.js")
    known = "'sha256-" + b64encode(sha256(script.encode()).digest()).decode() + "'"
    values: Mapping[str, Any] = {
        "page": page,
        "lang": page.language.replace("_", "-"),
        "style": _markup(style),
        "script": _markup(script),
        "policy": f"{_POLICY}; script-src {known}",
        "colours": label_colours(page.labels),
        "icons": lambda figure: _markup(icons(figure.whole, figure.alt)),
        "strip": lambda figure: _markup(_strip(figure)),
        "legend": [*_legend(page)],
        "seen": _seen,
    }
    return _template().render(**values)


def _legend(page: Page) -> Iterator[tuple[Any, str]]:
    for kind in KINDS:
        yield _markup(icon(kind, page.legend[kind])), page.legend[kind]
    yield _markup(strip(0.3, 0.6, (0.5, 0.7), page.legend["strip"], 72)), page.legend["strip"]


def _strip(figure: Figure) -> str:
    return strip(*figure.rates, figure.likely, figure.alt)


def _seen(text: object) -> str:
    """Control, format and bidirectional characters as codes, so that a name reads as it is."""
    return "\n".join(plain(line) for line in str(text).split("\n"))


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    there = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=lambda value: value if hasattr(value, "__html__") else _seen(value),
    )  # fmt: skip
    return there.get_template("report.html")


def _markup(text: str) -> Any:
    """Text of this program's own that is HTML already."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 -- files of this package, and pictures that escape what they are given


@cache
def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
