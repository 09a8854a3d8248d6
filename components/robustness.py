"""How mixes bear noise and other names: the run that tries it, and what it costs each label."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from components.comparison import Chosen
from components.frame import PAGES
from components.pictures import picture
from components.progress import watch
from components.verdicts import metric_words, split_words
from components.words import percent, points, raw, said_raw, t, visible
from core import robustness
from core.evaluation.shift import Shift
from core.groups import Group
from core.report import trust as figures
from core.report.trust import Borne
from core.robustness import NOISE, SWAP, Robustness
from core.scores import FEW
from core.workspace import Workspace


@st.cache_resource(max_entries=64, show_spinner=False)
def _borne(root: Path, runs: tuple[str, ...], copies: tuple[str, ...], split: str, _group: Group) -> Robustness | None:
    return robustness.robustness_of(Workspace(root), _group, split)


def robustness_of(space: Workspace, group: Group, split: str) -> Robustness | None:
    """What a group's runs lose on changed copies of a split; None where none marked them."""
    found = robustness.tried(space, group, split)
    if found is None:
        return None
    return _borne(space.root, found.runs, tuple(found.made["corpora"].values()), split, group)


def tried(space: Workspace, chosen: Chosen, groups: Mapping[str, Group]) -> None:
    """Recall on copies with noise and other names; where the runs have not marked them, the way to it."""
    st.caption(
        t(
            "The models mark copies of {split} in which something was changed, and what is to be found was not. "
            "Noise: in some words of four letters or more one letter becomes its neighbour on the keyboard. "
            "Other names: every mention becomes another one of its label from the same split.",
            split=split_words(chosen.split),
        )
    )
    if not _tried(space, chosen, groups):
        return
    found = {mix: robustness_of(space, group, chosen.split) for mix, group in groups.items()}
    there = {mix: one for mix, one in found.items() if one is not None}
    if not there:
        return
    for mix, one in there.items():
        st.markdown(borne_words(mix, one))
    rows = _rows(there, chosen.colours)
    words = {"recall": metric_words("recall"), "clean": raw("unchanged")}
    words |= {name: copy_words(name) for one in there.values() for name in one.words}
    alt = raw("Recall on unchanged and changed sentences, by label and mix")
    picture(figures.robustness(rows, words), "trust_robustness", alt=alt)
    _notes(next(iter(there.values())))
    _table(there)


def _tried(space: Workspace, chosen: Chosen, groups: Mapping[str, Group]) -> bool:
    """The run that marks the copies: how it goes, or the button for it. -> whether figures are worth looking for"""
    left = {mix: robustness.left(space, group, chosen.split) for mix, group in groups.items()}
    run = robustness.newest(space, list(groups.values()), chosen.split)
    if run is not None and (run.pending or (run.state != "succeeded" and any(able for able, _ in left.values()))):
        watch(space, run, t("Trying noise and other names"), "trust_run")
        if run.pending:
            return False
    able = sum(len(runs) for runs, _ in left.values())
    asks = [mix for mix, group in groups.items() if group.train.method == "prompt" and left[mix][0]]
    if asks:
        st.caption(
            t(
                "{names}: the rows of the copies are put to the language model, up to four times as many questions as "
                "the split has rows, for each run. What it answers costs what its endpoint takes.",
                names=", ".join(asks),
            )
        )
    if able and st.button(
        t("Try noise and other names ({n} runs)", n=able),
        key="trust_try",
        icon=":material/science:",
        help=t(
            "The weights that were kept mark four copies of the split, once. Of test only runs that were tested "
            "already take part, so it is no new look."
        ),
    ):
        robustness.start(space, list(groups.values()), chosen.split)
        st.rerun()
    bare = [mix for mix, (runs, none) in left.items() if none and not runs]
    if bare:
        st.info(
            t(
                "No weights are on disk of {names} (a sample comes without, and cleaning up removes them), so they "
                "can't mark anything new. Train them again on Runs, then come back.",
                names=", ".join(bare),
            )
        )
        st.page_link(PAGES["runs"], label=t("Runs"), icon=":material/play_circle:")
    return True


def copy_words(name: str) -> str:
    """What was changed in a copy, as it is."""
    if name == SWAP:
        return raw("other names")
    return raw("noise in {share} of words", share=percent(float(name.removeprefix(NOISE))))


