"""The training rows behind a prediction, with their ingredients: a bridge from an error to the mix."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from components import asking, facts, without
from components.entities import Line, entities, shown
from components.frame import PAGES, telling
from components.progress import watch
from components.words import percent, raw, t, visible
from core import why
from core.groups import Group
from core.jobs.folder import read_json
from core.mix import GOLD
from core.project import Project
from core.reasons.reading import spec_of
from core.report import browse
from core.runs import POOL
from core.without import Blamed
from core.workspace import Workspace

_SECONDS = 60.0  # that an answer may take


def rows(
    space: Workspace,
    project: Project,
    group: Group | None,
    request: Mapping[str, Any],
    words: Mapping[str, Any],
    key: str,
) -> None:
    """Of what was asked: the rows, once they have been read. `words`: the answer about the words."""
    found = space.store.find([spec_of(request["run"]).id])
    if not found:
        st.caption(t("This run learned from no labelled sentences of one mix, so none can be named."))
        return
    if found[0].state != "succeeded" or found[0].pending:
        watch(space, found[0], t("Reading the sentences behind this run"), f"{key}_reading")
        return
    asked = asking.asked(space, f"{key}_rows", "why", request, _SECONDS)
    if asked.problem is not None:
        asking.problem(f"{key}_rows", asked.problem)
    elif asked.answer is None:
        asking.waiting(space, f"{key}_rows")
    else:
        one = words["asked"][words["about"]]
        _told(space, request["run"], asked.answer["behind"], one, key)
        if one["wrong"]:
            _next(space, project, group, request["run"], asked.answer["behind"]["ingredients"], one)


def sides(one: Mapping[str, Any]) -> tuple[str, str]:
    """What a question says, and what it doesn't, as they are."""
    return one["is"] or raw("nothing"), one["not"] or raw("nothing")


def _told(space: Workspace, run: str, told: Mapping[str, Any], one: Mapping[str, Any], key: str) -> None:
    said, rather = sides(one)
    st.caption(
        t(
            "**The training sentences.** By how much one more step on each would move the run's head towards {said} "
            "(+) or {rather} (-), as a part of all that moves it.",
            said=said,
            rather=rather,
        ),
        help=t(
            "TracIn (Pruthi et al. 2020) over the states that reach the head, as the run ended. A suspicion: it says "
            "what would be learned, not what would be forgotten. Only a training without them confirms it."
        ),
    )
    _ingredients(told, said, rather, key)
    labels = facts.corpus(space.root, _gold(space, run)).schema.labels
    for side, title in (("towards", said), ("against", rather)):
        st.markdown(t("What speaks for {label}", label=title))
        entities(_lines(space, run, told[side]), labels, key=f"{key}_{side}")


def _ingredients(told: Mapping[str, Any], said: str, rather: str, key: str) -> None:
    """What each ingredient has of all that speaks."""
    if len(told["ingredients"]) > 1:
        st.markdown(sentence(told["ingredients"], said))
    column = st.column_config
    number = column.NumberColumn
    config = {
        "name": column.TextColumn(raw("Ingredient"), pinned=True),
        "rows": number(raw("Sentences drawn")),
        "share": number(raw("Of all drawn"), format="%.0f %%"),
        "towards": number(raw("For {label}", label=said), format="%.1f %%"),
        "against": number(raw("For {label}", label=rather), format="%.1f %%"),
        "net": number(raw("Difference"), format="%+.1f"),
    }
    st.dataframe(
        [
            {
                "name": visible(part["name"]),
                "rows": part["rows"],
                **{name: 100 * part[name] for name in ("share", "towards", "against")},
                "net": 100 * (part["towards"] - part["against"]),
            }
            for part in told["ingredients"]
        ],
        key=f"{key}_ingredients",
        hide_index=True,
        column_config=config,
        alt=raw("What speaks for either side, by ingredient"),
    )
    if told["read"] < told["drawn"]:
        values = {name: told[name] for name in ("read", "drawn")}
        st.caption(t("{read} of {drawn} different sentences of the mix were read.", **values))


def sentence(parts: Sequence[Mapping[str, Any]], said: str) -> str:
    """Where most of what speaks for it comes from, for Markdown sinks."""
    all = sum(part["towards"] for part in parts) or 1.0
    top = max(parts, key=lambda part: part["towards"])
    values = {"name": top["name"], "share": percent(top["towards"] / all), "rows": percent(top["share"]), "said": said}
    return t("Of what speaks for {said}, {share} comes from **{name}**, which has {rows} of the sentences.", **values)


def _lines(space: Workspace, run: str, told: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Each row with its ingredient, below it the row of gold that it was made of."""
    mix, gold = why.behind(space.root, run).mix, facts.corpus(space.root, _gold(space, run))
    lines: list[Line] = []
    places = np.array([one["at"] for one in told], dtype=np.int64)
    for one, row in zip(told, browse.page(mix, places, 0, len(told)), strict=True):
        notes = [one["ingredient"], raw("drawn {n} times", n=one["times"]) if one["times"] > 1 else ""]
        notes += [raw("by its word {word}", word=row.tokens[one["word"]])] if one["word"] is not None else []
        notes += [raw("shares {words}", words=", ".join(one["shared"]))] if one["shared"] else []
        lines.append(shown(row, f"{100 * one['part']:+.2f} %", "; ".join(note for note in notes if note)))
        if one["origin"] is not None:
            [parent] = browse.page(gold, np.array([one["origin"]]), 0, 1)
            lines.append(shown(parent, raw("gold"), raw("sentence {n}", n=parent.position + 1), indent=True))
    return lines


def _gold(space: Workspace, run: str) -> str:
    """The id of the gold corpus that a run learned from."""
    return read_json(space.run_folder(run) / "spec.json")["inputs"][GOLD].partition(":")[2]


def _next(
    space: Workspace,
    project: Project,
    group: Group | None,
    run: str,
    parts: Sequence[Mapping[str, Any]],
    one: Mapping[str, Any],
) -> None:
    """What can be done about an error: train without the loudest rows of an ingredient, or change its amount."""
    if group is None:
        return
    stage = facts.project_standing(space, project).stage
    inputs = read_json(space.run_folder(run) / "spec.json")["inputs"]
    same = [
        part
        for part in parts
        if part["loudest"] and stage is not None and part["name"] in stage.pools
        and inputs.get(POOL + part["name"]) == f"corpus:{stage.pools[part['name']].id}"
    ]  # fmt: skip
    if same and stage is not None:
        top = max(same, key=lambda part: part["towards"])
        st.markdown(
            t("**Next**: hold the mix without the {n} sentences of {name} that speak loudest for the error, or draw "
              "less of {name}.", n=len(top["loudest"]), name=top["name"])
        )  # fmt: skip
        label = one["not"] if one["not"] in stage.pools[GOLD].schema.labels else ""
        with telling():
            blamed = Blamed(top["name"], tuple(top["loudest"]), label)
            without.trial(without.Ground(space, project, stage), group.mix, blamed)
    st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:")
