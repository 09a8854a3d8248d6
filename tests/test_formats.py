"""Reading and writing files: every rule of docs/formats.md, and that no row is lost without a reason."""

import codecs
import gzip
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpus import numbered
from core.errors import CoreError
from core.formats import ReadOptions, read, text_lines, write
from core.formats.protocol import Read
from core.formats.tagged import schemes
from core.formats.tagged.writing import conll as write_conll
from core.tasks.tagging import TABLE, content, spans
from core.tasks.tokenise import tokenise

ROOT = Path(__file__).parents[1]
DATA = os.environ.get("PEIBI_DATA")
GOOD = "a\tO\nb\tB-PER\n\n"
quick = settings(max_examples=60, deadline=None)


def load(path: Path, data: str | bytes, **options) -> Read:
    """Read `data` as a file, and check what holds of everything that is read."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    out = read(path, name="up.txt", options=ReadOptions(**options))
    dropped = [issue for issue in out.issues if issue.action == "dropped"]
    assert out.rows_in == len(out.corpus) + len(dropped)
    assert len({issue.row for issue in dropped}) == len(dropped)
    assert all(issue.file == "up.txt" for issue in out.issues)
    assert out.corpus.table.schema == TABLE and out.lines.dtype == np.int64 and len(out.lines) == len(out.corpus)
    table = out.corpus.table.to_pydict()
    ids = numbered([content(*row) for row in zip(table["tokens"], table["tags"], strict=True)])
    assert table["id"] == table["origin"] == ids and set(table["parent"]) == {None}
    seen = {tag[2:] for tags in table["tags"] for tag in tags if tag not in (None, "O")}
    assert out.corpus.schema.labels == tuple(sorted(seen))
    for tags in table["tags"]:  # strict IOB2: every I- goes on with something
        assert sum(tag is not None and tag[0] == "B" for tag in tags) == len(spans(tags))
        assert sum(s.end - s.start for s in spans(tags)) == sum(tag not in (None, "O") for tag in tags)
    for text, starts, ends, tokens in zip(*(table[c] for c in ("text", "starts", "ends", "tokens")), strict=True):
        if text is not None:
            assert [text[s:e] for s, e in zip(starts, ends, strict=True)] == tokens
    return out


def rows(out: Read) -> list[tuple[list[str], list[str]]]:
    table = out.corpus.table.to_pydict()
    return list(zip(table["tokens"], table["tags"], strict=True))


def issues(out: Read) -> list[tuple[int | None, str, str]]:
    return [(issue.row, issue.code, issue.action) for issue in out.issues]


def refused(path: Path, data: str | bytes, **options) -> CoreError:
    with pytest.raises(CoreError) as caught:
        load(path, data, **options)
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


# Lines and bytes


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 16])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_every_line_end_and_encoding_reads_the_same_at_every_block_size(file, monkeypatch, encoding, end, block):
    monkeypatch.setattr(text_lines, "BLOCK", block)
    text = "Ünï\tO\n😀👍🏽\tB-PER\n北京\tI-PER\n \t \n\na\u2028b\u0085c\u00a0d\tO\n\nlast\tO".replace("\n", end)
    data = (codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b"") + text.encode(encoding)
    out = load(file, data)
    assert rows(out) == [
        (["Ünï", "😀👍🏽", "北京"], ["O", "B-PER", "I-PER"]),
        (["a\u2028b\u0085c\u00a0d"], ["O"]),
        (["last"], ["O"]),
    ]
    assert out.lines.tolist() == [1, 6, 8] and out.issues == []


def test_a_carriage_return_is_a_line_end_whatever_ends_the_others(file):
    assert rows(load(file, "a O\rb O\r\n\r\nc O\n")) == [(["a", "b"], ["O", "O"]), (["c"], ["O"])]


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (GOOD.encode() + b"\xff\xfe\tO\n", "bad_encoding", 4),
        (GOOD.encode() + b"x\tO\n\xed\xa0\x80\tO\n", "bad_encoding", 5),
        (GOOD.encode() + b"abc\xe4\xb8", "bad_encoding", 4),
        (GOOD.encode() + b"a\0b\tO\n", "binary_file", 4),
        (codecs.BOM_UTF16_LE + (GOOD + "x").encode("utf-16-le") + b"\x00\xd8\n\x00", "bad_encoding", 4),
        (codecs.BOM_UTF16_LE + GOOD.encode("utf-16-le") + b"\x20", "bad_encoding", 4),
        (GOOD.encode("utf-16-le"), "binary_file", 1),
        (GOOD.encode() + b"x" * 1_000_001 + b"\tO\n", "line_too_long", 4),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_line(file, data, code, line):
    error = refused(file, data)
    assert (error.code, error.values["file"], error.values["line"]) == (code, "up.txt", line)


def test_a_line_of_a_megabyte_is_read(file):
    assert rows(load(file, "x" * 999_990 + "\tO\n"))[0][1] == ["O"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n123", "PNG"),
        (b"PK\x03\x04abc", "ZIP"),
        (gzip.compress(GOOD.encode(), mtime=0), "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"PAR1\x15\0", "Parquet"),
        (b"\x80\x04\x95\x00", "pickle"),
        (b" <!DOCTYPE html>\n<html>", "HTML"),
        (b'[{"tokens": ["a"], "tags": ["O"]}]', "JSON"),
        (b'[\n  {"tokens": ["a"]}\n]', "JSON"),
        (b'{\n "data": []}', "JSON"),
        (b'{"data": [\n{"tokens": ["a"], "tags": ["O"]},\n{"tokens": ["a"], "tags": ["O"]}]}', "JSON"),
    ],
)
def test_another_kind_of_file_is_named(file, data, kind):
    error = refused(file, data)
    assert error.code == "wrong_type" and str(error.values["kind"]).startswith(kind)


def test_files_that_cannot_be_read(tmp_path):
    for path, code in ((tmp_path / "no", "file_missing"), (tmp_path, "file_unreadable")):
        with pytest.raises(CoreError) as caught:
            read(path, name="up.txt", options=ReadOptions())
        assert caught.value.code == code
    assert refused(tmp_path / "empty", b"").code == "empty_file"
    assert refused(tmp_path / "mark", codecs.BOM_UTF8).code == "empty_file"
    assert refused(tmp_path / "other", GOOD, format="xml").code == "unknown_format"


def test_a_line_of_100_megabytes_costs_no_memory(file):
    with file.open("wb") as stream:
        for _ in range(100):
            stream.write(b"x" * 1_000_000)
    code = f"""
