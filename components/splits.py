"""What the splits are called."""

from collections.abc import Mapping

from components.words import raw

SPLITS = ("train", "dev", "test")


def split_words() -> Mapping[str, str]:
    """The splits as they stand alone, as they are."""
    return {"train": raw("Train"), "dev": raw("Dev"), "test": raw("Test")}


def in_sentence(split: str) -> str:
    """A split as it is called within a sentence, as it is."""
    return {"train": raw("train"), "dev": raw("dev"), "test": raw("test")}.get(split, split)
