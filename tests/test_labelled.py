"""Files of labelled texts: every rule of docs/formats.md, and that no row is lost without a reason."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpus import Corpus, Schema, numbered
from core.errors import CoreError
from core.formats import (
    ReadOptions,
    guess_task,
    predictions_suffix,
    read,
    read_predictions,
    text_lines,
    write,
    write_predictions,
)
from core.formats.hub import labelled as hub_rows
from core.formats.labelled import csv as csv_format
from core.formats.labelled import rows as rows_format
from core.formats.labelled.writing import cell_of
from core.formats.preview import columns_of, preview
from core.formats.protocol import Read
from core.tasks.labelled import COLUMNS, TABLE, content

FORMATS = ("csv", "jsonl", "parquet")
some = settings(max_examples=60, deadline=None)
labels_of_a_row = st.none() | st.lists(st.sampled_from(("a", "b", "c d", "x|y", "p;q", "[z", "_", "中文")), max_size=3)


def load(path: Path, data: str | bytes, task: str = "classification", **options: Any) -> Read:
    """Read `data` as a file, and check what holds of everything that is read."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    out = read(path, name="up.txt", options=ReadOptions(**options), task=task)
    dropped = [issue for issue in out.issues if issue.action == "dropped"]
    assert out.rows_in == len(out.corpus) + len(dropped)
    assert len({issue.row for issue in dropped}) == len(dropped)
    assert all(issue.file == "up.txt" for issue in out.issues)
    assert out.corpus.table.schema == TABLE and out.lines.dtype == np.int64 and len(out.lines) == len(out.corpus)
    assert out.corpus.schema.task == task
    table = out.corpus.table.to_pydict()
    ids = numbered([content(*row) for row in zip(table["text"], table["labels"], strict=True)])
    assert table["id"] == table["origin"] == ids and set(table["parent"]) <= {None}
    known = [label for labels in table["labels"] for label in labels or () if label is not None]
    assert out.corpus.schema.labels == tuple(sorted({*known}))
    for labels in table["labels"]:  # each once, in order, and a null last
        if labels is not None:
            there = [label for label in labels if label is not None]
            assert labels == [*sorted({*there}), *([None] if None in labels else [])]
    return out


def rows(out: Read) -> list[tuple[str, list[str | None] | None]]:
    table = out.corpus.table.to_pydict()
    return list(zip(table["text"], table["labels"], strict=True))


def issues(out: Read) -> list[tuple[int | None, str, str | None]]:
    return [(issue.row, issue.code, issue.column) for issue in out.issues if issue.action == "dropped"]


def refused(path: Path, data: str | bytes, **options: Any) -> CoreError:
    with pytest.raises(CoreError) as caught:
        load(path, data, **options)
    return caught.value


def corpus_of(given: list[tuple[str, list[str | None] | None]], task: str = "multilabel") -> Corpus:
    ids = numbered([content(*row) for row in given])
    columns = [ids, ids, [None] * len(ids), [text for text, _ in given], [labels for _, labels in given]]
    names = sorted({label for _, labels in given for label in labels or () if label is not None})
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, TABLE, strict=True)], schema=TABLE)
    return Corpus(Schema(task, tuple(names)), table)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


# CSV


@pytest.mark.parametrize("block", [1, 3, 1 << 16])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be"])
def test_quotes_line_ends_and_encodings(file, monkeypatch, encoding, end, block):
    monkeypatch.setattr(text_lines, "BLOCK", block)
    mark = "\ufeff" if encoding.endswith("-be") else ""
    text = end.join(
        ["id,text,category", "", '1,"One, ""two""",card', f'2,"over{end}lines, ünï 京",top up', "3,plain,card"]
    )
    out = load(file, (mark + text + end).encode(encoding))
    assert rows(out) == [('One, "two"', ["card"]), ("over\nlines, ünï 京", ["top up"]), ("plain", ["card"])]
    assert out.lines.tolist() == [3, 4, 6] and not out.issues
    assert (out.layout.format, out.layout.columns, dict(out.layout.names)) == (
        "csv", 3, {"text": "text", "labels": "category"},
    )  # fmt: skip


@pytest.mark.parametrize(("word", "mark"), csv_format.SEPARATORS.items())
def test_what_parts_columns_is_seen_or_said(file, word, mark):
    text = f"Sentence{mark}Intent\nhello, you{mark}greet\n" if mark != "," else 'Sentence,Intent\n"hello, you",greet\n'
    for options in ({}, {"separator": word}, {"separator": mark}):
        out = load(file, text, **options)
        assert rows(out) == [("hello, you", ["greet"])] and out.layout.separator == word
    assert refused(file, text, separator="dot").code == "bad_value"


