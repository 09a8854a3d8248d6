"""A pool: the children of a corpus by one method, filtered, with a reason for every child that is missing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from core import corpus as corpora
from core.augment import augmenter, make, params_of
from core.augment.protocol import Augmenter, Child, Example, Rejected, Resources, rng_for
from core.augment.text import Running, spliced
from core.corpus import ID, Corpus, digest_parts
from core.params import CLOSED, build, canonical, canonical_json
from core.runs import RunContext
from core.tasks.tagging import TABLE, spans, text_content

CHANGE = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("was", pa.list_(pa.string()))])
POOL = pa.schema([*TABLE, ("changes", pa.list_(CHANGE)), ("method", pa.string()), ("copy", pa.int32())])
REJECTED = pa.schema([("parent", ID), ("copy", pa.int32()), ("code", pa.string())])
PROGRESS_ROWS = 1000

Born = tuple[int, int, Child]  # position of the parent row, copy, child


@dataclass(frozen=True)
class AugmentParams:
    """What an augment run does. Its inputs: `of` (a corpus), and `dev` and `test`, which no child may repeat."""

    __pydantic_config__ = CLOSED
    method: str
    params: dict[str, Any] = field(default_factory=dict[str, Any])  # of the method, see params_of
    copies: Annotated[int, Field(ge=1)] = 1  # children per row
    seed: int = 0

    def canonical(self) -> "AugmentParams":
        """The same with the method's params checked and without those that equal their default."""
        return replace(self, params=dict(canonical(params_of(self.method, self.params))))


@dataclass(frozen=True)
class RejectedChild:
    """A child that did not come to be: the id of its parent row, which copy, and why."""

    parent: bytes
    copy: int
    code: str


@dataclass(frozen=True)
class Pool:
    """The children that passed, and those that did not: together as many as rows times copies."""

    corpus: Corpus
    rejected: Sequence[RejectedChild]

    @property
    def counts(self) -> dict[str, int]:
        """Rejected children per code, the most frequent first."""
        return dict(Counter(item.code for item in self.rejected).most_common())


def build_pool(
    parent: Corpus, params: AugmentParams, cache: Path, forbidden: set[bytes], check: Callable[[], None]
) -> Pool:
    """The children of every row, copy by copy, so that a pool with more copies begins with one with fewer.

    `forbidden`: text_content of the rows of dev and test. `check` is called before each child and may raise.
    """
    rows = examples(parent)
    resources = Resources(rows, parent.schema.language, cache)
    method = make(params.method, params_of(params.method, params.params), resources)
    seen = {text_content(row.tokens) for row in rows}
    children: list[Born] = []
    rejected: list[RejectedChild] = []
    for copy in range(params.copies):
        for at, row in enumerate(rows):
            check()
            child = born(method, params, row, copy, forbidden, seen)
            if isinstance(child, Rejected):
                rejected.append(RejectedChild(row.id, copy, child.code))
            else:
                children.append((at, copy, child))
                seen.add(text_content(child.tokens))
    return Pool(Corpus(parent.schema, _table(parent, rows, children, params)), rejected)


def born(
    method: Augmenter,
    params: AugmentParams,
    row: Example,
    copy: int,
    forbidden: set[bytes],
    seen: set[bytes],
) -> Child | Rejected:
    """One child, or the reason why there is none. `seen`: texts of the parent corpus and of the children so far."""
    made = method.augment(row, copy, rng_for(params.seed, params.method, row.id, copy))
    return _filtered(row, made, augmenter(params.method).keeps_mentions, forbidden, seen)


def examples(parent: Corpus) -> list[Example]:
    """The rows of a tagging corpus as augmenters see them."""
    columns = [parent.table.column(name).to_pylist() for name in ("id", "tokens", "tags")]
    return [Example(row_id, tuple(tokens), tuple(tags)) for row_id, tokens, tags in zip(*columns, strict=True)]


def _filtered(
    row: Example, child: Child | Rejected, keeps_mentions: bool, forbidden: set[bytes], seen: set[bytes]
) -> Child | Rejected:
    """The child, or the first reason against it."""
    if isinstance(child, Rejected):
        return child
    if not valid_iob2(child.tags):
        return Rejected("invalid_tags")
    if _mentions(row, keeps_mentions) != _mentions(child, keeps_mentions) or _masked(row) != _masked(child):
        return Rejected("mentions_changed")
    content = text_content(child.tokens)
    if content in forbidden:
        return Rejected("overlaps_held_out")
    if child.tokens == row.tokens:
        return Rejected("unchanged")
    return Rejected("duplicate") if content in seen else child


