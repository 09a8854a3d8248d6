"""Previews of uploads, quick looks, streams that are kept, and tables for spreadsheets."""

import codecs
import csv
import gzip
import io
import itertools
import json
import zipfile
from contextlib import suppress
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpus import Corpus
from core.errors import CoreError
from core.formats import read
from core.formats.importing import ImportParams, Source, Split, bring_in, quick_rows
from core.formats.preview import HEAD, Preview, columns_of, guess_role, preview, raw_lines
from core.formats.protocol import ReadOptions
from core.params import canonical
from core.report.tables import spreadsheet_csv
from core.workspace import Workspace

RECORD = '{"tokens": ["Ann", "ran"], "tags": ["B-PER", "O"], "id": 1}\n'


def sentence(number: int, label: str = "LOC") -> str:
    return f"Somebody\tO\nvisited\tO\nTown{number}\tB-{label}\ntoday\tO\n\n"


def look(data: bytes | str, whole: bool = True, size: int | None = None, **options) -> Preview:
    head = data.encode() if isinstance(data, str) else data
    return preview(head, whole, "x", ReadOptions(**options), size)


def refused(data: bytes | str, whole: bool = True) -> CoreError:
    with pytest.raises(CoreError) as caught:
        look(data, whole)
    return caught.value


def tokens(corpus: Corpus) -> list[tuple[str, ...]]:
    return [tuple(row) for row in corpus.table.column("tokens").to_pylist()]


# Where the head is cut


def test_a_whole_file_is_read_as_by_its_reader(tmp_path):
    data = sentence(1) + "odd\n\n" + sentence(2) + sentence(3).rstrip()
    (tmp_path / "x").write_text(data)
    found, same = look(data), read(tmp_path / "x", name="x", options=ReadOptions())
    assert found.read.corpus.id == same.corpus.id and found.read.issues == same.issues
    assert (found.rows_seen, found.estimated_rows, len(found.read.corpus)) == (4, None, 3)
    assert found.raw.split("\n")[0] == "Somebody\tO"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_wherever_a_head_is_cut_only_complete_rows_are_seen(encoding, end):
    """Never an issue, never half a row, and never a row less than there are."""
    parts = ["北京\tB-LOC\n😀\tO\n\n", "Ann\tB-PER\n\n", "-DOCSTART-\tO\n", "Éva\tB-PER\nran\tO\n \t\n"]
    parts = [part.replace("\n", end) for part in parts]
    rows = [("北京", "😀"), ("Ann",), ("Éva", "ran")]
    complete = [len("".join(parts[:n]).encode(encoding)) for n in (1, 2, 4)]
    data = "".join(parts).encode(encoding)
    half = len(end[1:].encode(encoding.removesuffix("-sig") + "-le" * (encoding[4:] in ("16", "32"))))  # LF after CR
    for length in range(5, len(data) + 1):
        closed = sum(at <= length for at in complete)
        try:
            found = look(data[:length], whole=False)
        except CoreError as error:
            assert (error.code, closed) == ("preview_row_too_long", 0)
            continue
        assert found.read.issues == []
        assert tokens(found.read.corpus) == rows[: found.rows_seen]
        assert closed <= found.rows_seen <= sum(at - half <= length for at in complete)


def test_a_head_of_json_lines_ends_with_its_last_whole_line():
    found = look(RECORD * 3 + RECORD[:20], whole=False)
    assert (found.rows_seen, found.read.issues, found.read.layout.format) == (3, [], "jsonl")
    assert refused(RECORD[:20], whole=False).code == "preview_row_too_long"


def test_issues_of_the_head_are_those_of_its_rows():
    found = look(sentence(1) + "odd\n\n" + sentence(2) + "Ann\tB-P", whole=False)
    assert [(issue.code, issue.row) for issue in found.read.issues] == [("ragged_row", 6)]


@pytest.mark.parametrize(
    "head",
    [
        "Ann\tB-PER\n" * 50,
        "Ann\tB-PER\n" * 50 + "北\tO".encode()[:2].decode("latin-1"),
        "\n\n-DOCSTART-\tO\n\n# a comment\n\nAnn\tB-PER\n",
        "token\ttag\n\nAnn\tB-PER\n",
        "Ann\tB-P",
        '{"tokens": ["Ann',
        '\n\n{"tokens": ["Ann',
    ],
)
def test_a_first_row_that_does_not_end_in_the_head_is_named(head):
    error = refused(head, whole=False)
    assert (error.code, error.values["file"], error.values["bytes"]) == (
        "preview_row_too_long", "x", len(head.encode()),
    )  # fmt: skip


