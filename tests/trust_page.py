"""The part of the Compare page that core.trust fills, alone on a page: the baseline is the first group, of two."""

from pathlib import Path
from typing import Any

_PAGE = """
import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, {here!r})

def page():
    from components.comparison import Chosen
    from components.trust import trust
    from core import contrast
    from core import project as projects
    from core.report.figures import PALETTE
    from core.workspace import Workspace

    space = Workspace.open(Path({root!r}))
    found = contrast.finished(space, {project!r})
    titles = contrast.titles(found)
    baseline, other = (next(group for group in found if group.name == name) for name in {mixes!r})
    colours = dict(zip(titles.values(), PALETTE, strict=False))
    trust(space, projects.load(space, {project!r}), Chosen({split!r}, baseline, (other,), titles, colours), other)

st.navigation([st.Page(page, default=True), "pages/runs.py"]).run()
"""


def opened(root: Path, folder: Path, project: str, mixes: tuple[str, str], split: str, **query: str) -> Any:
    """A page over a workspace, run once -> AppTest. `folder`: an empty one for its files."""
    from streamlit.testing.v1 import AppTest

    (folder / "pages").mkdir(parents=True)
    (folder / "pages" / "runs.py").write_text("")
    here = str(Path(__file__).parents[1])
    text = _PAGE.format(here=here, root=str(root), project=project, mixes=mixes, split=split)
    (folder / "app.py").write_text(text)
    page = AppTest.from_file(str(folder / "app.py"), default_timeout=60)
    page.query_params.update({"lang": "en", **query})
    page.run()
    assert not page.exception
    return page


def said(page: Any) -> str:
    """All Markdown of a page as it reads: without the backslashes and joiners that make it safe."""
    return " ".join(found.value for found in page.markdown).replace("\\", "").replace("\u2060", "")
