"""What a reader of a report may open: what was tried, exact figures, method, limits, sources, and how to repeat it."""

from collections.abc import Sequence

from core.brief.facts import Brief
from core.brief.page import Fold, Table
from core.brief.voice import Voice, last
from core.errors import message
from core.evaluation.verdicts import METRICS_OF_A_LABEL, Judged
from core.mix import GOLD
from core.origins import SPLITS, Origin

_CANDIDATES = 30  # mixes of which figures are given


def folds(found: Brief, voice: Voice) -> list[Fold]:
    return [
        _tried(found, voice),
        _by_label(found, voice),
        _method(found, voice),
        _limits(found, voice),
        _provenance(found, voice),
        _again(found, voice),
    ]


def _tried(found: Brief, voice: Voice) -> Fold:
    order = sorted(found.candidates, key=lambda one: -(one.score if one.score is not None else -1.0))
    rows = [
        (one.title, f"{one.repeats}", "-" if one.score is None else f"{100 * one.score:.1f}",
         voice.say("by_search") if one.trial else "")
        for one in order[:_CANDIDATES]
    ]  # fmt: skip
    heads = [voice.say(f"col_{name}") for name in ("mix", "repeats", "dev", "tried")]
    lines = [voice.say("tried", n=len(order)), voice.say("tried_base", baseline=found.titles[1])]
    note = voice.say("tried_more", n=len(order) - _CANDIDATES) if len(order) > _CANDIDATES else ""
    return Fold(voice.say("fold_tried"), lines, [Table("", heads, rows, note)])


def _by_label(found: Brief, voice: Voice) -> Fold:
    rows: list[list[str]] = []
    for one in found.readings:
        cells = [one.label or voice.say("all_labels"), f"{one.hundred.support:,}"]
        rates = {"recall": (one.hundred.before / 100, one.hundred.now / 100), "precision": one.right}
        for metric in METRICS_OF_A_LABEL:
            cells += [*map(_rate, rates[metric]), *_judged(voice, one.judged.get(metric))]
        rows.append(cells)
    each = ("before", "now", "difference", "verdict")
    heads = [voice.say("col_label"), voice.say("col_support")]
    heads += [
        f"{voice.say(f'col_{metric}')}: {voice.say(f'col_{part}')}" for metric in METRICS_OF_A_LABEL for part in each
    ]
    overall = found.overall
    lines: list[str] = []
    if overall is not None:
        value, verdict = _judged(voice, overall)
        lines.append(voice.say("overall", value=value, verdict=verdict))
    return Fold(voice.say("fold_labels"), lines, [Table("", heads, rows)])


def _judged(voice: Voice, one: Judged | None) -> tuple[str, str]:
    """A difference in points with its interval, and the verdict."""
    if one is None:
        return "-", "-"
    value = f"{100 * one.difference.value:+.1f}"
    if one.interval is not None:
        value += f" [{100 * one.interval[0]:+.1f}, {100 * one.interval[1]:+.1f}]"
    return value, message(f"verdict_{one.verdict}", {}, voice.language)


def _method(found: Brief, voice: Voice) -> Fold:
    train = found.mix.train
    encoder, licence = found.sources.model
    fresh = voice.say("method_fresh") if found.fresh else voice.say("method_not_fresh")
    split = voice.say(f"method_{found.split}", rows=f"{len(found.data):,}", looks=found.looks)
    before, now = found.finding.repeats
    return Fold(
        voice.say("fold_method"),
        [
            voice.say("method_sides", mix=found.titles[0], baseline=found.titles[1], before=before, after=now),
            fresh,
            split,
            voice.say("method_train", encoder=last(encoder), licence=licence or voice.say("not_stated"),
                     method=train.method, steps=train.steps or voice.say("epochs", n=train.epochs)),
            voice.say("method_hundred"),
            voice.say("method_verdict", margin=100 * found.finding.margin),
            *([voice.say("method_sequential")] if found.finding.sequential else []),
        ],
    )  # fmt: skip


def _limits(found: Brief, voice: Voice) -> Fold:
    lines = [voice.say("limit_text"), voice.say("limit_seeds"), voice.say("limit_bias")]
    if len(found.candidates) > 2 and not found.fresh:
        lines.insert(0, voice.say("limit_best", n=len(found.candidates)))
    return Fold(voice.say("fold_limits"), lines)


def _provenance(found: Brief, voice: Voice) -> Fold:
    sources = found.sources
    rows: list[Sequence[str]] = []
    for name, part in sources.parts.items():
        file = "" if part.file is None else f"{last(part.file[0])} ({part.file[1][:16]})"
        rows.append(
            (GOLD if name == "train" else name, "-" if part.rows is None else f"{part.rows:,}", what(voice, part, name),
             sources.licences.get(name) or voice.say("not_stated"), part.corpus[:16], file)
        )  # fmt: skip
    heads = [voice.say(f"col_{name}") for name in ("part", "rows", "what", "licence", "content", "file")]
    lines = [voice.say("personal"), voice.say("state", state=sources.state)]
    return Fold(voice.say("fold_sources"), lines, [Table("", heads, rows)])


def _again(found: Brief, voice: Voice) -> Fold:
    mix, baseline = (_portable(text) for text in found.sources.recipes)
    code = [(found.titles[0], mix), (found.titles[1], baseline)]
    return Fold(voice.say("fold_again"), [voice.say("again")], code=code)


def what(voice: Voice, part: Origin | None, name: str = "") -> str:
    """What an ingredient is."""
    if part is None:
        return "-"
    if part.made is not None:
        how = voice.say(f"made_{part.made.method}")
        return voice.say("what_made_gold" if part.of == GOLD else "what_made", of=part.of, how=how)
    return voice.say("what_split") if name in SPLITS else voice.say("what_file")


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f}"


def _portable(recipe: str) -> str:
    """A recipe whose files are named by their last part alone."""
    lines = recipe.split("\n")
    for at, line in enumerate(lines):
        key, colon, value = line.partition(": ")
        if colon and value.startswith('"/') and value.endswith('"'):
            lines[at] = f'{key}: "{last(value[1:-1])}"'
    return "\n".join(lines)