def test_columns_are_found_by_name_whatever_their_case_and_can_be_named(file):
    text = "Topic,BODY,Text,Label\nt1,b1,x1,l1\nt2,b2,x2,l2\n"
    assert rows(load(file, text)) == [("x1", ["l1"]), ("x2", ["l2"])]
    named = load(file, text, columns={"text": "body", "labels": "Topic"})
    assert rows(named) == [("b1", ["t1"]), ("b2", ["t2"])]
    error = refused(file, "a,b\n1,2\n")
    assert (error.code, error.values["role"], error.values["known"]) == ("columns_unknown", "text", "a, b")
    assert refused(file, "text,b\n1,2\n").values["role"] == "labels"
    wrong = refused(file, text, columns={"labels": "nope"})
    assert (wrong.code, wrong.values["column"]) == ("column_unknown", "nope")
    many = refused(file, ",".join(f"c{n}" for n in range(400)) + "\n1\n")
    assert len(str(many.values["known"])) < 200


def test_bad_rows_are_told_with_line_and_column(file):
    text = (
        'text,label\nfine,a\n,b\n"  ",b\nno label,\nthree,fields,here\none\n"bro"ken,a\nalso fine,b\nlong,'
        + "x" * 201
        + "\nmore,a\nmore2,a\nmore3,b\nmore4,b\nmore5,b\n"
    )
    out = load(file, text)
    assert issues(out) == [
        (3, "text_empty", "text"),
        (4, "text_empty", "text"),
        (5, "label_missing", "label"),
        (6, "ragged_row", None),
        (7, "ragged_row", None),
        (8, "bad_csv", None),
        (10, "bad_label", "label"),
    ]
    assert [text for text, _ in rows(out)] == ["fine", "also fine", "more", "more2", "more3", "more4", "more5"]


def test_a_quotation_mark_that_is_never_closed_is_told_where_it_opens(file):
    tail = "".join(f"row {n},a\n" for n in range(50))
    error = refused(file, f'text,label\nfine,a\n"open,a\n{tail}')
    assert (error.code, error.values["line"]) == ("csv_quote_open", 3)
    last = load(file, f'text,label\n{tail}"open,a')
    assert issues(last) == [(52, "bad_csv", None)]


def test_an_endless_record_costs_no_memory(file):
    with file.open("w") as out:
        out.write('text,label\n"')
        for _ in range(30):
            out.write("x" * 99 + "\n" * 500)
    error = refused(file, file.read_bytes())
    assert error.code == "csv_quote_open" and error.values["line"] == 2


def test_several_labels_of_a_cell(file):
    text = 'text,labels\none,a|b\ntwo,b\nthree,\nfour,a|_\nfive,_\nsix,"[""x|y"", ""a""]"\nseven,b | b|a\n'
    out = load(file, text)
    assert [labels for _, labels in rows(out)] == [["a", "b"], ["b"], [], ["a", None], None, ["a", "x|y"], ["a", "b"]]
    assert out.layout.between == "|"
    told = {issue.code: issue.values for issue in out.issues}
    assert told["labels_split"] == {"separator": "|", "rows": 4} and told["labels_unknown"] == {"count": 2}


@pytest.mark.parametrize(
    ("option", "wanted"),
    [
        (None, [["a", "b,c"], ["d"]]),
        ("none", [["a;b,c"], ["d"]]),
        (",", [["a;b", "c"], ["d"]]),
        ("|", [["a;b,c"], ["d"]]),
    ],
)
def test_what_parts_labels_is_recognised_or_said(file, option, wanted):
    out = load(file, 'text,labels\none,"a;b,c"\ntwo,d\n', label_separator=option)
    assert [labels for _, labels in rows(out)] == wanted


def test_without_a_label_a_row_goes_unless_rows_may_have_none(file):
    text = "text,label\none,a\ntwo,\nthree,b\n"
    assert issues(load(file, text)) == [(3, "label_missing", "label")]
    assert rows(load(file, text, task="multilabel"))[1] == ("two", [])


def test_labels_that_look_alike_and_too_many(file):
    out = load(file, "text,label\n1x,Card\n2x,card\n")
    assert [(issue.code, issue.values) for issue in out.issues] == [("label_lookalike", {"labels": "Card, card"})]
    assert refused(file, "text,label\n" + "".join(f"t{n},l{n}\n" for n in range(501))).code == "too_many_labels"


