"""What a folder takes on disk: blocks, not lengths; a link is not followed; a file with several names counts once."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512  # bytes that one of st_blocks stands for, stat(2)
_SETTLED = 2.0  # seconds after a change until a folder's time of change is sure to tell the next one
Names = Mapping[str, tuple[str, int]]  # device:inode of a file with several names -> (its part, bytes on disk)


@dataclass(frozen=True)
class Tree:
    """What lies in a folder. `parts`: bytes on disk by part, without those of `linked`.

    `stamps`: st_mtime_ns of the folder ("") and of every folder inside, by relative path. As long as these stay the
    same, nothing was added, removed or renamed in it.
    """

    parts: Mapping[str, int]
    stamps: Mapping[str, int]
    linked: Names

    @property
    def bytes(self) -> int:
        return sum(self.parts.values()) + sum(size for _, size in self.linked.values())

    def of(self, part: str) -> int:
        """Bytes of one part."""
        return self.parts.get(part, 0) + sum(size for name, size in self.linked.values() if name == part)

    def names(self) -> list[str]:
        """The parts there are."""
        return sorted({*self.parts, *(name for name, _ in self.linked.values())})


def measure(folder: Path | str, part_of: Callable[[str], str]) -> Tree:
    """Look at everything in a folder. `part_of`: the part that a relative path belongs to ("": the folder itself)."""
    parts: Counter[str] = Counter()
    stamps: dict[str, int] = {}
    linked: dict[str, tuple[str, int]] = {}
    for inside, found in _walk(str(folder)):
        size = found.st_blocks * BLOCK
        if stat.S_ISDIR(found.st_mode):
            stamps[inside] = found.st_mtime_ns
        elif found.st_nlink > 1:
            linked[f"{found.st_dev}:{found.st_ino}"] = (part_of(inside), size)
            continue
        parts[part_of(inside)] += size
    return Tree(dict(parts), stamps, linked)


def _walk(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Relative path and stat of a folder and all in it; what vanishes meanwhile is left out."""
    left = [""]
    try:
        yield "", os.lstat(root)
    except FileNotFoundError:
        return
    while left:
        inside = left.pop()
        try:
            with os.scandir(f"{root}/{inside}") as entries:
                listed = list(entries)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in listed:
            path = f"{inside}/{entry.name}" if inside else entry.name
            try:
                yield path, entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if entry.is_dir(follow_symlinks=False):
                left.append(path)


def unchanged(folder: Path | str, tree: Tree) -> bool:
    """Whether a folder is the one that was measured."""
    try:
        return all(os.lstat(f"{folder}/{inside}").st_mtime_ns == stamp for inside, stamp in tree.stamps.items())
    except (FileNotFoundError, NotADirectoryError):
        return False


def settled(tree: Tree, now: float) -> bool:
    """Whether the next change of a folder is sure to show in its stamps. `now`: unix seconds, when it was measured."""
    return max(tree.stamps.values(), default=0) < (now - _SETTLED) * 1e9
