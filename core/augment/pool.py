"""A pool: the children of a corpus by one method, filtered, with a reason for every child that is missing."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from core import corpus as corpora
from core.augment import augmenter, check_suits, make, named_by, params_of, resources
from core.augment.audit import audit, spent_line
from core.augment.decisions import Decisions
from core.augment.decisions import read as read_decisions
from core.augment.protocol import (
    Ahead,
    Attempt,
    Augmenter,
    Child,
    Example,
    Labelling,
    Name,
    Names,
    Rejected,
    Spending,
    Spent,
    rng_for,
)
from core.augment.rejected import RejectedChild, keep_rejected
from core.augment.sieve import Checks, Judged, judged
from core.augment.sound import as_decided, objection
from core.corpus import Corpus, digest_parts
from core.formats.leakage import contents
from core.params import CLOSED, build, canonical, canonical_json
from core.runs import PARAM, RunContext, kept
from core.tasks import task as task_of
from core.tasks.protocol import Task, schema_of

CHANGE = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("was", pa.list_(pa.string()))])
MADE = pa.schema([("changes", pa.list_(CHANGE)), ("method", pa.string()), ("copy", pa.int32())])
AHEAD = 32  # rows that a method is told of at once: two seconds of the slowest
DECISIONS = "decisions"  # the role of people's decisions among a run's inputs; models that check have their field's
PROGRESS = 1.0  # seconds between two looks at whether somebody cancelled

Born = tuple[int, int, Child]  # position of the parent row, copy, child


@dataclass(frozen=True)
class AugmentParams:
    """What an augment run does. Its inputs: `of` (a corpus), and `dev` and `test`, which no child may repeat."""

    __pydantic_config__ = CLOSED
    method: str
    params: dict[str, Any] = field(default_factory=dict[str, Any])  # of the method, see params_of
    copies: Annotated[int, Field(ge=1)] = 1  # children per row
    seed: int = 0
    decisions: Annotated[Name, Names("file", "core.augment.decisions:read")] | None = None  # of people, on its children
    checks: Checks | None = None  # by a model

    def canonical(self) -> "AugmentParams":
        """The same with the method's params checked, without those that equal their default, and what is kept in the
        workspace by what it holds."""
        params: dict[str, Any] = dict(canonical(params_of(self.method, self.params)))
        for name in named_by(self.method):
            if name in params:
                params[name] = kept(params[name]) or params[name]
        held = None if self.decisions is None else kept(self.decisions) or self.decisions
        checks = self.checks if self.checks is not None and self.checks.any else None
        if checks is not None:
            checks = replace(checks, **{field: kept(name) or name for field, name in checks.models().items()})
        return replace(self, params=params, decisions=held, checks=checks)

    def named(self) -> dict[str, str]:
        """What the params name, as inputs of a run: `file:SHA` or `model:IDENTITY` by role."""
        given = {name: mark for name, mark in named_by(self.method).items() if name in self.params}
        found = {PARAM + name: self.params[name] for name, mark in given.items() if not mark.outside(self.params[name])}
        found |= {} if self.decisions is None else {DECISIONS: self.decisions}
        return found if self.checks is None else found | self.checks.models()


@dataclass(frozen=True)
class Pool:
    """The children that passed, and those that did not: together as many as rows times copies; and what attacks on a
    model came to, whatever became of their children. `sifted`: the children that a model rejected, with the column
    `code`; None: none was asked."""

    corpus: Corpus
    rejected: Sequence[RejectedChild]
    spent: Spent | None = None
    attempts: Sequence[Attempt] = ()
    sifted: pa.Table | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Rejected children per code, the most frequent first."""
        return dict(Counter(item.code for item in self.rejected).most_common())


def pool_schema(task: Task) -> pa.Schema:
    """The columns of a pool: those of a corpus, and how its rows were made."""
    return pa.schema([*schema_of(task), *task.made.items(), *MADE])


