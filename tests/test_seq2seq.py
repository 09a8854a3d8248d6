"""Models that translate: what they write is the same in any batch, and what becomes of it as back-translation."""

import json
import random
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.augment import make, params_of, resources
from core.augment.pool import AugmentParams, build_pool
from core.augment.protocol import Child, Example, Rejected, rng_for
from core.errors import CoreError
from core.jobs.folder import read_json
from core.models.catalogue import install
from core.models.languages import token
from core.models.seq2seq import Seq2SeqModel
from core.pipeline import staged
from core.recipe import load
from core.runs import located
from core.tasks import task
from core.workspace import Workspace
from tests.test_augment import assert_holds, corpus_of
from tests.test_translation import SENTENCES

THERE = {
    "we watched the fire from our house in": "wir sahen das feuer von unserem haus in",
    "for two weeks.": "zwei wochen lang.",
    "did n't come to work because of the heavy rain...": "kam nicht zur arbeit wegen des starken regens...",
    "before you go home tonight": "bevor du heute abend heim gehst",
}
BACK = {
    "wir sahen das feuer von unserem haus in": "we saw the blaze from our home in",
    "zwei wochen lang.": "during two weeks.",
    "kam nicht zur arbeit wegen des starken regens...": "was not at work for the strong rain...",
    "bevor du heute abend heim gehst": "before you walk home this evening",
}


