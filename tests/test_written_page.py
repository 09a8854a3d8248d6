"""The page Augment with a language model: what it asks for, what it costs, and what is said where there is none."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from core import project as projects
from core.launch import standing
from core.project import with_ingredient
from core.recipe import AugmentedIngredient
from core.sample import open_sample
from core.submit import wait
from core.workspace import Workspace
from tests.language_server import KEY, Server, author, configured, serving


@pytest.fixture
def space(tmp_path: Path) -> Generator[Workspace]:
    """A workspace with a sample; its warm process ends with it."""
    found = Workspace.open(tmp_path / "ws")
    open_sample(found, "newsroom")
    yield found
    found.root.rename(found.root.with_name("gone"))


@pytest.fixture
def server() -> Generator[Server]:
    with serving(author) as found:
        yield found


def said(at: Any) -> str:
    """All that the page says in words."""
    assert not at.exception
    values = [one.value for kind in (at.caption, at.info, at.error, at.markdown) for one in kind]
    return "\n".join(values).replace("\\", "").replace("\u2060", "")


def named(at: Any, name: str) -> Any:
    at.text_input(key="augment_written_model_name").set_value(name).run()
    return at.button(key="augment_written_model_use").click().run()


def test_a_method_without_an_endpoint_says_what_it_needs(open_page: Any, space: Workspace):
    at = open_page(space.root, "augment", project="newsroom", way="children", method="written")
    text = said(at)
    assert "needs a model or an endpoint" in text and "endpoints.yaml" in text and "No endpoint is set up" in text
    text = said(named(at, "endpoint:gone"))
    assert "No endpoint is called gone" in text and "write endpoints.yaml" in text
    assert not [one for one in at.button if one.key == "augment_add"]


def test_an_endpoint_writes_an_ingredient_and_its_cost_is_told(open_page: Any, space: Workspace, server: Server):
    configured(space.root, server.url)
    at = open_page(space.root, "augment", project="newsroom", way="children", method="written")
    text = said(at.button(key="augment_written_model_endpoint_local").click().run())
    gold = len(standing(space, projects.load(space, "newsroom")).stage.pools["gold"])  # pyright: ignore
    assert f"asks about {gold:,} questions" in text and "USD" in text
    assert "$example" in at.text_area(key="augment_written_prompt").value
    assert "only when you say so" in text and not server.asked
    at.button(key="augment_ask").click().run()
    at.text_input(key="augment_written_domain").set_value("shipping").run()
    at.slider(key="augment_written_rate").set_value(0.1).run()
    at.button(key="augment_add").click().run()
    [run] = [one for one in space.store.list(kind="augment") if one.state in ("queued", "running", "succeeded")][:1]
    wait(space, [run.id], lambda runs: None)
    result = space.result(run.id)
    assert result["rows"] > 5 and result["audit"]["spent"]["writer"] == "tiny (local)"
    assert any("Domain: shipping" in one.prompt for one in server.asked)
    at = open_page(space.root, "augment", project="newsroom", ingredient="written by a language model")
    text = said(at)
    assert "tiny (local) wrote" in text and KEY not in text


def test_no_step_beside_other_methods_asks_an_endpoint(open_page: Any, space: Workspace, server: Server):
    configured(space.root, server.url)
    part = AugmentedIngredient("written", params={"model": "endpoint:local"})
    projects.edit(space, "newsroom", with_ingredient("new", part), {"event": "ingredient", "name": "new"})
    place = {"project": "newsroom", "way": "compare", "beside": ["ingredient:new", "swap"]}
    at = open_page(space.root, "augment", **place)
    at.button(key="beside_next").click().run()
    assert not server.asked
    at.button(key="beside_ask").click().run()
    deadline = time.monotonic() + 60
    while not server.asked and time.monotonic() < deadline:
        time.sleep(0.2)
        at.run()
    assert len(server.asked) == 1 and not [one for one in at.button if one.key == "beside_ask"]
    at.button(key="beside_next").click().run()
    assert at.button(key="beside_ask") and len(server.asked) == 1