def test_a_character_cut_in_two_is_no_bad_encoding():
    head = ("京\tO\n" * 20 + "京").encode()[:-1]
    assert refused(head, whole=False).code == "preview_row_too_long"
    assert refused(head, whole=True).code == "bad_encoding"


def test_what_a_longer_head_could_not_mend_is_told_as_by_the_reader():
    assert refused("one,O\ntwo,O\n" * 50, whole=False).code == "tags_missing"
    assert refused(b"Ann\tO\n\xff\tO\n\nBob\tO\n\n", whole=False).code == "bad_encoding"
    assert refused("a\n\nb\tO\n\nc\n\nd\n\n", whole=False).code == "tags_missing"
    assert refused(b"x" * 1_000_001 + b"\n", whole=False).code == "line_too_long"


def test_five_megabytes_cost_no_more_than_their_head():
    one = b"".join(sentence(n).encode() for n in range(130_000))
    assert len(one) > 5_000_000
    found = look(one, whole=True)  # more than a head, whatever the caller says
    assert HEAD - 100 < found.rows_seen * len(one) / 130_000 < HEAD + 40_000
    assert found.estimated_rows == pytest.approx(130_000, rel=0.03)
    again = look(one[:HEAD], whole=False, size=len(one))
    assert again.read.corpus.id == found.read.corpus.id and again.estimated_rows == found.estimated_rows
    assert look(one[:HEAD], whole=False).estimated_rows is None
    assert found.read.issues == []


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "line",
    [
        "\n",
        "a\tO\n\n",
        " \n",
        "{}\n",
        "[" * 900 + "\n",
        '{"a":' * 2000 + "\n",
        '{"text": "a b c d e", "spans": []}\n',
        "\r",
    ],
    ids=["empty lines", "short rows", "blanks", "empty records", "brackets", "deep", "texts", "carriage returns"],
)
@pytest.mark.timeout(60)  # a reader that is not linear would need hours
def test_no_head_is_read_for_ever(line, whole):
    head = (line * (HEAD // len(line) + 1)).encode()[:HEAD]
    with suppress(CoreError):
        assert look(head, whole).rows_seen > 0
    assert all(isinstance(column, str) for column in columns_of(head) or ())


# What may be uploaded


def _zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../x.conll", sentence(1))
    return out.getvalue()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (b"", {"empty_file"}),
        (codecs.BOM_UTF8, {"empty_file"}),
        (_zipped(), {"wrong_type"}),
        (_zipped()[:40], {"wrong_type"}),
        (gzip.compress(sentence(1).encode()), {"wrong_type"}),
        (b"PAR1\x15\x04\x15\0", {"wrong_type"}),
        (b"\x80\x04\x95\x10", {"wrong_type"}),
        (b"<html><script>alert(1)</script>\n\n", {"wrong_type"}),
        (b'[{"tokens": []}]\n\n', {"wrong_type"}),
        (b"token\ttag\n\n", {"no_usable_rows", "preview_row_too_long"}),
        (b"a\0b\tO\n\n", {"binary_file"}),
        (b"\xff\xfea", {"bad_encoding", "preview_row_too_long"}),
        (b"\xff\xfe\0\0\xff\xff\xff\xff", {"bad_encoding"}),
        (b"Ann\tO\n\n\xc3(\tO\n\n", {"bad_encoding"}),
        ("a\tO\n\n\ud800\tO\n\n".encode("utf-16", "surrogatepass"), {"bad_encoding"}),
        (b"x" * 1_000_001 + b"\tO\n\n", {"line_too_long"}),
        (b"a O\n\nb O\n\nc\n\nd e O\n\nf g h O\n\n", {"mostly_ragged"}),
        ("".join(f"w\tB-L{n}\n\n" for n in range(10_000)).encode(), {"too_many_labels"}),
        (b"Ann\tB-\n\n", {"no_usable_rows"}),
        (b'{"tokens": ["a"], "tags": ' + b"[" * 20_000 + b"\n", {"no_usable_rows"}),
        (b'{"tokens": ["a"], "tags": [NaN]}\n', {"no_usable_rows"}),
        (b'{"tokens": ["a"], "tokens": ["b"], "tags": ["O"]}\n', {"no_usable_rows"}),
        (b'{"tokens": ["a"], "tags": [' + b"9" * 5000 + b"]}\n", {"no_usable_rows"}),
        (b'{"tokens": ["\\ud800"], "tags": ["O"]}\n', {"no_usable_rows"}),
    ],
    ids=itertools.count(),  # the bytes of archives have the time in them, and all workers must see the same names
)
def test_what_cannot_be_read_is_refused_with_a_code(data, codes, whole):
    error = refused(data, whole)
    assert error.code in codes
    raw_lines(data), columns_of(data)


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (sentence(1) + "Ann\tI-PER\n\n", ["tag_repaired"]),
        (sentence(1) * 2 + "a\tB-PER\nb\tI-LOC\n\n", ["tag_repaired"]),
        (sentence(1) + "a\tb\tO\n\n", ["ragged_row"]),
        ("-DOCSTART-\tO\n\n" + sentence(1), []),
        (sentence(1) + "a\tB-loc\n\n", ["label_lookalike"]),
        ("\u202eAnn\u200b\tB-PER\na\u2028b\tO\n\n", []),
        (RECORD * 2 + "{\n", ["bad_json"]),
        (RECORD * 2 + '{"a":' * 90_000 + "\n", ["json_too_deep"]),
    ],
)
def test_what_can_be_mended_is_an_issue(data, codes):
    for whole in (True, False):
        assert [issue.code for issue in look(data, whole).read.issues] == codes


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(st.sampled_from('aB-IO_\t \n\r{}[]":,0é京😀\u2028\0'), max_size=200).map(lambda text: text.encode()),
        st.tuples(
            st.sampled_from((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE)),
            st.binary(max_size=80),
        ).map(b"".join),
        st.lists(st.sampled_from((RECORD.encode(), sentence(1).encode(), b"{}\n", b"\xff\n", b"\n")), max_size=5).map(
            b"".join
        ),
    ),
    st.booleans(),
    st.sampled_from((None, "conll", "jsonl", "other")),
)
def test_any_bytes_are_rows_or_a_core_error(data, whole, format):
    options = ReadOptions(format=format)
    try:
        found = preview(data, whole, "x", options)
        assert found.rows_seen == len(found.read.corpus) + sum(i.action == "dropped" for i in found.read.issues)
    except CoreError:
        pass
    assert all(c.isprintable() or c in "\t\n" for c in raw_lines(data))
    assert all(isinstance(column, str) for column in columns_of(data, options))


