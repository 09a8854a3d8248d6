"""Which labels of another labelled file are likely to mean ours."""

import difflib
from collections.abc import Sequence

_ALIKE = (  # labels of public data sets, each line one meaning
    {"per", "pers", "person", "people", "nr", "人名", "人物", "人"},
    {"org", "organisation", "organization", "company", "corporation", "nt", "机构", "组织", "组织机构", "机构名"},
    {"loc", "location", "place", "gpe", "geo", "ns", "地点", "地名", "位置"},
    {"evt", "event", "事件"},
    {"prod", "product", "产品"},
    {"work", "workofart", "creativework", "作品"},
    {"date", "日期"},
    {"time", "时间"},
)
_NEAR = 0.8  # similarity of names (difflib's ratio) that a misspelling has


def suggest(theirs: Sequence[str], ours: Sequence[str]) -> dict[str, str | None]:
    """For each of their labels one of ours: equal but for case, of one meaning, or spelt nearly so; else None."""
    return {label: _nearest(label, ours) for label in theirs}


def _nearest(label: str, ours: Sequence[str]) -> str | None:
    plain = {_plain(other): other for other in reversed(ours)}
    wanted = _plain(label)
    if label in ours or wanted in plain:
        return label if label in ours else plain[wanted]
    same = next((group for group in _ALIKE if wanted in group), set[str]())
    alike = next((other for name, other in plain.items() if name in same), None)
    near = difflib.get_close_matches(wanted, plain, n=1, cutoff=_NEAR)
    return alike or (plain[near[0]] if near else None)


def _plain(label: str) -> str:
    return "".join(c for c in label.casefold() if c.isalnum())
