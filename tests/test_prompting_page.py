"""Prompting in the app: who is asked, what it costs, what is refused, and what became of the answers."""

import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from core import project as projects
from core.jobs.folder import Exit
from core.prompting.settings import PromptParams
from core.prompting.voices import voice_of
from core.sample import open_sample
from core.workspace import Workspace
from tests.language_server import configured

SLUG = "newsroom"
KEY = f"mix_prompt_{SLUG}"


@pytest.fixture
def space(tmp_path: Path) -> Generator[Workspace]:
    """A workspace with a sample and an endpoint that nobody may ask, where nothing is carried out."""
    found = Workspace.open(tmp_path / "ws")
    open_sample(found, SLUG)
    configured(found.root, "http://127.0.0.1:9/v1")
    (found.root / "slots.json").write_text('{"light": 0, "train": 0}')
    yield found
    found.root.rename(found.root.with_name("gone"))


def said(at: Any) -> str:
    """All that the page says in words."""
    assert not at.exception
    values = [one.value for kind in (at.caption, at.info, at.error, at.markdown) for one in kind]
    return "\n".join(values).replace("\\", "").replace("\u2060", "")


def pressed(at: Any, key: str) -> Any:
    return next(button for button in at.button if button.key == key).click().run()


def test_the_form_says_who_is_asked_and_what_that_costs_and_the_run_what_came_of_it(space: Workspace, open_page: Any):
    before = projects.load(space, SLUG).recipe.train
    at = open_page(space.root, "mix", project=SLUG)
    at.selectbox(f"mix_train_{SLUG}_method").set_value("prompt").run()
    assert "Say on the left which language model is asked" in said(at) and not at.error
    assert not [one for one in at.button if one.key == "mix_launch"]
    assert f"mix_train_{SLUG}_learning_rate" not in {one.key for one in at.number_input}
    text = said(pressed(at, f"{KEY}_model_endpoint_local"))
    assert "At most 83 questions are asked" in text and "USD" in text and "tokens sent" in text
    assert "All repeats ask the same" in text
    assert [one.value for one in at.text_input if one.label == "Name of this mix"] == ["gold only, prompted"]
    assert at.text_area(f"{KEY}_template").value == voice_of("en").template
    at.text_area(f"{KEY}_template").set_value("$text $nosuch").run()
    assert "places that nobody fills: nosuch" in said(at)
    at.text_area(f"{KEY}_template").set_value("$text").run()
    assert "lacks places that it needs: $demonstrations" in said(at)
    pressed(at, f"{KEY}_reset")
    at.number_input(f"{KEY}_demonstrations").set_value(3).run()
    at.segmented_control(f"{KEY}_choose").set_value("random").run()
    assert "At most 664 questions are asked" in said(at)  # each of eight repeats shows others
    assert "All repeats ask the same" not in said(at)
    at.number_input("mix_repeats").set_value(1).run()
    pressed(at, "mix_launch")
    assert not at.exception and not at.error
    kept = projects.load(space, SLUG).recipe.train
    assert kept.method == "prompt" and kept.prompt == PromptParams("endpoint:local", 3, "random")
    assert kept.steps == before.steps
    _told_afterwards(space, open_page)


def _told_afterwards(space: Workspace, open_page: Any) -> None:
    """What could not be read is told where the run is looked at."""
    [run] = [run for run in space.store.list(kind="train") if run.state == "queued"]
    at = open_page(space.root, "runs", project=SLUG, part="answers")
    assert "Nothing to tell yet" in said(at)
    spent = {"answers": 83, "remembered": 3, "tokens_in": 900, "tokens_out": 100, "cost": 0.5, "currency": "USD"}
    told = {"rows": 83, "unread": {"answer_form": 4, "answer_label": 1}, "shortened": 2, "seconds": 9.0}
    result = {"steps": 1, "rows": {"gold": 9}, "best_step": 1, "best_dev": 0.5, "prompted": {**told, "spent": spent}}
    assert space.store.claim(run.id)
    (space.run_folder(run.id) / "result.json").write_text(json.dumps(result))
    assert space.store.end(run.id, Exit(1, "succeeded", time.time(), score=0.5))
    at.run()
    assert "of which 3 were there already" in said(at)
    tables = {str(one.value.to_dict("records")) for one in at.dataframe}
    assert any("'unread': 5" in one and "'new': 80" in one and "'shortened': 2" in one for one in tables)
    assert any("not the one JSON object" in one and "'rows': 4" in one for one in tables)