def test_what_is_no_text_is_refused(file):
    assert refused(file, b"text,label\na\0b,c\n").code == "binary_file"
    assert refused(file, b"text,label\n\xff,c\n").code == "bad_encoding"
    assert refused(file, b"").code == "empty_file"
    assert refused(file, b"%PDF-1.4 text,label").code == "wrong_type"
    assert refused(file, "text,label\n").code == "no_usable_rows"
    assert refused(file, "text,label\na,\nb,\nc,x\n").code == "mostly_ragged"
    assert refused(file, "text,label\na," + "b" * 1_100_000).code == "line_too_long"


# JSON Lines


def test_records_keep_strings_numbers_lists_and_nulls(file):
    lines = [
        {"Text": "one", "Label": "a|b"},
        {"Text": "two", "Label": ["b", "a", "b"]},
        {"Text": "three", "Label": 3},
        {"Text": "four", "Label": None},
        {"Text": "five", "Label": []},
        {"Text": "six", "Label": True},
        {"Text": "seven", "Label": [1.0, None]},
        {"Text": "eight", "Label": " padded "},
    ]
    out = load(file, "\n\n".join(json.dumps(line) for line in lines))
    wanted = [["a|b"], ["a", "b"], ["3"], None, [], ["true"], ["1", None], ["padded"]]
    assert [labels for _, labels in rows(out)] == wanted
    assert out.lines.tolist() == list(range(1, 16, 2))


def test_strings_of_records_are_split_where_somebody_says_so(file):
    lines = '{"text": "one", "label": "a|b"}\n{"text": "two", "label": ["c|d"]}\n'
    assert [labels for _, labels in rows(load(file, lines, label_separator="|"))] == [["a", "b"], ["c|d"]]
    assert [labels for _, labels in rows(load(file, lines))] == [["a|b"], ["c|d"]]


def test_hostile_records_are_told_one_by_one(file):
    good = "".join(f'{{"text": "fine {n}", "label": "a"}}\n' for n in range(12))
    bad = [
        ('{"text": 3, "label": "a"}', "text_not_string"),
        ('{"text": null, "label": "a"}', "text_empty"),
        ('{"text": "x", "label": {"a": 1}}', "label_not_string"),
        ('{"text": "x", "label": [["a"]]}', "label_not_string"),
        ('{"text": "x", "label": 1.5}', "label_not_string"),
        ('{"text": "x"}', "fields_missing"),
        ('{"text": "\\ud800", "label": "a"}', "lone_surrogate"),
        ('{"text": "x", "label": "\\ud800"}', "lone_surrogate"),
        ('{"text": "a\\u0000b", "label": "a"}', "text_nul"),
        ('{"text": "x", "label": "a\\tb"}', "bad_label"),
        ("[" * 100_000, "json_too_deep"),
        ('{"text": "x", "label": NaN}', "bad_number"),
    ]
    out = load(file, good + "\n".join(line for line, _ in bad))
    assert [code for _, code, _ in issues(out)] == [code for _, code in bad]
    long = json.dumps({"text": "x" * (rows_format.LONGEST + 1), "label": "a"})
    assert issues(load(file, good + long)) == [(13, "text_too_long", "text")]


def test_records_without_both_say_which_keys_there_are(file):
    error = refused(file, '{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n')
    assert (error.code, error.values["known"]) == ("columns_unknown", "a, b")
    assert rows(load(file, '{"a": "x", "b": "y"}\n', columns={"text": "a", "labels": "b"})) == [("x", ["y"])]


# Parquet


def parquet(path: Path, columns: dict[str, Any], features: Any = None) -> bytes:
    table = pa.table(columns)
    if features is not None:
        about = {"info": {"features": features}}
        table = table.replace_schema_metadata({b"huggingface": json.dumps(about).encode()})
    pq.write_table(table, path)
    return path.read_bytes()


def test_class_numbers_get_their_names(file):
    columns = {"text": ["a", "b", "c"], "label": [1, 0, -1]}
    named = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    assert [labels for _, labels in rows(load(file, parquet(file, columns, named)))] == [["pos"], ["neg"], None]
    assert [labels for _, labels in rows(load(file, parquet(file, columns)))] == [["1"], ["0"], ["-1"]]
    lists = {"text": ["a", "b"], "labels": [[0, 1], []]}
    several = {"labels": {"feature": {"names": ["neg", "pos"], "_type": "ClassLabel"}, "_type": "List"}}
    assert [labels for _, labels in rows(load(file, parquet(file, lists, several)))] == [["neg", "pos"], []]


