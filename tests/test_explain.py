"""Explain this run: what is written is what torch computes, and the numbers in it are the run's."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import corpus as corpora
from core.explain import eta_of, explained
from core.formats import ReadOptions, read
from core.jobs.folder import append_line, metrics_file, write_json
from core.models.catalogue import install
from core.models.ridge import RIDGE
from core.models.weights import layout
from core.report import formulas
from core.report.formulas import BETAS, TINY, Formula
from core.runs import RunSpec
from core.sample import open_sample
from core.subject import MOST, Subject, choices, frozen_in, subject
from core.tasks import task
from core.training import methods
from core.training.portions import split
from core.training.settings import TrainParams
from core.workspace import Workspace
from tests.conftest import HARBOUR, Done

STEPS = 40


def computed(formula: Formula, **known: Any) -> dict[str, Any]:
    """What the plain lines of a formula come to when Python computes them."""
    import torch

    signs = {"exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "min": min, "sum": torch.sum}
    names = {**signs, "softmax": lambda z: torch.softmax(z, -1), **known}
    exec(formula.plain, {"__builtins__": {}}, names)  # only here, and only what core/report/formulas.py wrote
    return names


def test_adamw_as_it_is_written_is_torchs():
    import torch

    assert torch.optim.AdamW([torch.zeros(1)]).defaults["betas"] == BETAS
    assert torch.optim.AdamW([torch.zeros(1)]).defaults["eps"] == TINY
    torch.manual_seed(0)
    params = TrainParams(learning_rate=2e-3, weight_decay=0.03)
    weight = torch.nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    optimizer = torch.optim.AdamW([weight], lr=1.0, weight_decay=params.weight_decay)
    theta, m, v = weight.detach().clone(), torch.zeros(5, 3), torch.zeros(5, 3)
    for step in range(1, STEPS + 1):
        optimizer.param_groups[0]["lr"] = params.rate(step - 1, STEPS)
        weight.grad = torch.randn(5, 3, dtype=torch.float64)
        optimizer.step()
        eta = computed(formulas.rate(params.peak, params.warmup, step, STEPS))["eta"]
        assert eta == pytest.approx(params.rate(step - 1, STEPS), rel=1e-6)
        now = computed(formulas.update(step, eta, params.weight_decay), theta=theta, m=m, v=v, g=weight.grad)
        theta, m, v = now["theta"], now["m"], now["v"]
        assert (theta - weight.detach()).abs().max() < 1e-6


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient_as_they_are_written_are_torchs(objective, weighted):
    import torch
    from torch.nn import functional

    torch.manual_seed(1)
    z = torch.randn(7, 4, requires_grad=True)
    c = torch.tensor([0.5, 1.0, 2.0, 4.0])
    if objective == "sigmoid":
        y = (torch.rand(7, 4) < 0.4).float()
        loss = functional.binary_cross_entropy_with_logits(z, y)
    else:
        target = torch.tensor([0, 1, 2, 3, 3, 2, 0])
        y = functional.one_hot(target, 4).float()
        loss = functional.cross_entropy(z, target, weight=c if weighted else None)
    loss.backward()
    known = {"z": z.detach(), "y": y, "n": 7, "c": c}
    p = torch.sigmoid(z.detach()) if objective == "sigmoid" else torch.softmax(z.detach(), -1)
    weighted = weighted and objective == "softmax"
    found = computed(formulas.loss(objective, weighted, 4, None), **known)
    assert float(found["L"]) == pytest.approx(float(loss.detach()), rel=1e-5)
    sums = lambda value, *axis: value.sum(*axis, keepdim=True) if axis else value.sum()  # noqa: E731
    dz = computed(formulas.by_logit(objective, weighted, 4), **known, p=p, sum=sums)["dz"]
    assert (dz - z.grad).abs().max() < 1e-6


@given(norm=st.floats(1e-3, 1e3), clip=st.floats(0.01, 10))
def test_the_clipped_gradient_as_it_is_written_is_torchs(norm, clip):
    import torch

    weight = torch.nn.Parameter(torch.zeros(6))
    weight.grad = torch.full((6,), norm / math.sqrt(6))
    before = weight.grad.clone()
    found = torch.nn.utils.clip_grad_norm_([weight], clip)
    now = computed(formulas.clipped(clip, float(found)), g=before)["g"]
    assert now == pytest.approx(weight.grad, rel=1e-5)
    assert formulas.shortening(clip, float(found)) == pytest.approx(float(weight.grad[0] / before[0]), rel=1e-5)


def test_a_low_rank_update_is_what_is_written():
    import torch

    torch.manual_seed(2)
    w, b, a = torch.randn(4, 5), torch.randn(4, 2), torch.randn(2, 5)
    x = torch.randn(5)
    changed = computed(Formula("", f"changed = {formulas.low_rank(2, 8.0).plain}"), W=w, B=b, A=a)["changed"]
    assert (changed @ x - (w @ x + 4 * (b @ (a @ x)))).abs().max() < 1e-5


def test_a_push_is_what_is_written():
    import torch

    from core.training.adversarial import away

    embeds = torch.zeros(2, 3, 4, requires_grad=True)
    embeds.grad = torch.arange(24.0).reshape(2, 3, 4)
    gradient = embeds.grad.clone()
    moved = away(embeds, 0.7)
    for row in range(2):  # each row by itself
        line = Formula("", formulas.push(0.7).plain.split("\n")[0])
        assert (computed(line, dE=gradient[row], norm=torch.norm)["r"] - moved[row]).abs().max() < 1e-6


def test_dropout_is_what_is_written(tmp_path, tiny_model):
    import torch

    from core.training.dropout import cheaper

    space, run = harbour_run(tmp_path, tiny_model, dropout=0.3)
    told = codes(whole(space, run), 1)["explain_dropout"]
    module = torch.nn.Dropout(0.3)
    cheaper(module)
    torch.manual_seed(0)
    ones = torch.ones(40_000)
    left = module.train()(ones)
    share = float((left == 0).float().mean())
    assert told.values["percent"] == pytest.approx(100 * share, abs=1)
    assert computed(told.formulas[0], h=ones[:1], b=1)["h"] == pytest.approx(left[left > 0][:1], rel=1e-6)


def test_a_solved_head_is_what_is_written():
    from core.models.ridge import ridge

    rng = np.random.default_rng(3)
    features, targets = rng.normal(1.0, 2.0, (60, 4)), rng.integers(0, 3, 60)
    weights, bias = ridge(features, targets, 3)
    h = np.c_[(features - features.mean(0)) / (features.std(0) + 1e-6), np.ones(60)]
    c = (1 / np.sqrt(np.bincount(targets)))[targets, None]
    wanted, free = np.eye(3)[targets], np.diag([1.0] * 4 + [0.0])
    formula = formulas.solved(RIDGE)
    found = computed(formula, H=h, c=c / c.mean(), D=free, Y=wanted, solve=np.linalg.solve)["W0"]
    ours, theirs = h @ found, features @ weights.T + bias
    factors = (theirs / ours).ravel()  # made sharper: one factor for all
    assert factors == pytest.approx(np.full_like(factors, factors[0]), rel=1e-3) and factors[0] >= 1


def harbour_run(folder: Path, tiny_model: Path, **train: Any) -> tuple[Workspace, str]:
    """A training of the harbour sentences as its folder would stand after three steps, and the workspace."""
    space = Workspace.open(folder / "ws")
    found = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    corpora.write(found, space.corpora)
    model = install(str(tiny_model), space.models, folder)
    inputs = {"gold": f"corpus:{found.id}", "dev": f"corpus:{found.id}", "model": f"model:{model.identity}"}
    asked = {"seed": 0, "labels": list(found.schema.labels), "train": {"steps": 20, **train}}
    run = space.store.submit(RunSpec("train", inputs, asked), {"precision": "fp32", "device": "cpu"})[0].id
    return space, run


def note(space: Workspace, run: str, *lines: Mapping[str, Any]) -> None:
    for line in lines:
        append_line(metrics_file(space.run_folder(run), 1), dict(line))


def whole(space: Workspace, run: str) -> Subject:
    found = subject(space, run)
    assert found is not None
    return found


def codes(found: Subject, step: int) -> dict[str, Any]:
    return {told.code: told for told in explained(found, step)}


def test_the_numbers_in_it_are_the_runs(tmp_path, tiny_model):
    space, run = harbour_run(tmp_path, tiny_model, learning_rate=4e-4, weight_decay=0.02, clip=0.5)
    note(space, run, {"step": 0, "total": 20, "per_epoch": 5, "tokens": 2000, "dev_tokens": 90, "s": 3.0})
    rates = [whole(space, run).train.rate(step, 20) for step in range(3)]
    note(space, run, *({"step": s + 1, "loss": 2.5 - s, "grad": 0.4 * (s + 1), "lr": rates[s], "rows": 9, "s": 4.0 + s}
                       for s in range(3)))  # fmt: skip
    found = whole(space, run)
    assert found.newest == 3 and choices(found) == [1, 2, 3] and found.classes == 2 * len(HARBOUR_LABELS) + 1
    told = codes(found, 3)
    assert told["explain_step_pass"].values == {"step": 3, "steps": 20, "pass": 1, "each": 5}
    assert told["explain_time"].values == {"seconds": 1.0, "speed": 400}
    assert "# 0.5" in told["explain_loss"].formulas[0].plain
    assert told["explain_clip"].values == {"clip": 0.5, "norm": 1.2}
    assert computed(told["explain_clip"].formulas[0], g=1.2)["g"] == pytest.approx(0.5, rel=1e-5)
    eta = computed(told["explain_rate"].formulas[0])["eta"]
    assert eta == pytest.approx(rates[2]) and f"{rates[2]:.7g} * 0.02" in told["explain_update"].formulas[0].plain
    assert "explain_clip_below" in codes(found, 1)  # .4 is below .5
    assert eta_of(found, found.moments[2]) == rates[1]
    assert "explain_push" not in told and "explain_low_rank" not in told


HARBOUR_LABELS = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus.schema.labels


def test_what_an_older_run_did_not_note_is_said(tmp_path):
    space = Workspace.open(tmp_path)
    open_sample(space, "newsroom")
    run = next(run for run in space.store.list(kind="train"))
    found = whole(space, run.id)
    told = codes(found, found.newest)
    assert "explain_clip_unknown" in told and "explain_weights_unknown" in told  # no encoder comes with a sample
    assert "norm(g)" in told["explain_clip_unknown"].formulas[0].plain
    assert "explain_update" in told  # the rate follows from the settings
    assert subject(space, next(run.id for run in space.store.list(kind="import"))) is None


def test_an_older_run_left_no_layer_as_it_was(tmp_path):
    large = tmp_path / "large"
    large.mkdir()
    (large / "config.json").write_text('{"model_type": "bert", "num_hidden_layers": 6, "hidden_size": 8}')
    assert (
        explain_below(large, [{"step": 1, "loss": 1.0, "grad": 2.0}], {})
        == methods.frozen_layers(TrainParams(), large)
        > 0
    )
    assert explain_below(large, [{"step": 1, "loss": 1.0}], {}) == 0
    assert explain_below(large, [{"step": 1, "loss": 1.0}], {"frozen_layers": 1}) == 1


def explain_below(base: Path, lines: list[dict[str, Any]], result: dict[str, Any]) -> int:
    return frozen_in(TrainParams(), base, lines, result)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"adversarial": 1.0}, "explain_push"),
        ({"method": "lora"}, "explain_low_rank"),
        ({"head": "solved"}, "explain_solved"),
        ({"layer_decay": 0.9}, "explain_by_layer"),
        ({"class_weights": "balanced"}, "explain_weighted"),
        ({"dropout": 0.2}, "explain_dropout"),
        ({"patience": 2}, "explain_patience"),
        ({"method": "frozen"}, "explain_states_all"),
        ({"frozen_layers": 1}, "explain_states_below"),
    ],
)
def test_each_method_is_told_where_it_is_used_and_nowhere_else(tmp_path, tiny_model, settings, code):
    space, run = harbour_run(tmp_path / "with", tiny_model, **settings)
    assert code in codes(whole(space, run), 1)
    space, run = harbour_run(tmp_path / "without", tiny_model, frozen_layers=0)
    assert code not in codes(whole(space, run), 1)


def test_of_many_steps_some_can_be_chosen_and_each_look_at_dev(tmp_path, tiny_model):
    space, run = harbour_run(tmp_path, tiny_model)
    note(space, run, *({"step": step, "loss": 1.0, **({"dev": 0.5} if step == 777 else {})} for step in range(1, 1001)))
    found = choices(whole(space, run))
    assert len(found) <= MOST + 2 and found == sorted(found) and {1, 777, 1000} <= set(found)


def test_formulas_are_made_of_numbers_and_fixed_signs(tmp_path, tiny_model):
    """Whatever labels are called, nothing of it reaches what is drawn as LaTeX."""
    hostile = r"\href{http://example.org}{x}"
    space, run = harbour_run(tmp_path, tiny_model, adversarial=1.0, layer_decay=0.9)
    spec = json.loads((space.run_folder(run) / "spec.json").read_text())
    spec["params"]["labels"] = [hostile]
    write_json(space.run_folder(run) / "spec.json", spec)
    drawn = "".join(f.latex for told in explained(whole(space, run), 1) for f in told.formulas)
    commands = set(re.findall(r"\\([a-zA-Z]+)", drawn))
    assert commands and "href" not in commands and "example" not in drawn


TRAININGS = (
    TrainParams(freeze_word_embeddings=False, frozen_layers=0),
    TrainParams(frozen_layers=0),
    TrainParams(frozen_layers=1),
    TrainParams(frozen_layers=2),
    TrainParams(),
    TrainParams(method="frozen"),
    TrainParams(method="lora", lora_rank=4),
    TrainParams(method="lora", lora_rank=3, frozen_layers=1),
)


@pytest.mark.parametrize("train", TRAININGS, ids=str)
def test_counted_weights_are_those_that_are_trained(tiny_model, train):
    from core.models.loading import network

    model: Any = network(tiny_model, task("tagging").head, ["a", "b", "c"])
    below = methods.frozen_layers(train, tiny_model)
    found = split(layout(tiny_model), train, below, 3)
    whole = sum(p.numel() for p in model.parameters())
    made = methods.ready(model, train, below)
    assert found.trained == sum(p.numel() for p in made.trained().values())
    adapters = sum(part.weights for part in found.portions if part.name == "adapters")
    assert found.weights == whole + adapters


def test_layers_learn_at_the_rates_that_are_written(tiny_model):
    from core.models.loading import network

    train = TrainParams(layer_decay=0.5, frozen_layers=0)
    made = methods.ready(network(tiny_model, task("tagging").head, ["a"]), train, 0)
    scales = {id(p): group["scale"] for group in methods.groups_of(made, train) for p in group["params"]}
    names = {name: scales[id(p)] for name, p in made.trained().items()}
    for number in (1, 2):  # l counts from 1
        written = computed(formulas.by_layer(0.5, 2 + 1), eta=1.0, l=number)["eta_l"]
        found = {scale for name, scale in names.items() if f".layer.{number - 1}." in name}
        assert found == {written}
    assert names["classifier.weight"] == 1.0


def test_the_command_line_fills_the_formulas_of_a_step(tmp_path, tiny_model, core):
    space, run = harbour_run(tmp_path, tiny_model)
    (space.root / "slots.json").write_text('{"light": 0, "train": 0}')  # a command starts what waits
    note(space, run, *({"step": step, "loss": 0.5, "grad": 3.0, "lr": 1e-4 * step} for step in (1, 2)))
    at = ("--workspace", space.root)
    found: Done = core("show", run, "--explain", "--json", *at, folder=tmp_path)
    told = found.json["explain"]
    assert (told["run"], told["step"]) == (run, 2) and {line["code"] for line in told["lines"]} >= {"explain_update"}
    assert any("0.0002" in formula["plain"] for line in told["lines"] for formula in line["formulas"])
    layers = [part for part in told["weights"] if part["name"] == "layer"]
    text = core("show", run, "--step", 1, *at, folder=tmp_path).stdout
    assert (
        "g = g * min(1, 1 / (3 + 1e-06))" in text
        and "m = 0.9 * m + 0.1 * g" in text
        and f"{layers[0]['weights']:,}" in text
    )
    refused = core("show", run, "--step", 3, "--json", *at, folder=tmp_path)
    assert (refused.status, refused.json["error"]["code"]) == (2, "explain_no_step")


def test_the_page_shows_the_step_that_the_address_names(tmp_path, tiny_model, open_page):
    space = Workspace.open(tmp_path)
    open_sample(space, "newsroom")
    page = open_page(space.root, "runs", project="newsroom", part="explain", repeat="0")
    assert not page.exception and len(page.latex) >= 5
    steps = page.select_slider("moment").options
    assert len(steps) > 3 and page.select_slider("moment").value == "newest"
    newest = [drawn.value for drawn in page.latex]
    page.select_slider("moment").set_value("1").run()
    assert not page.exception and page.query_params["moment"] == "1"
    assert [drawn.value for drawn in page.latex] != newest and any("eta_{1}" in drawn.value for drawn in page.latex)
