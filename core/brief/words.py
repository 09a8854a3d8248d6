"""A report in words: what it says, in one language, ready to be laid out. Nothing here is escaped.

Before the fold there is no F1, no p-value, no epoch: of a hundred real ones so many are found. What a reader may check
comes after it.
"""

import time

from core.brief.facts import Brief, Example, Reading, counted
from core.brief.folds import folds, what
from core.brief.page import Figure, Marked, Page, Shown
from core.brief.voice import Voice
from core.errors import Value, message
from core.evaluation.verdicts import ENOUGH_SEEDS, Metric
from core.evaluation.worth import about
from core.gold_curve import worth_words
from core.scores import FEW
from core.tasks import task as task_of

MINUTES = 1.0  # that labelling a row is taken to take, where nobody says
_LABELS = 6  # that are shown before the fold
_METRICS: tuple[Metric, ...] = ("recall", "precision")


def page(found: Brief, language: str = "en", question: str = "", minutes: float = MINUTES) -> Page:
    """A report. `question`: in place of the usual one; `minutes`: that a person takes to label a row."""
    voice = Voice(language, task_of(found.project.recipe.task).reads == "row")
    told = [one for one in found.labels if counted(one) != (0, 0, 0)]
    shown = [*told[:_LABELS], *(one for one in told[_LABELS:] if _worse(one))]
    return Page(
        language=voice.language,
        title=found.project.title,
        date=time.strftime("%Y-%m-%d"),
        question=question or _question(found, voice),
        answer=_answer(found, voice),
        tone={"use": "good", "use_for": "good", "worse": "bad", "same": "bad"}.get(found.advice, "open"),
        sure=_sure(found, voice),
        figures=[_figure(found, voice, one) for one in (found.whole, *shown)],
        more=_more(found, voice, len(told) - len(shown)),
        legend={kind: voice.say(f"icon_{kind}") for kind in ("kept", "gained", "lost", "neither", "strip")},
        examples=[_example(found, voice, one) for one in found.examples],
        no_examples="" if found.examples else voice.say("no_examples"),
        cost=_cost(found, voice, minutes),
        open=_open(found, voice),
        folds=folds(found, voice),
        words={code: voice.say(f"head_{code}") for code in _HEADS},
        labels=found.data.schema.labels,
    )


def _question(found: Brief, voice: Voice) -> str:
    more = sum(found.added.values())
    if not more:
        return voice.say("question_mix", mix=found.titles[0], baseline=found.titles[1])
    return voice.say("question", rows=f"{more:,}", gold=f"{found.rows:,}")


def _answer(found: Brief, voice: Voice) -> str:
    before, now, _ = counted(found.whole)
    told = voice.say("found_of", now=now, before=before)
    if None not in found.whole.right:
        told = voice.after(told, voice.say("right_of", before=_of(found.whole.right[0]), now=_of(found.whole.right[1])))
    labels = voice.joined(dict.fromkeys(one.label for one in found.finding.gains))
    enough = {"n": found.finding.seeds, "need": ENOUGH_SEEDS}
    return voice.after(voice.say(f"answer_{found.advice}", labels=labels, **enough), told)


def _sure(found: Brief, voice: Voice) -> list[str]:
    place = "test" if found.split == "test" else "fresh"
    code = f"sure_rather_{place}" if found.sure == "rather" else f"sure_{found.sure}"
    values: dict[str, Value] = {"n": found.finding.seeds, "rows": f"{len(found.data):,}"}
    out = [voice.say(code, tried=len(found.candidates), **values)]
    judged = found.whole.judged.get("recall")
    if judged is not None and judged.interval is not None:
        low, high = (f"{100 * end:+.0f}" for end in judged.interval)
        out.append(voice.say("likely", low=low, high=high))
    if found.unlike:
        out.append(voice.say("unlike"))
    return out


def _more(found: Brief, voice: Voice, left: int) -> list[str]:
    """Of labels that are never found, and of others that have no figure."""
    never = [one.label for one in found.labels if counted(one) == (0, 0, 0)]
    out = [voice.say("never", labels=voice.joined(never))] if never else []
    return [*out, voice.say("more_labels", n=left)] if left else out


def _worse(one: Reading) -> bool:
    return any(judged.verdict == "worse" for judged in one.judged.values())


