"""A trained run as files: weights that transformers loads, an ONNX graph, a model card, a recipe that repeats it."""

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import HARBOUR
from delivered import harbour, trained_run

from core import card_text, model_export
from core.card import card, launched_by, state_of
from core.card_text import words
from core.care.cleaning import plan
from core.care.usage import by_kind, usage
from core.corpus import Corpus
from core.errors import CoreError
from core.jobs.folder import read_json
from core.jobs.trainer import Context
from core.model_export import ModelExportParams
from core.models import loading, onnx
from core.models.checks import check_folder, sha256_of
from core.models.started import start_of
from core.origins import origins_of
from core.params import canonical
from core.recipe import load
from core.room import needed
from core.runs import RunSpec
from core.tasks import task as task_of
from core.workspace import Workspace
from core.yaml_text import parse

TAGGING = task_of("tagging")


@dataclass(frozen=True)
class Place:
    """A workspace in which a recipe was carried out. `run`: its one training."""

    folder: Path
    space: Workspace
    run: str
    printed: Any


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model, core) -> Place:
    """Gold, another file, children of it, and test: trained for two steps."""
    folder = tmp_path_factory.mktemp("export")
    blocks = HARBOUR.read_text().strip().split("\n\n")
    for name, cut in (("train", (0, 30)), ("dev", (30, 42)), ("test", (42, 50)), ("more", (50, 60))):
        (folder / f"{name}.conll").write_text("\n\n".join(blocks[slice(*cut)]) + "\n")
    (folder / "r.yaml").write_text(f"""version: 1
data: {{train: train.conll, dev: dev.conll, test: test.conll}}
ingredients:
  more: {{file: more.conll}}
  noisy: {{augmenter: swap, of: more, params: {{rate: 0.2}}}}
mix: {{parts: {{more: {{amount: 5, unit: rows}}, noisy: 0.1}}}}
train: {{model: "{tiny_model}", steps: 2, seeds: [3]}}
licences: {{gold: CC-BY-4.0, more: "in-house | <b>only</b>"}}
""")
    done = core("run", "r.yaml", "--workspace", "w", "--json", folder=folder, timeout=280)
    assert done.status == 0, done.stderr
    [run] = done.json["runs"]
    return Place(folder, Workspace(folder / "w"), run["id"], done.json)


@pytest.fixture(scope="module")
def weights(place: Place, core) -> Path:
    """What `export-model` writes."""
    at = ("--workspace", place.space.root, "--licence", "more=in-house | <b>only</b>", "--licence", "gold=CC-BY-4.0")
    done = core("export-model", place.run[:9], "--out", "weights", "--json", *at, folder=place.folder, timeout=280)
    assert done.status == 0, done.stderr
    assert done.json["rows"] == 42 and done.json["largest"] <= 1e-5
    assert sorted(done.json["files"]) == sorted(path.name for path in (place.folder / "weights").iterdir())
    return place.folder / "weights"


def carried_out(place: Place, folder: Path, format: str) -> None:
    """The run of an export in this process, which holds torch already."""
    spec = RunSpec(model_export.KIND, {"model": f"run:{place.run}"}, canonical(ModelExportParams(format, "x")))
    resolved = {"inputs": {"model": f"runs/{place.run}"}, "threads": 1}
    model_export.run(Context(place.space.root, folder, spec, resolved, 1))


@pytest.fixture(scope="module")
def graph(place: Place, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("graph")
    carried_out(place, folder, "onnx")
    result = read_json(folder / "result.json")
    assert result["rows"] == 42 and 0 < result["largest"] <= 1e-3
    model_export.unpack(folder / result["file"], folder / "files")
    return folder / "files"


def read_by_us(place: Place) -> Any:
    folder = place.space.run_folder(place.run) / "model"
    meta = loading.ModelMeta.read(folder)
    base = place.space.models / meta.base
    return loading.load_trained(folder, base, TAGGING.head, TAGGING.classes(meta.labels)).eval()


def batches() -> Iterator[list[list[str]]]:
    """Words of all rows, in batches of different shapes; and words that no row has."""
    rows = harbour().table.column("tokens").to_pylist()
    yield from ([rows[0]], rows[1:4], rows[4:30], [["\u200b", "Köln", "🎉", "New-York", "x" * 300], ["a"] * 200])


def test_transformers_loads_it_and_gives_the_same(place: Place, weights: Path):
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    ours, theirs = read_by_us(place), AutoModelForTokenClassification.from_pretrained(str(weights)).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(weights))
    read = loading.tokenizer(
        place.space.models / loading.ModelMeta.read(place.space.run_folder(place.run) / "model").base
    )
    read.enable_truncation(tokenizer.model_max_length)
    for rows in batches():
        found = tokenizer(rows, is_split_into_words=True, padding=True, truncation=True, return_tensors="pt")
        assert [*found] == ["input_ids", "attention_mask"]
        wanted = [item.ids for item in read.encode_batch(rows, is_pretokenized=True)]
        real = found["attention_mask"].sum(1).tolist()
        assert [ids[:n] for ids, n in zip(found["input_ids"].tolist(), real, strict=True)] == wanted
        with torch.inference_mode():
            far = (theirs(**found).logits - ours(**found).logits)[found["attention_mask"] == 1].abs().max()
        assert float(far) <= 1e-5
    classes = TAGGING.classes(harbour().schema.labels)
    assert theirs.config.id2label == dict(enumerate(classes))
    assert theirs.config.label2id == {name: at for at, name in enumerate(classes)}