def borne_words(mix: str, found: Robustness) -> str:
    """What noise and other names do to the recall of a mix, for Markdown sinks."""
    whole = [shift for shift in found.shifts if not shift.label]
    if not whole:
        return t("**{mix}**: there is nothing to be found in this split.", mix=mix)
    parts = [
        t(
            "{copy}: {recall} ({points} points, 95 % interval {low} to {high})",
            copy=copy_words(shift.copy),
            recall=percent(shift.changed["recall"]),
            points=points(shift.difference["recall"].value),
            low=points(shift.difference["recall"].interval[0]),
            high=points(shift.difference["recall"].interval[1]),
        )
        for shift in (whole if len(whole) < 3 else whole[-2:])  # the most noise, and other names
    ]
    head = t("**{mix}** finds {recall} of all mentions.", mix=mix, recall=percent(whole[0].clean["recall"]))
    return "\n".join([head, *(f"- {part}" for part in parts)])


def _rows(found: Mapping[str, Robustness], colours: Mapping[str, str]) -> list[Borne]:
    """A heading for each label, and the mixes below it; with one mix alone the labels themselves."""
    labels = dict.fromkeys(shift.label for one in found.values() for shift in one.shifts)
    rows: list[Borne] = []
    for label in labels:
        named = label or raw("all labels")
        if len(found) > 1:
            rows.append(Borne(named, None, {}, "", heading=True))
        for mix, one in found.items():
            mine = [shift for shift in one.shifts if shift.label == label]
            changed = {shift.copy: shift.changed["recall"] for shift in mine}
            clean = mine[0].clean["recall"] if mine else None
            faint = any(shift.support < FEW for shift in mine)
            rows.append(Borne(mix if len(found) > 1 else named, clean, changed, colours[mix], faint=faint))
    return rows


def _notes(found: Robustness) -> None:
    """How much of the copies is really another text."""
    lines = [
        t(
            "{copy}: {words} of all words differ; {same} of {rows} sentences stayed as they are{reasons}.",
            copy=copy_words(name),
            words=percent(found.words[name], 1),
            same=sum(reasons.values()),
            rows=found.rows,
            reasons="".join(f" ({n}: {said_raw(code).rstrip('.。')})" for code, n in reasons.items()),
        )
        for name, reasons in found.unchanged.items()
    ]
    if found.skipped:
        lines.append(t("No keyboard is known for this language, so there is no copy with noise."))
    lines.append(
        t("Shapes other than a disc: changed sentences. Grey: under {few} mentions, too few to judge.", few=FEW)
    )
    st.caption("  \n".join(lines))


def _table(found: Mapping[str, Robustness]) -> None:
    column = st.column_config
    number, ends = column.NumberColumn, column.TextColumn
    config: dict[str, object] = {
        "label": column.TextColumn(raw("Label"), pinned=True),
        "mix": column.TextColumn(raw("Mix"), pinned=True),
        "copy": column.TextColumn(raw("Changed")),
        "support": number(raw("Mentions")),
    }
    for metric in ("recall", "precision"):
        name = metric_words(metric)
        config[f"{metric}_clean"] = number(raw("{metric}, unchanged", metric=name), format="%.1f %%")
        config[metric] = number(raw("{metric}, changed", metric=name), format="%.1f %%")
        config[f"{metric}_gap"] = number(raw("{metric}, difference", metric=name), format="%+.1f")
        config[f"{metric}_ends"] = ends(raw("{metric}, difference, 95 %", metric=name))
    st.dataframe(
        [_line(mix, shift) for mix, shift in _by_label(found)],
        key="trust_table",
        hide_index=True,
        placeholder="-",
        column_config=config,
        alt=raw("Recall and precision on unchanged and changed sentences"),
    )


def _by_label(found: Mapping[str, Robustness]) -> Sequence[tuple[str, Shift]]:
    """Label by label as in the figure, then mix by mix, then copy by copy."""
    labels = dict.fromkeys(shift.label for one in found.values() for shift in one.shifts)
    return [(mix, s) for label in labels for mix, one in found.items() for s in one.shifts if s.label == label]


def _line(mix: str, shift: Shift) -> dict[str, object]:
    line: dict[str, object] = {
        "label": visible(shift.label) if shift.label else raw("all labels"),
        "mix": visible(mix),
        "copy": copy_words(shift.copy),
        "support": shift.support,
    }
    for metric in ("recall", "precision"):
        lost = shift.difference[metric]
        low, high = (points(end) for end in lost.interval)
        line |= {
            f"{metric}_clean": 100 * shift.clean[metric],
            metric: 100 * shift.changed[metric],
            f"{metric}_gap": 100 * lost.value,
            f"{metric}_ends": raw("{low} to {high}", low=low, high=high),
        }
    return line
