"""What a comparison of two mixes says, in words: gains, losses, what is not shown, and how sure that is."""

from collections.abc import Mapping, Sequence

from components.words import language, points, raw, t
from core.contrast import harms
from core.report.finding import ENOUGH_SEEDS, Effect, Finding
from core.scores import FEW

_NAMED = 3  # effects of one kind that a sentence names
_LISTED = 6  # labels that it lists
_MARKS: Mapping[str, Mapping[str, str]] = {
    "en": {"between": " ", "part": "; ", "list": ", ", "stop": "."},
    "zh_CN": {"between": "", "part": "；", "list": "、", "stop": "。"},
}


def verdict_sentence(found: Finding, split: str) -> str:
    """A finding as Markdown, with its figures and what they were measured on; names of mixes and labels are escaped."""
    if found.seeds < ENOUGH_SEEDS:
        return verdict(found)
    return verdict(found) + _mark("between") + measured(found, split)


def measured(found: Finding, split: str) -> str:
    """What a finding stands on, for Markdown sinks."""
    return t("Measured on {split}, at least {n} repeats each.", split=split_words(split), n=found.seeds)


def verdict(found: Finding) -> str:
    """A finding as Markdown, with its figures alone."""
    parts = [_few(found)] if found.seeds < ENOUGH_SEEDS else [_effects(found)]
    if found.none_shown and (found.gains or found.losses):
        parts.append(t("For {labels} no difference is shown.", labels=_listed(found.none_shown)))
    if found.too_few:
        parts.append(t("Too few to judge, under {few} mentions: {labels}.", few=FEW, labels=_listed(found.too_few)))
    return _mark("between").join(parts)


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
        "The comparison is done again 2000 times, each time with sentences and repeats drawn anew from those there "
        "are. 95 of 100 results lie in the interval. If it leaves out zero, chance alone is an unlikely reason for the "
        "difference."
    )


def caution() -> str:
    """How far intervals are to be trusted, for Markdown sinks."""
    return t(
        "Where two mixes are equally good, about 11 of 100 comparisons with 5 repeats still show a difference, and "
        "about 7 of 100 with 8 repeats: 8 are better. Intervals are not corrected for many labels: the more of them "
        "you look at, the more often one leaves out zero by chance."
    )


def _few(found: Finding) -> str:
    have, least = found.seeds, ENOUGH_SEEDS
    return t("**{mix}**: not enough repeats to judge, {n} of at least {least}.", mix=found.name, n=have, least=least)


def _effects(found: Finding) -> str:
    gains, losses = (_several(effects) for effects in (found.gains, found.losses))
    if not gains and not losses:
        return t("**{mix}**: no difference is shown.", mix=found.name)
    if not losses:
        return t("**{mix}** helps:", mix=found.name) + gains
    if harms(found):
        harm = t("**{mix}** does harm:", mix=found.name) + losses
        return harm + _mark("between") + t("What it gains:") + gains if gains else harm
    return t("**{mix}** helps:", mix=found.name) + gains + _mark("between") + t("What it costs:") + losses


def _several(effects: Sequence[Effect]) -> str:
    """The largest effects, and how many more there are, as the rest of a sentence; empty where there is none."""
    told = [_effect(effect) for effect in effects[:_NAMED]]
    if len(effects) > _NAMED:
        told.append(t("{n} more", n=len(effects) - _NAMED))
    return _mark("between") + _mark("part").join(told) + _mark("stop") if told else ""


def _effect(effect: Effect) -> str:
    low, high = effect.difference.interval or (0.0, 0.0)  # an effect has one
    figures = {
        "points": points(effect.difference.value),
        "low": points(low),
        "high": points(high),
        "label": effect.label,
    }
    if effect.difference.value > 0:
        words = {
            "recall": t(
                "finds more mentions of **{label}** (recall {points} points, 95 % interval {low} to {high})",
                **figures,
            ),
            "precision": t(
                "what it marks as **{label}** is right more often "
                "(precision {points} points, 95 % interval {low} to {high})",
                **figures,
            ),
            "f1": t("better over all labels (F1 {points} points, 95 % interval {low} to {high})", **figures),
        }
    else:
        words = {
            "recall": t(
                "misses more mentions of **{label}** (recall {points} points, 95 % interval {low} to {high})",
                **figures,
            ),
            "precision": t(
                "what it marks as **{label}** is right less often "
                "(precision {points} points, 95 % interval {low} to {high})",
                **figures,
            ),
            "f1": t("worse over all labels (F1 {points} points, 95 % interval {low} to {high})", **figures),
        }
    return words[effect.metric]


def _listed(labels: Sequence[str]) -> str:
    """Labels as they are, in a row."""
    more = [raw("{n} more", n=len(labels) - _LISTED)] if len(labels) > _LISTED else []
    return _mark("list").join([*labels[:_LISTED], *more])


def _mark(name: str) -> str:
    return _MARKS[language()][name]