def build_pool(
    parent: Corpus,
    params: AugmentParams,
    root: Path,
    forbidden: set[bytes],
    check: Callable[[], None],
    decisions: Decisions | None = None,
) -> Pool:
    """The children of every row, copy by copy, so that a pool with more copies begins with one with fewer.

    `root`: the workspace. `forbidden`: text_content of the rows of dev and test. `check` is called before each child
    and may raise. Raises CoreError `augmenter_needs` for a method that the task's rows don't suit, `named_gone`.
    """
    task = task_of(parent.schema.task)
    rows = task.examples(parent.table)
    check_suits(params.method, task)
    given = resources(params.method, params.params, rows, parent.schema.language, root, task.name, parent.schema.labels)
    method = make(params.method, params_of(params.method, params.params), given)
    seen = {task.text_content(row.tokens) for row in rows}
    step, told = _step(params), decisions or {}
    children: list[Born] = []
    rejected: list[RejectedChild] = []
    attempts: list[Attempt] = []
    schema = parent.schema

    def add(at: int, copy: int, child: Child | Rejected) -> None:
        """A child that was born, as people decided about it."""
        row = rows[at]
        decision = told.get(_id(row, step, copy)) if told else None
        if decision is not None and isinstance(child, Child):
            seen.add(task.text_content(child.tokens))  # what was rejected or edited doesn't come back as another
            child = as_decided(task, row, child, decision, schema.labels, forbidden, seen)
        if isinstance(child, Rejected):
            rejected.append(RejectedChild(row.id, copy, child.code))
        else:
            children.append((at, copy, child))
            seen.add(task.text_content(child.tokens))

    waiting: list[Born] = []  # that stay or not when all are made
    for copy in range(params.copies):
        for at, row in enumerate(rows):
            check()
            if at % AHEAD == 0:
                look_ahead(method, params, rows[at : at + AHEAD], copy)
            child = born(task, method, params, row, copy, forbidden, seen)
            attempts += [] if child.attempt is None else [child.attempt]
            if isinstance(method, Labelling) and isinstance(child, Child):
                waiting.append((at, copy, child))
            else:
                add(at, copy, child)
    if isinstance(method, Labelling):
        schema = replace(schema, labels=schema.labels or method.labels)
        settled = method.settled([child for _, _, child in waiting])
        for (at, copy, _), child in zip(waiting, settled, strict=True):
            add(at, copy, child)
    spent = method.spent() if isinstance(method, Spending) else None
    return Pool(Corpus(schema, _table(parent, rows, children, params)), rejected, spent, attempts)


def sifted(
    parent: Corpus,
    pool: Pool,
    checks: Checks,
    models: Mapping[str, Path],
    check: Callable[[], None],
    exempt: Collection[bytes] = (),
) -> tuple[Pool, Judged]:
    """The pool without the children that a model has something against, and what it thinks of those that stay.

    `models`: folders of those of `Checks.models`; `exempt`: ids of children that people wrote.
    """
    table = pool.corpus.table
    at = {id: place for place, id in enumerate(parent.table.column("id").to_pylist())}
    parents: list[bytes] = table.column("parent").to_pylist()
    found = judged(parent, pool.corpus, [at[id] for id in parents], checks, models, check)
    objections = zip(table.column("id").to_pylist(), found.objections(checks), strict=True)
    codes = [None if id in exempt else code for id, code in objections]
    copies = table.column("copy").to_pylist()
    out = [RejectedChild(id, n, code) for id, n, code in zip(parents, copies, codes, strict=True) if code is not None]
    stay = np.array([code is None for code in codes], dtype=bool)
    gone = table.filter(pa.array(~stay)).append_column("code", pa.array([code for code in codes if code], pa.string()))
    left = replace(pool, corpus=pool.corpus.take(np.flatnonzero(stay)), rejected=[*pool.rejected, *out], sifted=gone)
    return left, found.take(stay)


def look_ahead(method: Augmenter, params: AugmentParams, rows: Sequence[Example], copy: int) -> None:
    """Tell a method that wants to know it which rows it will be asked for next."""
    if isinstance(method, Ahead):
        method.ahead([(row, rng_for(params.seed, params.method, row.id, copy)) for row in rows])