# What is shown of it


def test_raw_lines_show_what_does_not_print_as_codes():
    assert raw_lines("a\u202eb\0\tO\r\ncd\x1b[2J\re\u200b".encode()) == "a\\u202eb\\u0000\tO\ncd\\u001b[2J\ne\\u200b"
    assert raw_lines(b"\n".join(b"%d" % n for n in range(100))).split("\n")[-1] == "29"
    assert len(raw_lines(b"x" * 10_000)) == 300
    assert raw_lines("京\tO\n".encode("utf-16")) == "京\tO\n"


def test_columns_of_a_conll_file():
    assert columns_of(b"-DOCSTART- -X- O\n\n# text = The cat\nThe DT  O\ncat NN O\n") == [
        "1: The",
        "2: DT",
        "3: O",
    ]
    assert columns_of(b"a b\tX\tO\n\n") == ["1: a b", "2: X", "3: O"]
    assert columns_of(b"a b\tX\tO\n\n", ReadOptions(separator="space")) == ["1: a", "2: b", "3: X", "4: O"]
    assert columns_of(b"stray\na\tO\nb\tO\n\n") == ["1: a", "2: O"]
    assert columns_of(b"token\ttag\na\tO\n") == ["1: token", "2: tag"]
    assert columns_of(b"a\x1b" + b"b" * 50 + b"\tO\n") == ["1: a\\u001b" + "b" * 27 + "…", "2: O"]
    assert columns_of("京\tO\n".encode("utf-16")) == ["1: 京", "2: O"]


