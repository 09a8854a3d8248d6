"""`why`: the words that a prediction of a run hangs on, and the rows that taught it."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core import corpus as corpora
from core.commands.answer import Answer, Setting, trained
from core.commands.options import command, count
from core.corpus import Corpus
from core.errors import CoreError, message
from core.jobs.folder import Run, read_json
from core.origins import origins_of
from core.output import plain, table
from core.reasons.reading import spec_of
from core.submit import result_of
from core.tasks import task as task_of
from core.training.predictions import file_of
from core.why import WhyRequest, behind, why

_LONGEST = 100  # characters of a row that are shown
_LEAST_ID = 6  # hex digits


def add_why(commands: object) -> None:
    """Its arguments."""
    sub = command(
        commands, "why", "why a run says what it says: the words, and the training rows with their ingredients",
        "Words by integrated gradients, rows by what a step on each would do to the head. See docs/explain.md.",
    )  # fmt: skip
    sub.add_argument("run", metavar="RUN", help="a train run's id or the beginning of it")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--row", metavar="N|ID", help="a row of the split, by its number from 1 or the beginning of its "
                      "id")  # fmt: skip
    what.add_argument("--text", metavar="TEXT", help="a text of your own")
    sub.add_argument("--split", choices=("dev", "test"), default="dev", help="default dev; of test only where the run "
                     "has marked it already")  # fmt: skip
    which = sub.add_mutually_exclusive_group()
    which.add_argument("--about", type=count, default=1, metavar="N", help="the N-th of what can be asked of the row; "
                       "what is wrong comes first (default 1)")  # fmt: skip
    which.add_argument("--mention", metavar="TEXT", help="the mention that is asked about, by its words")
    sub.add_argument("--words", action="store_true", help="the words alone: the training rows are not read")


def tell(args: Namespace, at: Setting) -> Answer:
    """Raises CoreError: those of core.why, `why_no_split`, `why_no_row`, `why_no_mention`."""
    run = trained(args.run, at, ("train", "sequence"))
    asked = WhyRequest(run.id, text=args.text) if args.row is None else _of_row(args, run, at)
    found = why(at.workspace, asked)
    if args.mention is not None:
        asked = replace(asked, about=_about(found, args.mention))
    elif args.about > 1:
        asked = replace(asked, about=args.about - 1)
    found = why(at.workspace, asked)
    if not args.words:
        result_of(at.workspace, at.workspace.submit(spec_of(run.id))[0], at.watch)
        found |= {"behind": why(at.workspace, replace(asked, rows=True))["behind"]}
    return Answer({"run": run.id, **found}, _text(found, run, at))


def _of_row(args: Namespace, run: Run, at: Setting) -> WhyRequest:
    """A row of dev, or of test where that was looked at."""
    ids: Mapping[str, str] = read_json(at.workspace.run_folder(run.id) / "spec.json")["inputs"]
    id = ids.get("dev", "").partition(":")[2]
    if args.split == "test":
        part = origins_of(at.workspace, run.id).parts.get("test") if run.kind == "train" else None
        id = "" if part is None else part.corpus
    seen = bool(id) and (args.split == "dev" or file_of(at.workspace.run_folder(run.id), id).exists())
    if not seen or not at.workspace.corpus_path(id).is_file():
        raise CoreError("why_no_split", {"run": run.id, "split": args.split}, "hint_why_no_split")
    corpus = corpora.read(at.workspace.corpus_path(id))
    return WhyRequest(run.id, corpus=id, row=_row(args.row, corpus))


def _row(asked: str, corpus: Corpus) -> int:
    """Raises CoreError `why_no_row`."""
    if asked.isdecimal() and len(asked) < 2 * _LEAST_ID and 0 < int(asked) <= len(corpus):
        return int(asked) - 1
    ids = [id.hex() for id in corpus.table.column("id").to_pylist()] if len(asked) >= _LEAST_ID else []
    found = [at for at, id in enumerate(ids) if id.startswith(asked.lower())]
    if len(found) != 1:
        raise CoreError("why_no_row", {"row": asked, "rows": len(corpus)})
    return found[0]


def _about(found: Mapping[str, Any], mention: str) -> int:
    """Which question is about a mention. Raises CoreError `why_no_mention`."""
    words = mention.casefold().split()
    for number, one in enumerate(found["asked"]):
        held = [word.casefold() for word in found["words"][one["start"] : one["end"]]]
        if words and any(held[at : at + len(words)] == words for at in range(len(held))):
            return number
    known = "; ".join(_words(found, one) for one in found["asked"])
    raise CoreError("why_no_mention", {"mention": mention, "known": known})


def _words(found: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    return " ".join(found["words"][one["start"] : one["end"]])


def _text(found: Mapping[str, Any], run: Run, at: Setting) -> str:
    """What is asked, then the words, then the rows."""
    one = found["asked"][found["about"]]
    nothing = message("word_nothing", {}, at.language)
    values = {"said": one["is"] or nothing, "rather": one["not"] or nothing, "words": _words(found, one)}
    values |= {"of": len(found["asked"]), "about": found["about"] + 1}
    code = ("line_why" if one["end"] > one["start"] else "line_why_whole") + ("_wrong" if one["wrong"] else "")
    lines = [plain(message(code, values, at.language)), *_weighed(found, at.language)]
    if "behind" in found:
        lines += _behind(found["behind"], values, run, at)
    return "\n\n".join(lines)


def _weighed(found: Mapping[str, Any], language: str) -> list[str]:
    told: Mapping[str, Any] = found["weighed"]
    rows = [[f"{value:+.2f}", plain(word)] for value, word in zip(told["by_word"], found["words"], strict=True)]
    heads = [message(code, {}, language) for code in ("col_adds", "col_of_word")]
    values = {name: f"{told[name]:+.2f}" for name in ("whole", "bare")}
    values |= {"sum": f"{sum(told['by_word']):+.2f}", "gap": f"{abs(told['gap']):.3f}", "steps": told["steps"]}
    return [table([heads, *rows], right=(0,)), message("line_why_words", values, language)]


def _behind(told: Mapping[str, Any], values: Mapping[str, Any], run: Run, at: Setting) -> list[str]:
    """What speaks for it, what against it, and by ingredient."""
    mix = behind(at.workspace.root, run.id).mix
    texts = task_of(mix.schema.task).texts(mix.table, True)
    tokens = [*task_of(mix.schema.task).words(mix.table)]
    names = ("col_part_of_all", "col_ingredient", "col_times", "col_gold_row", "col_through", "col_shared", "col_text")
    heads = [message(code, {}, at.language) for code in names]
    parts: list[str] = []
    for side, title in (("towards", values["said"]), ("against", values["rather"])):
        rows = [
            [f"{100 * one['part']:+.2f}", plain(one["ingredient"]), str(one["times"]),
             "-" if one["origin"] is None else str(one["origin"] + 1),
             "-" if one["word"] is None else plain(tokens[one["at"]][one["word"]]),
             plain(", ".join(one["shared"])) or "-", plain(texts[one["at"]].as_py())[:_LONGEST]]
            for one in told[side]
        ]  # fmt: skip
        parts.append(plain(message("title_why_rows", {"label": title}, at.language)))
        parts.append(table([heads, *rows], right=(0, 2, 3)))
    read = {"read": told["read"], "drawn": told["drawn"]}
    return [*parts, _ingredients(told["ingredients"], at.language), message("note_why_rows", read, at.language)]


def _ingredients(parts: Sequence[Mapping[str, Any]], language: str) -> str:
    names = ("col_ingredient", "col_rows", "col_share", "col_towards", "col_against")
    rows = [[message(code, {}, language) for code in names]]
    for one in parts:
        shares = (f"{100 * one[name]:.1f} %" for name in ("share", "towards", "against"))
        rows.append([plain(one["name"]), str(one["rows"]), *shares])
    return table(rows, right=(1, 2, 3, 4))
