"""What an encoder makes of every word, as files for one's own programs: a run like all others."""

import streamlit as st

from components import facts
from components.frame import telling
from components.progress import watch
from components.words import raw, t
from core.jobs.folder import read_json
from core.models.catalogue import install
from core.output import size_text
from core.project import Project
from core.shelf import folder_of
from core.training.features import ROWS, STATES, size_of, spec_of
from core.workspace import Workspace

_RUN = "features"  # in the address: the run


def features(space: Workspace, project: Project) -> None:
    """A button that starts the run over the training sentences; then where the files lie and how they are read."""
    stage = facts.project_standing(space, project).stage
    if stage is None:
        return
    corpus, name = stage.imported["corpora"]["train"], project.recipe.train.model
    home = space.root / "projects" / project.slug
    folder = folder_of(space, name, home)
    if folder is None:
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
        size = size_text(size_of(space.corpus_path(corpus), folder))
        if st.button(t("Write the files: {size}", size=size), key="models_features"):
            with telling():
                model = folder.name if folder.parent == space.models else install(name, space.models, home).identity
                st.query_params[_RUN] = space.submit(spec_of(corpus, model))[0].id
                st.rerun()
        for run in space.store.find([st.query_params.get(_RUN, "")]):
            if read_json(space.run_folder(run.id) / "spec.json")["inputs"].get("data") != f"corpus:{corpus}":
                continue  # of another project
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
