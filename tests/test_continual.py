"""Learning on: what is kept, what is learned of what the model before says, and the run over several steps."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HARBOUR
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training import RESOLVED, SETTINGS, tensors

from core import corpus as corpora
from core.continual import routing, sequence
from core.continual.chain import SequenceParams, chain_of, folder_of, network_of, rows_of
from core.continual.distillation import hot, learned
from core.continual.ewc import Consolidation, fisher
from core.continual.keep import METHODS, Keep, check
from core.continual.replay import kept
from core.continual.routing import chosen, router
from core.corpus import Corpus
from core.errors import CoreError
from core.evaluation.sequence import Course, difference
from core.formats import ReadOptions, read
from core.jobs import faults
from core.jobs.faults import FaultError
from core.jobs.folder import last_metrics
from core.jobs.trainer import Context
from core.models.catalogue import install
from core.models.loading import ROUTER
from core.params import canonical
from core.runs import RunSpec
from core.tasks import task
from core.tasks.protocol import IGNORED
from core.training import predictions
from core.training.gear import gear_of
from core.training.predictions import Predictions

TAGGING = task("tagging")
PARAMS = replace(SETTINGS, steps=4, evaluations=1, frozen_layers=0)
OLD, NEW = ("LOC", "PER"), ("ORG", "PER")  # LOC is new in no step but the first, ORG in the second


def part(whole: Corpus, labels: tuple[str, ...], start: int, rows: int) -> Corpus:
    """Some rows, of whose labels only some are marked."""
    names = {label: label if label in labels else None for label in whole.schema.labels}
    tags = TAGGING.mapped(Corpus(whole.schema, whole.table.slice(start, rows)), names, labels)
    outside = [[tag or "O" for tag in row] for row in tags.table.column("tags").to_pylist()]
    index = tags.table.schema.get_field_index("tags")
    import pyarrow as pa

    return Corpus(tags.schema, tags.table.set_column(index, "tags", pa.array(outside, pa.list_(pa.string()))))


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> dict[str, Any]:
    """A workspace with two steps of the sample, 24 rows of gold and 6 of dev each, and the tiny model."""
    root = tmp_path_factory.mktemp("continual")
    whole = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    cuts = {"gold:0": (OLD, 0, 24), "dev:0": (OLD, 48, 6), "gold:1": (NEW, 24, 24), "dev:1": (NEW, 54, 6)}
    parts = {role: part(whole, *cut) for role, cut in cuts.items()}
    paths = {role: corpora.write(corpus, root / "corpora") for role, corpus in parts.items()}
    return {"root": root, "paths": paths | {"model": install(str(tiny_model), root / "models", root).folder}, **parts}


def context(place: Mapping[str, Any], name: str, keep: Keep, seed: int = 0, **more: str) -> Context:
    params = SequenceParams(seed, (OLD, NEW), PARAMS, keep)
    inputs = {role: str(path) for role, path in place["paths"].items()} | more
    folder = place["root"] / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    spec = RunSpec("sequence", dict.fromkeys(inputs, ""), canonical(params))
    return Context(place["root"], folder, spec, RESOLVED | {"inputs": inputs}, 1)


def carried_out(place: Mapping[str, Any], name: str, keep: Keep, **more: Any) -> Path:
    ctx = context(place, name, keep, **more)
    sequence.run(ctx)
    return ctx.folder


def said(place: Mapping[str, Any], folder: Path, at: int, of: int) -> list[list[str]]:
    found = predictions.read(predictions.file_of(folder_of(folder, at), place[f"dev:{of}"].id))
    return [list(row) for row in found.values]


# what is kept


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.integers(0, 3))
def test_more_kept_rows_begin_with_the_fewer(one, other, balanced, seed):
    gold = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    few, many = (kept(TAGGING, gold, share, balanced, seed).tolist() for share in sorted((one, other)))
    assert many[: len(few)] == few and len(set(many)) == len(many)
    assert len(many) == int(max(one, other) * len(gold) + 0.5)


def test_balanced_rows_have_every_label_first(place):
    from core.tasks.drawing import strata

    gold = place["gold:0"]
    label = strata(TAGGING, gold)
    rows = kept(TAGGING, gold, len(np.unique(label)) / len(gold), True, 0)
    assert len(set(label[rows].tolist())) == len(np.unique(label)) == len(rows)


def test_what_can_not_be_had_together_is_refused():
    for keep in METHODS.values():
        check(keep, PARAMS)
    for keep in (Keep(joint=True, replay=0.1), Keep(adapters=True, joint=True), Keep(adapters=True, distil=1)):
        with pytest.raises(CoreError) as error:
            check(keep, PARAMS)
        assert error.value.code == "keep_alone"
    with pytest.raises(CoreError) as error:
        check(Keep(ewc=1), replace(PARAMS, method="lora"))
    assert error.value.code == "keep_needs_full"
    with pytest.raises(CoreError) as error:
        check(Keep(), replace(PARAMS, head="prototypes", method="frozen"))
    assert error.value.code == "keep_by_steps"


# what the model before says

CLASSES = (("O", "B-LOC", "I-LOC"), ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG"))
SAYS = np.array([[0.02, 0.95, 0.03], [0.3, 0.6, 0.1], [0.9, 0.05, 0.05], [np.nan] * 3, [0.1, 0.9, 0.0]], np.float32)
TARGETS = np.array([0, 0, 0, 0, 3])


def test_what_is_surely_old_is_masked_and_nothing_else():
    found = learned(Keep(mask=True), TAGGING, TARGETS, SAYS, *CLASSES)
    assert found.tolist() == [IGNORED, 0, 0, 0, 3]


def test_what_is_unlabelled_is_learned_as_the_model_before_sees_it():
    found = learned(Keep(distil=1.0), TAGGING, TARGETS, SAYS, *CLASSES)
    assert found.dtype == np.float32 and np.allclose(found.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(found[0], [0.02, 0.95, 0.03, 0, 0]) and found[3].tolist() == [1, 0, 0, 0, 0]
    assert found[4].tolist() == [0, 0, 0, 1, 0]  # a new mention is one, whatever the model before says
    half = learned(Keep(distil=0.5), TAGGING, TARGETS, SAYS, *CLASSES)
    assert np.allclose(half[1], [0.65, 0.3, 0.05, 0, 0])
    assert np.isnan(hot(np.array([IGNORED, 1]), 3)[0]).all()


def test_of_whole_texts_all_are_mixed_and_of_several_labels_the_hidden_ones():
    text = task("classification")
    found = learned(Keep(distil=0.5), text, np.array([2, 0]), SAYS[1:3, :2] / 0.9, ("A", "B"), ("A", "B", "C"))
    assert np.allclose(found[0], [0.25 * 0.3 / 0.9, 0.25 * 0.6 / 0.9, 0.75])
    assert learned(Keep(mask=True), text, np.array([2, 0]), SAYS[1:3, :2], ("A", "B"), ("A", "B", "C")).tolist() == [
        2,
        0,
    ]
    several = task("multilabel")
    targets = np.array([[0, 1, 1], [0, 0, 1]], np.float32)
    says = np.array([[0.95, 0.2], [0.4, 0.3]], np.float32)
    masked = learned(Keep(mask=True), several, targets, says, ("A", "B"), ("A", "B", "C"))
    assert np.isnan(masked[0, 0]) and masked[1].tolist() == [0, 0, 1] and masked[0, 1:].tolist() == [1, 1]
    soft = learned(Keep(distil=1.0), several, targets, says, ("A", "B"), ("A", "B", "C"))
    assert np.allclose(soft[:, 0], [0.95, 0.4]) and soft[:, 1:].tolist() == targets[:, 1:].tolist()


# weights that are held


def test_the_pull_is_the_gradient_of_the_penalty(place):
    import torch

    ctx = context(place, "ewc", Keep())
    chain = chain_of(ctx)
    torch.manual_seed(0)
    network = network_of(chain, 0, None)
    trained = network.trained()
    at = {name: p.detach() + 0.1 * torch.randn_like(p) for name, p in trained.items()}
    held = {name: torch.rand_like(p) for name, p in trained.items()}
    told = Consolidation(3.0, at, held).teach(network, 0, chain.gear, 1)["ewc"]
    pulled = {name: p.grad.clone() for name, p in trained.items()}
    network.whole.zero_grad()
    penalty = 1.5 * sum((held[name] * (p - at[name]) ** 2).sum() for name, p in trained.items())
    penalty.backward()
    assert told == pytest.approx(float(penalty.detach()), rel=1e-4)
    assert all(torch.allclose(p.grad, pulled[name], rtol=1e-4, atol=1e-6) for name, p in trained.items())


def test_what_hangs_on_weights_is_the_mean_squared_gradient_of_rows(place):
    import torch

    chain = chain_of(context(place, "fisher", Keep()))
    torch.manual_seed(0)
    network = network_of(chain, 0, None)
    rows, replayed = rows_of(chain, 0)
    assert replayed == 0
    read_ = chain.read(network, rows.pieces)
    found = fisher(network, TAGGING, rows, read_, gear_of(RESOLVED), 0)
    put, last = network.reader(TAGGING, read_), [*network.trained()][-1]
    total = 0.0
    for row in range(len(rows.pieces)):
        positions, within, places = read_.items(np.array([row]))
        network.whole.zero_grad()
        logits = put(read_.inputs(np.array([row]), chain.gear), within, places)
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(rows.targets[positions])).backward()
        total = total + network.trained()[last].grad ** 2
    assert torch.allclose(found[last], total / len(rows.pieces), rtol=1e-4)
    assert all((tensor >= 0).all() for tensor in found.values())


# which part a row goes to


def test_a_row_goes_to_the_step_whose_text_is_like_it(tmp_path):
    rng = np.random.default_rng(0)
    known = [rng.normal(at, 1, (30, 8)).astype(np.float32) for at in (-2, 2)]
    rows = np.array([[-2.0] * 8, [2.0] * 8, [-1.5] * 8], np.float32)
    assert router(known).steps(rows).tolist() == [0, 1, 0] and router(known[:1]).steps(rows).tolist() == [0, 0, 0]
    routing.write(router(known), tmp_path)
    assert np.array_equal(routing.read(tmp_path).weights, router(known).weights)
    parts = [Predictions([[name]] * 3, [[sure]] * 3, 1.0) for name, sure in (("a", 0.1), ("b", 0.2))]
    assert [row[0] for row in chosen(parts, np.array([0, 1, 0])).values] == ["a", "b", "a"]


# figures


def test_figures_are_those_of_their_sources():
    scores = np.array([[[0.6, 0.1, 0.0], [0.4, 0.7, 0.2], [0.3, 0.5, 0.8]]])
    course = Course(scores)
    assert course.average[0] == pytest.approx((0.3 + 0.5 + 0.8) / 3)
    assert course.backward[0] == pytest.approx(((0.3 - 0.6) + (0.5 - 0.7)) / 2)
    assert course.forward[0] == pytest.approx((0.1 + 0.2) / 2)
    assert course.forgetting[0] == pytest.approx(((0.6 - 0.3) + (0.7 - 0.5)) / 2)
    assert course.old[0] == pytest.approx(0.4) and course.newest[0] == pytest.approx(0.8)


def test_a_difference_is_welchs_with_rows_beside_seeds():
    from scipy import stats

    one, other = np.array([0.4, 0.45, 0.42, 0.44]), np.array([0.5, 0.52, 0.55, 0.49])
    found, known = difference(one, other), stats.ttest_ind(other, one, equal_var=False)
    assert found.p == pytest.approx(known.pvalue) and found.value == pytest.approx(other.mean() - one.mean())
    assert difference(one, other, rows=0.01).p > found.p
    assert difference(one[:1], other).interval is None


# the run


def test_a_step_begins_where_the_one_before_ended_and_knows_its_labels(place):
    folder = carried_out(place, "plain", METHODS["plain"])
    result = json.loads((folder / "result.json").read_text())
    assert result["labels"] == ["LOC", "ORG", "PER"] and [step["steps"] for step in result["steps"]] == [4, 4]
    assert not list(folder.glob("step-*/model")) and (folder / "model" / "trained.safetensors").is_file()
    assert [len(said(place, folder, at, of)) for at in (0, 1) for of in (0, 1)] == [6, 6, 6, 6]
    assert not any("ORG" in tag for row in said(place, folder, 0, 1) for tag in row)  # not known yet
    steps = [line["step"] for line in last_metrics(folder) if line.get("loss") is not None]
    assert steps in ([5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8])  # the first step may be another run's


def test_outputs_keep_their_weights_where_labels_join(place):
    import torch

    ctx = context(place, "grown", METHODS["distil"])
    chain = chain_of(ctx)
    torch.manual_seed(0)
    first = network_of(chain, 0, None)
    chain.folder(0).mkdir(parents=True, exist_ok=True)
    sequence._keep(chain, 0, first)
    grown = network_of(chain, 1, chain.folder(0) / "model").whole
    old, new = chain.classes(0), chain.classes(1)
    assert set(old) < set(new)
    for at, name in enumerate(old):
        assert torch.equal(grown.classifier.weight[new.index(name)], first.whole.classifier.weight[at])
    inner = dict(first.whole.base_model.named_parameters())
    assert all(torch.equal(p, inner[name]) for name, p in grown.base_model.named_parameters())


@pytest.mark.parametrize("name", [name for name in METHODS if name != "plain"])
def test_every_way_is_carried_out_and_repeats_to_the_bit(place, name):
    folder = carried_out(place, name, METHODS[name])
    done = json.loads((folder / "result.json").read_text())["steps"]
    keep = METHODS[name]
    assert len(done) == (1 if keep.joint else 2)
    assert done[-1]["replayed"] == (2 if keep.replay else 0)  # a tenth of 24
    assert done[-1]["steps"] == (8 if keep.joint else 4)
    assert (folder / "model" / ROUTER).is_file() is keep.adapters and (folder / "model").is_dir()
    again = carried_out(place, f"{name}-again", keep)
    assert said(place, folder, 1, 0) == said(place, again, 1, 0) and said(place, folder, 1, 1) == said(
        place, again, 1, 1
    )
    sure = [
        predictions.read(predictions.file_of(folder_of(one, 1), place["dev:0"].id)).confidence
        for one in (folder, again)
    ]
    assert sure[0] == sure[1]


def test_the_first_step_is_learned_once_for_all_ways(place):
    carried_out(place, "one", METHODS["plain"], seed=5)
    folder = carried_out(place, "two", METHODS["replay"], seed=5)
    steps = [line["step"] for line in last_metrics(folder) if line.get("loss") is not None]
    assert steps == [5, 6, 7, 8]
    other = carried_out(place, "three", METHODS["replay"], seed=6)
    assert next(line["step"] for line in last_metrics(other) if line.get("loss") is not None) == 1


@pytest.mark.parametrize("point", ["step", "sequence.step"])
def test_killed_it_goes_on_as_if_undisturbed(place, monkeypatch, point):
    import shutil

    whole = carried_out(place, f"calm-{point}", METHODS["replay_ewc"], seed=7)
    shutil.rmtree(place["root"] / "cache" / "first-steps")
    ctx = context(place, f"killed-{point}", METHODS["replay_ewc"], seed=7)
    monkeypatch.setenv("PEIBI_FAULT", f"{point}:{6 if point == 'step' else 1}:raise")
    faults.reset()
    with pytest.raises(FaultError):
        sequence.run(ctx)
    monkeypatch.delenv("PEIBI_FAULT")
    faults.reset()
    sequence.run(ctx)
    assert said(place, whole, 1, 0) == said(place, ctx.folder, 1, 0)
    mine, its = tensors(ctx.folder), tensors(whole)
    assert all(tensor.equal(its[name]) for name, tensor in mine.items())
