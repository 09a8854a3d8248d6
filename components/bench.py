"""What the page Mix works on: a project's pools, and the mix in hand with its history and its address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from components import address, facts
from components.words import t, told
from core import groups, mixing
from core.board import board
from core.errors import CoreError
from core.launch import Standing
from core.mix import GOLD, Mix
from core.mixing import History
from core.project import Project, mix_of
from core.recipe_text import mix_data
from core.report.composition import PoolIndex
from core.report.figures import colour_of
from core.stage import Stage, unlabelled
from core.workspace import Workspace

_CLONE, _LINK, _REFUSED, _HELD = "mix_load", "mix_link", "mix_refused", "mix_held_"
NAME_LENGTH = 60


@dataclass(frozen=True)
class Best:
    """The mix with the best mean F1 on dev so far (0..1)."""

    name: str
    mix: Mix
    dev: float


@dataclass(frozen=True)
class Bench:
    """All that the page works on. `ids`: corpora of gold and the pools; `waiting`: ingredients that are not built."""

    space: Workspace
    project: Project
    stage: Stage
    ids: Mapping[str, str]
    pools: Mapping[str, PoolIndex]
    dev: PoolIndex
    labels: tuple[str, ...]
    waiting: tuple[str, ...]
    best: Best | None

    @property
    def sizes(self) -> dict[str, int]:
        return {name: pool.rows for name, pool in self.pools.items()}

    @property
    def key(self) -> str:
        return f"mix_history_{self.project.slug}"

    @property
    def name_key(self) -> str:
        """Session key of the name that was written for the mix in hand, if one was."""
        return f"mix_own_name_{self.project.slug}"

    @property
    def texts(self) -> list[str]:
        """The ingredients without labels, of which no mix can be made."""
        recipe, stage = self.project.recipe, self.stage
        return [name for name, pool in stage.pools.items() if len(pool) and unlabelled(recipe, name, stage)]

    @property
    def history(self) -> History:
        return st.session_state[self.key]

    def colour(self, name: str) -> str:
        return colour_of(name, [GOLD, *self.project.ingredients])


def open_bench(space: Workspace, project: Project, found: Standing) -> Bench:
    """What a project has to mix. Its import must have succeeded."""
    assert found.stage is not None
    recipe, stage = project.recipe, found.stage
    ids = {name: id for name, id in facts.pool_ids(found).items() if not unlabelled(recipe, name, stage)}
    pools = {name: facts.pool_index(space.root, corpus_id) for name, corpus_id in ids.items()}
    dev = facts.pool_index(space.root, found.stage.imported["corpora"]["dev"])
    labels = tuple(dict.fromkeys(label for pool in (pools[GOLD], *pools.values(), dev) for label in pool.labels))
    measured = [line for line in board(space, [project.slug]) if line.dev is not None and not line.search]
    launched = groups.history(space, project.slug).groups
    top = max(measured, key=lambda line: line.dev or 0.0, default=None)
    best = Best(top.name, launched[top.group].mix, top.dev) if top and top.dev is not None else None
    bench = Bench(space, project, found.stage, ids, pools, dev, labels, found.waiting, best)
    _take_in(bench)
    return bench


def _take_in(bench: Bench) -> None:
    """The mix in hand: a clone from the page Runs, what the address says, what was edited before, or the project's."""
    history: History | None = st.session_state.get(bench.key)
    mix = history.mix if history else bench.project.recipe.mix
    try:
        mix = _brought(bench) or mix
    except CoreError as error:
        st.warning(told(error))
    left_out = mixing.absent(mix, bench.sizes)
    if left_out:
        st.warning(t("Left out, because it has no sentences yet: {names}.", names=", ".join(left_out)))
    try:
        mix = mixing.levelled(mix, bench.sizes)
    except CoreError as error:
        st.warning(told(error))
        mix = Mix()
    st.session_state[bench.key] = history.edited(mix) if history else History((mix,))


def _brought(bench: Bench) -> Mix | None:
    """The mix of a clone, or of an address that this page did not write itself. Raises CoreError `mix_address`."""
    clone, link = st.session_state.pop(_CLONE, None), _link()
    if clone:
        st.session_state[bench.name_key] = clone["name"]
        return mix_of(clone["mix"])
    return mixing.expanded(link) if link.get("m") and link != st.session_state.get(_LINK) else None


def _link() -> dict[str, str]:
    return {key: st.query_params[key] for key in ("m", "u", "w") if key in st.query_params}


def keep_in_address(mix: Mix) -> None:
    """A reload or a link shows the same mix."""
    told_there = mixing.compact(mix)
    address.keep("m", told_there["m"], None)
    address.keep("u", told_there["u"], "times_gold")
    address.keep("w", told_there["w"], "")
    st.session_state[_LINK] = _link()


def edit(bench: Bench, change: Callable[[Mix], Mix]) -> None:
    """A change of the mix in hand, as a callback; what can't be is told where the amounts stand."""
    try:
        st.session_state[bench.key] = bench.history.edited(change(bench.history.mix))
    except CoreError as error:
        st.session_state[_REFUSED] = error


def load(bench: Bench, mix: Mix) -> None:
    """Take another mix in hand, as a callback."""
    st.session_state.pop(bench.name_key, None)
    edit(bench, lambda _: mixing.levelled(mix, bench.sizes))


def bring(mix: Mix, name: str) -> None:
    """Have a mix in hand once the page is drawn again, whose ingredients it may not have read yet."""
    st.session_state[_CLONE] = {"mix": mix_data(mix), "name": name}


def move(bench: Bench, by: int) -> None:
    """Undo (-1) or redo (1), as a callback."""
    st.session_state[bench.key] = bench.history.moved(by)


def refused() -> CoreError | None:
    """Why the last change could not be made, once."""
    return st.session_state.pop(_REFUSED, None)


def held(base: str, value: object) -> str:
    """The key of a widget that shows `value`: a new one whenever that was set elsewhere.

    Under its old key a browser that is behind would send back what it showed before, as if someone had set that.
    """
    version, shown = st.session_state.get(_HELD + base, (0, value))
    version += shown != value
    st.session_state[_HELD + base] = version, value
    key = f"{base}_{version}"
    st.session_state.setdefault(key, value)
    return key


def taken(base: str, key: str) -> Any:
    """What was set in a widget that `held` gave a key, for its callback; None where it has another key by now."""
    version, _ = st.session_state[_HELD + base]
    if key != f"{base}_{version}":
        return None
    st.session_state[_HELD + base] = version, st.session_state[key]
    return st.session_state[key]
