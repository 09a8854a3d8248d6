"""Looking through the workspace for what is damaged, and mending it: `python -m core doctor` as a run."""

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from components.frame import telling
from components.progress import watch
from components.words import raw, said, said_raw, t, visible
from core.runs import RunSpec
from core.workspace import Workspace

_RUN = "check"  # in the address: the run


def check_up(space: Workspace) -> None:
    """A button that starts a look; then what was found, and a button that mends it."""
    st.markdown(
        t(
            "Looks at every run, corpus, uploaded file and checkpoint for what a crash, a full disk or another program "
            "left damaged. Nothing is changed before you ask for it."
        )
    )
    if st.button(t("Look through everything"), key="storage_check", icon=":material/stethoscope:"):
        _begin(space, {})
    for run in space.store.find([st.query_params.get(_RUN, "")]):
        watch(space, run, t("Looking through the workspace"), "storage_checking")
        if run.state == "succeeded":
            _found(space, space.result(run.id))


def _begin(space: Workspace, more: Mapping[str, Any]) -> None:
    with telling():
        st.query_params[_RUN] = space.submit(RunSpec("doctor", {}, {"asked": time.time_ns(), **more}))[0].id
        st.rerun()


def _found(space: Workspace, result: Mapping[str, Any]) -> None:
    findings = result["findings"]
    if result.get("mended"):
        st.success(t("Mended: {n}.", n=result["mended"]), icon=":material/healing:")
    if result.get("aside"):
        st.caption(
            t("What was set aside lies in the trash as {name}; it can be brought back there.", name=result["aside"])
        )
    if not findings:
        st.success(said("line_workspace_sound"), icon=":material/check_circle:")
        return
    column = st.column_config
    st.dataframe(
        [
            {
                "where": visible(finding["where"]),
                "what": said_raw(finding["code"], finding["values"]),
                "mend": said_raw(f"mend_{finding['mend']}"),
            }
            for finding in findings
        ],
        key="storage_findings",
        hide_index=True,
        column_config={
            "where": column.TextColumn(raw("Where")),
            "what": column.TextColumn(raw("What is wrong"), width="large"),
            "mend": column.TextColumn(raw("What to do"), width="medium"),
        },
        alt=raw("What was found"),
    )
    if "mended" not in result and any(finding["mend"] != "none" for finding in findings):
        if st.button(t("Mend it"), key="storage_mend", type="primary", icon=":material/healing:"):
            _begin(space, {"mend": True})
        st.caption(t("Nothing is deleted: what has to go lies in the trash afterwards."))