import resource, sys
from pathlib import Path
from core.errors import CoreError
from core.formats import ReadOptions, read
import core.formats.tagged.conll, core.formats.tagged.jsonl
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for format in ("conll", "jsonl"):
    try:
        read(Path({str(file)!r}), name="x", options=ReadOptions(format=format))
    except CoreError as error:
        print(error.code, error.values["line"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *codes, growth = done.stdout.split("\n")[:-1]
    assert codes == ["line_too_long 1"] * 2 and int(growth) < 20_000  # KiB


# CoNLL


def test_columns_separators_and_options(file):
    four = "EU NNP B-NP B-ORG\nrejects \t VBZ  B-VP O \n\n"
    out = load(file, four)
    assert rows(out) == [(["EU", "rejects"], ["B-ORG", "O"])]
    assert (out.layout.separator, out.layout.columns, out.layout.scheme) == ("space", 4, "IOB2")
    assert rows(load(file, four, tag_column=2))[0][1] == ["B-NP", "B-VP"]
    assert rows(load(file, four, tag_column=-2, token_column=1))[0] == (["NNP", "VBZ"], ["B-NP", "B-VP"])
    assert rows(load(file, "New York\tB-LOC\n x \tO\n")) == [(["New York", " x "], ["B-LOC", "O"])]
    assert rows(load(file, "a\tb O\n", separator="space", tag_column=-1))[0] == (["a"], ["O"])
    assert refused(file, four, tag_column=7).code == "column_missing"
    assert refused(file, four, token_column=3).code == "columns_same"
    assert refused(file, four, separator=";").code == "bad_value"
    assert refused(file, "one\ntwo\n\nthree\n").code == "tags_missing"
    assert refused(file, four, scheme="XYZ").code == "unknown_scheme"


@pytest.mark.parametrize("block", [4, 1 << 16])
def test_document_lines_and_comments_are_no_rows(file, monkeypatch, block):
    monkeypatch.setattr(text_lines, "BLOCK", block)
    text = "# a comment\n# sent\n-DOCSTART-\tO\na\tO\n-DOCSTART- x\nb\tO\n\n# id = 7\n# more\nc\tO\n#\tO\n\n"
    out = load(file, text)
    assert rows(out) == [(["a"], ["O"]), (["b"], ["O"]), (["c", "#"], ["O", "O"])]
    assert out.lines.tolist() == [4, 6, 10] and issues(out) == [(None, "no_labels", "kept")]
    out = load(file, "# a b c\n# O\nx O\n\ny O\n# no comment here\n")
    assert rows(out) == [(["#", "x"], ["O", "O"])]  # two fields are a token; inside a sentence nothing is a comment
    assert (6, "ragged_row", "dropped") in issues(out)


@pytest.mark.parametrize("block", [5, 1 << 16])
def test_one_bad_line_drops_its_sentence_with_one_issue(file, monkeypatch, block):
    monkeypatch.setattr(text_lines, "BLOCK", block)
    bad = ["x\n", "x\ty\tO\n", "\tO\n", "\u3000\tO\n", "x\t\n", "x\tB-\n", "x\tPER\n", "x\tB- \n", "x\tB-a\x01\n"]
    codes = ["ragged_row"] * 2 + ["empty_token"] * 2 + ["bad_tag"] * 5
    out = load(file, GOOD * 10 + "".join(f"ok\tO\n{line}x\n\n" for line in bad) + GOOD)
    assert len(out.corpus) == 11 and out.rows_in == 20
    assert issues(out) == [(32 + 4 * i, code, "dropped") for i, code in enumerate(codes)]
    assert out.issues[1].values == {"fields": 3, "columns": 2} and out.issues[5].values == {"tag": "B-"}
    assert out.lines.tolist()[-1] == 67


def test_files_without_use_are_refused(file):
    for text in ("\n \n", "# only\n", "-DOCSTART- O\n\n", "token\ttag\n", "Word POS NER_tag\n\n"):
        assert refused(file, text).code == "no_usable_rows", text
    error = refused(file, "a\tO\nb\tO\nx\n\n")
    assert (error.code, error.values["dropped"], error.values["line"]) == ("no_usable_rows", 1, 3)
    error = refused(file, GOOD + "a\tO\nx\n\n" * 2)
    assert error.code == "mostly_ragged" and error.values == {"file": "up.txt", "rows": 3, "dropped": 2, "line": 5}
    assert len(load(file, GOOD * 2 + "a\tO\nx\n\n" * 2).corpus) == 2  # half is not more than half


def test_a_header_is_no_token(file):
    out = load(file, "# c\nToken\tTag\na\tB-X\n\n")
    assert rows(out) == [(["a"], ["B-X"])] and issues(out) == [(None, "header_skipped", "kept")]
    assert out.issues[0].values == {"line": 2}


def test_labels_are_counted_and_compared(file):
    many = "".join(f"x\tB-L{i}\n\n" for i in range(501))
    assert refused(file, many).values == {"count": 501, "limit": 500}
    assert refused(file, "".join(f"x\tw{i}\n\n" for i in range(40_000))).code == "too_many_labels"
    out = load(file, "x\tB-PER\n\nx\tB-per\n\nx\tB-É\n\nx\tB-E\u0301\n\n")
    assert issues(out) == [(None, "label_lookalike", "kept")] * 2
    assert len(out.corpus.schema.labels) == 4


def test_unknown_tags_are_null(file):
    out = load(file, "x\t_\ny\tI-A\nz\tB-B\n\n")
    assert rows(out) == [(["x", "y", "z"], [None, "B-A", "B-B"])]
    assert issues(out) == [(None, "tags_unknown", "kept"), (2, "tag_repaired", "repaired")]


def test_equal_rows_get_their_own_ids(file):
    ids = load(file, GOOD * 3 + "q\tO\n\n" + GOOD).corpus.table.column("id").to_pylist()
    assert len(set(ids)) == 5


def test_a_sentence_may_be_longer_than_many_blocks(file, monkeypatch):
    monkeypatch.setattr(text_lines, "BLOCK", 64)
    long = "".join(f"w{i}\t{'B' if i % 9 == 0 else 'I'}-A\n" for i in range(500))
    out = load(file, GOOD + long + "\n" + GOOD + "x\n\n" + long)
    assert [len(tokens) for tokens, _ in rows(out)] == [2, 500, 2, 500]
    assert issues(out) == [(508, "ragged_row", "dropped")]


def plain_reader(text: str, separator: str, columns: int) -> list[tuple[int, list[str] | None]]:
    """The rules of docs/formats.md once more, line by line: (first line, tokens or None if dropped) per sentence."""
    out: list[tuple[int, list[str] | None]] = []
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split("\t") if separator == "tab" else line.replace("\t", " ").split(" ")
        fields = fields if separator == "tab" else [field for field in fields if field]
        whole = len(fields) == columns
        document = line.startswith("-DOCSTART-") and line[10:11] in ("", "\t", " ")
        if not line.strip(" \t") or document or (line.isspace() and not whole):
            inside = False
            continue
        if not inside and not whole and line.startswith("# ") and (separator == "space" or "\t" not in line):
            continue
        if not inside:
            out.append((number, []))
        inside = True
        tokens = out[-1][1]
        if not whole or not fields[0] or fields[0].isspace() or fields[-1] not in ("O", "B-X"):
            out[-1] = (out[-1][0], None)
        elif tokens is not None:
            tokens.append(fields[0])
    return out


pieces = st.sampled_from(
    [
        "a",
        "b",
        "\t",
        " ",
        "\n",
        "\n\n",
        "# ",
        "O\n",
        "\tO\n",
        "\tO\n",
        " O\n",
        " O\n",
        "\tB-X\n",
        "-DOCSTART-",
        "\u00a0",
        "é",
    ]
)


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(pieces, min_size=1, max_size=60), block=st.sampled_from([1, 3, 8, 1 << 16]))
def test_reading_in_blocks_is_reading_line_by_line(tmp_path_factory, parts, block):
    text = "".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK", block)
        try:
            out = load(tmp_path_factory.mktemp("b") / "f", text, scheme="IOB2", format="conll")
        except CoreError as error:
            assert error.code in ("no_usable_rows", "mostly_ragged", "tags_missing")
            return
    expected = plain_reader(text, out.layout.separator or "", out.layout.columns)
    assert out.rows_in == len(expected)
    assert list(zip(out.lines.tolist(), [tokens for tokens, _ in rows(out)], strict=True)) == [
        row for row in expected if row[1] is not None
    ]


# Schemes


SCHEMES = {
    "IO": lambda i, n: "",
    "IOB2": lambda i, n: "B-" if i == 0 else "I-",
    "BIOES": lambda i, n: "S-" if n == 1 else "B-" if i == 0 else "E-" if i == n - 1 else "I-",
    "BILOU": lambda i, n: "U-" if n == 1 else "B-" if i == 0 else "L-" if i == n - 1 else "I-",
    "BMES": lambda i, n: "S-" if n == 1 else "B-" if i == 0 else "E-" if i == n - 1 else "M-",
}


def encoded(mentions: list[tuple[str, int]], scheme: str) -> list[str]:
    """Tags of a row given as (label or "", length) in order."""
    tags: list[str] = []
    before = ""
    for label, length in mentions:
        for i in range(length):
            if not label:
                tags.append("O")
            elif scheme == "IOB1":
                tags.append(("B-" if i == 0 and label == before else "I-") + label)
            else:
                tags.append(SCHEMES[scheme](i, length) + label)
        before = label
    return tags


mention_rows = st.lists(
    st.lists(st.tuples(st.sampled_from(["", "", "PER", "Ort-1"]), st.integers(1, 4)), min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("scheme", [*SCHEMES, "IOB1"])
@pytest.mark.parametrize("format", ["conll", "jsonl"])
@quick
@given(data=mention_rows)
def test_every_scheme_becomes_the_same_iob2(tmp_path_factory, scheme, format, data):
    if scheme == "IO":  # it can't tell neighbours of one label apart
        data = [[m for i, m in enumerate(row) if i == 0 or m[0] != row[i - 1][0]] for row in data]
    lists = [(encoded(row, scheme), encoded(row, "IOB2")) for row in data]
    if format == "conll":
        text = "".join("".join(f"t\t{tag}\n" for tag in tags) + "\n" for tags, _ in lists)
    else:
        text = "".join(json.dumps({"tokens": ["t"] * len(tags), "tags": tags}) + "\n" for tags, _ in lists)
    for given_scheme in (None, scheme):
        out = load(tmp_path_factory.mktemp("s") / "f", text, scheme=given_scheme)
        if given_scheme or scheme in ("IOB2", "IO"):
            assert [tags for _, tags in rows(out)] == [tags for _, tags in lists]
        assert all(issue.action == "kept" for issue in out.issues)


def test_the_scheme_is_recognised_over_the_whole_file(file):
    iob1 = "a\tI-X\n\nb\tI-X\nc\tB-X\nd\tI-Y\n\n"
    out = load(file, iob1)
    assert out.layout.scheme == "IOB1" and issues(out) == [(None, "scheme_converted", "kept")]
    assert [tags for _, tags in rows(out)] == [["B-X"], ["B-X", "B-X", "B-Y"]]
    out = load(file, iob1, scheme="bio")
    assert issues(out) == [(1, "tag_repaired", "repaired"), (3, "tag_repaired", "repaired")]
    assert out.issues[1].values == {"count": 2}
    out = load(file, GOOD + "a\tI-X\nb\tB-\n\n", scheme="IOB2")
    assert issues(out) == [(5, "bad_tag", "dropped")]  # a dropped row isn't repaired as well
    out = load(file, "a\tB-X\nb\tI-Y\n\nc\tB-X\n\nd\tO\ne\tI-X\nf\tI-X\n\n")
    assert out.layout.scheme == "IOB2"
    assert issues(out) == [(2, "tag_repaired", "repaired"), (7, "tag_repaired", "repaired")]
    assert [tags for _, tags in rows(out)] == [["B-X", "B-Y"], ["B-X"], ["O", "B-X", "I-X"]]
    out = load(file, "a\tPER\nb\tPER\nc\tcreative-work\n\n")
    assert out.layout.scheme == "IO" and rows(out)[0][1] == ["B-PER", "I-PER", "B-creative-work"]
    out = load(file, "a\tB-X\nb\tE-X\nc\tI-X\nd\tE-X\ne\tE-X\nf\tS-X\ng\tM-X\n\n")
    assert out.layout.scheme == "BIOES"
    assert rows(out)[0][1] == ["B-X", "I-X", "B-X", "I-X", "B-X", "B-X", "B-X"]
    assert (3, "tag_repaired", "repaired") in issues(out)


def test_position_digits_are_recognised_and_stripped(file):
    weibo = "我0\tO\n爱0\tO\n北0\tB-LOC\n京1\tI-LOC\n10\tO\n11\tO\n\n科0\tO\n技1\tO\n\n"
    out = load(file, weibo)
    assert [tokens for tokens, _ in rows(out)] == [list("我爱北京11"), list("科技")]
    assert out.layout.position_digits and issues(out) == [(None, "position_digits", "repaired")]
    for other in ("t0\tO\nt1\tO\nt2\tO\n\n", "我1\tO\n爱2\tO\n\n科1\tO\n", "我0\tO\n爱3\tO\n北7\tO\n"):
        out = load(file, other)
        assert not out.layout.position_digits and rows(out)[0][0][0] == other[:2]


# JSON Lines


def lines(*records) -> str:
    return "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)


OK = {"tokens": ["a", "b"], "tags": ["O", "B-X"]}


def test_every_shape_of_a_record(file):
    text = "Zoë 住在北京 😀 , New York!"
    spans_ = [[0, 3, "PER"], [6, 8, "LOC"], [13, 21, "LOC"]]
    dicts = [{"start": s, "end": e, "label": n, "id": 1} for s, e, n in spans_]
    doccano = [{"start_offset": s, "end_offset": e, "label": n} for s, e, n in spans_]
    out = load(
        file,
        lines(
            {"text": text, "spans": dicts, "meta": {"x": [1.5, None]}},
            "",
            {"text": text, "entities": spans_},
            {"text": text, "label": spans_},
            {"text": text, "entities": doccano},
            {"text": text, "labels": list(reversed(spans_))},
            OK,
            {"tokens": ["a", "b"], "ner_tags": ["O", "B-X"]},
            {"tokens": ["a", "b"], "labels": ["O", None]},
        ),
    )
    tokens = ["Zoë", "住", "在", "北", "京", "😀", ",", "New", "York", "!"]
    tags = ["B-PER", "O", "O", "B-LOC", "I-LOC", "O", "O", "B-LOC", "I-LOC", "O"]
    assert rows(out)[:5] == [(tokens, tags)] * 5 and rows(out)[5:7] == [(["a", "b"], ["O", "B-X"])] * 2
    assert rows(out)[7] == (["a", "b"], ["O", None])
    assert out.lines.tolist() == [1, 3, 4, 5, 6, 7, 8, 9] and out.layout.format == "jsonl"
    assert out.corpus.table.column("text").to_pylist() == [text] * 5 + [None] * 3
    words = {"words": ["a"], "ner": ["B-X"]}
    assert rows(load(file, lines(words), columns={"tokens": "words", "tags": "ner"})) == [(["a"], ["B-X"])]


BAD_RECORDS = [
    ("nonsense", "bad_json"),
    ('{"tokens": ["a"], "tags": ["O"]', "bad_json"),
    ("[" * 100_000, "json_too_deep"),
    ('{"tokens": ["a"], "tags": ["O"], "n": ' + "9" * 5000 + "}", "bad_number"),
    ('{"tokens": ["a"], "tags": ["O"], "n": NaN}', "bad_number"),
    ('{"tokens": ["a"], "tags": ["O"], "n": 1e999}', "bad_number"),
    ('{"tokens": ["a"], "tags": ["O"], "tags": ["O"]}', "duplicate_key"),
    ('{"tokens": ["\\ud800"], "tags": ["O"]}', "lone_surrogate"),
    ('{"tokens": ["a"], "tags": ["\\udfff"]}', "lone_surrogate"),
    ('{"text": "\\ud800 a", "spans": []}', "lone_surrogate"),
    ("[1, 2]", "not_object"),
    ("null", "not_object"),
    ({"text": "a"}, "fields_missing"),
    ({}, "fields_missing"),
    ({"tokens": "a", "tags": ["O"]}, "tokens_not_strings"),
    ({"tokens": ["a", 1], "tags": ["O", "O"]}, "tokens_not_strings"),
    ({"tokens": ["a"], "tags": [0]}, "tags_not_strings"),
    ({"tokens": ["a"], "tags": ["O", "O"]}, "length_mismatch"),
    ({"tokens": [], "tags": []}, "no_tokens"),
    ({"text": " \n", "spans": []}, "no_tokens"),
    ({"tokens": [" "], "tags": ["O"]}, "empty_token"),
    ({"tokens": ["a\tb"], "tags": ["O"]}, "bad_token"),
    ({"text": "a \0", "spans": []}, "bad_token"),
    ({"tokens": ["a"], "tags": ["B-"]}, "bad_tag"),
    ({"text": 7, "spans": []}, "text_not_string"),
    ({"text": "a", "spans": {}}, "spans_malformed"),
    ({"text": "a", "spans": [[0, 1]]}, "spans_malformed"),
    ({"text": "a", "spans": [[0, True, "X"]]}, "spans_malformed"),
    ({"text": "a", "spans": [[0, 1, ""]]}, "bad_tag"),
    ({"text": "abc", "spans": [[1, 9, "X"]]}, "span_outside"),
    ({"text": "abc", "spans": [[-2, 1, "X"]]}, "span_outside"),
    ({"text": "abc", "spans": [[2, 1, "X"]]}, "span_outside"),
    ({"text": "a b", "spans": [[1, 1, "X"]]}, "span_empty"),
    ({"text": "a b", "spans": [[1, 2, "X"]]}, "span_empty"),
    ({"text": "abc d", "spans": [[1, 3, "X"]]}, "span_off_boundary"),
    ({"text": "abc d", "spans": [[0, 4, "X"], [4, 5, "Y"]]}, None),
    ({"text": "a b c", "spans": [[0, 3, "X"], [2, 5, "Y"]]}, "span_nested"),
    ({"text": "a b c", "spans": [[0, 5, "X"], [2, 3, "Y"]]}, "span_nested"),
]


def test_every_bad_record_is_dropped_with_its_reason(file):
    records = [record for record, _ in BAD_RECORDS]
    out = load(file, lines(*[OK] * 50, *records))
    expected = [(51 + i, code, "dropped") for i, (_, code) in enumerate(BAD_RECORDS) if code]
    assert [issue for issue in issues(out) if issue[2] == "dropped"] == expected
    found = {issue.code: issue.values for issue in out.issues}
    assert found["length_mismatch"] == {"tokens": 1, "tags": 2}
    assert found["span_off_boundary"]["surface"] == "bc" and found["duplicate_key"] == {"key": "tags"}
    assert [i for i in issues(out) if i[2] == "repaired"] == [(86, "span_trimmed", "repaired")]


def test_mostly_bad_records_are_refused(file):
    assert refused(file, lines(OK, '{"x', '{"x')).code == "mostly_ragged"
    assert refused(file, lines({"text": "a"})).code == "no_usable_rows"
    assert len(load(file, lines(OK, "{")).corpus) == 1


def test_spans_and_tags_may_stand_in_one_file(file):
    bare = {"tokens": ["a", "b"], "tags": ["X", "X"]}
    out = load(file, lines({"text": "a b", "spans": [[0, 3, "X"]]}, bare))
    assert [tags for _, tags in rows(out)] == [["B-X", "I-X"]] * 2


@quick
@given(st.text(max_size=60))
def test_tokens_cover_everything_but_whitespace(text):
    bounds = tokenise(text)
    assert "".join(text[s:e] for s, e in bounds) == "".join(text.split())
    assert all(a <= b for (_, a), (b, _) in pairwise(bounds))


def test_the_tokeniser():
    def cut(text: str) -> list[str]:
        return [text[s:e] for s, e in tokenise(text)]

    assert cut("Don't stop, O’Neil's 'quote'.") == ["Don't", "stop", ",", "O’Neil's", "'", "quote", "'", "."]
    assert cut("ラーメンを3杯 café e\u0301te\u0301 नमस्ते") == [
        *"ラーメンを",
        "3",
        "杯",
        "café",
        "e\u0301te\u0301",
        "नमस्ते",
    ]
    assert cut("\x1c\x1d\x1e\x1f a") == ["a"]
    assert cut("a\u2028b\u00a0c\u3000d😀😀") == ["a", "b", "c", "d", "😀", "😀"]


# Writing


def usable(token: str) -> bool:
    return bool(token) and not token.isspace() and not set(token) & set("\t\n\r\0") and token != "-DOCSTART-"


tokens_ = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(usable)
labels_ = st.sampled_from(["PER", "creative work", "B", "标签", "É"])


@st.composite
def tagged_rows(draw) -> list[dict]:
    out = []
    for words in draw(st.lists(st.lists(tokens_, min_size=1, max_size=6), min_size=1, max_size=6)):
        tags: list[str | None] = []
        while len(tags) < len(words):
            length = draw(st.integers(1, len(words) - len(tags)))
            label = draw(st.sampled_from(["O", None]) | labels_)
            plain = label in ("O", None)
            tags += [label] * length if plain else [f"B-{label}"] + [f"I-{label}"] * (length - 1)
        out.append({"tokens": words, "tags": tags})
    return out


@pytest.mark.parametrize("format", ["conll", "jsonl"])
@quick
@given(records=tagged_rows())
def test_what_is_written_is_read_back(tmp_path_factory, format, records):
    folder = tmp_path_factory.mktemp("w")
    first = load(folder / "a", lines(*records), format="jsonl")
    assert rows(first) == [(r["tokens"], r["tags"]) for r in records]
    write(first.corpus, folder / "b", format=format)
    again = load(folder / "b", (folder / "b").read_bytes(), format=format)
    assert rows(again) == rows(first) and again.corpus.id == first.corpus.id
    assert not [issue for issue in again.issues if issue.action != "kept"]
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


@quick
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), min_size=1),
    st.data(),
)
def test_text_and_spans_are_written_and_read_back(tmp_path_factory, texts, data):
    records = []
    for text in texts:
        bounds = tokenise(text)
        if not bounds:
            continue
        ends = data.draw(st.lists(st.integers(0, len(bounds) - 1), unique=True, max_size=4).map(sorted))
        found, start = [], 0
        for end in ends:
            found.append({"start": bounds[start][0], "end": bounds[end][1], "label": data.draw(labels_)})
            start = end + 1
        records.append({"text": text, "spans": found})
    if not records:
        return
    folder = tmp_path_factory.mktemp("t")
    first = load(folder / "a", lines(*records))
    write(first.corpus, folder / "b", format="jsonl")
    assert [json.loads(line) for line in (folder / "b").read_text("utf-8").split("\n")[:-1]] == records
    assert load(folder / "b", (folder / "b").read_bytes()).corpus.id == first.corpus.id