def test_columns_of_json_lines_are_the_keys_as_they_are():
    records = [{"words": ["a"], "ner": ["O"]}, {"words": ["b"], "ner": ["O"], "a\u202eb": 1}]
    assert columns_of("".join(json.dumps(r) + "\n" for r in records).encode()) == ["words", "ner", "a\u202eb"]
    assert columns_of(b'{"a": 1}\n{"b": \n') == ["a"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\n\n"])
def test_what_is_no_labelled_text_has_no_columns(data):
    assert columns_of(data) == []


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train.conll", "train"), ("wnut17train.conll", "train"), ("ZH-TRN.TXT", "train"), ("dev.jsonl", "dev"),
        ("my_valid-2.txt", "dev"), ("val.conll", "dev"), ("eng.testa", "dev"), ("eng.testb", "test"),
        ("emerging.test.annotated", "test"), ("Eval.conll", "test"), ("训练集.conll", "train"), ("验证.txt", "dev"),
        ("开发集dev.txt", "dev"), ("新闻测试.jsonl", "test"), ("测试test集.txt", "test"), ("a/train/b.test", "test"),
        ("C:\\test\\train.txt", "train"), ("contest.conll", None), ("trainer.txt", None), ("latest.txt", None),
        ("train-test-all.conll", None), ("训练与测试.txt", None), ("data.conll", None), ("", None),
    ],
)  # fmt: skip
def test_the_role_a_name_speaks_of(name, role):
    assert guess_role(name) == role


# Quick looks


def bring(tmp_path, sources: dict[str, str], **params):
    files, given = {}, {}
    for role, text in sources.items():
        files[role], given[role] = tmp_path / f"{role.replace(':', '-')}.conll", Source(f"{role}.conll")
        files[role].write_text(text, encoding="utf-8")
    return bring_in(ImportParams(given, **params), files)


def test_a_quick_look_keeps_some_rows_of_train_and_says_so(tmp_path):
    train = "".join(sentence(n, "LOC" if n % 4 else "ORG") for n in range(100))
    sources = {"train": train, "dev": sentence(3) + sentence(200), "pool:more": "".join(map(sentence, range(300, 340)))}
    everything, found = bring(tmp_path, sources), bring(tmp_path, sources, train_rows=20)
    kept = found.parts["train"]
    assert {role: len(part.corpus) for role, part in found.parts.items()} == {"train": 20, "dev": 2, "pool:more": 40}
    [issue] = [issue for issue in found.issues if issue.code == "quick_look"]
    assert (issue.file, issue.row, issue.action) == ("train.conll", None, "kept")
    assert issue.values == {"rows": 20, "of": 99}  # after the leak has gone
    assert found.rows_in == everything.rows_in
    lines = kept.lines.tolist()
    assert lines == sorted(lines) and set(lines) < set(everything.parts["train"].lines.tolist())
    assert sum("B-ORG" in tags for tags in kept.corpus.table.column("tags").to_pylist()) == 5  # a quarter, as in train
    fewer = bring(tmp_path, sources, train_rows=10).parts["train"]
    assert set(fewer.lines.tolist()) < set(lines)


def test_a_quick_look_comes_after_splitting(tmp_path):
    text = "".join(map(sentence, range(100)))
    whole = bring(tmp_path, {"file": text}, split=Split(dev=0.2, test=0.1))
    found = bring(tmp_path, {"file": text}, split=Split(dev=0.2, test=0.1), train_rows=30)
    assert {role: len(part.corpus) for role, part in found.parts.items()} == {"train": 30, "dev": 20, "test": 10}
    assert all(found.parts[role].corpus.id == whole.parts[role].corpus.id for role in ("dev", "test"))


def test_a_quick_look_at_no_less_than_all_is_none(tmp_path):
    sources = {"train": "".join(map(sentence, range(9))), "dev": sentence(90)}
    for rows in (9, 10):
        found = bring(tmp_path, sources, train_rows=rows)
        assert len(found.parts["train"].corpus) == 9
        assert not [issue for issue in found.issues if issue.code == "quick_look"]


def test_train_rows_enter_a_spec_only_where_they_are_given():
    assert "train_rows" not in canonical(ImportParams({}))
    assert canonical(ImportParams({}, train_rows=5))["train_rows"] == 5


def test_a_first_answer_needs_300_rows_or_all_of_few():
    assert [quick_rows(rows) for rows in (0, 5, 300, 399, 400, 100_000)] == [0, 5, 300, 399, 300, 300]