def test_the_folder_is_a_checked_model_and_says_what_it_has_seen(place: Place, weights: Path):
    check_folder(weights, "export")
    start = start_of(weights)
    assert start is not None and start.run == place.run and len(start.texts) >= 40
    config = json.loads((weights / "config.json").read_text())
    assert config["architectures"] == ["BertForTokenClassification"]
    assert not {"transformers_version", "_name_or_path"} & set(config)


def test_the_graph_is_equal_in_every_shape(place: Place, graph: Path):
    import onnxruntime
    import torch
    from transformers import AutoConfig, AutoTokenizer

    ours = read_by_us(place)
    session = onnxruntime.InferenceSession(str(graph / "model.onnx"))
    tokenizer = AutoTokenizer.from_pretrained(str(graph))
    for rows in batches():
        found = tokenizer(rows, is_split_into_words=True, padding=True, truncation=True, return_tensors="pt")
        [logits] = session.run(["logits"], {name: tensor.numpy() for name, tensor in found.items()})
        with torch.inference_mode():
            wanted = ours(**found).logits.numpy()
        assert np.abs(logits - wanted)[found["attention_mask"].numpy() == 1].max() <= 1e-3
    names = AutoConfig.from_pretrained(str(graph)).id2label
    assert names == dict(enumerate(TAGGING.classes(harbour().schema.labels)))
    assert not (graph / "start.json").exists() and not list(graph.glob("*.safetensors"))


