"""A corpus is named by what it holds, whatever holds it; it survives storage, memory-mapped."""

import hashlib
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import corpus as corpora
from core.augment.pool import pool_schema
from core.corpus import Corpus, Schema, content_id, digest_parts, numbered
from core.tasks import task
from core.tasks.tagging import TABLE, content

SCHEMA = Schema("tagging", ("LOC", "PER"))
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ids = st.binary(min_size=16, max_size=16)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
numbers = st.integers(-(2**31), 2**31 - 1)
rows = st.fixed_dictionaries(
    {
        "id": ids,
        "origin": ids,
        "parent": st.none() | ids,
        "tokens": st.lists(words, max_size=3),
        "tags": st.lists(st.none() | st.sampled_from(["O", "B-PER", "I-PER"]), max_size=3),
        "text": st.none() | words,
        "starts": st.none() | st.lists(numbers, max_size=3),
        "ends": st.none() | st.lists(numbers, max_size=3),
    }
)
tables = st.lists(rows, max_size=6)


def table_of(found: list[dict[str, Any]], schema: pa.Schema = TABLE) -> pa.Table:
    return pa.table([pa.array([row[name] for row in found], schema.field(name).type) for name in schema.names], schema)


def plain_id(schema: Schema, table: pa.Table) -> str:
    """The id of a corpus from Python values alone: the schema's JSON, and per column validity, lengths, values."""
    labels = ",".join(f'"{label}"' for label in schema.labels)
    digest = hashlib.sha256(f'{{"labels":[{labels}],"language":"{schema.language}","task":"{schema.task}"}}'.encode())
    for name in sorted(table.column_names):
        column = table.column(name)
        digest.update(f"\0{name}:{column.type}:{len(column)}\0".encode())
        plain_update(digest, column.to_pylist(), column.type)
    return digest.hexdigest()


def plain_update(digest: Any, values: list[Any], kind: pa.DataType) -> None:
    holes = any(value is None for value in values)
    digest.update(b"\1" if holes else b"\0")
    if holes:
        digest.update(bytes(value is not None for value in values))
    if pa.types.is_list(kind):
        digest.update(b"".join(len(value or ()).to_bytes(4, "little") for value in values))
        plain_update(digest, [item for value in values for item in value or ()], kind.value_type)
    elif pa.types.is_string(kind):
        coded = [(value or "").encode() for value in values]
        digest.update(b"".join(len(value).to_bytes(4, "little") for value in coded) + b"".join(coded))
    elif pa.types.is_fixed_size_binary(kind):
        digest.update(b"".join(value for value in values if value is not None))
    else:
        digest.update(b"".join(value.to_bytes(4, "little", signed=True) for value in values if value is not None))


@given(tables)
@FEW
def test_the_id_is_the_hash_of_schema_validity_lengths_and_values(found):
    table = table_of(found)
    assert content_id(SCHEMA, table) == plain_id(SCHEMA, table)


@given(tables, st.lists(st.integers(0, 6), max_size=3), st.integers(0, 3), st.integers(0, 3))
@FEW
def test_the_id_knows_nothing_of_chunks_slices_and_column_order(found, borders, before, after):
    table = table_of(found)
    whole = content_id(SCHEMA, table)
    cuts = sorted({0, len(found), *(min(border, len(found)) for border in borders)})
    pieces = [table.slice(start, end - start) for start, end in pairwise(cuts)] or [table]
    assert content_id(SCHEMA, pa.concat_tables(pieces)) == whole
    other = table_of((found[:1] or [filler()]) * 3)
    padded = pa.concat_tables([other.slice(0, before), table, other.slice(0, after)]).combine_chunks()
    assert content_id(SCHEMA, padded.slice(before, len(found))) == whole
    assert content_id(SCHEMA, table.select(table.column_names[::-1])) == whole


def filler() -> dict[str, Any]:
    empty = {"tokens": ["a"], "tags": ["O"], "text": None, "starts": None, "ends": None}
    return {"id": b"0" * 16, "origin": b"1" * 16, "parent": None} | empty


def test_a_corpus_without_rows_has_one_id_with_and_without_chunks():
    with_chunk, without = TABLE.empty_table(), pa.table([pa.chunked_array([], t.type) for t in TABLE], schema=TABLE)
    assert with_chunk.column("id").num_chunks == 1
    assert without.column("id").num_chunks == 0
    assert content_id(SCHEMA, with_chunk) == content_id(SCHEMA, without) == plain_id(SCHEMA, without)


@given(tables, tables)
@FEW
def test_other_cells_are_another_corpus(first, second):
    same = first == second
    assert (content_id(SCHEMA, table_of(first)) == content_id(SCHEMA, table_of(second))) == same