def spm(folder: Path, pairs: dict[str, str]) -> dict[str, int]:
    """`source.spm` and `vocab.json` as Marian has them: whole words, and letters for all others. -> the vocabulary"""
    from transformers.utils import sentencepiece_model_pb2_new as sentencepiece

    proto: Any = sentencepiece.ModelProto()
    kinds = [("<unk>", 2), ("<s>", 3), ("</s>", 3)]
    source = sorted({f"▁{word}" for text in pairs for word in text.split()} | {*"▁abcdefghijklmnopqrstuvwxyz"})
    for name, kind in [*kinds, *((piece, 1) for piece in source)]:
        proto.pieces.add(piece=name, score=0.0 if kind != 1 else -1.0 if len(name) > 1 else -5.0, type=kind)
    proto.normalizer_spec.add_dummy_prefix = True
    (folder / "source.spm").write_bytes(proto.SerializeToString())
    target = sorted({f"▁{word}" for text in pairs.values() for word in text.split()} - {*source})
    vocabulary = {name: at for at, name in enumerate(["</s>", "<unk>", *source, *target, "<pad>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    return vocabulary


def marian(folder: Path, pairs: dict[str, str], steps: int) -> Path:
    """A Marian of one layer that has learned these pairs by heart, or nothing at all."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    from core.models.marian import tokenizer

    folder.mkdir()
    vocabulary = spm(folder, pairs)
    pad, size = vocabulary["<pad>"], {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "d_model": 32}
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    ids = {"pad_token_id": pad, "decoder_start_token_id": pad, "eos_token_id": 0, "forced_eos_token_id": 0}
    torch.manual_seed(0)
    config = MarianConfig(vocab_size=len(vocabulary), max_position_embeddings=128, dropout=0.0, **size, **layers, **ids)
    model: Any = MarianMTModel(config)
    cut = tokenizer(folder)
    cut.enable_padding(pad_id=pad)
    inputs = cut.encode_batch([*pairs])
    x, there = (torch.tensor([getattr(row, name) for row in inputs]) for name in ("ids", "attention_mask"))
    words = [[*(vocabulary[f"▁{word}"] for word in text.split()), 0] for text in pairs.values()]
    longest = max(map(len, words))
    y = torch.tensor([[*row, *[-100] * (longest - len(row))] for row in words])
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(steps):
        model(input_ids=x, attention_mask=there, labels=y).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Generator[None]:
    """Models as small as these only get slower with more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models that know four sentences there and back, and one that knows nothing."""
    place = tmp_path_factory.mktemp("translators")
    return {
        "there": marian(place / "there", THERE, 150),
        "back": marian(place / "back", BACK, 150),
        "random": marian(place / "random", THERE, 0),
    }


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("ws"))


@pytest.fixture(scope="module")
def held(space: Workspace, folders: dict[str, Path]) -> dict[str, str]:
    """The same, installed: `model:IDENTITY` by name."""
    return {name: f"model:{install(str(folder), space.models, Path()).identity}" for name, folder in folders.items()}


def loaded(space: Workspace, held: dict[str, str], name: str) -> Seq2SeqModel:
    return Seq2SeqModel(space.root / located(held[name]), name)


def method(space: Workspace, rows: list[Example], **params: object) -> Any:
    given = resources("back_translation", params, rows, "en", space.root)
    return make("back_translation", params_of("back_translation", params), given)


def test_a_vocabulary_of_marian_becomes_a_tokeniser(space: Workspace, held: dict[str, str], folders: dict[str, Path]):
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(space.root / located(held["there"]) / "tokenizer.json"))
    vocabulary = json.loads((folders["there"] / "vocab.json").read_text())
    ids = made.encode("we watched  the zebra").ids
    assert ids[:3] == [vocabulary[f"▁{word}"] for word in ("we", "watched", "the")] and ids[-1] == vocabulary["</s>"]
    assert [made.id_to_token(id) for id in ids[3:-1]] == [*"▁zebra"]
    assert made.encode("haus").tokens == [*"▁haus", "</s>"]  # a word of the other language, which no text is cut into
    assert made.decode([vocabulary["▁wir"], vocabulary["▁sahen"], 0]) == "wir sahen"


def test_what_a_model_has_learned_is_what_it_writes(space: Workspace, held: dict[str, str]):
    there, back = loaded(space, held, "there"), loaded(space, held, "back")
    found = there.translate([*THERE], "en", "de", [0] * 4, 0.0)
    assert found == [*THERE.values()]
    assert back.translate(found, "de", "en", [0] * 4, 0.0) == [BACK[text] for text in found]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_becomes_the_same_in_any_batch_and_order(space: Workspace, held: dict[str, str], temperature: float):
    model, rng = loaded(space, held, "random"), random.Random(0)
    words = " ".join(THERE).split()
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 12))) for _ in range(24)]
    draws = [*range(24)]
    together = model.translate(texts, "en", "de", draws, temperature)
    ways = zip(texts, draws, strict=True)
    alone = [model.translate([text], "en", "de", [draw], temperature)[0] for text, draw in ways]
    back = model.translate(texts[::-1], "en", "de", draws[::-1], temperature)[::-1]
    assert together == alone == back and len(set(together)) > 5


def test_what_is_drawn_hangs_on_the_draw_and_leaves_chance_alone(space: Workspace, held: dict[str, str]):
    import torch

    model = loaded(space, held, "there")
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
    text = next(iter(THERE))
    drawn = [model.translate([text], "en", "de", [draw], 1.5)[0] for draw in (1, 2, 3, 4, 1)]
    assert drawn[0] == drawn[4] and len(set(drawn)) > 2
    assert (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()) == before


def test_a_draw_follows_the_probabilities():
    import torch

    from core.models.sampling import Choice

    logits = torch.tensor([2.0, 1.0, 0.0, -1.0]).repeat(4000, 1)
    counts = torch.bincount(Choice(range(4000), 1.0)(None, logits).argmax(-1), minlength=4) / 4000
    assert torch.allclose(counts, logits[0].softmax(-1), atol=0.03)


def test_too_long_a_text_is_lost_and_nothing_else(space: Workspace, held: dict[str, str]):
    text = next(iter(THERE))
    found = loaded(space, held, "there").translate(["the " * 500, text], "en", "de", [0, 0], 0.0)
    assert found == ["", THERE[text]]


@pytest.mark.parametrize("mode", ["segments", "markers"])
def test_a_sentence_comes_back_in_other_words(space: Workspace, held: dict[str, str], mode: str):
    rows = task("tagging").examples(corpus_of(SENTENCES).table)
    params = {"there": held["there"], "back": held["back"], "pivot": "de", "mode": mode, "rate": 1.0}
    maker = method(space, rows, **params)
    made = [(row, maker.augment(row, 0, rng_for(0, "b", row.id, 0))) for row in rows]
    for row, child in made:
        if isinstance(child, Child):
            assert_holds("back_translation", row, child)
    if mode == "segments":
        first = made[0][1]
        assert isinstance(first, Child)
        assert " ".join(first.tokens) == "we saw the blaze from our home in New York during two weeks ."


@pytest.mark.parametrize("params", [{"pivot": "de, fr"}, {"temperature": 1.0}, {"pivot": "de,fr", "temperature": 0.7}])
def test_children_are_the_same_announced_or_not_and_in_any_order(
    space: Workspace, held: dict[str, str], params: dict[str, Any], tmp_path: Path
):
    rows = task("tagging").examples(corpus_of(SENTENCES).table)
    whole = {"there": held["random"], **params}
    jobs = [(row, copy) for row in rows for copy in range(4)]

    def made(some: list[tuple[Example, int]], tell: bool, at: str) -> dict[Any, Child | Rejected]:
        given = resources("back_translation", whole, rows, "en", space.root)
        from dataclasses import replace

        maker = make("back_translation", params_of("back_translation", whole), replace(given, cache=tmp_path / at))
        if tell:
            maker.ahead([(row, rng_for(5, "b", row.id, copy)) for row, copy in some])  # pyright: ignore
        return {(row.id, copy): maker.augment(row, copy, rng_for(5, "b", row.id, copy)) for row, copy in some}

    first = made(jobs, True, "a")
    assert first == made(jobs[::-1], False, "b")
    if "temperature" in params:
        assert any(first[rows[0].id, 0] != first[rows[0].id, copy] for copy in range(1, 4))


def test_translations_of_models_are_kept_by_what_they_are(space: Workspace, held: dict[str, str], tmp_path: Path):
    """The same models need not be asked again; others, or another temperature, do."""
    import sqlite3

    corpus = corpus_of(SENTENCES)

    def kept(**params: object) -> int:
        build_pool(corpus, AugmentParams("back_translation", params), space.root, set(), lambda: None)
        with sqlite3.connect(space.root / "cache" / "translations.db") as db:
            return db.execute("SELECT count(*) FROM translations").fetchone()[0]

    base = {"there": held["there"], "back": held["back"], "pivot": "de"}
    first = kept(**base)
    assert kept(**base) == first
    other = kept(**base, temperature=0.5)
    assert other > first and kept(**base, temperature=0.5) == other
    assert kept(**base | {"there": held["random"]}) > other


def test_chinese_is_translated_as_text_and_cut_into_characters(space: Workspace, held: dict[str, str]):
    from core.augment.back_translation import BackTranslation, BackTranslationParams

    sentence = "我/O _们/O _住/O _在/O _北/B-LOC _京/I-LOC _的/O _老/O _城/O _里/O _。/O"
    rows = task("tagging").examples(corpus_of((sentence,), "zh").table)
    params = {"there": held["random"], "pivot": "en", "rate": 1.0}
    maker = BackTranslation(
        BackTranslationParams(**params), resources("back_translation", params, rows, "zh", space.root)
    )
    assert maker.texts(rows[0], random.Random(0)) == ["我们住在", "的老城里。"]
    assert [*maker._cut("我们在city", ())] == ["我", "们", "在", "city"]  # pyright: ignore


@pytest.mark.parametrize(
    ("code", "spelt"),
    [
        ("en", ["eng_Latn", "en_XX", "__en__", "<2en>", ">>en<<", ">>eng<<"]),
        ("zh", ["zho_Hans", "zh_CN", "__zh__", ">>zho_Hans<<"]),
        ("sw", ["sw_KE", "__sw__"]),
    ],
)
def test_languages_as_models_spell_them(code: str, spelt: list[str]):
    assert all(token(code).fullmatch(one) for one in spelt)
    assert not any(token("de").fullmatch(one) for one in spelt)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"temperature": 1.0}, "translator_incomplete"),
        ({"back": "x"}, "translator_incomplete"),
        ({"pivot": "de, fr"}, "no_translation"),
    ],
)
def test_what_makes_no_translator_is_refused(space: Workspace, params: dict[str, Any], code: str, held: dict[str, str]):
    if "back" in params:
        params = {"back": held["back"]}
    with pytest.raises(CoreError) as error:
        method(space, [], **params)
    assert error.value.code == code


def test_a_model_that_writes_nothing_is_refused(space: Workspace, tiny_model: Path):
    identity = install(str(tiny_model), space.models, Path()).identity
    with pytest.raises(CoreError) as error:
        method(space, [], there=f"model:{identity}")
    assert error.value.code == "model_not_seq2seq"


def test_a_recipe_names_translators_by_their_folders(tmp_path: Path, folders: dict[str, Path]):
    words = [word.removeprefix("_").rpartition("/") for word in SENTENCES[0].split()]
    (tmp_path / "train.conll").write_text("\n".join(f"{word}\t{tag}" for word, _, tag in words) + "\n\n")
    (tmp_path / "dev.conll").write_text("Ib\tB-PER\nslept\tO\n\n")
    (tmp_path / "r.yaml").write_text(
        "version: 1\ndata: {train: train.conll, dev: dev.conll}\ningredients:\n  other: {augmenter: back_translation, "
        f"params: {{rate: 1.0, pivot: de, there: {folders['there']}, back: {folders['back']}}}}}\n"
    )
    space = Workspace.open(tmp_path / "ws")
    stage, _ = staged(space, load(tmp_path / "r.yaml"), lambda runs: None)
    [run] = space.store.list(kind="augment")
    spec = read_json(space.run_folder(run.id) / "spec.json")
    identity = install(str(folders["there"]), space.models, Path()).identity
    assert spec["inputs"]["param:there"] == f"model:{identity}" == spec["params"]["params"]["there"]
    assert "blaze" in str(stage.pools["other"].table.column("tokens").to_pylist())
