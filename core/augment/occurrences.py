"""All occurrences of something in a corpus, from which another one can be drawn in constant time."""

from collections.abc import Iterable
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T", str, tuple[str, ...])


class Occurrences(Generic[T]):
    """A bag of items, each as often as it occurs. The order in which they came makes no difference."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items: list[T] = sorted(items)
        self._block: dict[T, tuple[int, int]] = {}  # item -> first position, number of occurrences
        for at, item in enumerate(self._items):
            first, count = self._block.get(item, (at, 0))
            self._block[item] = (first, count + 1)

    def has_other(self, item: T) -> bool:
        return len(self._block) > (item in self._block)

    def other(self, item: T, rng: Random) -> T:
        """An occurrence of anything but `item`, all with the same probability; there must be one."""
        first, count = self._block.get(item, (len(self._items), 0))
        at = rng.randrange(len(self._items) - count)
        return self._items[at + count if at >= first else at]
