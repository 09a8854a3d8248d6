"""What can be guessed about files before they are read: their roles, the language of their text, a title for all."""

import re
from collections.abc import Sequence

from core.formats.preview import SplitName, guess_role

ROLES: tuple[SplitName, ...] = ("train", "dev", "test")
_SPLIT_WORDS = re.compile(
    r"(?<![a-z])(train(ing)?|trn|dev(el(opment)?)?|valid(ation)?|val|test(ing)?|tst|eval(uation)?)(?![a-z])"
    r"|(?<=\d)(train|dev|test)$|训练集?|验证集?|开发集?|测试集?",
    re.IGNORECASE,
)
_HAN, _KANA = re.compile(r"[\u3400-\u9fff]"), re.compile(r"[\u3040-\u30ff]")


def guess_roles(names: Sequence[str]) -> list[str]:
    """A role for each of one to three files, by their names; one alone is `file`, to be split, whatever it is called.

    What no name speaks of is filled in order: train, dev, test.
    """
    if len(names) == 1:
        return ["file"]
    said = [guess_role(name) for name in names]
    left = iter([role for role in ROLES if role not in said])
    found: list[str] = []
    for role in said:
        if role is not None and role not in found:
            found.append(role)
        else:
            found.append(next(left, ROLES[0]))
    return found


def guess_title(names: Sequence[str]) -> str:
    """The first file's name without its extension and words for splits; the next one's where that is nothing."""
    stems = (re.split(r"[/\\]", name)[-1].partition(".")[0] for name in names)
    return next((bare for stem in stems if (bare := _bare(stem))), "")


def guess_language(text: str) -> str:
    """`zh` where one character in ten or more is Chinese and none is Japanese kana, else `en`."""
    return "zh" if 10 * len(_HAN.findall(text)) >= len(text) > 0 and not _KANA.search(text) else "en"


def _bare(stem: str) -> str:
    return re.sub(r"[\s_.-]+", " ", _SPLIT_WORDS.sub("", stem)).strip()
