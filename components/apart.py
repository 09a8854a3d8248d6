"""What sets two groups of runs apart beside their scores: the settings that differ, and what each of them cost."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from components.comparison import Chosen
from components.words import duration, percent, raw, t, visible
from core import apart as differing
from core import cost as costs
from core.apart import Apart, Kind, Setting, Value
from core.cost import Cost
from core.groups import Group, evaluated
from core.mix import GOLD, Part
from core.output import size_text
from core.traces import Silence
from core.workspace import Workspace

_FRESH = 60.0  # seconds for which what lies on the disk is believed
Runs = tuple[str, ...]


@st.cache_resource(max_entries=64, show_spinner=False)
def _apart(root: Path, ids: tuple[str, str], runs: tuple[Runs, Runs], _pair: tuple[Group, Group]) -> Apart:
    return differing.apart(Workspace(root), (_pair[0], runs[0]), (_pair[1], runs[1]))


@st.cache_resource(max_entries=64, ttl=_FRESH, show_spinner=False)
def _cost(root: Path, runs: Runs, _group: Group) -> Cost:
    return costs.cost(Workspace(root), _group, runs)


def settings(space: Workspace, chosen: Chosen, other: Group) -> None:
    """What was asked for and settled differently, and how much is the same."""
    pair = (chosen.baseline, other)
    runs = (tuple(evaluated(space, pair[0], chosen.split)), tuple(evaluated(space, other, chosen.split)))
    found = _apart(space.root, (pair[0].id, other.id), runs, pair)
    if not found.settings:
        st.info(t("Nothing differs: all {n} settings are the same.", n=found.same))
        return
    column = st.column_config
    areas = _areas()
    st.dataframe(
        [
            {
                "area": areas[one.kind],
                "name": _name(one),
                "baseline": _value(one, one.baseline),
                "other": _value(one, one.other),
            }
            for one in found.settings
        ],
        key="compare_settings",
        hide_index=True,
        height="content",
        column_config={
            "area": column.TextColumn(raw("Part"), width="small"),
            "name": column.TextColumn(raw("Setting")),
            "baseline": column.TextColumn(visible(chosen.title(pair[0]))),
            "other": column.TextColumn(visible(chosen.title(other))),
        },
        alt=raw("Settings that differ"),
    )
    st.caption(t("All else is the same ({n} settings).", n=found.same))
    if any(one.kind in ("machine", "version") for one in found.settings):
        st.caption(t("Machine and software differ: a small difference in scores, or in time, may come from them."))


def _areas() -> Mapping[Kind, str]:
    """Names of the kinds of settings, as they are."""
    return {
        "asked": raw("Asked for"),
        "rows": raw("Sentences drawn"),
        "data": raw("Sentences there are"),
        "mix": raw("Drawing"),
        "train": raw("Training"),
        "labels": raw("Labels"),
        "machine": raw("Machine"),
        "version": raw("Software"),
        "repeats": raw("Repeats"),
    }


def _name(one: Setting) -> str:
    """What a setting is called, as it is."""
    if one.kind in ("asked", "rows", "data"):
        own = {GOLD: raw("gold")} | ({"dev": raw("dev"), "test": raw("test")} if one.kind == "data" else {})
        return own.get(one.name, visible(one.name))
    words = {
        "unit": raw("Unit"),
        "size": raw("Sentences in all"),
        "max_repeats": raw("Uses of a sentence, at most"),
        "short": raw("Where a pool is too small"),
        "draw_per_seed": raw("Each repeat draws anew"),
        "shots": raw("Rows of gold of each label"),
        "model": raw("Encoder"),
        "weights": raw("Weights of the encoder"),
        "method": raw("Method"),
        "epochs": raw("Epochs"),
        "steps": raw("Steps"),
        "batch_tokens": raw("Sub-words in a batch"),
        "learning_rate": raw("Learning rate"),
        "warmup": raw("Warm-up, share of the steps"),
        "weight_decay": raw("Weight decay"),
        "clip": raw("Longest gradient"),
        "max_length": raw("Longest sentence, in sub-words"),
        "freeze_word_embeddings": raw("Word embeddings frozen"),
        "evaluations": raw("Looks at dev"),
        "checkpoint_every": raw("Steps between checkpoints"),
        "labels": raw("Labels learned"),
        "mask_outside": raw("Unmarked words not learned from"),
        "device": raw("Device"),
        "precision": raw("Numeric precision"),
        "threads": raw("Threads"),
        "cpu_flags": raw("Processor"),
        "number": raw("Repeats"),
        "seeds": raw("Seeds"),
    }
    if (one.kind, one.name) == ("mix", "seed"):
        return raw("Seed of the draw")
    return visible(one.name) if one.kind == "version" else words.get(one.name, visible(one.name))


def _value(one: Setting, value: Value) -> str:
    """A value, as it is."""
    if value is None or value == "":
        return "-"
    if isinstance(value, Part):
        amount = f"{value.amount:.4g}"
        return {
            "times_gold": raw("{n} × gold", n=amount),
            "rows": raw("{n} sentences", n=f"{value.amount:,.0f}"),
            "share": percent(value.amount, 1),
        }[value.unit or "times_gold"]
    if isinstance(value, bool):
        return raw("yes") if value else raw("no")
    words = {
        ("unit", "times_gold"): raw("Times gold"),
        ("unit", "rows"): raw("Sentences"),
        ("unit", "share"): raw("Share"),
        ("short", "shrink"): raw("Take what there is"),
        ("short", "refill"): raw("Fill up from the others"),
        ("short", "error"): raw("Refuse the mix"),
    }
    return words.get((one.name, str(value)), visible(value)) if one.kind == "mix" else visible(value)


def cost(space: Workspace, chosen: Chosen, other: Group) -> None:
    """What the repeats of both groups cost, side by side."""
    groups = (chosen.baseline, other)
    baseline, mix = (_cost(space.root, tuple(evaluated(space, group, chosen.split)), group) for group in groups)
    column = st.column_config
    st.dataframe(
        _cost_lines(baseline, mix),
        key="compare_cost",
        hide_index=True,
        height="content",
        column_config={
            "name": column.TextColumn(raw("What it takes"), pinned=True),
            "baseline": column.TextColumn(visible(chosen.title(chosen.baseline))),
            "other": column.TextColumn(visible(chosen.title(other))),
            "gap": column.TextColumn(raw("difference")),
        },
        alt=raw("What the repeats cost"),
    )
    st.caption(
        t(
            "Trainings alone, as they were measured, whatever else the machine did. Cores and memory: of all processes "
            "of a run, memory at its highest."
        )
    )
    reasons = [*_silences((*baseline.silences, *mix.silences)), *_unknown(baseline, mix)]
    if reasons:
        st.caption(" ".join(reasons))


def _cost_lines(baseline: Cost, mix: Cost) -> list[dict[str, str]]:
    """The lines of the table; what neither group has of a GPU is left out."""
    lines = [
        _line(raw("Repeats"), baseline.repeats, mix.repeats, _number),
        _line(raw("Time of a repeat"), baseline.seconds, mix.seconds, duration),
        _line(raw("Time of all repeats"), baseline.whole, mix.whole, duration),
        _line(raw("Steps"), baseline.steps, mix.steps, _number),
        _line(raw("Sentences in the mix"), baseline.rows, mix.rows, _number),
        _line(raw("Of gold among them"), baseline.gold_rows, mix.gold_rows, _number),
        _line(raw("Times a gold sentence is seen"), baseline.gold_seen, mix.gold_seen, _short),
        _line(raw("Cores in use"), baseline.cores, mix.cores, _short),
        _line(raw("Memory"), baseline.memory, mix.memory, _size),
    ]
    if baseline.gpu_memory or mix.gpu_memory:
        lines.append(_line(raw("Memory of the GPU"), baseline.gpu_memory, mix.gpu_memory, _size))
    lines.append(_line(raw("Weights kept on disk"), baseline.weights or None, mix.weights or None, _size))
    return [dict(zip(("name", "baseline", "other", "gap"), line, strict=True)) for line in lines]


def _line(name: str, baseline: float | None, mix: float | None, show: Callable[[float], str]) -> tuple[str, ...]:
    shown = ["-" if value is None else show(value) for value in (baseline, mix)]
    gap = "-" if not baseline or mix is None else _signed(100 * (mix / baseline - 1))
    return name, *shown, gap


def _signed(percent: float) -> str:
    return "0 %" if abs(percent) < 0.5 else f"{percent:+,.0f} %"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _short(value: float) -> str:
    return f"{value:.1f}"


def _size(value: float) -> str:
    return size_text(round(value))


def _silences(found: Sequence[Silence]) -> list[str]:
    """Why cores and memory are missing, for Markdown sinks."""
    words = {
        "soon": t("Some runs have only begun."),
        "elsewhere": t(
            "Of runs that came with a sample or an archive nobody noted here which cores and memory they used."
        ),
        "short": t(
            "Some runs ended before anybody looked at cores and memory, or ran under a version that didn't look."
        ),
        "system": t("This system doesn't tell what a process uses; Linux does."),
    }
    return [words[silence] for silence in dict.fromkeys(found)]


def _unknown(baseline: Cost, mix: Cost) -> list[str]:
    """Why other figures are missing, for Markdown sinks."""
    out: list[str] = []
    if baseline.gold_seen is None or mix.gold_seen is None:
        out.append(t("How often gold is seen can't be told of runs that did not note their batches."))
    if not baseline.weights or not mix.weights:
        out.append(t("No weights are kept of a group that came with a sample, or whose weights were cleaned up."))
    return out