def test_other_types_of_parquet(file):
    kinds = {
        "Sentence": pa.array(["a", "b", "c"], pa.large_string()),
        "Class": pa.array(["x", "y", "x"]).dictionary_encode(),
        "more": pa.array([1, 2, 3]),
    }
    assert rows(load(file, parquet(file, kinds))) == [("a", ["x"]), ("b", ["y"]), ("c", ["x"])]
    bad = {"text": ["a", None, "", "d", "e", "f"], "label": pa.array([1.5, 1.0, 2.0, None, 2.0, 3.0])}
    out = load(file, parquet(file, bad))
    assert issues(out) == [(1, "label_not_string", "label"), (2, "text_empty", "text"), (3, "text_empty", "text")]
    assert rows(out) == [("d", None), ("e", ["2"]), ("f", ["3"])]


def test_damaged_parquet_is_refused(file):
    whole = parquet(file, {"text": ["a"] * 100, "label": ["x"] * 100})
    for data in (whole[:-9], whole[:200] + bytes(100) + whole[300:], b"PAR1" + bytes(50) + b"PAR1"):
        assert refused(file, data).code == "bad_parquet"
    assert refused(file, parquet(file, {"a": [1], "b": [2]})).values["known"] == "a, b"


def test_parquet_of_more_rows_than_are_read(file, monkeypatch):
    from core.formats.labelled import parquet as parquet_format

    monkeypatch.setattr(parquet_format, "MOST_ROWS", 5)
    error = refused(file, parquet(file, {"text": ["a"] * 6, "label": ["x"] * 6}))
    assert (error.code, error.values["rows"]) == ("too_many_rows", 6)
    monkeypatch.setattr(rows_format, "MOST_TEXT", 20)
    assert refused(file, "text,label\n" + "four,a\n" * 6).code == "too_much_text"


# All formats


@given(st.lists(st.tuples(st.text(min_size=1, max_size=30), labels_of_a_row, st.booleans()), min_size=1, max_size=8))
@some
def test_what_is_written_is_read_back(tmp_path_factory, given):
    kept = [(text, labels, masked) for text, labels, masked in given if "\0" not in text and "\r" not in text]
    kept = [(t, None if ls is None else [*sorted({*ls}), *([None] if m else [])], m) for t, ls, m in kept if t.strip()]
    kept = [row for row in kept if row[0].encode("utf-8", "replace").decode() == row[0]]
    if not kept:
        return
    corpus = corpus_of([(text, labels) for text, labels, _ in kept])
    file = tmp_path_factory.mktemp("written") / "file"
    for format in FORMATS:
        write(corpus, file, format=format)
        out = read(file, name="f", options=ReadOptions(), task="multilabel")
        assert rows(out) == [(text, labels) for text, labels, _ in kept], format
        assert out.corpus.id == corpus.id and not [issue for issue in out.issues if issue.action != "kept"]


