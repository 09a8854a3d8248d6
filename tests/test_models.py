"""Model folders are checked before anything in them is loaded."""

import json
import struct

import pytest

from core.errors import CoreError
from core.models.catalogue import BUNDLED, DEFAULT, bundled_is_intact, install
from core.models.checks import check_folder, manifest_of
from core.models.loading import longest_input, pad_id, tokenizer


def safetensors(values: bytes = b"\0" * 4) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, len(values)]}}).encode()
    return struct.pack("<Q", len(header)) + header + values


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"model_type": "bert", "pad_token_id": 3}))
    (place / "model.safetensors").write_bytes(safetensors())
    (place / "tokenizer.json").write_text("{}")
    return place


def code_of(folder) -> str:
    with pytest.raises(CoreError) as caught:
        check_folder(folder, "model")
    return caught.value.code


def test_a_clean_folder_passes(folder):
    check_folder(folder, "model")


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    assert code_of(folder) == "model_no_weights"


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "training_args.bin", "x.pt", "x.pth", "x.pkl", "x.ckpt", "X.BIN"]
)
def test_a_pickle_beside_good_weights_is_refused(folder, name):
    (folder / name).write_bytes(b"\x80\x04.")
    assert code_of(folder) == "model_pickle"


def test_a_pickle_renamed_to_safetensors_is_refused(folder):
    (folder / "model.safetensors").write_bytes(b"\x80\x04\x95" + b"x" * 100)
    assert code_of(folder) == "model_bad_weights"


@pytest.mark.parametrize("cut", [0, 4, 20, -1])
def test_truncated_weights_are_refused(folder, cut):
    (folder / "model.safetensors").write_bytes(safetensors()[:cut])
    assert code_of(folder) == "model_bad_weights"


@pytest.mark.parametrize(
    "extra",
    [
        {"auto_map": {"AutoModel": "m.M"}},
        {"trust_remote_code": True},
        {"_attn_implementation": "x/y"},
        {"_attn_implementation_internal": "x"},
        {"text_config": {"auto_map": {}}},
        {"encoders": [{"auto_map": {}}]},
    ],
)
def test_code_in_the_configuration_is_refused(folder, extra):
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **extra}))
    assert code_of(folder) == "model_code"


def test_code_that_a_tokeniser_asks_for_is_refused(folder):
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["tok.Tok", None]}}))
    assert code_of(folder) == "model_code"


def test_a_deep_configuration_is_looked_through_to_its_end(folder):
    deep: object = {"auto_map": {}}
    for _ in range(800):  # far above what a recursive search survives under a page's own stack
        deep = [deep]
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "x": deep}))
    assert code_of(folder) == "model_code"


@pytest.mark.parametrize(
    "header",
    [
        '{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, "8"]}}',
        '{"w": {"dtype": "F32", "shape": [2], "data_offsets": [-4, 8]}}',
        '{"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}',
        '{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}}',
        "[" * 200_000,
    ],
)
def test_weights_whose_places_are_none_are_refused(folder, header):
    head = header.encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(8))
    assert code_of(folder) == "model_bad_weights"


@pytest.mark.parametrize("text", ["", "[]", "{}", "{nonsense", "[" * 100_000])
def test_a_configuration_that_is_none_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    assert code_of(folder) == "model_bad_config"


def test_identity_follows_content_and_nothing_else(folder, tmp_path):
    before = manifest_of(folder)
    (folder / "notes.txt").write_text("not part of a model")
    assert manifest_of(folder) == before
    (folder / "model.safetensors").write_bytes(safetensors(b"\1\0\0\0"))
    assert manifest_of(folder) != before


def test_the_bundled_model_installs_once_and_is_what_notice_says(tmp_path):
    first = install(DEFAULT, tmp_path / "models", tmp_path)
    assert install(DEFAULT, tmp_path / "models", tmp_path) == first
    assert bundled_is_intact(DEFAULT)
    assert (first.folder / "model.safetensors").stat().st_size > 90_000_000
    assert tokenizer(first.folder).token_to_id("[CLS]") == 101
    assert (pad_id(first.folder), longest_input(first.folder, 256), longest_input(first.folder, 4096)) == (0, 256, 512)
    notice = (BUNDLED[DEFAULT].sha256, "NOTICE")
    from pathlib import Path

    assert notice[0] in (Path(__file__).parents[1] / notice[1]).read_text()


def test_a_name_that_is_nothing_says_what_is_at_hand(tmp_path):
    with pytest.raises(CoreError) as caught:
        install("./nowhere", tmp_path / "models", tmp_path)
    assert caught.value.code == "model_missing"
    assert DEFAULT in str(caught.value.values["known"])


def test_byte_level_tokenisers_learn_that_words_come_one_by_one(folder, tmp_path):
    (folder / "tokenizer.json").write_text(
        json.dumps({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False}})
    )
    installed = install(str(folder), tmp_path / "models", tmp_path)
    assert json.loads((installed.folder / "tokenizer.json").read_text())["pre_tokenizer"]["add_prefix_space"] is True
    assert json.loads((folder / "tokenizer.json").read_text())["pre_tokenizer"]["add_prefix_space"] is False
