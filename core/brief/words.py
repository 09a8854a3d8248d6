"""A report in words: what it says, in one language, ready to be laid out. Nothing here is escaped.

Before the fold there is no F1, no p-value, no epoch: of a hundred real ones so many are found. What a reader may check
comes after it.
"""

import time
from collections.abc import Sequence

from core.brief.balance import cost, labelled, marks, unknown, worse
from core.brief.facts import Brief, Example, Reading, counted
from core.brief.folds import folds
from core.brief.page import Figure, Marked, Page, Shown
from core.brief.voice import Voice
from core.errors import Value
from core.evaluation.verdicts import ENOUGH_SEEDS, Metric
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
        more=_more(found, voice, [one.label for one in told if one not in shown]),
        legend={kind: voice.say(f"icon_{kind}") for kind in ("kept", "gained", "lost", "neither", "strip")},
        examples=[_example(found, voice, one) for one in found.examples],
        no_examples="" if found.examples else voice.say("no_examples"),
        cost=cost(found, voice, minutes),
        worse=worse(found, voice),
        open=unknown(found, voice),
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
    if marks(found.whole):
        wrong = [round(one) for one in found.whole.wrong]
        told = voice.after(told, voice.say("wrong_of", before=wrong[0], now=wrong[1]))
    labels = voice.joined(dict.fromkeys(one.label for one in found.finding.gains))
    enough = {"n": found.finding.seeds, "need": ENOUGH_SEEDS}
    return voice.after(voice.say(f"answer_{found.advice}", labels=labels, **enough), told)


def _sure(found: Brief, voice: Voice) -> list[str]:
    place = "test" if found.split == "test" else "fresh"
    code = f"sure_rather_{place}" if found.sure == "rather" else f"sure_{found.sure}"
    values: dict[str, Value] = {"n": found.finding.seeds, "rows": f"{len(found.data):,}"}
    out = [voice.say(code, tried=len(found.candidates), **values)]
    if len(found.candidates) > 2 and found.sure in ("confident", "not"):
        out.append(voice.say("best_of", tried=len(found.candidates)))
    unstated = [name for name in labelled(found) if not found.sources.licences.get(name)]
    if unstated and not found.stays:
        out.insert(0, voice.say("provided", names=voice.joined(unstated)))
    judged = found.whole.judged.get("recall")
    if judged is not None and judged.interval is not None:
        low, high = (f"{100 * end:+z.0f}".replace("+0", "0") for end in judged.interval)
        out.append(voice.say("likely", low=low, high=high))
    if found.unlike:
        out.append(voice.say("unlike"))
    return out


def _more(found: Brief, voice: Voice, left: Sequence[str]) -> list[str]:
    """Of labels that are never found, and of others that have no figure."""
    never = [one.label for one in found.labels if counted(one) == (0, 0, 0)]
    out = [voice.say("never", labels=voice.joined(never))] if never else []
    return [*out, voice.say("more_labels", labels=voice.joined(left))] if left else out


def _worse(one: Reading) -> bool:
    return any(judged.verdict == "worse" for judged in one.judged.values())


def _figure(found: Brief, voice: Voice, one: Reading) -> Figure:
    before, now, lost = counted(one)
    label = one.label or voice.say("all_labels")
    gone = voice.say("lost", n=lost) if lost else voice.say("hardly_lost" if one.hundred.lost >= 0.05 else "none_lost")
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
    before, now = _shares(one)
    if not (now or before):
        return voice.say("marks_none")
    told = voice.say("right_now" if one.label else "right_now_all", label=label, before=_of(before), now=_of(now))
    if not marks(one):
        return told
    return voice.after(told, voice.say("wrong_now", before=round(one.wrong[0]), now=round(one.wrong[1])))


def _shares(one: Reading) -> list[float]:
    """Of what is marked, how much is right before and now, all repeats together."""
    found = (one.hundred.before, one.hundred.now)
    return [right / (right + wrong) if right + wrong else 0.0 for right, wrong in zip(found, one.wrong, strict=True)]


def _says(found: Brief, voice: Voice, one: Reading) -> str:
    """What may be said of both differences of a label."""
    if not found.finding.enough:
        return voice.say("says_few")
    verdicts = {metric: judged.verdict for metric in _METRICS if (judged := one.judged.get(metric))}
    if set(verdicts.values()) == {"open"}:
        return voice.say("says_open")
    return voice.joined(dict.fromkeys(voice.say(f"says_{metric}_{word}") for metric, word in verdicts.items()))


def _example(found: Brief, voice: Voice, one: Example) -> Shown:
    finding = found.finding
    n = [round(share * repeats) for share, repeats in zip(one.shares, finding.repeats, strict=True)]
    note = voice.say("example_note", before=n[0], all=finding.repeats[0], now=n[1], of=finding.repeats[1])
    better = one.change == "fixed"
    lines = [
        Marked(voice.say(f"example_{lead}"), row.segments, row.labels or (), right)
        for lead, row, right in (("before", one.before, not better), ("now", one.now, better))
    ]
    return Shown(voice.say(f"example_{one.change}"), note, better, lines)


_HEADS = (
    *(
        "report",
        "changes",
        "judge",
        "cost",
        "worse",
        "open",
        "check",
        "right",
        "wrong",
        "present",
        "next",
        "back",
        "end",
        "keys",
    ),
)


def _of(rate: float) -> str:
    return f"{100 * rate:.0f}"
