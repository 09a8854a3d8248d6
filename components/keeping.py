"""Ways of keeping what was learned before, in words."""

from collections.abc import Mapping

from components.words import raw
from core.sequences import keep_of

_JOINED = "@"


def way(name: str) -> str:
    """A way by its name, NAME or NAME@SHARE, with its share, as it is."""
    share = keep_of(name).replay
    words = kind(name.partition(_JOINED)[0])
    return f"{words} {share:.0%}" if share else words


def kind(name: str) -> str:
    """A way of METHODS, whatever its share, as it is."""
    words: Mapping[str, str] = {
        "plain": raw("Nothing is kept"),
        "mask": raw("Old mentions masked"),
        "distil": raw("As the model before sees it"),
        "ewc": raw("Weights held (EWC)"),
        "replay": raw("Replay"),
        "balanced": raw("Replay, every label alike"),
        "replay_distil": raw("Replay, and as the model before sees it"),
        "replay_ewc": raw("Replay, and weights held"),
        "adapters": raw("An adapter for each step"),
        "joint": raw("All at once (what could be reached)"),
    }
    return words[name]


def explained(name: str) -> str:
    """What a way does, as it is."""
    return {
        "plain": raw("The model is fine-tuned further on the new rows, and that is all."),
        "mask": raw("Words that new rows leave unlabelled, and the model before is sure of, teach nothing."),
        "distil": raw("Of words that new rows leave unlabelled, it learns what the model before says (distillation)."),
        "ewc": raw("Weights that earlier steps hang on are held where they are (elastic weight consolidation)."),
        "replay": raw("A share of the earlier rows, drawn by chance, joins the new ones."),
        "balanced": raw("The same, drawn so that every label has its share."),
        "replay_distil": raw("Replay and distillation together."),
        "replay_ewc": raw("Replay and elastic weight consolidation together."),
        "adapters": raw("Each step has low-rank updates of its own; a sentence goes to the step that it is like."),
        "joint": raw("Not one after the other: the upper bound, where all rows are still there."),
    }[name]
