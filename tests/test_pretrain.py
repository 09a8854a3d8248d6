"""Continued pre-training: what it reads, what it learns, how it goes on, and what its model is good for."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import HARBOUR, Done
from delivered import taken_in

from core import corpus as corpora
from core import project as projects
from core.augment import make, params_of, resources
from core.augment.protocol import Child
from core.corpus import Corpus
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.formats.containing import containing
from core.formats.importing import Source
from core.formats.unlabelled import read as read_text
from core.jobs.folder import json_lines, metrics_file, write_json
from core.jobs.trainer import Context
from core.jobs.trash import delete, restore
from core.models import loading
from core.models.catalogue import at_hand, install
from core.models.masked import MaskedModel
from core.models.started import start_of
from core.params import canonical
from core.pretraining import check, outcome, perplexities, remove, runs
from core.project import Project
from core.recipe import Data, FileIngredient, Recipe
from core.runs import Cancelled, RunSpec
from core.seen import seen, told_or_refused
from core.sources import Gold, bring
from core.stage import Stage
from core.submit import cancel_all
from core.tasks import task as task_of
from core.tasks.letters import marks
from core.training import pretrain
from core.training.masking import Masking
from core.training.pretrain_loop import PretrainParams
from core.training.pretrain_text import choose, packed, rows_as_read
from core.workspace import Workspace

TAGGING = task_of("tagging")
WHOLE = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
GOLD, DEV, TEST, REST = (WHOLE.take(np.arange(*cut)) for cut in ((0, 12), (12, 18), (18, 24), (24, 60)))
PARAMS = PretrainParams(steps=24, batch_tokens=256, learning_rate=5e-3, looks=3, checkpoint_every=5)


def lines_of(corpus: Corpus) -> list[str]:
    return [" ".join(tokens) for tokens in corpus.table.column("tokens").to_pylist()]


def plain() -> list[str]:
    """Sentences so alike that a small network learns what comes next."""
    words = [*dict.fromkeys(word for row in lines_of(REST) for word in row.split() if word.isalpha())][:12]
    return [f"the {one} of the {other} left the old harbour ." for one, other in permutations(words, 2)][:90]


def text_corpus(folder: Path, lines: Sequence[str]) -> Corpus:
    file = folder / "more.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_text(file, name=file.name, options=ReadOptions(format="text"), task=TAGGING).corpus


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("pretrain") / "w")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Corpus:
    """Rows of running text: one holds a row of dev, one is a row of test, one stands twice."""
    more = [*plain(), f"He said: {lines_of(DEV)[0]}", lines_of(TEST)[0], plain()[0]]
    return text_corpus(tmp_path_factory.mktemp("text"), more)


class Stopped(Context):
    """An attempt that ends after so many steps, wherever it is."""

    steps = 8

    def point(self, name: str) -> None:
        object.__setattr__(self, "steps", self.steps - (name == "step"))
        if self.steps < 0:
            raise Cancelled


@dataclass(frozen=True)
class Asked:
    """A run that was written down, to be carried out in this process."""

    space: Workspace
    spec: RunSpec
    resolved: Mapping[str, Any]

    def context(self, attempt: int = 1, kind: Callable[..., Context] = Context) -> Context:
        folder = self.space.run_folder(self.spec.id)
        folder.mkdir(exist_ok=True)
        write_json(folder / "spec.json", self.spec.to_json())
        write_json(folder / "resolved.json", self.resolved)
        return kind(self.space.root, folder, self.spec, self.resolved, attempt)

    def weights(self) -> str:
        file = self.space.run_folder(self.spec.id) / "model" / "model.safetensors"
        return hashlib.sha256(file.read_bytes()).hexdigest()


def asked(space: Workspace, model: Path, texts: Mapping[str, Corpus], params: PretrainParams, repeat: int = 0) -> Asked:
    base = install(str(model), space.models, space.root)
    for corpus in (*texts.values(), DEV, TEST):
        corpora.write(corpus, space.corpora)
    ids = {role: corpus.id for role, corpus in texts.items()} | {"dev": DEV.id, "test": TEST.id}
    inputs = {"model": f"model:{base.identity}"} | {role: f"corpus:{id}" for role, id in ids.items()}
    places = {"model": f"models/{base.identity}"} | {role: f"corpora/{id}.arrow" for role, id in ids.items()}
    resolved = {"inputs": places, "device": "cpu", "precision": "fp32", "threads": 1}
    return Asked(space, RunSpec("pretrain", inputs, canonical(params), repeat), resolved)


@pytest.fixture(scope="module")
def done(space: Workspace, tiny_model, text: Corpus) -> Asked:
    """An encoder without a head for masked words, pre-trained undisturbed."""
    found = asked(space, tiny_model, {"gold": GOLD, "text:more": text}, PARAMS)
    pretrain.run(found.context())
    taken_in(space, found.spec)
    return found


def test_what_is_read_and_what_is_left_out(text: Corpus):
    rows = choose({"gold": GOLD, "text:more": text}, [DEV, TEST])
    assert (rows.left_out, rows.twice) == (2, 1)
    assert rows.read + rows.kept_apart + rows.left_out + rows.near + rows.twice == len(GOLD) + len(text)
    held = {*marks(DEV.table).tolist(), *marks(TEST.table).tolist()}
    learned, apart = (
        {
            mark
            for role, some in part.items()
            for mark in marks({"gold": GOLD, "text:more": text}[role].take(some).table)
        }
        for part in (rows.learned, rows.held_out)
    )
    assert learned and apart and not learned & apart and not (learned | apart) & held
    more = choose({"text:more": text}, [DEV, TEST])  # what is kept apart hangs on the text alone
    at = text.take(more.held_out["text:more"]).table
    assert {*marks(at).tolist()} <= {int(mark) for mark in apart}


def test_what_a_row_holds_is_found_whatever_cut_it_into_words():
    held = pa.table({"tokens": [["The", "old", "harbour", "is", "closed", "to", "ships", "."], ["Thank", "you", "."]]})
    rows = [
        "He said:The old harbour is closed to ships.So.",
        "the old harbour is closed to ships.",
        "Thank you.",
        "Thank you. Bye.",
    ]
    assert containing(pa.table({"text": rows}), held).tolist() == [True, False, True, False]


def test_what_nearly_stands_in_dev_is_left_out(tmp_path: Path):
    longest = max(lines_of(DEV), key=len)
    rows = choose({"text:more": text_corpus(tmp_path, [*plain(), longest[:-4] + " too"])}, [DEV])
    assert (rows.near, rows.left_out, rows.read + rows.kept_apart) == (1, 0, len(plain()))


def test_too_little_text_is_refused(text: Corpus):
    with pytest.raises(CoreError) as caught:
        choose({"text:more": text.take(np.arange(9))}, [DEV])
    assert caught.value.code == "pretrain_little"


def test_what_can_be_read_is_named(space: Workspace, text: Corpus):
    part = FileIngredient("more.txt", options=ReadOptions(unlabelled=True))
    recipe = Recipe(Data(train="a", dev="b"), space.root, "r.yaml", "r", ingredients={"more": part})
    stage = Stage({"corpora": {}, "covered": {"pool:more": []}}, {"gold": GOLD, "more": text})
    assert check(recipe, stage, (), True).texts == ("more",)
    with pytest.raises(CoreError) as caught:
        check(recipe, stage, ("less",), True)
    assert (caught.value.code, caught.value.values["known"]) == ("pretrain_text", "more")
    with pytest.raises(CoreError) as caught:
        check(replace(recipe, ingredients={}), stage, (), False)
    assert caught.value.code == "pretrain_nothing"


def test_long_rows_become_several_and_lose_nothing(tiny_model):
    tokenizer, rows = loading.tokenizer(tiny_model), {"gold": np.arange(len(GOLD))}
    whole, parted = (rows_as_read({"gold": GOLD}, rows, tokenizer, length) for length in (128, 8))
    assert parted.lengths.max() == 8 < whole.lengths.max()
    special = tokenizer.encode("").ids
    assert [i for i in parted.ids if i not in special] == [i for i in whole.ids if i not in special]
    stream = packed({"gold": GOLD}, rows, tokenizer, special[1], 32)
    assert set(stream.lengths[:-1]) == {32} and stream.ids.tolist().count(special[1]) >= len(GOLD) - 1


def test_masking_is_as_devlin_has_it():
    ids, rng = np.tile(np.arange(4, 104), (100, 1)), np.random.default_rng(0)
    masking = Masking(1, np.array([1, 2, 3]), np.arange(4, 104), 0.15)
    read, at, told = masking.hide(ids, np.ones_like(ids, dtype=bool), rng)
    assert np.array_equal(ids.reshape(-1)[at], told) and len(at) / ids.size == pytest.approx(0.15, abs=0.01)
    stands = read.reshape(-1)[at]
    assert (stands == 1).mean() == pytest.approx(0.8, abs=0.05)
    assert ((stands != 1) & (stands != told)).mean() == pytest.approx(0.1, abs=0.03)
    rest = np.delete(read.reshape(-1), at)
    assert np.array_equal(rest, np.delete(ids.reshape(-1), at))
    assert len(masking.hide(ids[:1, :1], np.ones((1, 1), dtype=bool), rng)[1]) == 1


def test_perplexity_falls_and_the_rest_is_told(space: Workspace, done: Asked, text: Corpus):
    run = space.store.get(done.spec.id)
    found = outcome(space, run)
    assert found.head_made and found.objective == "masked"
    assert found.after < 0.8 * found.before
    assert [step for step, _ in found.perplexity] == [0, 3, 8, 16, 24]  # 3: the head alone
    assert perplexities(space, run) == list(found.perplexity)
    rows = choose({"gold": GOLD, "text:more": text}, [DEV, TEST])
    assert (sum(found.rows.values()), found.held_out, found.left_out["stands"]) == (rows.read, rows.kept_apart, 2)
    lines = json_lines(metrics_file(space.run_folder(run.id), 1))
    assert len([line for line in lines if "loss" in line]) == PARAMS.steps


def test_the_head_that_was_made_learns_alone_first(space: Workspace, tiny_model, text: Corpus):
    base = install(str(tiny_model), space.models, space.root).folder
    again = asked(space, tiny_model, {"text:more": text}, replace(PARAMS, steps=20, checkpoint_every=2))
    with pytest.raises(Cancelled):  # in the third step; the checkpoint is of the second, which ends the head's tenth
        pretrain.run(again.context(kind=type("Early", (Stopped,), {"steps": 2})))
    from safetensors.torch import load_file

    [kept] = (space.run_folder(again.spec.id) / "checkpoints").glob("step-*2")
    now, before = load_file(str(kept / "model.safetensors")), load_file(str(base / "model.safetensors"))
    assert all(now[f"bert.{name}"].equal(value) for name, value in before.items() if f"bert.{name}" in now)
    assert not now["cls.predictions.bias"].eq(0).all()


def test_killed_and_resumed_it_ends_with_the_same_bits(space: Workspace, tiny_model, text: Corpus, done: Asked):
    found = asked(space, tiny_model, {"gold": GOLD, "text:more": text}, PARAMS, repeat=1)
    with pytest.raises(Cancelled):
        pretrain.run(found.context(kind=Stopped))  # in the ninth step; the checkpoint is of the fifth
    pretrain.run(found.context(attempt=2))
    lines = json_lines(metrics_file(space.run_folder(found.spec.id), 2))
    assert next(line["step"] for line in lines if "loss" in line) == 6
    assert found.weights() == done.weights()
    results = [space.result(one.spec.id)["perplexity"] for one in (found, done)]
    assert results[0] == results[1]


def test_its_model_is_a_start_like_any_other(space: Workspace, done: Asked, text: Corpus, tiny_model):
    name = f"run:{done.spec.id}"
    folder = install(name, space.models, space.root).folder
    assert at_hand(name, space.root, space.models) == folder and folder.name == space.result(done.spec.id)["model"]
    start = start_of(folder)
    assert start is not None and start.pretraining is not None and start.labels == ()
    assert start.pretraining.read == sum(outcome(space, space.store.get(done.spec.id)).rows.values())
    import torch

    torch.manual_seed(0)
    found: Any = loading.network(folder, TAGGING.head, TAGGING.classes(("PER",)))
    base: Any = loading.network(install(str(tiny_model), space.models, space.root).folder, TAGGING.head, ("O",))
    table = "bert.embeddings.word_embeddings.weight"
    assert not found.state_dict()[table].equal(base.state_dict()[table])
    texts = "transformers:AutoModelForSequenceClassification"
    loading.network(folder, texts, ("a", "b"))  # the pooler, which the head for masked words has no use for, is kept


def test_what_it_has_read_is_held_against_dev_and_test(space: Workspace, done: Asked, text: Corpus):
    folder = install(f"run:{done.spec.id}", space.models, space.root).folder
    ids = {"dev": DEV.id, "test": TEST.id}
    assert [one.rows for one in seen(space, folder, ids)] == [0, 0]
    with pytest.raises(CoreError) as caught:  # another project's dev is what this one read
        told_or_refused(space, f"run:{done.spec.id}", folder, ids | {"dev": text.id})
    assert caught.value.code == "model_saw_much"


def test_the_head_is_kept_for_words_that_it_expects(space: Workspace, done: Asked):
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    folder = install(f"run:{done.spec.id}", space.models, space.root).folder
    _, told = AutoModelForMaskedLM.from_pretrained(str(folder), output_loading_info=True)
    assert not told["missing_keys"] and AutoTokenizer.from_pretrained(str(folder)).mask_token == "[MASK]"
    assert MaskedModel(folder, "it").expected(["Captain", "left", "Oslo", "."], [1], 5)[0]
    given, rows = {"model": f"model:{folder.name}", "rate": 0.3}, TAGGING.examples(REST.table)
    method = make("masked_lm", params_of("masked_lm", given), resources("masked_lm", given, rows, "en", space.root))
    born = [method.augment(row, 0, Random(at)) for at, row in enumerate(rows)]
    assert any(isinstance(child, Child) for child in born)


def test_a_decoder_learns_the_next_sub_token(space: Workspace, tmp_path: Path, text: Corpus):
    import torch
    from transformers import AutoModelForCausalLM

    base = decoder(tmp_path / "tiny-gpt")
    found = asked(space, base, {"text:more": text}, replace(PARAMS, max_length=32))
    pretrain.run(found.context())
    result = space.result(found.spec.id)
    assert (result["objective"], result["head_made"]) == ("causal", False)
    assert result["after"] < 0.8 * result["before"]
    folder = install(f"run:{found.spec.id}", space.models, space.root).folder
    model, told = AutoModelForCausalLM.from_pretrained(str(folder), output_loading_info=True)
    assert not told["missing_keys"]
    rows = choose({"text:more": text}, [DEV, TEST])
    apart = packed({"text:more": text}, rows.held_out, loading.running_tokenizer(base), 256, 32)
    blocks = [torch.from_numpy(apart.ids[begin:end][None]).long() for begin, end in pairwise(apart.ends)]
    sums = [float(model(ids, labels=ids).loss.detach()) * (ids.numel() - 1) for ids in blocks]
    mean = sum(sums) / sum(ids.numel() - 1 for ids in blocks)
    assert np.exp(mean) == pytest.approx(result["after"], rel=1e-3)  # transformers asks for the next one


def decoder(folder: Path) -> Path:
    """A GPT-2 of one layer over characters."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {"vocab_size": 257, "n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=256, eos_token_id=256)).save_pretrained(folder)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: at for at, letter in enumerate([*alphabet, "<end>"])}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def project(tmp_path: Path, tiny_model) -> tuple[Workspace, Project]:
    """A project whose text without labels holds a row of its dev."""
    home, blocks = Workspace.open(tmp_path / "w"), HARBOUR.read_text().strip().split("\n\n")
    sources, inputs = {}, {}
    for role, some in (("train", blocks[:12]), ("dev", blocks[12:24])):
        file = tmp_path / f"{role}.conll"
        file.write_text("\n\n".join(some) + "\n")
        sources[role], inputs[role] = Source(file.name), f"file:{home.add_file(file, file.name)}"
    held = " ".join(line.split()[0] for line in blocks[13].splitlines())
    (tmp_path / "more.txt").write_text("\n".join([*plain(), f"She wrote: {held}"]) + "\n")
    part = FileIngredient(str(tmp_path / "more.txt"), options=ReadOptions(unlabelled=True))
    found = bring(home, "harbour", Gold(sources, inputs), "en")

    def change(project: Project) -> Project:
        train = replace(project.recipe.train, model=str(tiny_model), steps=2)
        return replace(project, recipe=replace(project.recipe, ingredients={"more": part}, train=train))

    return home, projects.edit(home, found.slug, change, {"event": "settings"})


