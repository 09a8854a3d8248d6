"""The leakage guard of an import: what stands in two of its parts at once is dropped from train and pools, or told."""

from core.errors import CoreError, Value
from core.formats import leakage
from core.formats.parts import Imported, Part

HELD_OUT = ("dev", "test")


def drop(out: Imported, role: str, held_out: str) -> None:
    """Rows of train and pools that also stand in dev or test go."""
    if held_out not in out.parts:
        return
    part, other = out.parts[role], out.parts[held_out]
    rows = leakage.exact(part.corpus, other.corpus)
    for row in rows.tolist():
        out.note(part, row, "leak_exact", {"split": held_out, "other": other.source.name}, "dropped")
    if len(rows):
        out.parts[role] = part.without(rows)
    if not len(out.parts[role].corpus) and role == "train":
        raise CoreError("no_rows_left", {"file": part.source.name, "split": held_out}, "hint_no_rows_left")


def scan(out: Imported, role: str) -> None:
    """Near-duplicates and shared mentions of train and pools: noted, kept."""
    part = out.parts[role]
    for held_out in HELD_OUT:
        if held_out not in out.parts:
            continue
        other = out.parts[held_out]
        for found in leakage.near(part.corpus, other.corpus):
            values: dict[str, Value] = {
                "split": held_out,
                "other": other.source.name,
                "other_row": int(other.lines[found.held_out]),
                "similarity": round(found.similarity, 3),
            }
            out.note(part, found.row, "leak_near", values, "kept")
        _note_mentions(out, part, other, held_out)


def _note_mentions(out: Imported, part: Part, other: Part, held_out: str) -> None:
    there = set(leakage.mentions(other.corpus))
    shared = len({mention for mention in leakage.mentions(part.corpus) if mention in there})
    if shared:
        values: dict[str, Value] = {"split": held_out, "shared": shared, "of": len(there)}
        out.note(part, None, "mention_overlap", values, "kept")


def scan_held_out(out: Imported) -> None:
    dev, test = out.parts["dev"], out.parts["test"]
    for row in leakage.exact(dev.corpus, test.corpus).tolist():
        out.note(dev, row, "leak_dev_test", {"other": test.source.name}, "kept")
