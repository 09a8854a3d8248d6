"""`predict`, `serve`, `export-model`: a trained run on text, behind HTTP, and as files that other programs load."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from core.commands.answer import MODELS, Answer, Setting, trained
from core.commands.options import command, count
from core.errors import CoreError, message
from core.jobs.folder import Run
from core.mix import GOLD
from core.output import plain, size_text
from core.params import unknown_key
from core.submit import result_of

_LONGEST = 1 << 20  # bytes of one line
_PORT = 8000


def add_delivering(commands: object) -> None:
    """The arguments of the three."""
    sub = command(
        commands, "predict", "what a trained run finds in text",
        "It answers while it reads: as much text as there is, in little memory.",
    )  # fmt: skip
    _run(sub)
    sub.add_argument("file", nargs="?", metavar="FILE", help="one text a line; empty ones are left out (default and -: "
                     "standard input)")  # fmt: skip
    sub.add_argument("--jsonl", action="store_true", help="an object for each text, with its line, as soon as it is "
                     "there (--json: one object in the end)")  # fmt: skip
    sub = command(
        commands, "serve", "answer programs on this machine over HTTP with a trained run",
        "GET /health, POST /predict with {\"texts\": [...]}; docs/models.md has the limits. Ctrl-C ends it.",
    )  # fmt: skip
    _run(sub)
    sub.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: reached from this machine only")
    sub.add_argument("--port", type=_port, default=_PORT, metavar="N", help=f"default {_PORT}; 0: any that is free")
    sub.add_argument("--threads", type=count, metavar="N", help="of the processor (default: as trainings have)")
    sub.add_argument("--idle-exit", type=_seconds, metavar="SECONDS", help="end when nobody has asked for so long")
    sub.add_argument("--allow-network", action="store_true", help="let --host be an address that others reach: whoever "
                     "does can use it, unencrypted")  # fmt: skip
    sub = command(
        commands, "export-model", "write a trained run as a folder for transformers, or as an ONNX graph",
        "With a model card and a recipe that repeats it. What is written is compared with the run first.",
    )  # fmt: skip
    _run(sub)
    sub.add_argument("--format", choices=("safetensors", "onnx"), default="safetensors", help="default safetensors")
    sub.add_argument("--out", required=True, metavar="DIR", help="a folder, new or empty")
    what = "what the licence of gold or of an ingredient is, of a sequence that of a project, for the model card"
    sub.add_argument("--licence", action="append", default=[], metavar="PART=TEXT",
                     help=f"{what}; repeatable (in a recipe: licences)")  # fmt: skip


def _run(sub: ArgumentParser) -> None:
    sub.add_argument("run", metavar="RUN", help="the id of a run of train or sequence, or the beginning of it")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(f"a number from 0 to 65535 is expected, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"seconds above 0 are expected, not {text!r}")
    return value


def predict(args: Namespace, at: Setting) -> Answer:
    """What a run finds in each line of a file. Raises CoreError `usage`, `file_unreadable`, `lines_not_text`."""
    from core.predict import open_run, predict_stream

    if args.json and args.jsonl:
        raise CoreError("usage", {"command": "python -m core predict", "what": "--json or --jsonl"}, "hint_usage")
    run = trained(args.run, at, MODELS)
    name = None if args.file in (None, "-") else args.file
    lines = _lines(name)
    first = [*islice(lines, 1)]  # what can't be read at all is told before the model is loaded
    numbers = deque[int]()

    def texts() -> Iterator[str]:
        for number, text in chain(first, lines):
            numbers.append(number)
            yield text

    rows = predict_stream(open_run(at.workspace, run.id), texts())
    if args.json:
        return Answer({"rows": [*rows]}, "")
    return Answer({}, "", stream=(_shown(row, numbers.popleft(), args.jsonl) for row in rows))


def _lines(name: str | None) -> Iterator[tuple[int, str]]:
    """The lines of a file or of standard input that say something, with their numbers from 1."""
    with ExitStack() as stack:
        try:
            stream: BinaryIO = sys.stdin.buffer if name is None else stack.enter_context(open(name, "rb"))
        except OSError as error:
            raise CoreError("file_unreadable", {"file": name, "what": error.strerror or ""}, "hint_file") from None
        number = 0
        while line := stream.readline(_LONGEST + 1):
            number += 1
            where: dict[str, str | int | None] = {"file": name or "-", "line": number}
            if len(line) > _LONGEST:
                raise CoreError("predict_line_too_long", where | {"characters": len(line), "most": _LONGEST})
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise CoreError("lines_not_text", where, "hint_lines_not_text") from None
            if text.strip():
                yield number, text


def _shown(row: dict[str, Any], number: int, as_json: bool) -> str:
    """A text with what was found in it: one line each, a mention with its words."""
    if as_json:
        return json.dumps({"line": number, **row}, ensure_ascii=False, allow_nan=False)
    found = next(value for value in row.values() if isinstance(value, list))
    lines = ((plain(e["text"]) if "text" in e else "", plain(e["label"]), f"{e['confidence']:.2f}") for e in found)
    return "\n".join([plain(row["text"]), *("  ".join(filter(None, ("  ", *line))) for line in lines)])


def serve(args: Namespace, at: Setting) -> Answer:
    """Answer over HTTP until interrupted.

    Raises CoreError `serve_not_loopback`, `serve_port_taken`, `serve_no_address`.
    """
    from core.predict import open_run
    from core.serving import Desk, address_of, listen, loopback
    from core.serving import serve as answer_all

    run = trained(args.run, at, MODELS)
    inside = loopback(args.host)
    if not inside and not args.allow_network:
        raise CoreError("serve_not_loopback", {"host": args.host}, "hint_serve_not_loopback")
    with listen(args.host, args.port) as listening:
        desk = Desk(run.id, open_run(at.workspace, run.id, args.threads))
        address = address_of(listening)

        def ready() -> None:
            if not inside:
                at.say(message("line_serve_open", {"host": args.host}, at.language))
            at.say(message("line_serving", {"run": run.id, "address": address}, at.language))

        answer_all(desk, listening, ready, args.idle_exit, not inside, at.language)
    values = {"run": run.id, "address": address, "answered": desk.answered}
    return Answer(values, message("line_served", values, at.language))


def export_model(args: Namespace, at: Setting) -> Answer:
    """Export a run and unpack it. Raises CoreError `export_folder_taken`, `onnx_missing`, `usage`, `unknown_key`."""
    from core.model_export import check_folder, package_of, start, unpack

    run, out = trained(args.run, at, MODELS), Path(args.out)
    licences = dict(_licence(text) for text in args.licence)
    _check_parts(run, licences, at)
    check_folder(out)
    export = start(at.workspace, run.id, args.format, licences)
    result = result_of(at.workspace, export, at.watch)
    package = package_of(at.workspace, at.workspace.store.get(export.id))
    assert package is not None
    files = unpack(package, out)
    data = {"run": run.id, "export": export.id, "format": args.format, "out": str(out), "files": files}
    values = {"out": args.out, "size": size_text(result["bytes"]), "rows": result["rows"]}
    values["far"] = f"{result['largest']:.1g}"
    return Answer({**data, "rows": result["rows"], "largest": result["largest"]},
                  message("line_model_exported", values, at.language))  # fmt: skip


def _licence(text: str) -> tuple[str, str]:
    part, sign, words = text.partition("=")
    if not sign or not words.strip():
        what = f"--licence: PART=TEXT, not {text!r}"
        raise CoreError("usage", {"command": "python -m core export-model", "what": what}, "hint_usage")
    return part, words.strip()


def _check_parts(run: Run, licences: dict[str, str], at: Setting) -> None:
    """A licence of a part that there isn't would never be read. Raises CoreError `unknown_key`."""
    if not licences:
        return
    from core.origins import SPLITS, origins_of
    from core.sequence_card import series_of

    if run.kind == "train":
        known = [GOLD, *(name for name in origins_of(at.workspace, run.id).parts if name not in SPLITS)]
    else:
        known = [part.project for part in series_of(at.workspace, run.id).parts]
    for part in licences:
        if part not in known:
            raise unknown_key(part, known, "--licence")
