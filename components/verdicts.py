"""What a comparison of mixes says, in words: gains, losses, what is not shown, and how sure that is."""

from collections.abc import Mapping, Sequence

from components.words import language, points, raw, t
from core.evaluation.verdicts import ENOUGH_SEEDS, Judged, Verdict
from core.report.finding import Finding
from core.scores import FEW

_NAMED = 3  # effects of one kind that a sentence names
_LISTED = 6  # labels that it lists
_MARKS: Mapping[str, Mapping[str, str]] = {
    "en": {"between": " ", "part": "; ", "list": ", ", "stop": "."},
    "zh_CN": {"between": "", "part": "；", "list": "、", "stop": "。"},
}


def verdict_sentence(found: Finding, split: str) -> str:
    """A finding as Markdown, with its figures and what they were measured on; names of mixes and labels are escaped."""
    return verdict(found) + _mark("between") + measured(split) if found.enough else verdict(found)


def measured(split: str) -> str:
    """What a finding stands on, for Markdown sinks."""
    return t("Measured on {split}.", split=split_words(split))


def verdict(found: Finding) -> str:
    """A finding as Markdown, with its figures alone."""
    if not found.enough:
        have, least = found.seeds, ENOUGH_SEEDS
        parts = [t("**{mix}**: not enough repeats to judge, {n} of at least {least}.", mix=found.name, n=have,
                   least=least)]  # fmt: skip
    else:
        parts = [_head(found), *_beside_others(found), *_effects(found), *_none(found)]
    if found.too_few:
        parts.append(t("Too few to judge, under {few} mentions: {labels}.", few=FEW, labels=_listed(found.too_few)))
    return _mark("between").join(parts)


def verdict_words(found: Judged | Verdict) -> str:
    """A verdict in a word or two, as it is."""
    words: Mapping[Verdict, str] = {
        "better": raw("better"),
        "worse": raw("worse"),
        "same": raw("same"),
        "open": raw("can't tell"),
        "few_mentions": raw("too few"),
        "few_repeats": raw("few repeats"),
    }
    return words[found.verdict if isinstance(found, Judged) else found]


def all_verdicts() -> Mapping[Verdict, str]:
    """The words of every verdict."""
    verdicts: tuple[Verdict, ...] = ("better", "worse", "same", "open", "few_mentions", "few_repeats")
    return {one: verdict_words(one) for one in verdicts}


def split_words(split: str) -> str:
    """The name of a split, as it is."""
    return {"dev": raw("dev"), "test": raw("test")}.get(split, split)


def metric_words(metric: str) -> str:
    """The name of a metric, as it is."""
    return {"recall": raw("Recall"), "precision": raw("Precision"), "f1": raw("F1")}[metric]


def metric_help(metric: str) -> str:
    """What a metric says, as it is."""
    return {
        "recall": raw("Recall: of 100 mentions in the text, how many were found, with the right borders and label."),
        "precision": raw("Precision: of 100 mentions the model marks, how many are right."),
        "f1": raw("F1: one number for recall and precision together, between the two and nearer to the lower one."),
    }[metric]


def interval_help() -> str:
    """What the interval of a difference means, for Markdown sinks."""
    return t(
        "A training begins with chance, and a test set is a sample: with other repeats and other sentences the "
        "difference would be another. In 95 of 100 such cases the interval holds the true one. If it leaves out "
        "zero, chance alone is an unlikely reason for the difference."
    )


def caution(sequential: bool = False) -> str:
    """How verdicts are made, for Markdown sinks."""
    if sequential:
        return t(
            "Repeats were added until the question was settled, so intervals are wider here: they hold however often "
            "one looks."
        )
    return t(
        "*Better* and *worse* are shown; *same* is shown to be less than 2 points apart; *can't tell* may still turn "
        "out either way. The more labels and mixes are looked at, the sooner one of them looks good by chance: so "
        "verdicts are stricter than intervals, strictest for single labels and mildest for F1 over all labels, which "
        "is asked first. In at most 5 of 100 such pages is any verdict better or worse by chance."
    )


