"""The command line: `python -m core COMMAND`. The only module of core that prints or reads the environment."""

import importlib
import json
import os
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING

from core.commands.arguments import parser
from core.errors import CoreError, message
from core.jobs.folder import Run, last_metrics
from core.workspace import Workspace, open_default

if TYPE_CHECKING:
    from core.commands.answer import Answer


class _Progress:
    """Lines on standard error while runs are waited for: each change of state, and every few seconds how far."""

    EVERY = 10.0  # seconds

    def __init__(self, workspace: Workspace, language: str) -> None:
        self.workspace = workspace
        self.language = language
        self.states: dict[str, str] = {}
        self.last = time.monotonic()

    def __call__(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if self.states.get(run.id) != run.state:
                self.states[run.id] = run.state
                state = message("state_" + run.state, {}, self.language)
                _say(message("line_run_state", {"kind": run.kind, "run": run.id, "state": state}, self.language))
        if time.monotonic() - self.last >= self.EVERY:
            self.last = time.monotonic()
            for run in runs:
                if run.state == "running":
                    self._how_far(run)

    def _how_far(self, run: Run) -> None:
        metrics = last_metrics(self.workspace.run_folder(run.id))
        if not metrics:
            return
        merged = {key: value for line in metrics for key, value in line.items()}
        best = max((line["dev"] for line in metrics if line.get("dev") is not None), default=None)
        text = f"{run.kind} {run.id}: {merged.get('step', 0)}/{merged.get('total', '?')}"
        if merged.get("loss") is not None:
            text += f"  loss {merged['loss']:.4f}"
        _say(text + (f"  dev {best:.4f}" if best is not None else ""))


def _say(text: str) -> None:
    from core.output import plain

    print(plain(text), file=sys.stderr, flush=True)


def _language(args: Namespace) -> str:
    asked = getattr(args, "lang", None)
    chosen = asked or os.environ.get("PEIBI_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or "en"
    return "zh_CN" if chosen.lower().startswith("zh") else "en"


def main(argv: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that is no text must not end the program
    args = Namespace(json="--json" in (sys.argv if argv is None else argv))
    try:
        args = parser().parse_args(argv)
        answer = _answer(args, _language(args))
        if answer.stream is not None:
            return _pour(answer.stream)
    except CoreError as error:
        return _failed(error, 2, args)
    except KeyboardInterrupt:
        return _failed(CoreError("interrupted"), 130, args)
    except Exception as bug:  # noqa: BLE001 -- the contract asks for an object even then; the traceback is shown
        traceback.print_exc()
        return _failed(CoreError("internal", {"what": f"{type(bug).__name__}: {bug}"}, "hint_again"), 1, args)
    text = json.dumps(answer.data, ensure_ascii=False, allow_nan=False, default=str) if args.json else answer.text
    return _print(text, answer.status)


def _answer(args: Namespace, language: str) -> "Answer":
    from core.commands import COMMANDS
    from core.commands.answer import Answer, Setting
    from core.jobs.dispatch import look_after
    from core.output import error_json, error_line
    from core.submit import RunEnded

    workspace = open_default(args.workspace)
    full = None if args.command == "doctor" else look_after(workspace.root)  # what a reboot or a crash left behind
    if full is not None:
        _say(error_line(full, language))
    try:
        module, _, function = COMMANDS[args.command].partition(":")
        command = getattr(importlib.import_module(module), function)
        return command(args, Setting(workspace, language, _Progress(workspace, language), _say))
    except RunEnded as ended:
        values = {"run": ended.run.id, "kind": ended.run.kind, "state": ended.run.state}
        error = CoreError("run_ended", values, "hint_again")
        _say(error_line(error, language))
        return Answer(error_json(error, language), "", 1)


def _failed(error: CoreError, status: int, args: Namespace) -> int:
    from core.output import error_json, error_line

    _say(error_line(error, _language(args)))
    return _print(json.dumps(error_json(error, _language(args)), ensure_ascii=False), status) if args.json else status


def _pour(lines: Iterable[str]) -> int:
    """Print lines as they come; a reader that has gone ends it, and is no error."""
    try:
        for line in lines:
            print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _print(text: str, status: int) -> int:
    """Print to standard output; a reader that has gone (`| head`) is no error."""
    try:
        if text:
            print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


if __name__ == "__main__":
    sys.exit(main())
