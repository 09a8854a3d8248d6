"""What can be a label, whatever the format of the file it stands in."""

import unicodedata
from collections.abc import Sequence

from core.errors import CoreError, Issue

MAX_LABELS = 500
MAX_LABEL = 200  # code points
UNKNOWN = "_"  # in a file: not known


def is_label(label: str) -> bool:
    """Whether a string can be a label: not empty, not too long, no outer whitespace, no control characters."""
    if not label or label != label.strip() or len(label) > MAX_LABEL:
        return False
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in label)


def lookalikes(labels: Sequence[str]) -> list[list[str]]:
    """Groups of labels that differ only in case or in Unicode normal form."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
        groups.setdefault(key, []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def of_file(labels: Sequence[str], name: str, column: str) -> list[Issue]:
    """What holds for the labels of a whole file: there are none, or some look alike."""
    out = [] if labels else [Issue(name, None, column, "no_labels", {}, "kept")]
    alike = [", ".join(group) for group in lookalikes(labels)]
    return [*out, *(Issue(name, None, column, "label_lookalike", {"labels": group}, "kept") for group in alike)]


def too_many(count: int) -> CoreError:
    return CoreError("too_many_labels", {"count": count, "limit": MAX_LABELS}, "hint_too_many_labels")