CHANGES = {
    "id": b"2" * 16,
    "origin": b"2" * 16,
    "parent": b"2" * 16,
    "tokens": ["b"],
    "tags": [None],
    "text": "",
    "starts": [],
    "ends": [0],
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_id_changes_with_any_cell_and_any_validity(name):
    """An empty text is not a missing one, and an empty list not a null."""
    row = filler()
    assert row[name] != CHANGES[name]
    assert Corpus(SCHEMA, table_of([row])).id != Corpus(SCHEMA, table_of([row | {name: CHANGES[name]}])).id


def test_the_id_changes_with_row_order_and_with_moved_word_borders():
    one, two = filler(), filler() | {"tokens": ["b"]}
    assert Corpus(SCHEMA, table_of([one, two])).id != Corpus(SCHEMA, table_of([two, one])).id
    words = [[["ab", "c"]], [["a", "bc"]], [["abc"]], [["abc", ""]], [["", "abc"]]]
    moved = {Corpus(SCHEMA, table_of([filler() | {"tokens": row[0]}])).id for row in words}
    assert len(moved) == len(words)
    rows = [[["a", "b"], []], [["a"], ["b"]], [[], ["a", "b"]]]
    assert len({Corpus(SCHEMA, table_of([filler() | {"tokens": t} for t in pair])).id for pair in rows}) == 3


def test_the_id_changes_with_task_language_and_the_order_of_labels():
    table = table_of([filler()])
    schemas = [
        SCHEMA,
        Schema("tagging", ("PER", "LOC")),
        Schema("tagging", ("LOC", "PER"), "zh"),
        Schema("classification", ("LOC", "PER")),
        Schema("tagging", ("LOC",)),
        Schema("tagging", ("LOC PER",)),
    ]
    assert len({Corpus(schema, table).id for schema in schemas}) == len(schemas)


def test_what_lies_under_a_null_is_no_content():
    """The bytes behind a missing cell depend on who built the array."""
    hidden = pa.StructArray.from_arrays([pa.array([1, 7])], ["x"], mask=pa.array([False, True]))
    clean = pa.array([{"x": 1}, None], hidden.type)
    offsets = pa.array([0, 1, 3], pa.int32())
    hidden_list = pa.ListArray.from_arrays(offsets, pa.array(["a", "b", "c"]), mask=pa.array([False, True]))
    clean_list = pa.array([["a"], None], pa.list_(pa.string()))
    bits, places = pa.py_buffer(b"\1"), pa.py_buffer(np.array([0, 1, 3], "<i4").tobytes())
    hidden_text = pa.Array.from_buffers(pa.string(), 2, [bits, places, pa.py_buffer(b"axx")])
    clean_text = pa.array(["a", None])
    for one, other in ((hidden, clean), (hidden_list, clean_list), (hidden_text, clean_text)):
        assert one.to_pylist() == other.to_pylist()
        assert content_id(SCHEMA, pa.table({"c": one})) == content_id(SCHEMA, pa.table({"c": other}))


def test_a_type_without_a_rule_is_refused_rather_than_hashed_by_address():
    with pytest.raises(TypeError, match="large_string"):
        content_id(SCHEMA, pa.table({"c": pa.array(["a"], pa.large_string())}))


@given(tables)
@settings(max_examples=20, deadline=None)
def test_a_stored_corpus_comes_back_the_same(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("corpora")
    before = Corpus(SCHEMA, table_of(found))
    path = corpora.write(before, folder / "new")
    assert path == folder / "new" / f"{before.id}.arrow"
    after = corpora.read(path)
    assert (after.schema, after.id) == (SCHEMA, before.id)
    assert after.table.equals(before.table)
    assert after.table.schema.equals(TABLE, check_metadata=True)
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # no temporary file is left


def test_the_id_is_that_of_the_rows_and_not_of_the_file_that_holds_them(tmp_path: Path):
    """The id is not over file bytes, which change with versions: another writer, other batches, other metadata."""
    before = Corpus(SCHEMA, table_of([filler() | {"tokens": [str(n)], "text": str(n)} for n in range(20)]))
    mine = corpora.write(before, tmp_path)
    theirs = tmp_path / "other.arrow"
    meta = {**pa.ipc.open_file(mine).schema.metadata, b"written by": b"somebody"}
    table = before.table.replace_schema_metadata(meta)
    with pa.ipc.new_file(theirs, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table, max_chunksize=3)
    assert theirs.read_bytes() != mine.read_bytes()
    assert corpora.read(theirs).table.column("id").num_chunks == 7
    assert corpora.read(theirs).id == before.id


def test_a_stored_corpus_is_never_changed(tmp_path: Path):
    before = Corpus(SCHEMA, table_of([filler()]))
    path = corpora.write(before, tmp_path)
    path.chmod(0o400)
    stamp = path.stat().st_mtime_ns
    assert corpora.write(before, tmp_path) == path
    assert path.stat().st_mtime_ns == stamp


def test_a_stored_corpus_is_memory_mapped(tmp_path: Path):
    """Uncompressed Arrow IPC, memory-mapped: opening takes no memory of Arrow's own."""
    count = 20_000
    row = filler() | {"tokens": ["word"] * 20, "tags": ["O"] * 20}
    path = corpora.write(Corpus(SCHEMA, table_of([row] * count)), tmp_path)
    assert path.stat().st_size > 2 * 10**6
    held = pa.total_allocated_bytes()
    opened = corpora.read(path)
    assert pa.total_allocated_bytes() - held < 50_000
    assert len(opened) == count
    with path.open("r+b") as file:  # what the file says now is what the table says: nothing was copied
        place = path.read_bytes().index(b"wordword")
        file.seek(place)
        file.write(b"WORD")
    assert opened.table.column("tokens")[0].as_py()[0] == "WORD"


def test_keys_are_the_first_eight_bytes_of_the_ids_little_endian():
    found = [digest_parts([str(n).encode()]) for n in range(10)]
    table = table_of([filler() | {"id": row_id} for row_id in found])
    expected = [int.from_bytes(row_id[:8], "little") for row_id in found]
    assert Corpus(SCHEMA, table).keys().tolist() == expected
    sliced = pa.concat_tables([table.slice(7, 2), table.slice(2, 1)])
    assert Corpus(SCHEMA, sliced).keys().tolist() == [*expected[7:9], expected[2]]
    assert Corpus(SCHEMA, table.slice(0, 0)).keys().tolist() == []
    assert Corpus(SCHEMA, table).keys().dtype == np.uint64


def test_take_keeps_the_order_asked_for_and_repeats():
    table = table_of([filler() | {"text": text} for text in "abc"])
    taken = Corpus(SCHEMA, table).take(np.array([2, 0, 2]))
    assert taken.table.column("text").to_pylist() == ["c", "a", "c"]
    assert taken.schema == SCHEMA


def occurrences(items: list[bytes]) -> list[int]:
    return [items[:index].count(item) for index, item in enumerate(items)]


@given(st.lists(st.sampled_from([b"x" * 16, b"y" * 16, b"z" * 16]), max_size=12))
@FEW
def test_numbered_ids_are_unique_and_depend_only_on_content_and_occurrence(contents):
    """`id` = hash of content and its occurrence number in the file."""
    found = numbered(contents)
    assert len(set(found)) == len(contents)
    other = sorted(contents)
    again = dict(zip(zip(other, occurrences(other), strict=True), numbered(other), strict=True))
    for item, count, row_id in zip(contents, occurrences(contents), found, strict=True):
        assert again[item, count] == row_id
        assert (row_id == item) == (count == 0)


@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
@settings(max_examples=200, deadline=None)
def test_two_lists_of_parts_never_share_a_digest(one, other):
    assert (digest_parts(one) == digest_parts(other)) == (one == other)
    assert len(digest_parts(one)) == 16


def test_a_rows_content_is_its_tokens_and_tags():
    rows = [
        (["a", "b"], ["O", "O"]),
        (["ab"], ["O"]),
        (["a", "b"], ["O", "B-X"]),
        (["a", "b"], ["O", None]),
        (["b", "a"], ["O", "O"]),
        (["a", "b", "O"], ["O", "O", "O"]),
    ]
    assert len({content(tokens, tags) for tokens, tags in rows}) == len(rows)
    assert content(*rows[0]) == content(*rows[0])


def test_the_id_is_the_same_in_another_process():
    """Nothing of it hangs on hash seeds or on the process."""
    script = (
        "import pyarrow as pa; from core.corpus import Schema, content_id;"
        "print(content_id(Schema('tagging', ('LOC', 'PER')), pa.table({'c': [['é', None], None], 'n': [1, None]})))"
    )
    root = Path(__file__).parents[1]
    command, env = [sys.executable, "-c", script], {"PYTHONHASHSEED": "1"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == content_id(SCHEMA, pa.table({"c": [["é", None], None], "n": [1, None]}))


def test_the_columns_of_a_pool_have_ids_too():
    """Children carry lists of structs: what was changed."""
    row = filler() | {"changes": [{"start": 0, "end": 1, "was": ["x"]}], "method": "swap", "copy": 0}
    other = row | {"changes": [{"start": 0, "end": 1, "was": ["y"]}]}
    found = {
        Corpus(SCHEMA, table_of([r], pool_schema(task("tagging")))).id
        for r in (row, other, row | {"copy": 1}, row | {"changes": []})
    }
    assert len(found) == 4
