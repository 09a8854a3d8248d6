"""What an encoder makes of every word, as files for one's own programs: a run like all others."""

import streamlit as st

from components import facts
from components.frame import telling
from components.progress import watch
from components.words import raw, t
from core.models.catalogue import install
from core.output import size_text
from core.project import Project
from core.shelf import folder_of
from core.training.features import ROWS, STATES, spec_of
from core.workspace import Workspace

_RUN = "features"  # in the address: the run


def features(space: Workspace, project: Project) -> None:
    """A button that starts the run over the training sentences; then where the files lie and how they are read."""
    stage = facts.project_standing(space, project).stage
    name, home = project.recipe.train.model, space.root / "projects" / project.slug
    folder = folder_of(space, name, home)
    if stage is None or folder is None:
        return
    with st.expander(
        t("Take along what the encoder makes of every word"),
        icon=":material/deployed_code:",
        expanded=_RUN in st.query_params,
    ):
        st.caption(
            t(
                "The hidden states of every word of the training sentences, as files that numpy reads: for plots, "
                "nearest neighbours or a classifier of your own. It runs in the background."
            )
        )
        if st.button(t("Write the files"), key="models_features"):
            with telling():
                model = folder.name if folder.parent == space.models else install(name, space.models, home).identity
                spec = spec_of(stage.imported["corpora"]["train"], model)
                st.query_params[_RUN] = space.submit(spec)[0].id
                st.rerun()
        for run in space.store.find([st.query_params.get(_RUN, "")]):
            watch(space, run, t("Reading every word"), "models_features")
            if run.state == "succeeded":
                _written(space, run.id)


def _written(space: Workspace, run_id: str) -> None:
    folder, found = space.run_folder(run_id), space.result(run_id)
    st.success(
        t(
            "{words} words, {width} numbers each (layers {layers}): {size}.",
            words=f"{found['words']:,}",
            width=found["width"],
            layers=raw(", ").join(map(str, found["layers"])),
            size=size_text((folder / STATES).stat().st_size),
        )
    )
    lines = [
        "import numpy as np",
        "",
        f'states = np.load({str(folder / STATES)!r}, mmap_mode="r")',
        f"rows = np.load({str(folder / ROWS)!r})",
        f"states[rows[0]:rows[1]]  # {raw('the words of the first sentence')}",
    ]
    st.code("\n".join(lines), language="python", wrap_lines=True)