def test_a_named_corpus_remembers_its_quick_look(core, tmp_path):
    (tmp_path / "t.conll").write_text("".join(map(sentence, range(60))))
    (tmp_path / "d.conll").write_text(sentence(90) + sentence(91))
    given = ("--workspace", "w", "--json")
    done = core(
        "import", "--name", "n", "--train", "t.conll", "--dev", "d.conll", "--train-rows", 12, *given, folder=tmp_path
    )
    assert done.status == 0, done.stderr
    assert done.json["rows"] == {"train": 12, "dev": 2} and done.json["rows_in"] == {"train": 60, "dev": 2}
    from core.recipe import check
    from core.sources import import_spec

    workspace = Workspace.open(tmp_path / "w")
    spec = import_spec(workspace, check({"version": 1, "data": "corpus:n"}, tmp_path, "r.yaml"))
    assert spec.params["train_rows"] == 12
    refused = core("import", "--train", "t.conll", "--train-rows", 0, *given, folder=tmp_path)
    assert refused.status == 2 and "train_rows" in refused.stderr


@pytest.mark.parametrize("rows", [0, -1, 1.5, "9", True])
def test_train_rows_of_a_recipe_are_a_whole_number_above_zero(tmp_path, rows):
    from core.recipe import check

    with pytest.raises(CoreError) as caught:
        check({"version": 1, "data": {"train": "a", "train_rows": rows}}, tmp_path, "r.yaml")
    assert (caught.value.code, caught.value.values["where"]) == ("bad_value", "data.train_rows")


# Streams


def test_a_stream_is_kept_like_the_file_it_comes_from(tmp_path):
    workspace = Workspace.open(tmp_path / "w")
    data = sentence(1).encode() * 50_000
    (tmp_path / "x.conll").write_bytes(data)
    sha = workspace.add_stream(io.BytesIO(data), "../x.conll")
    assert sha == workspace.add_file(tmp_path / "x.conll", "x.conll")
    assert (workspace.root / "files" / sha).read_bytes() == data
    assert [path.name for path in (workspace.root / "files").iterdir()] == [sha]


def test_a_stream_that_breaks_leaves_nothing_behind(tmp_path):
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            raise OSError(5, "gone")

    workspace = Workspace.open(tmp_path)
    with pytest.raises(CoreError) as caught:
        workspace.add_stream(Broken(), "up.conll")
    assert (caught.value.code, caught.value.values["file"]) == ("file_unreadable", "up.conll")
    assert list((tmp_path / "files").iterdir()) == []


# Tables for spreadsheets

CELLS = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(), st.text(st.sampled_from("=+-@\t\r\n ,\"'a1＝\u200b\0"))
)


def cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@settings(deadline=None)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2)))
def test_no_text_of_a_spreadsheet_is_a_formula_and_nothing_is_lost(rows):
    data = spreadsheet_csv(["=a", "b"], rows)
    assert data.startswith(codecs.BOM_UTF8)
    out = cells(data)
    assert out[0] == ["'=a", "b"] and len(out) == len(rows) + 1
    for cell, shown in zip(chain(*rows), chain(*out[1:]), strict=True):
        if isinstance(cell, str):
            assert shown.removeprefix("'") == cell.removeprefix("'")
            assert shown in (cell, f"'{cell}")
            assert shown.lstrip()[:1] not in tuple("=+-@＝＋－＠")
            assert shown.lstrip(" ")[:1] not in ("\t", "\r", "\n")
        elif cell is None:
            assert shown == ""
        elif isinstance(cell, int):
            assert int(shown) == cell


def test_a_spreadsheet_table_as_bytes():
    rows = [["LOC", 0.5, None], ["-1", -1, -0.25], ['say "a, b"\nc', 7, float("-inf")], [" @x", 1e-9, "\ud800"]]
    assert spreadsheet_csv(["label", "f1", "更多"], rows) == codecs.BOM_UTF8 + (
        'label,f1,更多\r\nLOC,0.5,\r\n\'-1,-1,-0.25\r\n"say ""a, b""\nc",7,\'-inf\r\n\' @x,1e-09,\\ud800\r\n'.encode()
    )


def test_a_row_of_another_length_is_a_bug():
    with pytest.raises(ValueError):
        spreadsheet_csv(["a", "b"], [["x"]])
