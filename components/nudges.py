"""A sentence below each slider: what half a gold more of that ingredient is likely to do to the mix in hand."""

from collections.abc import Mapping

from components.bench import Bench
from components.outlook import View, drawn
from components.words import points, t
from core.desk import JUDGED, Desk, Expected, Metric
from core.mix import Mix, cap

_STEP = 0.5  # times gold
_TOLD = 2  # effects in a sentence, the largest first
_LEAST = 0.0005  # 0..1: less is no change


def nudges(bench: Bench, view: View, mix: Mix) -> dict[str, str]:
    """By ingredient; empty where nothing is known of mixes, or the one in hand can't be drawn."""
    now = drawn(bench, mix)
    if now is None or not view.desk.knows:
        return {}
    most = {name: cap(mix.max_repeats, rows) for name, rows in bench.sizes.items()}
    more = round(_STEP * view.desk.gold)
    return {name: _sentence(view.desk, now, name, more, most[name]) for name in view.desk.ingredients}


def _sentence(desk: Desk, now: Mapping[str, int], name: str, more: int, most: int) -> str:
    then = {**now, name: now.get(name, 0) + more}
    if then[name] > most:
        return t("+{n}× more: its pool has not so many.", n=_STEP)
    recall, precision = (desk.expected(then, now, metric) for metric in ("recall", "precision"))
    found: list[tuple[Expected, Metric]] = [(one, "recall") for one in recall] + [
        (one, "precision") for one in precision
    ]
    clear = [(one, metric) for one, metric in found if one.support >= JUDGED and abs(one.value or 0.0) >= _LEAST]
    first = sorted(clear, key=lambda pair: -abs(pair[0].value or 0.0))[:_TOLD]
    if not first:
        return t("+{n}× more: no change that could be told.", n=_STEP)
    return t("+{n}× more: ", n=_STEP) + t(", ").join(_effect(one, metric) for one, metric in first)


def _effect(one: Expected, metric: Metric) -> str:
    value = points(one.value or 0.0)
    what = (
        t("recall of {label} about {value}", label=one.label, value=value)
        if metric == "recall"
        else t("precision of {label} about {value}", label=one.label, value=value)
    )
    unsure = one.band is None or one.band[0] <= 0 <= one.band[1]
    return f"{what} {t('(uncertain)')}" if unsure else what