def _figure(found: Brief, voice: Voice, one: Reading) -> Figure:
    before, now, lost = counted(one)
    label = one.label or voice.say("all_labels")
    gone = voice.say("lost", n=lost) if lost else voice.say("none_lost")
    text = voice.say("label_of" if one.label else "all_of", label=label, before=before, now=now, lost=gone)
    rates = (one.hundred.before / 100, one.hundred.now / 100)
    judged = one.judged.get("recall")
    likely = None
    if judged is not None and judged.interval is not None:
        likely = (rates[0] + judged.interval[0], rates[0] + judged.interval[1])
    return Figure(
        label, text, _right(voice, one, label), _says(found, voice, one), one.hundred.whole, rates, likely, text
    )


def _right(voice: Voice, one: Reading, label: str) -> str:
    before, now = one.right
    whose = "" if one.label else "_all"
    if now is None or not (now or before):
        return voice.say("marks_none")
    return voice.say(f"right_now{whose}", label=label, before=_of(before), now=_of(now))


def _says(found: Brief, voice: Voice, one: Reading) -> str:
    """What may be said of both differences of a label."""
    if not found.finding.enough:
        return voice.say("says_few")
    told = [voice.say(f"says_{metric}_{j.verdict}") for metric in _METRICS if (j := one.judged.get(metric))]
    return voice.joined(dict.fromkeys(told))


def _example(found: Brief, voice: Voice, one: Example) -> Shown:
    finding = found.finding
    n = [round(share * repeats) for share, repeats in zip(one.shares, finding.repeats, strict=True)]
    note = voice.say("example_note", before=n[0], all=finding.repeats[0], now=n[1], of=finding.repeats[1])
    rows = (("gold", one.gold), ("before", one.before), ("now", one.now))
    lines = [Marked(voice.say(f"example_{lead}"), row.segments, row.labels or ()) for lead, row in rows]
    return Shown(voice.say(f"example_{one.change}"), note, one.change == "fixed", lines)


def _cost(found: Brief, voice: Voice, minutes: float) -> list[str]:
    out = [voice.say("cost_part", rows=f"{rows:,}", name=name, what=what(voice, found.sources.parts.get(name)))
           for name, rows in sorted(found.added.items(), key=lambda one: -one[1])]  # fmt: skip
    labelled = [name for name in found.added if (part := found.sources.parts.get(name)) and part.made is None]
    out.append(voice.say("cost_labelled", names=voice.joined(labelled)) if labelled else voice.say("cost_nobody"))
    mine, base = (one.seconds for one in found.cost)
    if mine is not None and base is not None:
        out.append(
            voice.say("cost_time", time=voice.long(mine), before=voice.long(base), all=voice.long(found.seconds))
        )
    return [*out, *_worth(found, voice, minutes)]


def _worth(found: Brief, voice: Voice, minutes: float) -> list[str]:
    if found.worth is None:
        return [voice.say("worth_unknown")]
    worth, split = found.worth
    code, values = worth_words(worth, voice.say("this_mix"))
    out = [message(code, values, voice.language)]
    if worth.code == "gain" and worth.sentences is not None:
        rows = about(worth.sentences)
        out.append(voice.say("worth_minutes", minutes=minutes, time=voice.long(60 * minutes * rows)))
    if split != found.split:
        out.append(voice.say("worth_dev"))
    return out


def _open(found: Brief, voice: Voice) -> list[str]:
    out = [voice.say("next_missed", missed=100 - counted(found.whole)[1])]
    weakest = found.weakest
    if weakest is not None and len(found.labels) > 1:
        values: dict[str, Value] = {"label": weakest.label, "gold": found.gold.get(weakest.label, 0)}
        out.append(voice.say("next_label", now=counted(weakest)[1], **values))
    for loss in found.finding.losses:
        out.append(voice.say(f"loss_{loss.metric}", label=loss.label))
    unsettled = [one.label for one in found.labels if one.label in found.finding.none_shown]
    unsettled = [label for label in unsettled if label not in found.finding.same]
    if unsettled and found.finding.enough:
        out.append(voice.say("open_labels", labels=voice.joined(unsettled[:12]), n=len(unsettled)))
    few = [one.label for one in found.readings[1:] if one.few]
    if few:
        out.append(voice.say("few_labels", labels=voice.joined(few[:12]), least=FEW))
    if found.split != "test":
        out.append(voice.say("open_test"))
    out.append(voice.say("open_text", rows=f"{len(found.data):,}"))
    return out


_HEADS = (*("report", "changes", "judge", "cost", "open", "check", "present", "next", "back", "end", "keys"),)


def _of(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.0f}"