def test_the_command_and_the_page(here: Callable[..., Done], open_page: Any, project: tuple[Workspace, Project]):
    home, about = project
    at = ("--workspace", home.root, "--json")
    told = here("pretrain", about.slug, "--steps", 8, "--learning-rate", "5e-3", *at)
    assert told.status == 0, told.stderr
    assert told.json["left_out"]["stands"] == 1 and set(told.json["rows"]) == {"gold", "text:more"}
    assert told.json["after"] < told.json["before"]
    run = told.json["run"]
    page = open_page(home.root, "models", project=about.slug)
    assert page.multiselect(key=f"models_pretrain_{about.slug}").value == ["more"]
    assert any("Left out: 1 rows" in one.value for one in page.markdown)
    assert page.get("plotly_chart")
    page.button(key=f"models_pretrain_use_{run}").click().run()
    assert not page.exception and projects.load(home, about.slug).recipe.train.model == f"run:{run}"
    with pytest.raises(CoreError) as caught:
        remove(home, run)
    assert caught.value.code == "pretrain_in_use"
    page.number_input(key="models_pretrain_steps").set_value(10).run()
    page.button(key="models_pretrain_go").click().run()
    assert not page.exception
    [second, first] = runs(home, about.slug)
    assert first.id == run and second.kind == "pretrain"
    spec = json.loads((home.run_folder(second.id) / "spec.json").read_text())
    assert spec["inputs"]["model"].removeprefix("model:") == home.result(run)["model"]  # it goes on from the first
    cancel_all(home, [second.id])
    projects.edit(home, about.slug, lambda p: replace(p, recipe=about.recipe), {"event": "settings"})
    delete(home.root, [second.id])
    remove(home, run)
    assert not [*home.models.glob("*/start.json")] and not runs(home, about.slug)
    restore(home.root, [run])
    assert install(f"run:{run}", home.models, home.root).folder.name == home.result(run)["model"]
