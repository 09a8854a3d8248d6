"""The app with projects whose labels are those of whole texts: every page and view, in both languages, one label a
text and several, labels with hostile names."""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from streamlit.testing.v1 import AppTest

from components.entities import Line, _line
from components.speech import NOUNS, SPEECH
from core import project as projects
from core import sources
from core.augment import AUGMENTERS, available
from core.corpus import Corpus
from core.formats.importing import Source
from core.jobs.folder import EVENTS, read_json
from core.launch import launch, look_at_test, plan_launch, standing, start_import, start_pool
from core.mix import Mix, Part
from core.predict import found_in
from core.project import Project, with_ingredient
from core.recipe import AugmentedIngredient
from core.report.browse import page as rows_of
from core.report.confusion import BOUNDARY, MISSED, NOTHING, confusion_map, never, shares
from core.sliced import matched
from core.sources import Gold
from core.stage import Stage
from core.submit import result_of, wait
from core.tasks import task
from core.training import predictions
from core.workspace import Workspace
from tests.conftest import ROOT
from tests.test_words import places, sentences

BIKES = ROOT / "core" / "samples" / "bikes"
IMAGE, MARKUP, PLAIN, CHINESE = "![x](http://evil.example/a)", "<b>:red[fault]</b> $x$ {0}", "booking", "退还"
NAMES = {"payment": IMAGE, "fault": MARKUP, "account": "a | b", "booking": PLAIN, "return": CHINESE}
REPEATS = range(5)
VIEWS: Mapping[str, Sequence[Mapping[str, str]]] = {
    "home": ({},),
    "data": ({"view": "overview"}, {"view": "issues"}, {"view": "browse"}, {"view": "new"}),
    "augment": ({"way": "children"}, {"way": "compare"}, {"way": "compare", "rejected": "true"}, {"way": "file"}),
    "mix": ({},),
    "runs": tuple(
        {"part": part}
        for part in ("curves", "resources", "predictions", "batch", "explain", "settings", "events", "log")
    ),
    "compare": (
        *({"drawer": d} for d in ("plane", "confusion", "slices", "trust", "worth", "settle", "settings", "cost")),
        {"drawer": "confusion", "confusion": "change", "split": "test", "rule": "token"},
        {"drawer": "slices", "slice": "text", "holding": "bike", "split": "test"},
        {"with": "sentence:short"},
    ),
    "report": ({},),
    "models": ({},),
}
OTHER_KIND = re.compile(r"(?i)mention|\bentit|\bborder|sentence|实体|提及|边界|句")  # what is not said of whole texts
NAMED = re.compile(
    r"Mention replacement|Words of a mention|实体替换|提及的词数"
)  # but where it is said that something isn't for them


@dataclass(frozen=True)
class Made:
    space: Workspace
    project: Project
    stage: Stage


