"""The page Storage in a real browser: what takes room, cleaning up and back, the trash, a project as one file."""

import re
from pathlib import Path

import pytest
from invariants import until

from core import project as projects
from core.care.batches import Item, begin, carry_out
from core.jobs import trash
from core.runs import RunSpec
from core.sample import open_sample
from core.workspace import Workspace
from tests.browser import WAIT, browsing, needs_chromium, served

pytestmark = [needs_chromium(), pytest.mark.timeout(420)]


@pytest.mark.whole
def test_clean_up_undo_trash_and_take_along(tmp_path: Path):
    space = Workspace.open(tmp_path / "ws")
    open_sample(space, "newsroom")
    ballast = space.root / "cache" / "ballast"
    ballast.write_bytes(bytes(3_000_000))
    [run] = space.store.list(kind="train", limit=1)
    trash.delete(space.root, [run.id])
    with served(space.root) as address, browsing(address) as visitor:
        visitor.goto("/storage?project=newsroom")
        visitor.see("MB")
        for by in ("project", "corpus", "run", "model"):
            visitor.goto(f"/storage?project=newsroom&by={by}")
            assert not visitor.errors(), by

        visitor.goto("/storage?project=newsroom&store=clean&may_go=cache")
        visitor.see("3.0 MB")
        visitor.press("Move to the trash")
        until(lambda: not ballast.exists())
        visitor.see("Moved to the trash", timeout=2 * WAIT)
        visitor.press("Undo")
        until(ballast.exists)

        visitor.goto("/storage?project=newsroom&store=trash")
        visitor.press("Empty the trash")
        visitor.page.get_by_role("button", name="Empty it for good").click(timeout=WAIT)
        until(lambda: not list((space.root / "trash").glob("run-*")))
        visitor.see("The trash is empty")

        visitor.goto("/storage?project=newsroom&store=archive")
        visitor.press("Export this project")
        button = visitor.page.get_by_role("button", name=re.compile("Download newsroom"))
        button.wait_for(timeout=2 * WAIT)
        with visitor.page.expect_download(timeout=WAIT) as download:
            button.click()
        archive = tmp_path / "newsroom.zip"
        download.value.save_as(archive)
        assert archive.read_bytes()[:2] == b"PK"
        visitor.page.locator("input[type=file]").first.set_input_files(str(archive))
        visitor.press("Bring it in")
        visitor.see("The project is here", timeout=2 * WAIT)
        assert sorted(projects.names(space)) == ["newsroom", "newsroom-2"]
        (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04" + bytes(50))
        visitor.goto("/storage?project=newsroom&store=archive&lang=zh_CN")
        visitor.page.locator("input[type=file]").first.set_input_files(str(tmp_path / "bad.zip"))
        visitor.settle()
        visitor.press("导入", exact=True)
        until(visitor.errors)
        assert "Traceback" not in visitor.text()


def test_a_clean_up_that_was_cancelled_half_way_can_be_undone(tmp_path: Path, open_page):
    space = Workspace.open(tmp_path / "ws")
    open_sample(space, "newsroom")
    for name in ("moved", "left"):
        (space.root / "cache" / name).write_bytes(bytes(1_000_000))
    items = [Item(f"cache/{name}", 1_000_000, "cache") for name in ("moved", "left")]
    batch = begin(space, items)
    carry_out(space, batch, lambda some: [item for item in some if item.path == "cache/moved"], lambda done, of: None)
    id = space.store.submit(RunSpec("clean", {}, {"batch": batch.name}), {})[0].id
    assert space.store.cancel(id)
    at = open_page(space.root, "storage", store="clean", cleaning=id)
    assert any("(items: 1)" in text.value for text in at.markdown)
    at.button(key="storage_undo").click().run()
    assert (space.root / "cache" / "moved").exists() and not (space.trash / batch.name).exists()
