"""`import` and `augment`: labelled rows in, and their children."""

import json
from argparse import Namespace
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.augment import augmenter, check_suits, params_of
from core.augment.audit import Audit, audit
from core.augment.links import Link, links
from core.commands.answer import Answer, Setting, delivered
from core.commands.options import param_values
from core.corpus import Corpus
from core.errors import CoreError, message
from core.formats import WRITERS
from core.formats import write as write_file
from core.formats.importing import Source, Split
from core.formats.protocol import ReadOptions
from core.labeller import trusted
from core.mix import GOLD
from core.output import (
    audit_text,
    issue_json,
    issues_text,
    plain,
    spent_text,
    table,
    trusted_text,
    yields_text,
)
from core.params import build
from core.pipeline import staged
from core.recipe import AugmentedIngredient, Data, FileIngredient, Recipe
from core.runs import POOL
from core.sources import Gold, check_roles, gold_spec, keep_named, keep_source, likely_task, name_gold
from core.stage import augment_spec, issue_of
from core.tasks import task as task_of
from core.tasks.example import spans


def import_files(args: Namespace, at: Setting) -> Answer:
    """Read and check files, and remember them under a name."""
    named = ("format", "scheme", "separator", "token_column", "tag_column", "label_separator", "unlabelled")
    columns = dict(item.partition("=")[::2] for item in args.columns)
    options = build(ReadOptions, _given(args, named) | ({"columns": columns} if columns else {}), "options")
    roles = {"train": args.train, "dev": args.dev, "test": args.test, "file": args.file}
    roles = {role: name for role, name in roles.items() if name}
    check_roles(roles)
    quick = build(Data, _given(args, ("train_rows",)), "import")
    share = {"dev": args.split_dev, "test": args.split_test, "seed": args.split_seed}
    split = (
        build(Split, {k: v for k, v in share.items() if v is not None}, "split")
        if args.split_dev or args.split_test
        else None
    )
    task = args.task or likely_task(at.workspace, next(iter(roles.values())), Path.cwd())
    kept = {
        role: keep_source(at.workspace, Source(name, options), role, Path.cwd(), columns, task)
        for role, name in roles.items()
    }
    sources = {role: source for role, (source, _) in kept.items()}
    gold = Gold(sources, {role: value for role, (_, value) in kept.items()}, split, quick.train_rows, task)
    result = delivered(gold_spec(gold, args.language), at)
    if args.name:
        name_gold(at.workspace, args.name, gold)
    issues = [issue_of(data) for data in result["issues"]]
    rows = [["", *(message(c, {}, at.language) for c in ("col_rows", "col_labels"))]]
    rows += [[role.removeprefix(POOL), str(n), ", ".join(result["labels"][role])] for role, n in result["rows"].items()]
    data = {
        "rows": result["rows"],
        "rows_in": result["rows_in"],
        "labels": result["labels"],
        "layouts": result["layouts"],
    }
    data["issues"] = [issue_json(issue, at.language) for issue in issues]
    if args.issues:
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in data["issues"])
        with _writing(args.issues):
            Path(args.issues).write_text(text, encoding="utf-8")
    used = f"\n\n{message('line_corpus_named', {'name': args.name}, at.language)}" if args.name else ""
    return Answer(data, table(rows, right=(1,)) + "\n\n" + issues_text(issues, at.language) + used)


@contextmanager
def _writing(name: str) -> Generator[None]:
    """A file the user named is written inside. Raises CoreError `file_unwritable`."""
    try:
        yield
    except OSError as error:
        raise CoreError("file_unwritable", {"file": name, "what": error.strerror or ""}) from None


