"""`show RUN --explain`: what a step of a training computes, with its own numbers."""

from dataclasses import asdict

from core.commands.answer import Answer, Setting
from core.errors import CoreError, message
from core.explain import Told, explained
from core.jobs.folder import Run
from core.output import plain, table
from core.subject import Subject, subject


def explain(run: Run, step: int | None, at: Setting) -> Answer:
    """A step, the newest where none is asked for. Raises CoreError `explain_none`, `explain_no_step`."""
    found = subject(at.workspace, run.id)
    if found is None:
        raise CoreError("explain_none", {"run": run.id, "kind": run.kind})
    step = found.newest if step is None else step
    if step < 1 or (found.moments and step not in found.moments):
        raise CoreError("explain_no_step", {"step": step, "newest": found.newest})
    told = explained(found, step)
    parts = [] if found.parts is None else [asdict(part) for part in found.parts.portions]
    lines = [
        {
            "code": one.code,
            "text": message(one.code, one.values, at.language),
            "formulas": [asdict(formula) for formula in one.formulas],
        }
        for one in told
    ]
    text = "\n".join([*(_line(one, at.language) for one in told), *_weights(found, at.language)])
    return Answer({"explain": {"run": run.id, "step": step, "lines": lines, "weights": parts}}, text)


def _line(told: Told, language: str) -> str:
    formulas = (f"    {plain(line)}" for formula in told.formulas for line in formula.plain.split("\n"))
    return "\n".join([plain(message(told.code, told.values, language)), *formulas])


def _weights(found: Subject, language: str) -> list[str]:
    """A table of the network's parts, from the embeddings up."""
    if found.parts is None:
        return []
    heads = [message(code, {}, language) for code in ("col_part", "col_weights", "col_trained")]
    rows = [
        [
            message(f"part_{part.name}", {"number": None if part.number is None else part.number + 1}, language),
            f"{part.weights:,}",
            f"{part.trained:,}",
        ]
        for part in found.parts.portions
    ]
    return ["", table([heads, *rows], right=(1, 2))]
