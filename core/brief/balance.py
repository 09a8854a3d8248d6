"""What a report says on the other side: what it costs, what gets worse, what nobody knows, and what is next."""

from core.brief.facts import Brief, Reading, counted
from core.brief.folds import what
from core.brief.voice import Voice
from core.errors import Value, message
from core.evaluation.worth import about
from core.gold_curve import worth_words
from core.scores import FEW

_NAMED = 12  # labels that are named at most
_MARKEDLY, _FAR = 1.0, 10.0  # wrong marks more for every hundred mentions, from which it is said; of a label
_TOLD = 4  # labels of which that is said


def labelled(found: Brief) -> list[str]:
    """What joins gold and came with labels of its own."""
    parts = found.sources.parts
    return [name for name in found.added if name in parts and parts[name].made is None]


def marks(one: Reading) -> bool:
    """Whether wrong marks say more than what was missed: where each row has just one label they don't."""
    return any(abs(wrong - (100 - rate)) > 0.5 for wrong, rate in zip(one.wrong, _rates(one), strict=True))


def _rates(one: Reading) -> tuple[float, float]:
    return one.hundred.before, one.hundred.now


def cost(found: Brief, voice: Voice, minutes: float) -> list[str]:
    """`minutes`: that a person takes to label a row."""
    out = [voice.say("cost_nobody")]
    own = labelled(found)
    if own:
        out.append(voice.say("cost_labelled", names=voice.joined(own)))
    mine, base = (one.seconds for one in found.cost)
    if mine is not None and base is not None:
        times = {"time": voice.long(mine), "before": voice.long(base), "all": voice.long(found.seconds)}
        out.append(voice.say("cost_time", **times))
    out += _worth(found, voice, minutes)
    for name, rows in sorted(found.added.items(), key=lambda one: -one[1]):
        part = found.sources.parts.get(name)
        out.append(voice.say("cost_part", rows=f"{rows:,}", name=name, what=what(voice, part)))
    return out


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


def worse(found: Brief, voice: Voice) -> list[str]:
    """What gets worse with it, shown or only feared."""
    out: list[str] = []
    before, now = found.whole.wrong
    if marks(found.whole) and now - before >= _MARKEDLY:
        out.append(voice.say("worse_wrong", before=round(before), now=round(now)))
        out += [voice.say("worse_labels", labels=voice.joined(mine))] if (mine := _marked_more(found, voice)) else []
        out += [] if found.stays else [voice.say("worse_trade")]
    out += [voice.say(f"loss_{loss.metric}", label=loss.label) for loss in found.finding.losses if loss.label]
    if counted(found.whole)[2]:
        out.append(voice.say("worse_lost", lost=counted(found.whole)[2]))
    better, turned = found.turned
    out.append(voice.say("worse_rows", better=better, worse=turned, rows=f"{len(found.data):,}"))
    shown = {loss.label for loss in found.finding.losses}
    feared = [one.label for one in found.labels if one.label not in shown and _feared(one, found.finding.margin)]
    if feared:
        out.append(voice.say("worse_feared", labels=voice.joined(feared[:_NAMED])))
    return out


def _marked_more(found: Brief, voice: Voice) -> list[str]:
    """The labels that are marked wrongly more often by far, those with the largest difference first."""
    more = [one for one in found.labels if one.wrong[1] - one.wrong[0] >= _FAR]
    more.sort(key=lambda one: one.wrong[0] - one.wrong[1])
    return [
        voice.say("worse_label", label=one.label, before=round(one.wrong[0]), now=round(one.wrong[1]))
        for one in more[:_TOLD]
    ]


def _feared(one: Reading, margin: float) -> bool:
    """Whether a difference that can't be told is a loss beyond the margin as it was measured."""
    return any(judged.verdict == "open" and judged.difference.value < -margin for judged in one.judged.values())


def unknown(found: Brief, voice: Voice) -> list[str]:
    """What is missed whatever one does, what to label next, what is not settled."""
    missed = 100 - found.chosen(found.whole)
    out = [voice.say("next_missed_gold" if found.stays else "next_missed", missed=missed)]
    weakest = found.weakest
    if weakest is not None and len(found.labels) > 1:
        values: dict[str, Value] = {"label": weakest.label, "gold": found.gold.get(weakest.label, 0)}
        out.append(voice.say("next_label", now=found.chosen(weakest), **values))
    for rival in sorted(found.rivals, key=lambda one: one.name != "single"):
        out.append(voice.say(f"rival_{rival.verdict}", what=voice.say(f"rival_{rival.name}", mix=rival.title)))
    none_shown = [label for label in found.finding.none_shown if label not in found.finding.same]
    if none_shown and found.finding.enough:
        out.append(voice.say("open_labels", labels=voice.joined(none_shown[:_NAMED])))
    if found.finding.same:
        out.append(voice.say("same_labels", labels=voice.joined(found.finding.same[:_NAMED])))
    few = [one.label for one in found.readings[1:] if one.few]
    if few:
        out.append(voice.say("few_labels", labels=voice.joined(few[:_NAMED]), least=FEW))
    if found.split != "test":
        out.append(voice.say("open_test"))
    return [*out, voice.say("open_text", rows=f"{len(found.data):,}")]
