"""CoNLL: one token a line, an empty line between sentences, columns between tabs or spaces.

The file is read twice, in blocks: once to see how it is laid out (the separator and the column count that most
lines have), once to take the tokens and tags. See docs/formats.md for the rules.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from core.corpus import pc
from core.errors import CoreError, Issue, Value
from core.formats import arrays, text_lines
from core.formats.protocol import Layout, Read, ReadOptions
from core.formats.tagged import positions, rows, schemes
from core.formats.tagged.fields import LINE_FEED, SPACE, TAB, Fields, Lines, cut, per_line, strings
from core.tasks.protocol import Task

DOCUMENT = b"-DOCSTART-"
COMMENT = b"# "
SEPARATORS = {"tab": "tab", "\t": "tab", "space": "space", " ": "space"}
TOKEN_NAMES = frozenset({"token", "tokens", "word", "words", "text", "form"})  # what a header calls its columns
TAG_NAMES = frozenset({"tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "iob", "bio", "entity"})
_SPACE_BYTES = np.unique([chr(c).encode()[0] for c in range(0x3001) if chr(c).isspace()])  # how whitespace begins


@dataclass(frozen=True)
class Shape:
    """How a file is laid out. `token`, `tag`: columns from 0; `header`: the number of the header line, 0 for none."""

    separator: str
    columns: int
    token: int
    tag: int
    header: int


@dataclass(frozen=True)
class Block:
    """The tokens of a block, ragged lines included as empty ones.

    `codes`: tag numbers, (tokens,) int16. `begins`: tokens that begin a sentence; `lines`: their line numbers.
    `ragged`: line number and field count of each ragged line, (2, n). `inside`: whether the block ends inside one.
    """

    tokens: pa.StringArray
    codes: np.ndarray
    begins: np.ndarray
    lines: np.ndarray
    ragged: np.ndarray
    inside: bool


def read(path: Path, *, name: str, options: ReadOptions, task: Task) -> Read:
    """The sentences of a CoNLL file.

    Raises CoreError: those of `text_lines.blocks` and `rows.finish`, `tags_missing`, `column_missing`, `bad_value`.
    """
    shape = _survey(path, name, options)
    found = _collect(path, name, shape)
    digits = positions.recognised(found.chunks)
    if digits:
        found.issues.append(Issue(name, None, "tokens", "position_digits", {}, "repaired"))
        for _ in range(len(found.chunks)):
            chunk = found.chunks.popleft()
            found.chunks.append(replace(chunk, tokens=positions.stripped(chunk.tokens)))
    if shape.header:
        found.issues.append(Issue(name, None, None, "header_skipped", {"line": shape.header}, "kept"))
    encoding = text_lines.mark_and_encoding(text_lines.head(path, name))[1]
    layout = Layout("conll", encoding, shape.separator, shape.columns, "IOB2", digits)
    return rows.finish(found, name=name, options=options, task=task, layout=layout)


def _survey(path: Path, name: str, options: ReadOptions) -> Shape:
    """The layout that most lines of the file have, comments and document lines not counted."""
    counts = {"tab": Counter[int](), "space": Counter[int]()}
    with_tab = with_text = 0
    header, header_line = "", 0
    for number, block in text_lines.blocks(path, name):
        lines = Lines(number, block)
        plain = ~lines.blank & ~_documents(lines)
        tabs = per_line(np.flatnonzero(lines.data == TAB), lines.ends) > 0
        plain &= tabs | ~lines.begin_with(COMMENT)
        with_tab += int(np.count_nonzero(plain & tabs))
        with_text += int(np.count_nonzero(plain))
        for separator, counter in counts.items():
            values, times = np.unique(cut(lines, separator).counts[plain], return_counts=True)
            counter.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
        if not header_line and plain.any():
            line = int(np.flatnonzero(plain)[0])
            header, header_line = lines.text(line), number + line
    separator = _separator(options, "tab" if 2 * with_tab > with_text else "space")
    found = counts[separator]
    if not found:
        raise CoreError("no_usable_rows", {"file": name, "rows": 0, "dropped": 0}, "hint_no_rows")
    columns = max(found, key=lambda count: (found[count], count))
    shape = _columns(name, options, separator, columns)
    return replace(shape, header=header_line) if _is_header(header, shape) else shape


def _separator(options: ReadOptions, recognised: str) -> str:
    if options.separator is None:
        return recognised
    if options.separator not in SEPARATORS:
        values: dict[str, Value] = {"where": "separator", "value": options.separator, "expected": "tab | space"}
        raise CoreError("bad_value", values)
    return SEPARATORS[options.separator]


def _columns(name: str, options: ReadOptions, separator: str, columns: int) -> Shape:
    if columns < 2:
        raise CoreError("tags_missing", {"file": name}, "hint_tags_missing")
    for column in (options.token_column, options.tag_column):
        if not -columns <= column < columns:
            raise CoreError("column_missing", {"file": name, "column": column, "columns": columns}, "hint_columns")
    token, tag = options.token_column % columns, options.tag_column % columns
    if token == tag:
        raise CoreError("columns_same", {"file": name, "column": token}, "hint_columns")
    return Shape(separator, columns, token, tag, 0)


def _is_header(line: str, shape: Shape) -> bool:
    fields = line.split("\t") if shape.separator == "tab" else line.replace("\t", " ").split(" ")
    fields = [field.casefold() for field in fields if field or shape.separator == "tab"]
    if len(fields) != shape.columns:
        return False
    return fields[shape.token] in TOKEN_NAMES and fields[shape.tag] in TAG_NAMES


def _documents(lines: Lines) -> np.ndarray:
    """True where the first field of a line is -DOCSTART-. *Shape:* (lines,), bool."""
    out = np.flatnonzero(lines.begin_with(DOCUMENT))
    after = lines.data[lines.starts[out] + len(DOCUMENT)]
    mask = np.zeros(len(lines.ends), dtype=bool)
    mask[out[(after == TAB) | (after == SPACE) | (after == LINE_FEED)]] = True
    return mask


def _collect(path: Path, name: str, shape: Shape) -> rows.Found:
    """Everything in the file."""
    names = schemes.Names()
    ragged = [np.empty((2, 0), dtype=np.int64)]
    chunks = deque(_chunks(_parsed(path, name, shape, names), ragged))
    lines, counts = np.concatenate(ragged, axis=1)

    def detail(line: int) -> dict[str, Value]:
        return {"fields": int(counts[np.searchsorted(lines, line)]), "columns": shape.columns}

    return rows.Found(chunks, names, 1, sum(len(chunk.begins) for chunk in chunks), [], detail)


def _chunks(blocks: Iterator[Block], ragged: list[np.ndarray]) -> Iterator[rows.Chunk]:
    """Blocks cut anew, where sentences begin; what they hold of ragged lines goes to `ragged`."""
    pieces: list[tuple[pa.StringArray, np.ndarray]] = []  # of the last sentence, which may go on in the next block
    line = np.empty(0, dtype=np.int64)  # its first
    for block in blocks:
        ragged.append(block.ragged)
        if not len(block.begins):
            pieces.append((block.tokens, block.codes))
            continue
        last = int(block.begins[-1])
        before = sum(len(codes) for _, codes in pieces)
        pieces.append((block.tokens[:last], block.codes[:last]))
        begins = np.concatenate((np.zeros(len(line), dtype=np.int64), block.begins[:-1] + before))
        if len(begins):
            yield _chunk(pieces, begins, np.concatenate((line, block.lines[:-1])))
        pieces, line = [(block.tokens[last:], block.codes[last:])], block.lines[-1:]
    if len(line):
        yield _chunk(pieces, np.zeros(1, dtype=np.int64), line)


def _chunk(pieces: Sequence[tuple[pa.StringArray, np.ndarray]], begins: np.ndarray, lines: np.ndarray) -> rows.Chunk:
    tokens = pa.concat_arrays([tokens for tokens, _ in pieces], memory_pool=arrays.POOL)
    return rows.Chunk(tokens, np.concatenate([codes for _, codes in pieces]), begins, lines)


def _parsed(path: Path, name: str, shape: Shape, names: schemes.Names) -> Iterator[Block]:
    inside = False
    for number, data in text_lines.blocks(path, name):
        lines = Lines(number, data)
        block = _parse(lines, cut(lines, shape.separator), shape, names, inside)
        inside = block.inside
        yield block


def _parse(lines: Lines, fields: Fields, shape: Shape, names: schemes.Names, inside: bool) -> Block:
    """`inside`: whether the line before the block belongs to a sentence."""
    whole = fields.counts == shape.columns
    breaks = _breaks(lines, whole, shape)
    member = ~breaks & ~_comments(lines, whole, breaks, shape, inside)
    before = np.concatenate(([inside], member[:-1]))
    of_sentence = np.flatnonzero(member)
    begins = np.searchsorted(of_sentence, np.flatnonzero(member & ~before))
    tokens = _field(lines, fields, of_sentence, whole[of_sentence], shape.token)
    tags = _field(lines, fields, of_sentence, whole[of_sentence], shape.tag)
    codes = _codes(tags, names)
    codes[_white(tokens)] = names.code(schemes.EMPTY_TOKEN)
    odd = of_sentence[~whole[of_sentence]]
    codes[~whole[of_sentence]] = names.code(schemes.RAGGED)
    ragged = np.stack((odd + lines.first, fields.counts[odd]))
    return Block(tokens, codes, begins, of_sentence[begins] + lines.first, ragged, bool(member[-1]))


def _white(tokens: pa.StringArray) -> np.ndarray:
    """True where a token is empty or nothing but whitespace. *Shape:* (tokens,), bool."""
    lengths = arrays.lengths(tokens)
    white = lengths == 0
    some = np.flatnonzero(~white)
    starts = (np.cumsum(lengths) - lengths)[some]
    for token in some[np.isin(arrays.values(tokens)[starts], _SPACE_BYTES)].tolist():
        white[token] = tokens[token].as_py().isspace()
    return white


def _breaks(lines: Lines, whole: np.ndarray, shape: Shape) -> np.ndarray:
    """True where a line ends a sentence: whitespace only, -DOCSTART-, the header. *Shape:* (lines,), bool."""
    breaks = lines.blank | _documents(lines)
    if 0 <= shape.header - lines.first < len(breaks):
        breaks[shape.header - lines.first] = True
    for line in np.flatnonzero(~whole & ~breaks).tolist():
        if lines.text(line).isspace():
            breaks[line] = True
    return breaks


def _comments(lines: Lines, whole: np.ndarray, breaks: np.ndarray, shape: Shape, inside: bool) -> np.ndarray:
    """True where a line is a comment: single-column, begins with `# `, outside a sentence. *Shape:* (lines,), bool.

    Between spaces the words of a comment are fields: there it is one where their number isn't that of the columns.
    """
    like = ~breaks & ~whole & lines.begin_with(COMMENT)
    if shape.separator == "tab":
        like &= per_line(np.flatnonzero(lines.data == TAB), lines.ends) == 0
    # the nearest line above that is none of these says whether we are outside: -1 is the line before the block
    above = np.maximum.accumulate(np.where(like, -1, np.arange(len(like))))
    return like & np.where(above < 0, not inside, breaks[above])


def _field(lines: Lines, fields: Fields, chosen: np.ndarray, whole: np.ndarray, column: int) -> pa.StringArray:
    """One column of the chosen lines; empty where the line isn't whole."""
    index = fields.first[chosen[whole]] + column
    starts = lines.starts[chosen]
    ends = starts.copy()
    starts[whole] = fields.starts[index]
    ends[whole] = fields.ends[index]
    return strings(lines, starts, ends)


def _codes(tags: pa.StringArray, names: schemes.Names) -> np.ndarray:
    """The number of each tag. *Shape:* (tags,), int16."""
    encoded = pc.dictionary_encode(tags, memory_pool=arrays.POOL)
    numbers = np.array([names.code(tag) for tag in encoded.dictionary.to_pylist()], dtype=np.int16)
    return numbers[arrays.numbers(encoded.indices)]
