"""`forecast`: what a mix is likely to score on dev beside gold only, before anything is trained."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.commands.answer import Answer, Setting
from core.errors import CoreError, message
from core.forecast.forecast import Outlook
from core.forecasting import prospect
from core.mix import Mix
from core.output import plain, table
from core.recipe import load, placed

_POINTS = 100.0


def forecast(args: Namespace, at: Setting) -> Answer:
    """Pools and states that are missing are made first. No training says yet how far it can be trusted."""
    recipe = load(Path(args.recipe), args.recipe)
    try:
        found = prospect(at.workspace, recipe, at.watch)
        mix, gold = found.of(recipe.mix), found.of(Mix())
    except CoreError as error:
        raise placed(error, recipe.lines, recipe.file) from None
    data = {"mix": _json(mix), "gold_only": _json(gold), "validated": None}
    return Answer(data, f"{_table(mix, gold, at.language)}\n\n{message('line_forecast', {}, at.language)}")


def _json(found: Outlook) -> Mapping[str, Any]:
    support = found.totals[2].tolist()
    each = zip(found.labels, found.precision.tolist(), found.recall.tolist(), support, strict=True)
    per_label = {label: {"precision": p, "recall": r, "support": n} for label, p, r, n in each}
    return {"f1": found.f1, "per_label": per_label}


def _table(mix: Outlook, gold: Outlook, language: str) -> str:
    """Differences to gold only, in points: a forecast is no score."""
    heads = ("col_label", "col_precision", "col_recall")
    rows = [[message(code, {}, language) for code in heads]]
    before = zip(gold.precision.tolist(), gold.recall.tolist(), strict=True)
    after = zip(mix.labels, mix.precision.tolist(), mix.recall.tolist(), strict=True)
    for (label, *now), was in zip(after, before, strict=True):
        rows.append([plain(label), *(f"{_POINTS * (a - b):+.1f}" for a, b in zip(now, was, strict=True))])
    rows.append([message("line_forecast_f1", {}, language), "", f"{_POINTS * (mix.f1 - gold.f1):+.1f}"])
    return table(rows, right=(1, 2))
