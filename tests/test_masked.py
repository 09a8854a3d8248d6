"""Masked language models: what they expect, and the children that come of it."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from core.augment import make, params_of, resources
from core.augment.protocol import Child, Example, Rejected, rng_for
from core.errors import CoreError
from core.jobs.folder import read_json
from core.models.catalogue import DEFAULT, install
from core.models.masked import MaskedModel
from core.pipeline import staged
from core.recipe import load
from core.tasks import task
from core.tasks.example import OUTSIDE, restore, spans
from core.workspace import Workspace
from tests.conftest import HARBOUR

SENTENCES = [
    tuple(line.split("\t")[0] for line in block.split("\n") if line)
    for block in HARBOUR.read_text().split("\n\n")
    if block.strip()
]
ROW = Example(
    b"r" * 32,
    (*["Captain", "Lopez", "left", "the", "old", "harbour", "of", "Oslo", "and"], "secret", "."),
    ("O", "B-PER", "O", "O", "O", "O", "O", "B-LOC", "O", None, "O"),
)


@pytest.fixture(scope="session")
def masked(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A folder with a masked language model that has learned the harbour corpus by heart, or nearly."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    torch.manual_seed(0)
    model: Any = BertForMaskedLM(BertConfig.from_pretrained(str(tiny_model)))
    tokenizer.enable_padding()
    rows = tokenizer.encode_batch([[*words] for words in SENTENCES[:3]], is_pretokenized=True)
    ids, there = (torch.tensor([getattr(row, name) for row in rows]) for name in ("ids", "attention_mask"))
    tokenizer.no_padding()
    optimizer, mask = torch.optim.AdamW(model.parameters(), 5e-3), tokenizer.token_to_id("[MASK]")
    for _ in range(200):
        hidden = (torch.rand(ids.shape) < 0.3) & (there > 0)
        labels = ids.masked_fill(there == 0, -100)
        loss = model(input_ids=ids.masked_fill(hidden, mask), attention_mask=there, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("models") / "masked"
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("ws"))


def method(space: Workspace, folder: Path, **params: object) -> Any:
    found = install(str(folder), space.models, Path())
    given = {"model": f"model:{found.identity}", **params}
    return make("masked_lm", params_of("masked_lm", given), resources("masked_lm", given, [ROW], "en", space.root))


def child(maker: Any, row: Example, copy: int) -> Child | Rejected:
    return maker.augment(row, copy, rng_for(0, "masked_lm", row.id, copy))


def test_what_a_model_has_learned_is_what_it_expects(masked: Path):
    model, right, asked = MaskedModel(masked, "masked"), 0, 0
    for words in SENTENCES[:3]:
        for at in (at for at, word in enumerate(words) if word.isalpha()):
            [found] = model.expected(words, [at], 5)
            chances = [chance for _, chance in found]
            assert len(found) == 5 and chances == sorted(chances, reverse=True) and sum(chances) <= 1.001
            right += found[0][0] == words[at].lower()
            asked += 1
    assert right / asked > 0.7


def test_places_are_masked_at_once_and_told_in_the_order_that_was_asked(masked: Path):
    model, words = MaskedModel(masked, "masked"), SENTENCES[0]
    both = model.expected(words, [2, 1], 3)
    assert both == [*reversed(model.expected(words, [1, 2], 3))] and all(len(found) == 3 for found in both)
    assert model.expected(["left"] * 600, [599, 0], 3)[0] == []  # beyond what it reads


@pytest.mark.parametrize("way", ["replace", "insert"])
def test_only_words_outside_mentions_change_and_order_makes_no_difference(space: Workspace, masked: Path, way: str):
    maker = method(space, masked, way=way, rate=0.3)
    made = {copy: child(maker, ROW, copy) for copy in range(30)}
    again = method(space, masked, way=way, rate=0.3)
    assert made == {copy: child(again, ROW, copy) for copy in reversed(range(30))}
    found = [one for one in made.values() if isinstance(one, Child)]
    assert len(found) > 25 and len({one.tokens for one in found}) > 15
    for one in found:
        assert restore(one) == ROW.tokens
        kept = [(s.label, one.tokens[s.start : s.end]) for s in spans(one.tags)]
        assert kept == [("PER", ("Lopez",)), ("LOC", ("Oslo",))]
        assert one.tokens[one.tags.index(None)] == "secret" and one.tags.count(None) == 1
        grown = len(one.tokens) - len(ROW.tokens)
        assert grown == (sum(c.end - c.start for c in one.changes) if way == "insert" else 0)
        for change in one.changes:
            new, tags = one.tokens[change.start : change.end], one.tags[change.start : change.end]
            assert all(word.isalpha() for word in new) and {*tags} == {OUTSIDE}
            assert [word.casefold() for word in new] != [word.casefold() for word in change.was]
            assert way == "insert" or new[0].istitle() == change.was[0].istitle()


def test_a_name_is_never_put_in(space: Workspace, masked: Path):
    """Words of mentions, and what a model writes with a capital."""
    maker = method(space, masked, rate=1.0, likeliest=100)
    names = {ROW.tokens[at].casefold() for at, tag in enumerate(ROW.tags) if tag not in ("O", None)}
    assert [word for word, _ in maker._common([("Paris", 0.5), ("oslo", 0.3), ("sea", 0.2)])] == ["sea"]
    for copy in range(20):
        made = child(maker, ROW, copy)
        assert isinstance(made, Child)
        assert not names & {made.tokens[at].casefold() for at, tag in enumerate(made.tags) if tag == "O"}


def test_names_numbers_and_rows_of_mentions_are_left(space: Workspace, masked: Path):
    maker = method(space, masked, rate=1.0)
    row = Example(b"n" * 32, ("The", "NATO", "of", "Paris", "10"), (OUTSIDE,) * 5)
    for copy in range(10):
        made = child(maker, row, copy)
        assert isinstance(made, Child) and made.tokens[1] == "NATO" and made.tokens[3:] == ("Paris", "10")
    assert isinstance(maker.augment(Example(b"", ("Bob",), ("B-PER",)), 0, Random(0)), Rejected)
    assert isinstance(method(space, masked, way="insert").augment(Example(b"", (), ()), 0, Random(0)), Rejected)


@pytest.mark.parametrize("folder", ["encoder", "bundled"])
def test_an_encoder_without_a_head_for_words_is_refused(space: Workspace, tiny_model: Path, folder: str):
    name = str(tiny_model) if folder == "encoder" else DEFAULT
    with pytest.raises(CoreError) as error:
        method(space, Path(name))
    assert error.value.code == "model_not_masked"


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
def test_whole_words_of_other_vocabularies(tmp_path: Path, kind: str):
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from tokenizers import decoders as back

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    if kind == "bytes":
        tokenizer, decoder = Tokenizer(models.BPE(unk_token="<unk>")), back.ByteLevel()
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer: Any = trainers.BpeTrainer(special_tokens=special, vocab_size=300, show_progress=False)
        config: Any = transformers.RobertaConfig
        network: Any = transformers.RobertaForMaskedLM
    else:
        tokenizer, decoder = Tokenizer(models.Unigram()), back.Metaspace()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            special_tokens=special, vocab_size=200, unk_token="<unk>", show_progress=False
        )
        config, network = transformers.XLMRobertaConfig, transformers.XLMRobertaForMaskedLM
    tokenizer.train_from_iterator([" ".join(words) for words in SENTENCES] * 5, trainer)
    tokenizer.decoder = decoder
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    network(
        config(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64, pad_token_id=1, **size)
    ).save_pretrained(tmp_path, safe_serialization=True)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    [found] = MaskedModel(tmp_path, "x").expected(["the", "harbour"], [1], 500)
    words = {word for word, _ in found}
    assert "the" in words and len(words) > 20 and all(word.isalpha() and not {"▁", "Ġ"} & {*word} for word in words)


def test_a_recipe_names_a_model_beside_it(tmp_path: Path, masked: Path):
    space = Workspace.open(tmp_path / "ws")
    (tmp_path / "train.conll").write_text(HARBOUR.read_text())
    (tmp_path / "dev.conll").write_text("Ib\tO\nslept\tO\n\n")
    (tmp_path / "r.yaml").write_text(
        "version: 1\ndata: {train: train.conll, dev: dev.conll}\ningredients:\n"
        f"  expected: {{augmenter: masked_lm, params: {{model: {masked}, rate: 0.3}}}}\n"
    )
    stage, _ = staged(space, load(tmp_path / "r.yaml"), lambda runs: None)
    assert len(stage.pools["expected"]) > len(stage.pools["gold"]) / 2
    (run,) = space.store.list(kind="augment")
    spec = read_json(space.run_folder(run.id) / "spec.json")
    assert (
        spec["inputs"]["param:model"]
        == spec["params"]["params"]["model"]
        == f"model:{next(space.models.iterdir()).name}"
    )
    assert "masked" not in str(spec["params"]["params"])


def test_what_it_has_learned_surprises_it_less(masked: Path):
    model = MaskedModel(masked, "masked")
    turned = [tuple(reversed(words)) for words in SENTENCES[:3]]
    known, strange = model.surprise(SENTENCES[:3]), model.surprise(turned)
    assert (known < 0.5 * strange).all()
    one = model.surprise(SENTENCES[1:2])
    assert one == pytest.approx(known[1:2], abs=1e-5)  # whatever stands beside it
    assert model.surprise([()]).tolist() == [0.0]


def test_children_that_read_worse_are_left_out(masked: Path, space: Workspace, tmp_path: Path):
    (tmp_path / "few.conll").write_text("\n\n".join(HARBOUR.read_text().strip().split("\n\n")[:3]) + "\n")
    (tmp_path / "dev.conll").write_text("Ib\tO\nslept\tO\n\n")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "version: 1\ndata: {train: few.conll, dev: dev.conll}\ningredients:\n"
        "  moved: {augmenter: swap, params: {rate: 0.05}, copies: 3, "
        f"checks: {{perplexity: 2.5, masked_lm: {masked}}}}}\n"
    )
    stage, rejected = staged(space, load(recipe), lambda runs: None)
    assert rejected["reads_badly"] and len(stage.pools["moved"]) + sum(rejected.values()) == 9
    parents = {row.id: row.tokens for row in task("tagging").examples(stage.pools["gold"].table)}
    model, left = MaskedModel(masked, "masked"), stage.pools["moved"].table
    before = model.surprise([parents[id] for id in left.column("parent").to_pylist()])
    times = [round(float(one), 4) for one in np.exp(model.surprise(left.column("tokens").to_pylist()) - before)]
    assert times and max(times) <= 2.5
    (run, *_) = space.store.list(kind="augment")
    spec = read_json(space.run_folder(run.id) / "spec.json")
    assert spec["inputs"]["masked_lm"] == spec["params"]["checks"]["masked_lm"]
    assert "encoder" not in spec["inputs"]
    assert space.result(run.id)["audit"]["perplexity"] == pytest.approx(np.quantile(times, (0.25, 0.5, 0.75)), rel=1e-3)


def test_an_encoder_without_a_head_for_words_cannot_check(tmp_path: Path, space: Workspace):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        f"version: 1\ndata: {{file: {HARBOUR}}}\ningredients: {{x: {{augmenter: swap, checks: {{perplexity: 2}}}}}}\n"
    )
    with pytest.raises(CoreError) as error:
        load(recipe)
    assert error.value.code == "perplexity_model"