def card_of(folder: Path) -> tuple[dict[str, Any], str]:
    """The metadata and the text of a model card."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    return parse(head, "README.md").data, body


def test_the_card_says_what_it_is_made_of(place: Place, weights: Path):
    head, body = card_of(weights)
    assert head["language"] == ["en"] and head["pipeline_tag"] == "token-classification"
    assert head["license"] == "other"  # the parts don't state the same
    found = origins_of(place.space, place.run)
    assert set(found.parts) == {"train", "dev", "test", "more", "noisy"} and found.ingredients == ("more", "noisy")
    for part in found.parts.values():
        assert part.corpus in body
    for name in ("train", "dev", "test", "more"):
        assert sha256_of(place.folder / f"{name}.conll") in body
    assert found.parts["noisy"].of == "more" and found.parts["noisy"].made is not None
    assert "swap of more" in body and "rate 0.2" in body
    for name, part in place.printed["mix"]["realised"].items():
        assert re.search(rf"^\| {name} \| .*\| {part['rows']} \|", body, re.M), name
    for said in ("CC-BY-4.0", "in-house", "not stated", "seed", "2", "Test", "repeats it", place.run):
        assert said in body
    assert "<b>" not in body


def figures(body: str, split: str) -> dict[str, list[str]]:
    """The table of scores of a split: label -> its cells."""
    part = body.split(f"### {split}\n")[1].split("\n#", maxsplit=1)[0]
    rows = [line.strip("| ").split(" | ") for line in part.split("\n") if line.startswith("| ")]
    return {row[0].strip("*"): row[1:] for row in rows[1:]}


def test_the_card_has_the_scores_of_the_contract(place: Place, weights: Path):
    head, body = card_of(weights)
    for split in ("dev", "test"):
        scores, told = place.printed["scores"][split], figures(body, split.capitalize())
        assert told["all"][3] == str(scores["support"])
        mean, interval = scores["metrics"]["recall"]["mean"], scores["metrics"]["recall"]["interval"]
        assert told["all"][1] == f"{100 * mean:.1f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"
        assert set(told) == {"all", *scores["per_label"]}
    results = head["model-index"][0]["results"]
    assert [one["dataset"]["split"] for one in results] == ["dev", "test"]
    assert results[1]["metrics"][2]["value"] == round(place.printed["scores"]["test"]["overall"]["f1"], 4)


def test_children_have_the_licence_of_what_they_were_made_of(place: Place, monkeypatch):
    monkeypatch.setattr(card_text, "_encoder_licence", lambda _: "MIT")
    told = card(place.space, place.run)
    assert "noisy" in told.origins.ingredients and "noisy" not in told.licences
    for licence, head in (("MIT", "mit"), ("CC-BY-4.0", "other")):
        stated = replace(told, licences={"gold": "MIT", "more": licence})
        assert card_text.metadata(stated)["license"] == head


def test_a_closed_test_split_stays_closed(place: Place, tiny_model):
    whole = harbour()
    run = trained_run(place.space, tiny_model, whole.take(np.arange(40)), whole.take(np.arange(40, 60)))
    text = card_text.text(card(place.space, run), "safetensors")
    assert "Test was not looked at" in text and "### Test" not in text
    assert "No predictions" not in text and "scores are not known" in text


def test_the_recipe_is_the_same_run(place: Place, weights: Path, core):
    recipe = load(weights / "recipe.yaml")
    assert recipe.licences == {"gold": "CC-BY-4.0", "more": "in-house | <b>only</b>"}
    (place.folder / "again.yaml").write_text((weights / "recipe.yaml").read_text())
    done = core("run", "again.yaml", "--workspace", "w", "--json", "--no-test", folder=place.folder)
    assert done.status == 0, done.stderr
    assert [(run["id"], run["reused"]) for run in done.json["runs"]] == [(place.run, True)]


def test_the_lines_of_the_card_work(weights: Path, graph: Path, monkeypatch, capsys):
    labels = {*TAGGING.classes(harbour().schema.labels)}
    for folder in (weights, graph):
        [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
        monkeypatch.chdir(folder)
        exec(code, {})
        said = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [word for word, _ in said] == ["Anna", "Berg", "lives", "in", "Oslo", "."]
        assert {label for _, label in said} <= labels


def test_the_same_export_is_the_same_run_until_something_changes(place: Place, weights: Path):
    licences = {"more": "in-house | <b>only</b>", "gold": "CC-BY-4.0"}
    first = model_export.start(place.space, place.run, "safetensors", licences)
    assert first.state == "succeeded"  # that of the command
    package = model_export.package_of(place.space, first)
    assert package is not None and zipfile.ZipFile(package).testzip() is None
    size = package.stat().st_size
    spec = RunSpec.from_json(read_json(place.space.run_folder(first.id) / "spec.json"))
    assert size < needed(place.space.root, spec) < 20 * size + (2 << 20)
    assert by_kind(usage(place.space))["archives"] >= size
    assert f"runs/{first.id}" in [item.path for item in plan(place.space, usage(place.space), ["archives"]).items]
    assert state_of(place.space, place.run) != state_of(place.space, place.run, licences)
    found = place.space.run_folder(place.run)
    (found / "predictions-0000000000000000.arrow").touch()
    assert state_of(place.space, place.run, licences) != spec.params["state"]
    (found / "predictions-0000000000000000.arrow").unlink()


@pytest.mark.parametrize("format", ["onnx", "safetensors"])
def test_what_is_not_equal_is_not_delivered(place: Place, tmp_path: Path, monkeypatch, format: str):
    """Where nothing is tolerated, any difference is too much."""
    monkeypatch.setattr(model_export, "NEAR", 0.0)
    monkeypatch.setattr(model_export, "_SAME", -1.0)
    with pytest.raises(CoreError) as caught:
        carried_out(place, tmp_path, format)
    assert caught.value.code == ("onnx_differs" if format == "onnx" else "export_differs")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics-1.jsonl"]


def test_what_is_refused(place: Place, weights: Path, here, monkeypatch, tmp_path: Path):
    at = ("--workspace", place.space.root, "--json")
    out = tmp_path / "x"
    for arguments, code in (
        ((place.run, "--out", weights), "export_folder_taken"),
        ((place.run, "--out", weights / "README.md"), "export_folder_taken"),
        ((place.run, "--out", out, "--licence", "golt=MIT"), "unknown_key"),
        ((place.run, "--out", out, "--licence", "gold"), "usage"),
        (("0123", "--out", out), "run_ambiguous"),
    ):
        done = here("export-model", *arguments, *at)
        assert (done.status, done.json["error"]["code"]) == (2, code)
    assert not out.exists()
    monkeypatch.setattr(onnx, "NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(CoreError) as caught:
        model_export.start(place.space, place.run, "onnx")
    assert (caught.value.code, caught.value.values) == ("onnx_missing", {"packages": "no_such_package"})


@pytest.mark.parametrize(
    "name",
    [
        "![x](http://evil.example)",
        "a | b\n| c |",
        "`code` **bold** <img src=x>",
        "$x$ :name: [l](u) www.a.example",
        "\u202egold\u0007",
    ],
)
def test_names_are_shown_as_they_are(name: str):
    shown = words(name)
    assert "\n" not in shown and "\u202e" not in shown and "\u0007" not in shown
    for mark in "`*[]()<>|$!":
        assert not re.search(rf"(?<!\\){re.escape(mark)}", shown), mark
    assert "http:" not in shown and "www." not in shown  # no link of itself


def test_hostile_labels_in_a_card(place: Place, tiny_model):
    whole = harbour()
    labels = ("A|B", "<script>", "`x`")
    table = whole.take(np.arange(10)).table
    tags = [[None if tag == "O" else "B-<script>" for tag in row] for row in table.column("tags").to_pylist()]
    at = table.schema.get_field_index("tags")
    column = pa.array(tags, table.column("tags").type)
    gold = Corpus(replace(whole.schema, labels=labels), table.set_column(at, "tags", column))
    run = trained_run(place.space, tiny_model, gold, gold, labels=labels, seed=5)
    assert launched_by(place.space, run) is None
    text = card_text.text(card(place.space, run, {"gold": "<b>x</b>"}), "onnx")
    assert "<script>" not in text.replace("\\<", "") and "\\<script\\>" in text and "<b>" not in text.replace("\\<", "")
    parse(text.split("---\n")[1], "README.md")