def _head(found: Finding) -> str:
    """The answer over all labels together."""
    one = found.overall
    if one is None or one.verdict == "few_mentions":
        return t("**{mix}**: too few mentions to judge.", mix=found.name)
    values = {"mix": found.name, "margin": f"{100 * found.margin:g}", "figures": _figures(one, found.repeats)}
    nowhere = not (found.gains or found.losses)
    words: Mapping[tuple[Verdict, bool], str] = {
        ("better", False): t("**{mix}** is better: F1 {figures}.", **values),
        ("better", True): t("**{mix}** is better, but by less than {margin} points: F1 {figures}.", **values),
        ("worse", False): t("**{mix}** is worse: F1 {figures}.", **values),
        ("worse", True): t("**{mix}** is worse, but by less than {margin} points: F1 {figures}.", **values),
        ("open", False): t("**{mix}**: over all labels no difference is shown: F1 {figures}.", **values),
        ("open", True): t("**{mix}**: no difference is shown: F1 {figures}.", **values),
    }
    if one.verdict == "same":
        return t(
            "**{mix}**: no difference is shown, over all labels it is the same within {margin} points: F1 {figures}.",
            **values,
        )
    return words[one.verdict, nowhere if one.verdict == "open" else one.small]


def _figures(one: Judged, repeats: tuple[int, int] | None = None) -> str:
    """A difference with its interval, as it is. `repeats`: of both groups, where they are to be said."""
    values = {"points": points(one.difference.value)}
    if one.interval is None:
        return raw("{points} points", **values)
    values |= {"low": points(one.interval[0]), "high": points(one.interval[1])}
    if repeats is None:
        return raw("{points} points, 95 %: {low} to {high}", **values)
    if len({*repeats}) == 1:
        return raw("{points} points (95 %: {low} to {high}, {n} repeats each)", n=repeats[0], **values)
    return raw(
        "{points} points (95 %: {low} to {high}, {before} and {after} repeats)",
        before=repeats[0],
        after=repeats[1],
        **values,
    )


def _beside_others(found: Finding) -> list[str]:
    """Why an interval without zero shows nothing."""
    if found.overall is None or not found.overall.alone:
        return []
    return [
        t(
            "By itself its interval leaves out zero; where so many mixes and labels are looked at, one does so by "
            "chance too often for that to be enough."
        )
    ]


def _effects(found: Finding) -> list[str]:
    """What single labels gain and lose."""
    out: list[str] = []
    if found.gains:
        out.append(t("What it gains:") + _several(found.gains))
    if found.losses:
        out.append(t("What it costs:") + _several(found.losses))
    return out


def _none(found: Finding) -> list[str]:
    """The labels of which nothing, or sameness, is shown."""
    out: list[str] = []
    unsaid = [label for label in found.none_shown if label not in found.same]
    if found.same:
        margin = f"{100 * found.margin:g}"
        out.append(t("The same within {margin} points: {labels}.", margin=margin, labels=_listed(found.same)))
    told = found.gains or found.losses or found.same
    if unsaid and not told and found.overall and found.overall.verdict in ("better", "worse"):
        out.append(t("Which labels it comes from can't be told yet: {labels}.", labels=_listed(unsaid)))
    elif unsaid and told:
        out.append(t("For {labels} no difference is shown.", labels=_listed(unsaid)))
    return out


def _several(effects: Sequence[Judged]) -> str:
    """The largest effects, and how many more there are, as the rest of a sentence."""
    told = [_effect(effect) for effect in effects[:_NAMED]]
    if len(effects) > _NAMED:
        told.append(t("{n} more", n=len(effects) - _NAMED))
    return _mark("between") + _mark("part").join(told) + _mark("stop")


def _effect(effect: Judged) -> str:
    values = {"label": effect.label, "figures": _figures(effect)}
    if effect.difference.value > 0:
        words = {
            "recall": t("more mentions of **{label}** found (recall {figures})", **values),
            "precision": t("marks of **{label}** right more often (precision {figures})", **values),
        }
    else:
        words = {
            "recall": t("more mentions of **{label}** missed (recall {figures})", **values),
            "precision": t("marks of **{label}** right less often (precision {figures})", **values),
        }
    return words[effect.metric]


def _listed(labels: Sequence[str]) -> str:
    """Labels as they are, in a row."""
    more = [raw("{n} more", n=len(labels) - _LISTED)] if len(labels) > _LISTED else []
    return _mark("list").join([*labels[:_LISTED], *more])


def _mark(name: str) -> str:
    return _MARKS[language()][name]