def born(
    task: Task,
    method: Augmenter,
    params: AugmentParams,
    row: Example,
    copy: int,
    forbidden: AbstractSet[bytes],
    seen: AbstractSet[bytes],
) -> Child | Rejected:
    """One child, or the reason why there is none. `seen`: texts of the parent corpus and of the children so far."""
    made = method.augment(row, copy, rng_for(params.seed, params.method, row.id, copy))
    if isinstance(made, Rejected):
        return made
    content = task.text_content(made.tokens)
    entry = augmenter(params.method)
    if entry.control or entry.labels:
        return Rejected("overlaps_held_out") if content in forbidden else made
    against = objection(row, made, entry, content, forbidden, seen)
    return made if against is None else replace(against, attempt=made.attempt)


def _table(parent: Corpus, rows: Sequence[Example], children: Sequence[Born], params: AugmentParams) -> pa.Table:
    origins = parent.table.column("origin").to_pylist()
    task, step = task_of(parent.schema.task), _step(params)
    schema = pool_schema(task)
    columns: Mapping[str, list[Any]] = {
        "id": [_id(rows[at], step, copy) for at, copy, _ in children],
        "origin": [origins[at] for at, _, _ in children],
        "parent": [rows[at].id for at, _, _ in children],
        **task.children(parent.table, [(at, child) for at, _, child in children]),
        "changes": [[vars(change) for change in child.changes] for _, _, child in children],
        "method": [params.method] * len(children),
        "copy": [copy for _, copy, _ in children],
    }
    return pa.table([pa.array(columns[name], schema.field(name).type) for name in schema.names], schema=schema)


def _id(row: Example, step: bytes, copy: int) -> bytes:
    """The id of a child: that of its birth, which stays when somebody edits it."""
    return digest_parts((row.id, step, str(copy).encode()))


def _step(params: AugmentParams) -> bytes:
    """One link of the chain that makes a child's id: the method, its version, its params, the seed."""
    version = augmenter(params.method).version
    link = {"method": params.method, "version": version, "params": params.canonical().params, "seed": params.seed}
    return canonical_json(link).encode()


def run(ctx: RunContext) -> None:
    """The run kind "augment": one pool as a corpus, `rejected.arrow` beside the run."""
    params = build(AugmentParams, ctx.spec.params, "augment")
    parent = corpora.read(ctx.input("of"))
    forbidden: set[bytes] = set()
    for role in ("dev", "test"):
        if role in ctx.resolved["inputs"]:
            forbidden |= contents(corpora.read(ctx.input(role)))
    total = len(parent) * params.copies
    done, next_look = 0, 0.0

    def check() -> None:
        nonlocal done, next_look
        if time.monotonic() >= next_look:
            ctx.check_cancelled()
            ctx.metric(step=done, total=total)
            next_look = time.monotonic() + PROGRESS
        done += 1

    told = read_decisions(ctx.input(DECISIONS), "decisions") if params.decisions is not None else None
    pool, thought = build_pool(parent, params, ctx.root, forbidden, check, told), None
    if params.checks is not None and len(pool.corpus):
        edited = {id for id, one in (told or {}).items() if one.verdict == "edited"}
        models = {field: ctx.input(field) for field in params.checks.models()}
        pool, thought = sifted(parent, pool, params.checks, models, ctx.check_cancelled, edited)
    ctx.metric(step=total, total=total)
    corpora.write(pool.corpus, ctx.root / "corpora")
    keep_rejected(ctx.folder, pool.rejected, pool.sifted)
    labels = augmenter(params.method).labels
    audited = audit(parent, pool.corpus, thought, pool.spent, pool.attempts, labels)
    if pool.spent is not None:
        ctx.note(spent_line(pool.spent))
    found = {"rows": len(pool.corpus), "rejected": pool.counts, "audit": asdict(audited)}
    ctx.finish({"corpus": pool.corpus.id, **found, "issues": []})
