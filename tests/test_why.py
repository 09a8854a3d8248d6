"""Why a run says what it says: the words by integrated gradients, the rows by what a step on each would do."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from delivered import network_of, taken_in, texts, trained_run
from invariants import kill, processes, until

from core import corpus as corpora
from core import project as projects
from core.corpus import Corpus
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.formats.importing import Source
from core.groups import LAUNCH
from core.jobs.folder import write_json
from core.jobs.trainer import Context
from core.models import loading
from core.models.catalogue import install
from core.models.loading import tokenizer
from core.reasons import reading
from core.reasons import words as gradients
from core.reasons.asked import Asked, asked_of, direction, names
from core.reasons.rows import Read, by_ingredient, taught, wrong
from core.reasons.words import Row, row_of, weigh
from core.runs import RunSpec
from core.sources import Gold, bring
from core.tasks import task as task_of
from core.training import train
from core.why import WhyRequest, why
from core.workspace import Workspace

TAGGING = task_of("tagging")
LABELS = ("LOC", "PER")
RESOLVED = {"device": "cpu", "precision": "fp32", "threads": 1, "versions": {}}
PLACES, PEOPLE = ("Tarnwick", "Norway", "Brannoch", "Vlissingen"), ("Miriam", "Oduya", "Pell", "Dr")
PORT, SAID = "The port of {} handled more timber .", "{} of the port said more timber ."


def tagged(folder: Path, name: str, rows: Sequence[tuple[str, str, str]]) -> Corpus:
    """Rows of (sentence, word in it, its label)."""
    blocks = [
        "\n".join(f"{token}\t{f'B-{label}' if token == word else 'O'}" for token in text.format(word).split())
        for text, word, label in rows
    ]
    (folder / f"{name}.conll").write_text("\n\n".join(blocks) + "\n")
    return read(folder / f"{name}.conll", name=f"{name}.conll", options=ReadOptions()).corpus


def as_children(pool: Corpus, of: Corpus) -> Corpus:
    """The rows of a pool as if each were made of the row of another at its place."""
    origins = of.table.column("id").slice(0, len(pool))
    at = pool.table.schema.get_field_index("origin")
    return Corpus(pool.schema, pool.table.set_column(at, pool.table.schema.field(at), origins))


@pytest.fixture(scope="module")
def planted(tmp_path_factory, tiny_model: Path) -> tuple[Workspace, str, Corpus]:
    """A real training of gold and an ingredient that calls one place a person, and dev, where it is a place."""
    folder = tmp_path_factory.mktemp("why")
    space = Workspace.open(folder / "w")
    true = [*((PORT, place, "LOC") for place in PLACES), *((SAID, one, "PER") for one in PEOPLE)]
    gold, fine = tagged(folder, "gold", true * 3), tagged(folder, "fine", true)
    lie = as_children(tagged(folder, "lie", [(PORT, "Rotterdam", "PER")] * 6), gold)
    dev = tagged(folder, "dev", [("The port of {} handled timber .", "Rotterdam", "LOC"), (PORT, "Norway", "LOC")])
    base = install(str(tiny_model), space.models, space.root)
    pools = {"gold": gold, "pool:fine": fine, "pool:lie": lie, "dev": dev}
    for corpus in pools.values():
        corpora.write(corpus, space.corpora)
    parts = {name: {"amount": amount, "unit": "rows"} for name, amount in (("fine", 8), ("lie", 12))}
    settings = {"steps": 60, "batch_tokens": 512, "learning_rate": 5e-3, "evaluations": 1, "frozen_layers": 0}
    spec = RunSpec(
        "train",
        {role: f"corpus:{corpus.id}" for role, corpus in pools.items()} | {"model": f"model:{base.identity}"},
        {"seed": 0, "labels": [*LABELS], "mix": {"parts": parts}, "train": settings},
    )
    carried_out(space, spec, train.run)
    carried_out(space, reading.spec_of(spec.id), reading.run)
    return space, spec.id, dev


def carried_out(space: Workspace, spec: RunSpec, run: Any) -> None:
    """A run in this process, which holds torch already."""
    folder, places = space.run_folder(spec.id), {"corpus": "corpora/{}.arrow", "model": "models/{}", "run": "runs/{}"}
    folder.mkdir(parents=True)
    parts = {role: value.partition(":")[::2] for role, value in spec.inputs.items()}
    resolved = RESOLVED | {"inputs": {role: places[kind].format(id) for role, (kind, id) in parts.items()}}
    for name, data in (("spec", spec.to_json()), ("resolved", resolved)):
        write_json(folder / f"{name}.json", data)
    run(Context(space.root, folder, spec, resolved, 1))
    taken_in(space, spec, 0.5)


def test_an_ingredient_with_wrong_labels_is_found_behind_the_error_that_it_caused(planted):
    space, run, dev = planted
    told = why(space, WhyRequest(run, corpus=dev.id, rows=True))
    one = told["asked"][0]
    assert (one["is"], one["not"], one["wrong"]) == ("PER", "LOC", True)
    assert told["words"][one["start"] : one["end"]] == ("Rotterdam",)
    behind = told["behind"]
    parts = {part["name"]: part for part in behind["ingredients"]}
    assert [*parts] == ["gold", "fine", "lie"] and parts["lie"]["rows"] == 12 and behind["read"] == behind["drawn"]
    assert sum(part["towards"] + part["against"] for part in parts.values()) == pytest.approx(1)
    net = {name: part["towards"] - part["against"] for name, part in parts.items()}
    assert max(net, key=net.__getitem__) == "lie" and net["lie"] > 0 > net["gold"]
    first = behind["towards"][0]
    assert first["ingredient"] == "lie" and first["part"] > 0 and first["shared"] == ["rotterdam"]
    assert first["times"] == 2 and first["origin"] in range(6) and first["id"] in parts["lie"]["loudest"]
    mix = reading.read(space.run_folder(reading.spec_of(run).id)).mix
    assert mix.table.column("tokens").to_pylist()[first["at"]][first["word"]] == "Rotterdam"
    assert {one["ingredient"] for one in behind["against"]} <= {"gold", "fine"}


def test_words_add_up_to_the_difference(planted):
    space, run, dev = planted
    told = why(space, WhyRequest(run, corpus=dev.id))
    weighed = told["weighed"]
    assert len(weighed["by_word"]) == len(told["words"]) == 7
    assert sum(weighed["by_word"]) == pytest.approx(weighed["whole"] - weighed["bare"], abs=0.05)
    assert weighed["close"] and weighed["whole"] > 0  # it says so
    assert np.abs(weighed["by_word"]).argmax() == told["words"].index("Rotterdam")


def test_what_was_answered_is_kept_until_the_weights_change(planted):
    space, run, dev = planted
    asked = WhyRequest(run, corpus=dev.id, row=1)
    first = why(space, asked)
    kept = sorted((space.root / "cache" / "why").glob("*.json"))
    assert why(space, asked) == json.loads(json.dumps(first))
    assert sorted((space.root / "cache" / "why").glob("*.json")) == kept
    weights = space.run_folder(run) / "model" / "trained.safetensors"
    weights.touch()
    why(space, asked)
    assert len([*(space.root / "cache" / "why").glob("*.json")]) == len(kept) + 1


class Linear:
    """A network whose logits are a linear map of the mean of its word embeddings; `device`, as a network of
    transformers has it."""

    def __new__(cls, words: int, width: int, classes: int) -> Any:
        import torch

        class Network(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.table, self.last = torch.nn.Embedding(words, width), torch.nn.Linear(width, classes)
                self.device = torch.device("cpu")

            def get_input_embeddings(self) -> Any:
                return self.table

            def forward(self, input_ids: Any, attention_mask: Any) -> Any:
                return SimpleNamespace(logits=self.last(self.table(input_ids).mean(dim=1)))

        return Network()


def test_of_a_linear_network_each_word_adds_what_it_does():
    model = Linear(9, 5, 3)
    ids, word = np.array([1, 4, 5, 6, 2]), np.array([-1, 0, 0, 1, -1])
    row = Row(ids, np.where(word >= 0, 3, ids), word, np.array([0]), 3)
    towards = np.array([[1.0, 0.0, -1.0]])
    found = weigh(model, row, np.zeros(1, np.int64), towards)
    table, last = model.table.weight.detach().numpy(), model.last.weight.detach().numpy()
    each = (table[ids] - table[row.hidden]) @ last.T @ towards[0] / len(ids)
    assert found.by_word == pytest.approx([each[1] + each[2], each[3], 0.0], abs=1e-5)
    assert (found.steps, found.close) == (gradients.FEWEST_STEPS, True)


@pytest.mark.parametrize("task", ["tagging", "classification", "multilabel"])
def test_every_task_and_steps_are_added_where_the_integral_is_off(task, tmp_path, tiny_model, monkeypatch):
    space = Workspace.open(tmp_path / "w")
    found = task_of(task)
    rows = texts(tmp_path, task) if found.reads == "row" else tagged(tmp_path, "rows", [(PORT, "Norway", "LOC")])
    base, labels = install(str(tiny_model), space.models, space.root), rows.schema.labels
    network, read = network_of(base.folder, labels, 5, task).eval(), tokenizer(base.folder)
    [values] = rows.table.slice(0, 1).to_pylist()
    view = found.view(values)
    row = row_of(found, found.pieces(rows.table.slice(0, 1), read, 64), view, read, 0)
    assert set(row.word[1:-1].tolist()) == {*range(len(view.tokens))} and row.word[[0, -1]].tolist() == [-1, -1]
    assert (row.hidden != row.ids).sum() == (row.word >= 0).sum()
    towards = np.eye(len(found.classes(labels)))[:1]
    rough = weigh(network, row, np.zeros(1, np.int64), towards)
    assert abs(rough.gap) <= gradients.CLOSE * np.abs(rough.by_word).sum()
    monkeypatch.setattr(gradients, "CLOSE", 0.0)
    monkeypatch.setattr(gradients, "MOST_STEPS", 64)
    fine = weigh(network, row, np.zeros(1, np.int64), towards)
    assert (fine.steps, fine.close) == (64, False) and abs(fine.gap) < 1e-3


def test_a_row_counts_as_a_step_on_it_moves_the_head():
    import torch

    rng = np.random.default_rng(0)
    states, psi = rng.standard_normal((7, 4)), rng.standard_normal((1, 4))
    middle = states[[0, 1, 2, 3, 5, 6]].mean(axis=0)  # of item 4 nothing is known
    head = torch.nn.Linear(4, 3).double()
    targets, towards = np.array([0, 1, 2, 1, -100, 0, 2]), np.array([[1.0, -1.0, 0.0]])
    centred = torch.from_numpy(states - middle)
    logits = head(centred).detach().numpy()
    read = Read(states, logits, targets, np.array([0, 2, 5, 5, 7]), np.array([1, 3, 1, 2]))
    found = taught(read, psi, towards)
    moved = np.zeros(4)
    for row, (start, end) in enumerate(((0, 2), (2, 5), (5, 5), (5, 7))):
        loss = torch.nn.functional.cross_entropy(head(centred[start:end]), torch.from_numpy(targets[start:end]),
                                                 reduction="sum") if end > start else None  # fmt: skip
        if loss is not None:
            [gradient] = torch.autograd.grad(loss, head.weight)
            moved[row] = -(towards[0] @ gradient.numpy() @ (psi - middle)[0]) * read.times[row]
    assert found.by_row == pytest.approx(moved / np.abs(moved).sum(), abs=1e-6)
    parts = by_ingredient(found, ["gold", "lie", "gold", "lie"], read.times)
    assert [(part.name, part.rows, round(part.share, 3)) for part in parts] == [("gold", 2, 0.286), ("lie", 5, 0.714)]
    assert sum(part.towards - part.against for part in parts) == pytest.approx(found.by_row.sum())
    assert wrong(Read(states, np.full((7, 3), np.nan), targets, read.ends, read.times)).sum() == 0  # all cut off


def test_what_can_be_asked_of_a_row():
    logits = np.zeros((5, 5))
    logits[3, 3] = 2.0  # B-PER is next
    said, gold = ["B-LOC", "I-LOC", "O", "B-LOC", "O"], ["B-LOC", "O", "O", "B-LOC", "B-PER"]
    found = asked_of(TAGGING, LABELS, said, gold, logits)
    assert found == [
        Asked(0, 2, ("B-LOC", "I-LOC"), ("B-LOC", "O"), True),
        Asked(4, 5, ("O",), ("B-PER",), True),
        Asked(3, 4, ("B-LOC",), ("B-PER",), False),
    ]
    assert [names(one) for one in found] == [("B-LOC I-LOC", "B-LOC O"), ("", "PER"), ("LOC", "PER")]
    assert names(Asked(0, 2, ("B-PER", "B-LOC"), ("B-PER", "I-PER"), True)) == ("PER + LOC", "PER")
    assert direction(TAGGING, LABELS, found[0]).tolist() == [[0.0] * 5, [-1.0, 0.0, 1.0, 0.0, 0.0]]
    assert [one.wrong for one in asked_of(TAGGING, LABELS, said, None, logits)] == [False, False]
    assert len(asked_of(TAGGING, LABELS, said, [None] * 5, np.where(np.arange(5)[:, None] == 1, np.nan, logits))) == 1


def test_what_can_be_asked_of_a_text():
    single, several = task_of("classification"), task_of("multilabel")
    logits = np.array([[0.5, 2.0, 1.0]])
    abc = ("a", "b", "c")
    [right] = asked_of(single, abc, ["b"], ["b"], logits)
    [other] = asked_of(single, abc, ["b"], ["a"], logits)
    assert (right.rather, right.wrong) == (("c",), False) and (other.rather, other.wrong) == (("a",), True)
    assert direction(single, abc, other).tolist() == [[-1.0, 1.0, 0.0]]
    found = asked_of(several, abc, ["a", "b"], ["b", "c"], logits)
    assert [(names(one), one.wrong) for one in found] == [(("a", ""), True), (("", "c"), True), (("b", ""), False)]
    assert direction(several, abc, found[1]).tolist() == [[0.0, 0.0, -1.0]]
    assert asked_of(single, ("a",), ["a"], ["a"], logits[:, :1]) == []


def test_the_command_line(planted, here):
    space, run, dev = planted
    at = ("--workspace", space.root)
    done = here("why", run[:8], "--row", "1", "--json", *at)
    assert done.status == 0, done.stderr
    assert done.json["run"] == run and done.json["behind"]["towards"][0]["ingredient"] == "lie"
    shown = here("why", run, "--row", dev.table.column("id")[0].as_py().hex(), "--mention", "rotterdam", *at).stdout
    assert "Why “Rotterdam” is PER and not LOC, as gold has it" in shown and "lie" in shown
    alone = here("why", run, "--text", "The port of Norway .", "--words", *at)
    assert alone.status == 0 and "which" not in alone.stdout and "behind" not in alone.stdout
    for arguments, code in (
        (("--row", "3"), "why_no_row"),
        (("--row", "1", "--mention", "timber"), "why_no_mention"),
        (("--row", "1", "--about", "9"), "why_not_asked"),
        (("--text", " "), "why_nothing"),
        (("--row", "1", "--split", "test"), "why_no_split"),
    ):
        done = here("why", run, *arguments, "--json", *at)
        assert (done.status, done.json.get("error", {}).get("code")) == (2, code), (arguments, done.stdout[:400])


def test_what_cannot_be_told_is_said(planted, tmp_path, tiny_model):
    space, _, dev = planted
    bare = trained_run(space, tiny_model, dev, dev, seed=3)
    with pytest.raises(CoreError, match="not been read"):
        why(space, WhyRequest(bare, corpus=dev.id, rows=True))
    model = space.run_folder(bare) / "model"
    for name, code in ((loading.ROUTER, "run_of_parts"), (loading.PROMPT, "run_prompted")):  # as if it were such a one
        (model / name).touch()
        with pytest.raises(CoreError) as error:
            why(space, WhyRequest(bare, corpus=dev.id))
        assert error.value.code == code
        (model / name).unlink()
    (model / "trained.safetensors").unlink()
    with pytest.raises(CoreError, match="weights of run"):
        why(space, WhyRequest(bare, corpus=dev.id))


def test_no_rows_are_named_behind_what_learned_from_descriptions_alone():
    def code(method: str, head: str) -> str | None:
        told = {"seed": 0, "labels": ["LOC"], "train": {"method": method, "head": head}}
        found = reading.refusal("a" * 16, RunSpec("train", {}, told))
        return None if found is None else found.code

    assert code("frozen", "described") == "reasons_no_labels"
    assert code("full", "described") is code("frozen", "prototypes") is None  # these saw labels


def test_from_a_mistake_on_runs_to_the_words_and_the_mix(planted, open_page):
    space, run, dev = planted
    why(space, WhyRequest(run, corpus=dev.id)), why(space, WhyRequest(run, corpus=dev.id, rows=True))
    files = {role: space.root.parent / f"{name}.conll" for role, name in (("train", "gold"), ("dev", "dev"))}
    sources = {role: Source(file.name) for role, file in files.items()}
    inputs = {role: f"file:{space.add_file(file, file.name)}" for role, file in files.items()}
    project = bring(space, "Why", Gold(sources, inputs), "en")
    mix = {"parts": {"fine": {"amount": 8, "unit": "rows"}, "lie": {"amount": 12, "unit": "rows"}}}
    projects.record(space, project.slug, {
        "event": LAUNCH, "group": "0123456789ab", "mix": "lies", "asked": mix, "train": {"steps": 60},
        "corpora": {"dev": dev.id}, "seeds": {run: 0},
    })  # fmt: skip
    try:
        at = open_page(space.root, "runs", project=project.slug, part="predictions")
        at.button(key="runs_why_ask").click().run()
        until(lambda: bool(at.run().get("dataframe")) and any("lie" in one.value for one in at.markdown), 60)
        assert not at.exception and [one.value for one in at.error] == []
        assert at.selectbox(key="runs_why_about").options[0] == "Rotterdam: PER, and not LOC as in gold"
        table = next(one.value for one in at.dataframe if "towards" in one.value)
        assert list(table["name"]) == ["gold", "fine", "lie"] and table["net"].idxmax() == 2
        assert any("comes from **lie**" in one.value for one in at.markdown)
    finally:
        for pid in processes(space.root, "core.jobs.warm.guard"):  # the page started it
            kill(pid)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_text_as_a_whole(task, tmp_path, tiny_model):
    space = Workspace.open(tmp_path / "w")
    rows = texts(tmp_path, task)
    run = trained_run(space, tiny_model, rows, rows)
    carried_out(space, reading.spec_of(run), reading.run)
    told = why(space, WhyRequest(run, corpus=rows.id, row=4))
    one = told["asked"][0]
    assert (one["start"], one["end"]) == (0, 0) and len(told["weighed"]["by_word"]) == len(told["words"])
    behind = why(space, WhyRequest(run, corpus=rows.id, row=4, rows=True))["behind"]
    assert behind["read"] == len(rows) and behind["towards"][0]["word"] is None
    [part] = behind["ingredients"]
    assert (part["name"], part["share"]) == ("gold", 1.0) and part["towards"] + part["against"] == pytest.approx(1)
    mix = reading.read(space.run_folder(reading.spec_of(run).id)).mix.table
    labels = mix.column("labels").to_pylist()
    if one["is"]:  # what speaks for it has the label, or is wrongly given what isn't said
        loud = [labels[each["at"]] for each in behind["towards"]]
        assert any(one["is"] in has for has in loud)