def valid_iob2(tags: Sequence[str | None]) -> bool:
    """Whether every I- continues a mention of its label."""
    inside = sum(span.end - span.start for span in spans(tags))
    return inside == sum(tag is not None and tag != "O" for tag in tags)


def _mentions(row: Example | Child, surfaces: bool) -> Counter[tuple[str, ...]]:
    """The multiset of a row's labels, each with the surface of its mention where `surfaces` asks for it."""
    return Counter((s.label, *(row.tokens[s.start : s.end] if surfaces else ())) for s in spans(row.tags))


def _masked(row: Example | Child) -> list[str]:
    return [token for token, tag in zip(row.tokens, row.tags, strict=True) if tag is None]


def _table(parent: Corpus, rows: Sequence[Example], children: Sequence[Born], params: AugmentParams) -> pa.Table:
    origins = parent.table.column("origin").to_pylist()
    running = _running(parent, children)
    step = _step(params)
    columns: Mapping[str, list[Any]] = {
        "id": [digest_parts((rows[at].id, step, str(copy).encode())) for at, copy, _ in children],
        "origin": [origins[at] for at, _, _ in children],
        "parent": [rows[at].id for at, _, _ in children],
        "tokens": [child.tokens for _, _, child in children],
        "tags": [child.tags for _, _, child in children],
        "text": [found and found.text for found in running],
        "starts": [found and found.starts for found in running],
        "ends": [found and found.ends for found in running],
        "changes": [[vars(change) for change in child.changes] for _, _, child in children],
        "method": [params.method] * len(children),
        "copy": [copy for _, copy, _ in children],
    }
    return pa.table([pa.array(columns[name], POOL.field(name).type) for name in POOL.names], schema=POOL)


def _step(params: AugmentParams) -> bytes:
    """One link of the chain that makes a child's id: the method, its version, its params, the seed."""
    version = augmenter(params.method).version
    link = {"method": params.method, "version": version, "params": params.canonical().params, "seed": params.seed}
    return canonical_json(link).encode()


def _running(parent: Corpus, children: Sequence[Born]) -> list[Running | None]:
    """The children's texts; None where the parent's is not known."""
    texts, starts, ends = (parent.table.column(name).to_pylist() for name in ("text", "starts", "ends"))
    return [
        None
        if texts[at] is None or starts[at] is None or ends[at] is None
        else spliced(Running(texts[at], tuple(starts[at]), tuple(ends[at])), child)
        for at, _, child in children
    ]


def run(ctx: RunContext) -> None:
    """The run kind "augment": one pool as a corpus, `rejected.arrow` beside the run."""
    params = build(AugmentParams, ctx.spec.params, "augment")
    parent = corpora.read(ctx.input("of"))
    forbidden: set[bytes] = set()
    for role in ("dev", "test"):
        if role in ctx.resolved["inputs"]:
            held_out = corpora.read(ctx.input(role))
            forbidden |= {text_content(tokens) for tokens in held_out.table.column("tokens").to_pylist()}
    total = len(parent) * params.copies
    done = 0

    def check() -> None:
        nonlocal done
        if done % PROGRESS_ROWS == 0:
            ctx.check_cancelled()
            ctx.metric(step=done, total=total)
        done += 1

    pool = build_pool(parent, params, ctx.root / "cache", forbidden, check)
    ctx.metric(step=total, total=total)
    corpora.write(pool.corpus, ctx.root / "corpora")
    _write_rejected(pool.rejected, ctx.folder / "rejected.arrow")
    ctx.finish({"corpus": pool.corpus.id, "rows": len(pool.corpus), "rejected": pool.counts, "issues": []})


def _write_rejected(rejected: Sequence[RejectedChild], path: Path) -> None:
    columns = [[item.parent for item in rejected], [item.copy for item in rejected], [item.code for item in rejected]]
    corpora.keep(pa.table(columns, schema=REJECTED), {}, path)
