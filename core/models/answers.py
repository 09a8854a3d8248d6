"""What language models answer, read with suspicion: one JSON object, texts that stand where they are said to stand.

Nothing in an answer is carried out, and nothing in it is mended.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from core.tasks.example import Span

LONGEST = 2000  # characters of a row that is shown, and of one that is written
_FENCE = re.compile(r"^```(?:json)?\s*\n(.*?)\n?\s*```$", re.DOTALL | re.IGNORECASE)


def json_object(answer: str) -> dict[str, Any] | None:
    """The one JSON object that an answer is, in a code fence or not."""
    text = answer.strip()
    fenced = _FENCE.match(text)
    try:
        found = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def plain(text: str) -> bool:
    """Whether a text has no characters that nobody sees, but blanks."""
    return all(unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") or c in "\n\t" for c in text)


def pairs(mentions: Any) -> list[tuple[str, str]] | None:
    """(text, label) of each mention; None where that isn't what there is."""
    if not isinstance(mentions, list):
        return None
    found: list[tuple[str, str]] = []
    for one in mentions:
        if not isinstance(one, dict) or {*one} != {"text", "label"}:
            return None
        text, label = one["text"], one["label"]
        if not isinstance(text, str) or not isinstance(label, str) or not text.strip():
            return None
        found.append((" ".join(text.split()), label))
    return found


def placed(text: str, bounds: Sequence[tuple[int, int]], asked: Sequence[tuple[str, str]]) -> list[Span] | None:
    """Each mention at the first place in the text that no other has, at the edges of words; None where one has none.
    Longer ones choose first."""
    starts = {start: at for at, (start, _) in enumerate(bounds)}
    ends = {end: at + 1 for at, (_, end) in enumerate(bounds)}
    taken: list[Span] = []
    for name, label in sorted(asked, key=lambda one: -len(one[0])):
        at = text.find(name)
        while at >= 0:
            first, last = starts.get(at), ends.get(at + len(name))
            if first is not None and last is not None and not any(s.start < last and first < s.end for s in taken):
                taken.append(Span(first, last, label))
                break
            at = text.find(name, at + 1)
        if at < 0:
            return None
    return sorted(taken, key=lambda span: span.start)


def placed_in_order(
    text: str, bounds: Sequence[tuple[int, int]], asked: Sequence[tuple[str, str]]
) -> list[Span] | None:
    """Each mention at its first place behind the mention before it, at the edges of words; None where one has none.

    `bounds`: where the words of the text stand, as `placed` takes them.
    """
    starts = {start: at for at, (start, _) in enumerate(bounds)}
    ends = {end: at + 1 for at, (_, end) in enumerate(bounds)}
    found: list[Span] = []
    behind = 0
    for name, label in asked:
        at = text.find(name, behind)
        while at >= 0 and not (at in starts and at + len(name) in ends):
            at = text.find(name, at + 1)
        if at < 0:
            return None
        behind = at + len(name)
        found.append(Span(starts[at], ends[behind], label))
    return found
