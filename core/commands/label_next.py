"""`label-next`: rows of text without labels that would help a weak label most, and what else would help it."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from core import project as projects
from core.commands.answer import Answer, Setting
from core.commands.mix import recipe_of, stage_of
from core.errors import message
from core.forecast.choosing import ChoosingParams
from core.forecasting import ask, read
from core.formats.whole import whole_bytes
from core.label_next import Beside, beside, check, check_label, chosen, export, spec_of, texts_of
from core.output import plain, table
from core.submit import result_of

_LONGEST = 100  # characters of a row that are shown


def label_next(args: Namespace, at: Setting) -> Answer:
    """Pools and the forecast are made first where they are missing. Raises CoreError: those of core.label_next."""
    recipe = recipe_of(args, at)
    project = projects.load(at.workspace, args.project)
    stage = stage_of(project, at)
    name = check(recipe, stage, args.source or "")
    forecast = ask(at.workspace, project, stage)
    result_of(at.workspace, forecast, at.watch)
    prospect = read(at.workspace, forecast.id, stage)
    label = check_label(prospect, recipe.mix, args.label or "")
    spec = spec_of(forecast.id, stage, prospect, recipe.mix, ChoosingParams(name, label, rows=args.rows))
    run, _ = at.workspace.submit(spec)
    result_of(at.workspace, run, at.watch)
    found, pool = chosen(at.workspace, run, stage.pools[name]), stage.pools[name]
    if args.out:
        path = Path(args.out)
        content = export(found, pool, path.suffix.lstrip("."))
        with whole_bytes(path) as file:
            file.write(content)
    told = beside(at.workspace, project.slug, label, len(found.positions))
    lines = zip(found.positions, found.gain, found.words, texts_of(pool, found.positions), strict=True)
    shown: list[dict[str, Any]] = [
        {"position": position, "gain": gain, "word": word, "text": text} for position, gain, word, text in lines
    ]
    data: dict[str, Any] = {"ingredient": name, "label": label, "rows": shown, "read": found.read, "known": found.known}
    data |= {"beside": beside_json(told), "out": args.out}
    heads = [message(code, {}, at.language) for code in ("col_gain", "col_row", "col_word", "col_text")]
    cells = [[f"{o['gain']:.1f}", str(o["position"] + 1), o["word"], o["text"][:_LONGEST]] for o in shown]
    values = {"name": name, "label": label, "n": len(shown), "of": found.read}
    parts = [table([heads, *cells], right=(0, 1)), plain(message("line_label_next", values, at.language))]
    return Answer(data, "\n\n".join([*parts, _beside_text(told, label, len(shown), args.seconds, at.language)]))


def beside_json(told: Beside) -> dict[str, Any]:
    """What else is known, as JSON: differences of recall, -1..1."""
    brought = told.brought and {"value": told.brought.value, "interval": told.brought.interval}
    labelled = told.labelled and {"value": told.labelled[0], "interval": [*told.labelled[1]]}
    worth = told.worth and {"code": told.worth.code, "sentences": told.worth.sentences, "interval": told.worth.interval}
    return {"labelled_by_chance": labelled, "mix": told.mix or None, "brought": brought,
            "seconds_a_training": told.seconds, "worth": worth}  # fmt: skip


def _beside_text(told: Beside, label: str, rows: int, seconds: float | None, language: str) -> str:
    """What labelling and the best mix bring, a line each; what is not known is said."""
    values: dict[str, Any] = {"label": label, "n": rows, "mix": told.mix}
    lines = [] if seconds is None else [
        message("line_label_next_time", values | {"minutes": f"{rows * seconds / 60:.0f}"}, language)
    ]  # fmt: skip
    if told.labelled is None:
        lines.append(message("line_label_next_no_curve", values, language))
    else:
        value, ends = told.labelled
        lines.append(message("line_label_next_curve", values | _points(value, ends), language))
    if told.brought is None:
        lines.append(message("line_label_next_no_mix", values, language))
    else:
        took = "-" if told.seconds is None else f"{told.seconds / 60:.1f}"
        found = _points(told.brought.value, told.brought.interval)
        lines.append(message("line_label_next_mix", values | found | {"minutes": took}, language))
    return "\n".join(plain(line) for line in lines)


def _points(value: float, ends: tuple[float, float] | None) -> dict[str, str]:
    low, high = ("-", "-") if ends is None else (f"{100 * end:+.1f}" for end in ends)
    return {"value": f"{100 * value:+.1f}", "low": low, "high": high}
