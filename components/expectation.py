"""What a run or a launch is expected to take, before and after: time, memory, disk."""

from collections.abc import Sequence

import streamlit as st

from components.told import one_of
from components.words import duration, raw, t
from core import estimate as estimates
from core.board import Repeat
from core.estimate import Estimate
from core.output import size_text
from core.workspace import Workspace


def of_launch(found: Estimate) -> tuple[str, str]:
    """What new runs will take, and how that is known."""
    values = {"time": duration(found.seconds), "memory": size_text(found.memory), "disk": size_text(found.disk)}
    text = t("What is new takes about {time}, at most {memory} of memory a run, and {disk} of the disk.", **values)
    if found.gpu_memory is not None:
        text += " " + t("Of the GPU's memory: {memory}.", memory=size_text(found.gpu_memory))
    if found.known:
        return text, t(
            "Estimated from trainings that ended here ({n} of them), by what there is to compute.", n=found.known
        )
    return text, t("Estimated from a table of usual machines: nothing was trained here yet.")


def afterwards(space: Workspace, shown: Sequence[Repeat]) -> None:
    """What was expected of a run when it was launched, beside what it took."""
    repeat = one_of(shown)
    found = estimates.took(space, repeat.run)
    if found is None:
        return
    told = found.expected
    rows = [
        _row(raw("Time"), duration(told.seconds), None if found.seconds is None else duration(found.seconds)),
        _row(raw("Memory, at most"), size_text(told.memory), None if found.memory is None else size_text(found.memory)),
        _row(raw("Disk"), size_text(told.disk), None if found.disk is None else size_text(found.disk)),
    ]
    if told.gpu_memory is not None:
        took = None if found.gpu_memory is None else size_text(found.gpu_memory)
        rows.append(_row(raw("GPU memory, at most"), size_text(told.gpu_memory), took))
    column = st.column_config
    config = {
        "what": column.TextColumn(raw("Repeat {seed}", seed=repeat.seed)),
        "expected": column.TextColumn(raw("Estimated"), help=raw("When it was launched, before it began.")),
        "took": column.TextColumn(raw("Took"), help=raw("As it was measured.")),
    }
    st.dataframe(
        rows, key="runs_expected", hide_index=True, column_config=config, height="content",
        alt=raw("Estimated and measured"),
    )  # fmt: skip


def _row(what: str, expected: str, took: str | None) -> dict[str, str]:
    return {"what": what, "expected": expected, "took": took or "-"}