@given(st.binary(max_size=300))
@some
def test_any_bytes_are_rows_or_a_core_error(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("bytes") / "file"
    for start in (b"", b"text,label\n", b'{"text": "a", "label": ', b"PAR1"):
        for task in ("classification", "multilabel"):
            try:
                load(file, start + data, task=task)
            except CoreError as error:
                assert error.code
            guess_task(start + data)
            columns_of(start + data, task=task)


def test_predictions_are_read_back(file):
    for task, gold, found in (
        ("classification", [["a"], ["b"], None], [["a"], ["a"], ["b"]]),
        ("multilabel", [["a", "b"], [], ["p;q"]], [[], ["x|y"], ["a", "b"]]),
    ):
        corpus = corpus_of([(f"text, {n}\nmore", labels) for n, labels in enumerate(gold)], task)
        write_predictions(corpus, file, found)
        back, predicted, _ = read_predictions(file, "f", "classification")
        assert back.schema.task == task and back.table.column("labels").to_pylist() == gold
        assert predicted.to_pylist() == found and guess_task(file.read_bytes()) == "classification"
    assert (predictions_suffix("classification"), predictions_suffix("multilabel")) == (".csv", ".csv")
    file.write_text("text,gold,predicted\na,x,x\nb,y,\nc,y,x\n")
    with pytest.raises(CoreError) as caught:
        read_predictions(file, "f", "classification")
    assert (caught.value.code, caught.value.values["row"]) == ("label_missing", 3)


def test_cells_that_could_be_misread_are_json():
    assert [cell_of(labels) for labels in (["a"], ["a", "b"], None, ["a", None])] == ["a", "a|b", "_", "a|_"]
    assert [cell_of(labels) for labels in ([], ["x|y"], ["_"], ["[q"])] == ["[]", '["x|y"]', '["_"]', '["[q"]']


# What a file is likely to be


@pytest.mark.parametrize(
    ("data", "task"),
    [
        ("text,category\nhi,greet\n", "classification"),
        ("sentence\tlabel\nI like it\tpositive\n", "classification"),
        ('{"text": "hi", "label": "greet"}\n', "classification"),
        ('{"text": "hi", "labels": ["a", "b"]}\n', "classification"),
        ('{"text": "hi", "label": 1}\n', "classification"),
        ("PAR1\x15\0", "classification"),
        ("Anna\tB-PER\nleft\tO\n\n", "tagging"),
        ("text\tlabel\nAnna\tB-PER\nleft\tO\n\n", "tagging"),
        ("text label\nAnna B-PER\nleft O\n\n", "tagging"),
        ('{"tokens": ["a"], "tags": ["O"]}\n', "tagging"),
        ('{"text": "Anna left", "label": [[0, 4, "PER"]]}\n', "tagging"),
        ('{"text": "Anna left", "labels": []}\n{"text": "Anna left", "labels": [{"start": 0, "end": 4}]}\n', "tagging"),
        ('{"text": "Anna left", "spans": []}\n', "tagging"),
        ("", "tagging"),
        ("\xff\xfe", "tagging"),
        ("[\n{", "tagging"),
    ],
)
def test_the_task_of_a_file_is_guessed(data, task):
    assert guess_task(data.encode("latin-1")) == task


def test_the_samples_are_told_apart():
    samples = Path(__file__).parents[1] / "core" / "samples"
    for path in (
        samples / "harbour/harbour.conll",
        samples / "newsroom/train.jsonl",
        samples / "newsroom_zh/dev.jsonl",
    ):
        assert guess_task(path.read_bytes()[: 1 << 16]) == "tagging"
    for name in ("train", "dev", "test"):
        assert guess_task((samples / f"bikes/{name}.csv").read_bytes()) == "classification"


# Previews


def test_a_head_ends_with_a_whole_record():
    head = b'text,label\n"one\nline",a\ntwo,b\n"three\nis cut'
    found = preview(head, False, "f", ReadOptions(), 1000, task="classification")
    assert rows(found.read) == [("one\nline", ["a"]), ("two", ["b"])] and not found.read.issues
    assert found.estimated_rows is not None and found.estimated_rows > 2
    with pytest.raises(CoreError) as caught:
        preview(b'text,label\n"one\nline', False, "f", ReadOptions(), 1000, task="classification")
    assert caught.value.code == "preview_row_too_long"
    assert columns_of(head, task="classification") == ["text", "label"]
    assert columns_of(b"a;b c;d\n1;2;3\n", ReadOptions(separator="semicolon"), "classification") == ["a", "b c", "d"]


def test_parquet_is_looked_at_whole(file):
    data = parquet(file, {"text": [f"row {n}" for n in range(3000)], "label": ["a", "b"] * 1500})
    found = preview(data, True, "f", ReadOptions(), len(data), task="classification")
    assert (found.rows_seen, found.estimated_rows, len(found.read.corpus)) == (1000, 3000, 1000)
    assert columns_of(data, task="classification") == ["text", "label"]
    with pytest.raises(CoreError) as caught:
        preview(data[:500], False, "f", ReadOptions(), len(data), task="classification")
    assert caught.value.code == "preview_needs_whole"


# A hub


def test_data_sets_become_texts_and_labels():
    import datasets

    features = datasets.Features(
        {"Sentence": datasets.Value("string"), "intent": datasets.ClassLabel(names=["greet", "bye"])}
    )
    data = datasets.Dataset.from_dict({"Sentence": ["hi", "ciao", "?"], "intent": [0, 1, -1]}, features=features)
    assert list(hub_rows(data, {}, "hub:x")) == [
        {"text": "hi", "labels": "greet"},
        {"text": "ciao", "labels": "bye"},
        {"text": "?", "labels": None},
    ]
    lists = datasets.Features(
        {"text": datasets.Value("string"), "labels": datasets.List(datasets.ClassLabel(names=["joy", "fear"]))}
    )
    many = datasets.Dataset.from_dict({"text": ["a", "b"], "labels": [[0, 1], []]}, features=lists)
    assert [row["labels"] for row in hub_rows(many, {}, "hub:x")] == [["joy", "fear"], []]
    with pytest.raises(CoreError) as caught:
        list(hub_rows(data, {"labels": "nope"}, "hub:x"))
    assert caught.value.code == "column_unknown"


def test_the_columns_of_a_corpus_are_those_of_the_task():
    assert dict(COLUMNS) == {"text": pa.string(), "labels": pa.list_(pa.string())}