def _given(args: Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def augment(args: Namespace, at: Setting) -> Answer:
    """Children of a file's rows by one method, side by side with their parents."""
    given = param_values(args)
    params_of(args.method, given, "param")
    task = args.task or likely_task(at.workspace, args.gold or args.source, Path.cwd())
    check_suits(args.method, task_of(task))
    joins = args.gold or args.source
    kind, _, name = joins.partition(":")
    held_out = kind == "corpus" and "dev" in at.workspace.named_corpus(name)["sources"]
    of = GOLD if held_out and not args.gold else "rows"  # without a dev to keep away from, every row has children
    source = FileIngredient(args.source, options=ReadOptions(unlabelled=args.unlabelled))
    children = AugmentedIngredient(args.method, of, given, args.copies, args.seed)
    recipe = Recipe(
        data=joins if held_out else Data(),
        folder=Path.cwd(), file=args.source, project="augment", task=task, language=args.language,
        ingredients={"children": children} if of == GOLD else {of: source, "children": children},
    )  # fmt: skip
    stage, rejected = staged(at.workspace, recipe, at.watch)
    pool, parents = stage.pools["children"], stage.pools[of]
    whole = keep_named(at.workspace, children, recipe.folder, recipe.language)
    made, labels = augment_spec(whole, stage), augmenter(args.method).labels
    if args.out:
        with _writing(args.out):
            formats = [*WRITERS[task_of(task).rows]]
            ending = Path(args.out).suffix.removeprefix(".")
            write_file(pool, Path(args.out), format=ending if ending in formats else formats[0])
    told_of = at.workspace.result(made.id).get("audit")  # earlier pools have none
    found = audit(parents, pool) if told_of is None else build(Audit, told_of, "audit")
    sure = trusted(at.workspace, whole.params["model"]) if labels else None
    threshold = params_of(args.method, given).confidence if labels else 0.0
    data = {"rows": len(pool), "rejected": rejected, "audit": asdict(found), "corpus": pool.id, "out": args.out}
    if sure is not None:
        calibration = asdict(sure.reliability) | {"lean": sure.reliability.lean}
        data |= {"run": sure.run, "calibration": calibration, "threshold": asdict(sure.at(threshold))}
    used = links(pool)[: args.links]
    data |= {"links": [asdict(one) for one in used]} if args.links else {}
    rows = _marked(pool, args.show) if labels else side_by_side(parents, pool, args.show)
    shown = "\n\n".join(part for part in (_links(used), rows) if part)
    told = [
        yields_text(len(pool), rejected, at.language),
        *([audit_text(found, at.language)] if len(pool) or found.attack else []),
        *([] if found.spent is None else [spent_text(found.spent, at.language)]),
        *([] if found.labelled is None else [trusted_text(sure, threshold, at.language)]),
    ]
    return Answer(data, "\n".join(told) + ("\n\n" + shown if shown else ""))


def _links(found: Sequence[Link]) -> str:
    """What words became, a pair a line."""
    return "\n".join(plain(f"{one.count:5d}  {one.was} -> {one.now}" + (f"  {one.label}" if one.label else ""))
                     for one in found)  # fmt: skip


def _marked(pool: Corpus, count: int) -> str:
    """The first children with what is labelled in them as [words: label]; `?`: not known."""
    task = task_of(pool.schema.task)
    lines: list[str] = []
    for row in pool.table.slice(0, count).to_pylist():
        seen = task.view(row)
        words = list(seen.tokens)
        for at, tag in enumerate(seen.tags):
            words[at] = f"[{words[at]}: ?]" if tag is None else words[at]
        for span in reversed(spans(seen.tags)):
            words[span.start : span.end] = [f"[{' '.join(words[span.start : span.end])}: {span.label}]"]
        lines.append(" ".join(["> ", *words, *(f"= {label}" for label in seen.labels or ())]))
    return "\n".join(plain(line) for line in lines)


def side_by_side(parents: Corpus, pool: Corpus, count: int) -> str:
    """The first children, what changed marked as [was -> is]."""
    task = task_of(pool.schema.task)
    tokens = dict(zip(parents.table.column("id").to_pylist(), task.words(parents.table), strict=True))
    lines: list[str] = []
    for row in pool.table.slice(0, count).to_pylist():
        new, words, at = task.view(row).tokens, list[str](), 0
        for change in row["changes"]:
            words += new[at : change["start"]]
            words.append(f"[{' '.join(change['was'])} -> {' '.join(new[change['start'] : change['end']])}]")
            at = change["end"]
        lines += ["  " + " ".join(tokens.get(row["parent"], ["?"])), "> " + " ".join([*words, *new[at:]])]
    return "\n".join(plain(line) for line in lines)