def texts(split: str, several: bool) -> list[tuple[str, list[str]]]:
    """The sample's texts with labels that have hostile names; `several`: some with none, some with one more."""
    import csv

    with (BIKES / f"{split}.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["text"], [NAMES[row["topic"]]]) for row in csv.DictReader(stream)]
    if not several:
        return rows
    more = [[], ["urgent"]]
    return [(text, labels if n % 5 else more[n % 2] and [*labels, *more[1]]) for n, (text, labels) in enumerate(rows)]


def records(rows: Sequence[tuple[str, list[str]]]) -> bytes:
    return "".join(json.dumps({"text": text, "labels": labels}) + "\n" for text, labels in rows).encode()


def made(space: Workspace, title: str, model: Path, several: bool) -> Made:
    """A project with gold only and one mix, five finished repeats each: one was trained, the others are like it but for
    what they predicted."""
    files = {split: records(texts(split, several)) for split in ("train", "dev", "test")}
    inputs = {split: f"file:{space.add_stream(io.BytesIO(data), split)}" for split, data in files.items()}
    gold = Gold({split: Source(f"{split}.jsonl") for split in files}, inputs, task="classification")
    project = sources.bring(space, title, gold, "en")
    part = AugmentedIngredient("swap", "gold", {}, 1, 0)
    train = replace(project.recipe.train, model=str(model), steps=2, batch_tokens=512, evaluations=1)

    def change(found: Project) -> Project:
        return replace(with_ingredient("swaps", part)(found), recipe=replace(found.recipe, train=train))

    project = projects.edit(space, project.slug, change, {"event": "settings"})
    project = projects.edit(space, project.slug, with_ingredient("swaps", part), {"event": "ingredient"})
    result_of(space, start_import(space, project), lambda runs: None)
    result_of(space, start_pool(space, project, "swaps"), lambda runs: None)
    stage = standing(space, project).stage
    assert stage is not None
    mixes = {"gold only": Mix(), "swapped": Mix({"swaps": Part(1.0)})}
    [id] = launch(space, project, stage, plan_launch(space, project, stage, {"gold only": Mix()}, [0]))
    [run] = wait(space, [id], lambda runs: None)
    assert run.state == "succeeded"
    plan = plan_launch(space, project, stage, mixes, REPEATS)
    for at, planned in enumerate(plan.mixes):
        for spec in planned.specs:
            if spec.id != id:
                like(space, id, spec.id, spec.to_json())
            for split in ("dev", "test"):
                predict(space, spec.id, stage.imported["corpora"][split], int(spec.params["seed"]) + 100 * at, several)
    launch(space, project, stage, plan)
    from core.groups import groups

    assert look_at_test(space, project.slug, groups(space, project.slug)) is None  # predictions are there
    return Made(space, project, stage)


def like(space: Workspace, one: str, id: str, spec: Mapping[str, object]) -> None:
    """A finished run like another, without its weights."""
    source, folder = space.run_folder(one), space.run_folder(id)
    folder.mkdir(mode=0o700)
    for name in ("resolved.json", "result.json", "metrics-1.jsonl", "first_batch.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    run = replace(space.store.get(one), id=id)
    event = {"t": run.ended, "from": None, "to": run.state, "attempt": run.attempt, "run": asdict(run)}
    (folder / EVENTS).write_text(json.dumps(event) + "\n", encoding="utf-8")
    space.store.adopt(id)


def predict(space: Workspace, run: str, corpus_id: str, seed: int, several: bool) -> None:
    """Predictions that are right in about four of five texts."""
    from core import corpus as corpora

    data, draw = corpora.read(space.corpus_path(corpus_id)), np.random.default_rng(seed)
    values = [list(labels) for labels in data.table.column("labels").to_pylist()]
    names = [*data.schema.labels]
    for row in np.flatnonzero(draw.random(len(values)) < 0.2).tolist():
        values[row] = [names[at] for at in draw.choice(len(names), int(draw.integers(3)) if several else 1, False)]
    sure = [[float(draw.uniform(0.3, 1.0)) for _ in row] for row in values]
    path = predictions.file_of(space.run_folder(run), corpus_id)
    path.unlink(missing_ok=True)
    predictions.write(path, data, predictions.Predictions(values, sure, 0.0))


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("texts") / "ws")


@pytest.fixture(scope="module")
def single(space: Workspace, tiny_model: Path) -> Made:
    return made(space, "One label", tiny_model, several=False)


@pytest.fixture(scope="module")
def several(space: Workspace, tiny_model: Path) -> Made:
    return made(space, "Several labels", tiny_model, several=True)


def said(at: AppTest) -> Iterator[str]:
    """All that a page says: texts, and what widgets and columns of tables are called."""
    for kind in ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success"):
        yield from (element.value for element in getattr(at, kind))
    for kind in ("button", "selectbox", "multiselect", "toggle", "text_area", "slider"):
        for element in getattr(at, kind):
            yield from (element.label, element.help or "")
    for table in at.dataframe:
        columns = json.loads(table.proto.columns or "{}")
        yield from (str(column.get(name, "")) for column in columns.values() for name in ("label", "help"))


def look(open_page, project: Made, name: str, **query: str) -> AppTest:
    at = open_page(project.space.root, name, project=project.project.slug, **query)
    assert not at.exception and not at.error, [element.value for element in at.error]
    return at


@pytest.mark.parametrize("name", list(VIEWS))
@pytest.mark.parametrize(
    ("which", "language"), [pytest.param("single", "en", marks=pytest.mark.whole), ("several", "zh_CN")]
)
def test_every_page_speaks_of_texts(request, open_page, which, language, name):
    project: Made = request.getfixturevalue(which)
    for query in VIEWS[name]:
        at = look(open_page, project, name, lang=language, **query)
        for text in said(at):
            assert IMAGE not in text and "<b>" not in text, (query, text)
            if name != "home" and query.get("view") != "new":  # these are about whatever projects and data there are
                assert not OTHER_KIND.search(NAMED.sub("", text)), (query, text)


@pytest.mark.parametrize("which", ["single", "several"])
def test_the_table_has_precision_and_recall_of_every_class(request, open_page, which):
    project: Made = request.getfixturevalue(which)
    at = look(open_page, project, "compare", split="test")
    table = next(found.value for found in at.dataframe if "recall" in found.value.columns)
    corpus = project.stage.imported["corpora"]["test"]
    from core import corpus as corpora
    from core.groups import groups

    gold = [set(row) for row in corpora.read(project.space.corpus_path(corpus)).table.column("labels").to_pylist()]
    [group] = [group for group in groups(project.space, project.project.slug) if group.name == "swapped"]
    files = [predictions.file_of(project.space.run_folder(run), corpus) for run in group.finished]
    runs = [[set(row) for row in predictions.read(path).values] for path in files]
    assert len(runs) == len(REPEATS)
    labels = sorted({label for row in gold for label in row})
    assert ("urgent" in labels) == (which == "several")
    for label in labels:
        [line] = table[(table["label"] == label) & (table["mix"] == "swapped")].to_dict("records")
        hits = [sum(label in row and label in true for row, true in zip(run, gold, strict=True)) for run in runs]
        given = [sum(label in row for row in run) for run in runs]
        assert line["support"] == sum(label in row for row in gold)
        assert line["recall"] == pytest.approx(100 * np.mean(hits) / line["support"])
        shares_right = [100 * hit / n for hit, n in zip(hits, given, strict=True)]
        assert line["precision"] == pytest.approx(np.mean(shares_right), abs=2)


def test_labels_with_hostile_names_are_set_as_text():
    row = {"text": "x", "labels": [IMAGE, "a\u202eb"]}
    view = task("classification").view(row)
    told = _line(Line((), labels=view.labels), {IMAGE: "#123456"})
    assert told["labels"] == [(IMAGE, "#123456"), ("a\\u202eb", "#888888")]
    assert "innerHTML" not in (ROOT / "components" / "entities.py").read_text(encoding="utf-8")


def test_rows_are_shown_with_their_labels_and_with_those_that_were_predicted(several):
    from core import corpus as corpora

    data: Corpus = corpora.read(several.space.corpus_path(several.stage.imported["corpora"]["train"]))
    wanted = data.table.column("labels").to_pylist()
    found = rows_of(data, np.arange(len(data)), 0, len(data))
    assert [list(row.labels or ()) for row in found] == wanted and {len(row) for row in wanted} == {0, 1, 2}
    assert all("".join(part.text for part in row.segments) == row.text for row in found)
    values = [[PLAIN]] * len(data)
    assert {row.labels for row in rows_of(data, np.arange(3), 0, 3, values)} == {(PLAIN,)}


def test_only_what_makes_sense_is_offered(open_page, single):
    at = look(open_page, single, "compare", drawer="slices")
    assert "rule" not in [box.key for box in at.selectbox]  # there is one way to count
    kinds = next(group for group in at.get("button_group") if group.key == "slice")
    assert len(kinds.proto.options) == 2
    at = look(open_page, single, "augment")
    methods = next(group for group in at.get("button_group") if group.key == "method")
    assert len(methods.proto.options) == len(available(task("classification"))) < len(AUGMENTERS)
    assert any("Mention replacement, Token replacement" in caption.value for caption in at.caption)
    at = look(open_page, single, "augment", method="keyboard")
    assert not any(group.key and group.key.endswith("_scope") for group in at.get("button_group"))


def test_the_map_of_mistakes_has_no_borders(single, several):
    from core.groups import groups

    for project, without in ((single, {BOUNDARY, MISSED, NOTHING}), (several, {BOUNDARY})):
        found = [shares(matched(project.space, g, "test").pairs) for g in groups(project.space, project.project.slug)]
        assert never(found) == without
        words = {name: name for name in ("gold", "predicted", BOUNDARY, MISSED, NOTHING)}
        [cells, *_] = confusion_map(found[0], words, found[1], never(found)).to_dict()["data"]
        labels = len(found[0].names)
        assert np.array(cells["hovertext"]).shape == (labels + (NOTHING not in without), labels + 2 - len(without & {
            BOUNDARY, MISSED,
        }))  # fmt: skip


def upload(open_page, root: Path, name: str, data: bytes) -> AppTest:
    at = open_page(root, "data", view="new")
    at.file_uploader(key="data_files").set_value([(name, data, "application/octet-stream")]).run()
    assert not at.exception
    return at


def parquet(rows: Sequence[tuple[str, list[str]]]) -> bytes:
    stream = io.BytesIO()
    columns = {"message": [text for text, _ in rows], "kind": [labels for _, labels in rows]}
    pyarrow.parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_files_of_texts_are_recognised_and_imported(open_page, tmp_path, form):
    rows = texts("train", several=form == "jsonl")
    table = "text;label\n" + "".join(f'"{text}";"{labels[0]}"\n' for text, labels in rows if labels)
    data = {"csv": table.encode(), "jsonl": records(rows), "parquet": parquet(rows)}[form]
    at = upload(open_page, tmp_path, f"mine.{form}", data)
    [kind] = [box for box in at.selectbox if box.key.startswith("data_task_")]
    assert kind.value == "classification"
    if form == "csv":  # one label has the mark in it that parts labels elsewhere
        [box] = [box for box in at.selectbox if box.key.startswith("data_between_")]
        box.set_value("none").run()
    if form == "parquet":  # its columns have no usual names
        assert at.error and at.button(key="data_import").disabled
        for role, column in (("text", "message"), ("labels", "kind")):
            [box] = [box for box in at.selectbox if box.key.startswith(f"data_{role}_")]
            box.set_value(f"={column}").run()
    assert not at.error and not at.exception
    at.button(key="data_import").click().run()
    assert not at.exception and not at.error
    space = Workspace.open(tmp_path)
    [name] = projects.names(space)
    project = projects.load(space, name)
    assert project.recipe.task == "classification"
    result = result_of(space, start_import(space, project), lambda runs: None)
    kept = read_json(space.run_folder(start_import(space, project).id) / "result.json")["corpora"]["train"]
    assert sum(result["rows"].values()) == len(rows)
    from core import corpus as corpora

    settled = corpora.read(space.corpus_path(kept)).schema.task
    assert settled == ("multilabel" if form == "jsonl" else "classification")


def test_what_carries_the_labels_can_be_changed(open_page, tmp_path):
    at = upload(open_page, tmp_path, "rows.jsonl", b'{"text": "Anna left", "label": "x"}\n' * 3)
    [kind] = [box for box in at.selectbox if box.key.startswith("data_task_")]
    assert kind.value == "classification" and not at.error
    kind.set_value("tagging").run()
    assert not at.exception and at.error  # there is nothing in it for that
    assert any(box.key.startswith("data_scheme_") for box in at.selectbox)


def test_answers_of_every_task_are_read_alike():
    one = task("classification").answer("a text", ["x"], [0.5])
    assert found_in(one) == [{"label": "x", "confidence": 0.5}]
    assert found_in({"text": "a", "entities": []}) == []


def test_what_is_said_otherwise_is_said_at_all():
    for kind, table in SPEECH.items():
        assert set(table) <= set(sentences()), kind
        assert all(places(other) <= places(text) for text, other in table.items())
    words = {text for table in SPEECH.values() for text in table.values()} | set(sentences())
    for nouns in NOUNS.values():
        for noun, _ in (pair for pairs in nouns.values() for pair in pairs):
            assert not any(noun in place for text in words for place in places(text)), noun  # else values get lost
