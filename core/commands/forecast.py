"""`forecast`: what a mix is likely to do to each label beside gold only, before it is trained."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from core import corpus as corpora
from core import project as projects
from core.commands.answer import Answer, Setting
from core.commands.mix import recipe_of
from core.desk import JUDGED, Desk, Expected, desk_of, trained
from core.errors import CoreError, message
from core.forecasting import prospect
from core.launch import standing
from core.mix import Mix
from core.output import plain, table
from core.pipeline import staged
from core.recipe import placed
from core.report.composition import index


def forecast(args: Namespace, at: Setting) -> Answer:
    """Pools and what forecasts are solved from are made first; of a project, the mixes that were trained correct it."""
    recipe = recipe_of(args, at)
    try:
        told = prospect(at.workspace, recipe, at.watch)
        mix, gold = told.drawn(recipe.mix), told.drawn(Mix())
        stage, _ = staged(at.workspace, recipe, at.watch)
    except CoreError as error:
        raise placed(error, recipe.lines, recipe.file) from None
    runs = []
    if args.project is not None:
        project = projects.load(at.workspace, args.project)
        known = standing(at.workspace, project).stage
        runs = [] if known is None else trained(at.workspace, project, known)
    dev = corpora.read(at.workspace.corpus_path(stage.imported["corpora"]["dev"]))
    desk = desk_of(told.sizes, index(dev), told, runs)
    recall, precision = (desk.expected(mix, gold, metric) for metric in ("recall", "precision"))
    overall = desk.overall(mix, gold)
    data = {
        "f1": _json(overall),
        "per_label": {
            one.label: {"recall": _json(one), "precision": _json(other), "support": one.support}
            for one, other in zip(recall, precision, strict=True)
        },
        "corrected": desk.corrected,
        "trust": {"right": desk.trust.right, "of": desk.trust.of},
    }
    return Answer(data, f"{_table(recall, precision, overall, at.language)}\n\n{_trust(desk, at.language)}")


def _json(one: Expected) -> Mapping[str, Any]:
    """Differences to gold only, -1..1."""
    band = None if one.band is None else [*one.band]
    return {"difference": one.value, "band": band, "real": [*one.real]}


def _table(recall: Sequence[Expected], precision: Sequence[Expected], overall: Expected, language: str) -> str:
    """Differences to gold only, in points: a forecast is no score."""
    heads = ("col_label", "col_recall", "col_precision", "col_support")
    rows = [[message(code, {}, language) for code in heads]]
    for one, other in zip(recall, precision, strict=True):
        note = message("line_forecast_few", {}, language) if one.support < JUDGED else ""
        rows.append([plain(one.label), _points(one), _points(other), f"{one.support} {note}".strip()])
    rows.append([message("line_forecast_f1", {}, language), _points(overall), "", str(overall.support)])
    return table(rows, right=(1, 2))


def _points(one: Expected) -> str:
    if one.value is None or one.band is None:
        return "0" if one.value == 0 else "-"
    low, high = (f"{100 * end:+.1f}" for end in one.band)
    return f"{100 * one.value:+.1f} ({low} to {high})"


def _trust(desk: Desk, language: str) -> str:
    values = {"right": desk.trust.right, "of": desk.trust.of}
    if not desk.trust.of:
        return message("line_forecast", values, language)
    return message("line_forecast_corrected" if desk.corrected else "line_forecast_alone", values, language)
