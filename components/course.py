"""How runs went: loss and dev F1 over steps, epochs, rows or seconds, and what a run used of the machine."""

from collections.abc import Mapping, Sequence

import streamlit as st

from components.address import choice
from components.pictures import still
from components.told import one_of
from components.words import raw, t
from core import traces
from core.board import Repeat
from core.report import curves as drawn
from core.traces import AXES, Axis, Curves, Sample, Usage
from core.workspace import Workspace

_GB = 1e9


def curves(space: Workspace, shown: Sequence[Repeat]) -> None:
    """Loss and F1 on dev of one run or of several, over an axis that all of them have."""
    found = {raw("Repeat {seed}", seed=r.seed): traces.trace(space.run_folder(r.run.id)) for r in shown}
    found = {name: trace for name, trace in found.items() if trace.moved}
    if not found:
        st.caption(t("Nothing to draw yet: curves begin with a run's first step."))
        return
    axis = _axis([name for name in AXES if all(name in trace.axes for trace in found.values())])
    lines = {name: traces.curves(trace, axis) for name, trace in found.items()}
    still(_figure(lines, axis), "runs_curves", raw("Loss and dev F1 of the runs"))
    text = t(
        "Loss, left, says how far the model is from the labels it trains on: lower is better. "
        "Dev F1, right, says how well it finds the entities of the dev split: higher is better."
    )
    if len(lines) > 1:
        text += " " + t("Lines are loss, dotted lines dev F1.")
    elif any(line.starts for line in lines.values()):
        text += " " + t("Where a dotted line goes up, a new attempt went on from the last checkpoint.")
    st.caption(text)


def _axis(known: Sequence[Axis]) -> Axis:
    """What the axis counts."""
    words = {"steps": t("Steps"), "epochs": t("Epochs"), "rows": t("Rows"), "seconds": t("Seconds")}
    if len(known) == 1:
        st.caption(t("Not every run shown kept its rows and times, so the axis counts steps."))
        return known[0]
    asked = choice(
        st.segmented_control,
        t("Axis"),
        known,
        key="axis",
        show=words.__getitem__,
        help=t(
            "A step is one update of the model. An epoch is one pass over the mix. Rows are sentences trained on. "
            "Seconds are those of work: time between attempts is left out."
        ),
    )
    return next(axis for axis in known if axis == asked)


def _figure(lines: Mapping[str, Curves], axis: Axis) -> "drawn.Figure":
    below = {"steps": raw("Step"), "epochs": raw("Epoch"), "rows": raw("Rows"), "seconds": raw("Seconds")}
    words = {"axis": below[axis], "loss": raw("Loss"), "dev_f1": raw("Dev F1")}
    if len(lines) == 1:
        line = next(iter(lines.values()))
        return drawn.curve(line.loss, line.dev, words, line.starts)
    return drawn.curves({name: (line.loss, line.dev) for name, line in lines.items()}, words)


def resources(space: Workspace, shown: Sequence[Repeat]) -> None:
    """What one run used of the processor, the memory and the GPU, over the seconds that it worked."""
    repeat = one_of(shown)
    folder = space.run_folder(repeat.run.id)
    found = traces.usage(folder)
    if not found.samples:
        st.info(_silence(traces.silent(folder, repeat.run), repeat.seed))
        return
    st.caption(_told(found, repeat.seed))
    samples, seconds = found.samples, raw("Seconds")
    words = {"axis": seconds, "share": raw("Cores in use"), "memory": raw("Memory, GB")}
    still(
        drawn.usage(
            [(one.seconds, one.cpu) for one in samples],
            [(one.seconds, one.memory / _GB) for one in samples],
            words,
            found.starts,
        ),
        "runs_usage",
        raw("Cores and memory in use"),
    )
    _gpu(found)
    if found.starts:
        st.caption(t("Where a dotted line goes up, a new attempt began."))


def _gpu(found: Usage) -> None:
    seen = [one for one in found.samples if one.gpu is not None and one.gpu_memory is not None]
    if not seen:
        return
    words = {"axis": raw("Seconds"), "share": raw("GPU busy, %"), "memory": raw("GPU memory, GB")}
    busy, memory = [(one.seconds, 100 * (one.gpu or 0.0)) for one in seen], [_gpu_memory(one) for one in seen]
    still(drawn.usage(busy, memory, words, found.starts), "runs_usage_gpu", raw("GPU in use"))


def _gpu_memory(one: Sample) -> tuple[float, float]:
    return one.seconds, (one.gpu_memory or 0) / _GB


def _told(found: Usage, seed: int) -> str:
    cores = sum(one.cpu for one in found.samples) / len(found.samples)
    return t(
        "Repeat {seed}: {cores} cores in use on average, at most {memory} GB of memory. All its processes together, "
        "looked at every 2 s or, in long runs, more seldom.",
        seed=seed,
        cores=f"{cores:.1f}",
        memory=f"{max(one.memory for one in found.samples) / _GB:.1f}",
    )


def _silence(why: traces.Silence, seed: int) -> str:
    """Why there is nothing to draw."""
    words = {
        "soon": t("Nothing to draw yet for repeat {seed}: what it uses is noted from 4 s after its start.", seed=seed),
        "elsewhere": t("Repeat {seed} was not carried out in this workspace, so nobody noted what it used.", seed=seed),
        "short": t(
            "What repeat {seed} used was not noted: it ended within 4 s, or ran under an older version.", seed=seed
        ),
        "system": t("This system doesn't tell what a process uses; Linux does."),
    }
    return words[why]
