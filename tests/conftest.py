"""What several tests need: a very small pre-trained model, and the command line as a process of its own."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.forked import Nursery, heed_interrupts

ROOT = Path(__file__).parents[1]
HARBOUR = ROOT / "core" / "samples" / "harbour" / "harbour.conll"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # children need not compile what other children have compiled
os.environ["PEIBI_WARM"] = "0"  # no trainer stands by: each test has its own
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


FIRST = (  # the slowest files; a worker with one that computes meets one that waits
    *("test_journeys", "test_durable", "test_contract", "test_warm", "test_app_survives", "test_faults"),
    *("test_kill", "test_jobs", "test_demo", "test_archive", "test_storage_page", "test_project"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="every test and repetition (make whole), not only the core")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "whole: slow, and another test shows nearly the same: only with --whole")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The slowest files first, so that the workers end at the same time; and the core alone without --whole."""
    rank = {name: at for at, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    if not config.getoption("--whole"):
        dropped = [item for item in items if item.get_closest_marker("whole")]
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if not item.get_closest_marker("whole")]


@pytest.fixture(scope="session")
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether every repetition is asked for, or as many as every test run has."""
    return bool(request.config.getoption("--whole"))


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON value and nothing else."""
        return json.loads(self.stdout)

    @property
    def complaints(self) -> list[str]:
        """The lines on standard error that say no progress ("import 0123456789abcdef: running", "... 3/10 ...")."""
        return [line for line in self.stderr.split("\n") if line and not _is_progress(line)]


def _is_progress(line: str) -> bool:
    kind, _, rest = line.partition(" ")
    run_id, colon, _ = rest.partition(":")
    kinds = ("import", "augment", "train", "evaluate", "model_export", "export", "unpack")
    return bool(colon) and kind in kinds and len(run_id) == 16


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: no network, no settings of whoever runs the tests, English."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("PEIBI_", "HF_", "LC_"))}
    return mine | {"PYTHONPATH": str(ROOT), "PEIBI_WARM": "0", "LANG": "C.UTF-8", "HF_HUB_OFFLINE": "1"} | more


def start(arguments: Sequence[object], folder: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """`python -m core ARGUMENTS` as a process, run from `folder`."""
    command = [sys.executable, "-m", "core", *(str(argument) for argument in arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        cwd=folder,
        env=dict(env or environment()),
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 -- no other thread of the tests holds a lock here
    )


def ended(process: subprocess.Popen[str], timeout: float = 120) -> Done:
    """Wait for a command; it is killed where it takes longer than `timeout` seconds."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"still running after {timeout} s: {stderr}") from None
    return Done(process.returncode, stdout, stderr)


@pytest.fixture(scope="session")
def core() -> Generator[Callable[..., Done]]:
    """Call `python -m core ARGUMENTS` from a folder and wait: core("run", "r.yaml", "--json", folder=f) -> Done."""
    nursery = Nursery(environment())

    def call(*arguments: object, folder: Path, env: Mapping[str, str] | None = None, timeout: float = 120) -> Done:
        words = [str(argument) for argument in arguments]
        return Done(*nursery.call(words, folder, env or environment(), timeout))

    yield call
    nursery.close()


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """A command in this process, for tests that hold torch already: here("predict", RUN, text=b"...") -> Done."""
    from core.__main__ import main

    monkeypatch.setenv("PEIBI_LANG", "en")

    def call(*arguments: object, text: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"))
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    return call


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[..., Any]]:
    """A page of the app in this process: open_page(root of the workspace, "runs", scope="all") -> AppTest, run once."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    def opened(root: Path, name: str, **query: str) -> AppTest:
        monkeypatch.setenv("PEIBI_HOME", str(root))
        page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        page.query_params.update({"lang": "en", **query})
        page.run().switch_page(f"pages/{name}.py")
        page.query_params.update(query)  # switching the page drops them
        page.run()
        assert not page.exception
        return page

    st.cache_resource.clear()
    yield opened
    st.cache_resource.clear()


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what methods make once and keep (see core.augment.built), shared by all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tables"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT of 2 layers, 32 wide, whose WordPiece vocabulary has the words of the harbour corpus."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    words = sorted({line.split("\t")[0].lower() for line in HARBOUR.read_text().split("\n") if line})
    vocabulary = [*SPECIAL, *words]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder, safe_serialization=True)
    wordpiece(vocabulary).save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of one layer over bytes that has learned nothing."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("models") / "tiny-gpt"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({name: at for at, name in enumerate([*alphabet, "<|end|>"])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    torch.manual_seed(0)
    sizes: dict[str, int] = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 1024, "vocab_size": 257}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=256, eos_token_id=256)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def masked_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """The same with a head that predicts words, which has learned nothing."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("models") / "tiny-masked"
    torch.manual_seed(0)
    config: Any = BertConfig.from_pretrained(str(tiny_model))
    BertForMaskedLM(config).save_pretrained(folder, safe_serialization=True)
    shutil.copyfile(tiny_model / "tokenizer.json", folder / "tokenizer.json")
    return folder


def wordpiece(vocabulary: Sequence[str]) -> Any:
    """A lower-casing WordPiece tokeniser, as BERT's."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"]))
    return tokenizer
