"""The run kind `features`: the states of the right words, whole and mapped."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import HARBOUR
from invariants import until

from core.care.cleaning import plan
from core.care.usage import by_kind, usage
from core.formats import ReadOptions, read
from core.jobs.folder import read_json
from core.models import loading
from core.room import needed
from core.runs import RunSpec
from core.sample import open_sample
from core.training import features
from core.workspace import Workspace


def test_the_states_are_those_of_the_encoder(tmp_path, core, tiny_model):
    import torch

    at = ("--workspace", tmp_path / "w", "--json", "--model", tiny_model, "--layers", "0,2")
    done = core("features", HARBOUR, *at, folder=tmp_path)
    assert done.status == 0, done.stderr
    corpus = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    tokens = corpus.table.column("tokens").to_pylist()
    found = features.read(Workspace(tmp_path / "w").run_folder(done.json["run"]))
    assert found.states.shape == (sum(map(len, tokens)), 64) == (done.json["words"], done.json["width"])
    assert isinstance(found.states, np.memmap)
    assert found.rows.tolist() == [0, *np.cumsum([len(row) for row in tokens])]
    [base] = (tmp_path / "w" / "models").iterdir()
    encoder = loading.network(base, "transformers:AutoModelForTokenClassification", ("O",)).base_model.eval()
    ids = loading.tokenizer(base).encode(tokens[3], is_pretokenized=True)
    with torch.inference_mode():
        states = encoder(torch.tensor([ids.ids]), output_hidden_states=True).hidden_states
    first = ids.word_ids.index(1)
    wanted = torch.cat([states[0][0, first], states[2][0, first]]).numpy()
    assert found.states[found.rows[3] + 1] == pytest.approx(wanted, abs=2e-2)
    again = core("features", HARBOUR, *at, folder=tmp_path)
    assert again.json == done.json  # the same run
    events = (tmp_path / "w" / "runs" / done.json["run"] / "events.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["to"] == "running" for line in events) == 1
    assert os.path.getsize(Path(done.json["files"]["states"])) > found.states.nbytes


@pytest.mark.whole
def test_from_the_models_page(tmp_path, open_page):
    space = Workspace.open(tmp_path)
    open_sample(space, "newsroom_zh")
    open_sample(space, "newsroom")
    at = open_page(tmp_path, "models")
    at.button(key="models_features").click().run()
    [run] = space.store.list(kind="features")
    until(lambda: not space.store.get(run.id).pending)
    at.run()
    [code] = [code.value for code in at.code if "numpy" in code.value]
    given: dict[str, np.ndarray] = {}
    exec(code, given)
    found = features.read(space.run_folder(run.id))
    assert (given["states"] == found.states).all() and (given["rows"] == found.rows).all()
    assert len(found.states) == space.result(run.id)["words"] > 1000
    other = open_page(tmp_path, "models", project="newsroom_zh", features=run.id)
    assert not any("numpy" in code.value for code in other.code)  # they are another project's words


@pytest.mark.whole
def test_the_room_that_it_needs_is_known_before_it_starts(tmp_path, core, tiny_model):
    at = ("--workspace", tmp_path / "w", "--json", "--model", tiny_model, "--layers", "0,2,99")
    done = core("features", HARBOUR, *at, folder=tmp_path)
    space = Workspace.open(tmp_path / "w")
    spec = RunSpec.from_json(read_json(space.run_folder(done.json["run"]) / "spec.json"))
    size = features.read(space.run_folder(done.json["run"])).states.nbytes
    assert size == done.json["words"] * 64 * 2 and size <= needed(space.root, spec) < size + (2 << 20)
    found = usage(space)
    assert size <= by_kind(found)["features"] < size + (1 << 16)
    assert [item.path for item in plan(space, found, ["features"]).items] == [f"runs/{done.json['run']}"]