def test_a_token_that_looks_like_a_byte_order_mark_is_kept(tmp_path):
    first = load(tmp_path / "a", lines({"tokens": ["\ufeffa"], "tags": ["O"]}))
    write(first.corpus, tmp_path / "b", format="conll")
    assert rows(load(tmp_path / "b", (tmp_path / "b").read_bytes())) == [(["\ufeffa"], ["O"])]


def test_a_predictions_file(file, tmp_path):
    corpus = load(file, GOOD + "c\t_\n\n").corpus
    write_conll(corpus, tmp_path / "p", [["O", "O"], ["B-PER"]])
    assert (tmp_path / "p").read_text() == "a\tO\tO\nb\tB-PER\tO\n\nc\t_\tB-PER\n\n"
    with pytest.raises(ValueError):
        write_conll(corpus, tmp_path / "q", [["O"], ["B-PER"]])
    with pytest.raises(ValueError):
        write_conll(corpus, tmp_path / "q", [["O", "O"]])
    assert not (tmp_path / "q").exists()


def test_names_refuse_more_tags_than_fit():
    names = schemes.Names()
    with pytest.raises(CoreError) as caught:
        for number in range(1 << 15):
            names.code(f"B-{number}")
    assert caught.value.code == "too_many_labels"


# Real files


@pytest.mark.skipif(not DATA, reason="PEIBI_DATA is not set: no public data sets here")
@pytest.mark.parametrize(
    ("path", "count", "scheme", "digits"),
    [
        ("wnut17/train.conll", 3394, "IOB2", False),
        ("wnut17/dev.conll", 1009, "IOB2", False),
        ("wnut17/test.conll", 1287, "IOB2", False),
        ("wikigold/wikigold.conll.txt", 1696, "IOB1", False),
        ("weibo/train.conll", 1350, "IOB2", True),
        ("weibo/dev.conll", 270, "IOB2", True),
        ("weibo/test.conll", 270, "IOB2", True),
    ],
)
def test_public_data_sets(file, path, count, scheme, digits):
    data = (Path(DATA or "") / path).read_bytes()
    out = load(file, data)
    assert len(out.corpus) == out.rows_in == count
    assert (out.layout.scheme, out.layout.position_digits) == (scheme, digits)
    if digits:
        lengths = [len(token) for tokens, _ in rows(out) for token in tokens]
        assert np.mean(np.array(lengths) == 1) > 0.99 and max(lengths) == 2  # a few broken emoji are two characters
