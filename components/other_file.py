"""The Augment page's form for another labelled file: choose or upload it, and say what its labels mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

import numpy as np
import streamlit as st

from components.address import choice
from components.children import CHOSEN, NAME_LENGTH, WAY, free_name
from components.entities import entities, shown
from components.frame import telling
from components.progress import watch
from components.words import raw, t, visible
from core import project as projects
from core.formats.importing import Source
from core.formats.label_map import suggest
from core.formats.preview import Preview, beginning, preview
from core.formats.protocol import ReadOptions
from core.launch import start_import
from core.params import digest, slug
from core.project import Project, with_ingredient
from core.recipe import FileIngredient
from core.report import browse
from core.sources import Gold, corpora_like, free_corpus_name, keep_source, name_gold, named_gold
from core.stage import Stage
from core.workspace import Workspace

_CORPUS, _FROM = "file", "file_from"  # in the address: the corpus chosen; chosen or uploaded
_HOLDS = "holds"  # in the address: whether the file has labels
_CHANGED, _NAME, _USUAL = "augment_file_changed", "augment_file_name", "augment_file_usual"
_READ = "augment_file_pending"  # session key: what is being read
_MASK = ""  # the option that keeps a label out of training
_ROWS = 5  # sentences shown


@dataclass(frozen=True)
class Pending:
    """An ingredient whose file is being read by a run. `project`: its slug."""

    project: str
    name: str
    part: FileIngredient
    run: str


@dataclass(frozen=True)
class Found:
    """A file that may become an ingredient. `stream`: None where the workspace has it under `name` already; `bare`:
    whether it is read without labels."""

    name: str
    seen: Preview
    stream: BinaryIO | None = None
    bare: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        return self.seen.read.corpus.schema.labels


def form(space: Workspace, project: Project, stage: Stage) -> None:
    """Another labelled file becomes an ingredient."""
    st.markdown(
        t(
            "Sentences labelled for another purpose, of the same kind of text or not, can join gold. "
            "Say what their labels mean here."
        )
    )
    left, right = st.columns([2, 3], gap="large")
    with left, telling():
        found = _chosen(space, project)
        if found is None:
            return
        with right:
            _first_rows(found)
        labels = None if found.bare else _label_map(space, project, stage, found)
        _keep(space, project, found, labels)


def change(project: Project, name: str) -> None:
    """Put a file ingredient into the form, as a callback."""
    part = project.ingredients[name]
    assert isinstance(part, FileIngredient)
    corpus = part.file.removeprefix("corpus:")
    holds = "text" if part.options.unlabelled else "labels"
    found = {WAY: "file", _FROM: "known", _HOLDS: holds, _CORPUS: corpus, _CHANGED: (project.slug, name)}
    st.session_state.update(found)
    for label, ours in (part.labels or {}).items():
        st.session_state[_key(project, corpus, label)] = ours or _MASK


def _key(project: Project, file: str, label: str) -> str:
    return f"augment_map_{digest([project.slug, file, label])[:16]}"


def _chosen(space: Workspace, project: Project) -> Found | None:
    """The file: one that the workspace knows, or one that is uploaded."""
    bare = choice(
        st.segmented_control,
        t("What the file holds"),
        ["labels", "text"],
        key=_HOLDS,
        show={"labels": t("Labelled sentences"), "text": t("Text without labels")}.__getitem__,
    )
    if bare == "text":
        st.caption(
            t(
                "Plain text, a sentence a line, or rows of any format: labels that stand there are left aside. No mix "
                "draws from it: a trained run can give labels to it, a training can learn consistency from it, and Mix "
                "says which of it to label next."
            )
        )
    options = ReadOptions(unlabelled=bare == "text")
    known = corpora_like(space, project.recipe)
    words = {"known": t("One that is here"), "upload": t("Upload one")}
    way = choice(
        st.segmented_control,
        t("Which file"),
        list(words) if known else ["upload"],
        key=_FROM,
        show=words.__getitem__,
    )
    if way == "upload":
        return _uploaded(project.recipe.task, options)
    name = choice(
        st.selectbox,
        t("Labelled data in this workspace"),
        known,
        key=_CORPUS,
        show=visible,
        help=t("Everything that was imported here. Of data with splits, the training sentences are taken."),
    )
    asked = Source(f"corpus:{name}", options)
    source, where = keep_source(space, asked, "file", space.root, {}, project.recipe.task)
    path = space.root / "files" / where.removeprefix("file:")
    seen = _look(f"{where} {source.options}", source.name, source.options, project.recipe.task, path)
    return Found(name, seen, bare=source.options.unlabelled)


def _uploaded(task: str, options: ReadOptions) -> Found | None:
    file = st.file_uploader(
        t("A file of text") if options.unlabelled else t("A labelled file: CoNLL columns or JSON lines"),
        key="augment_upload",
        help=t(
            "If it is read wrongly, import it on the Data page, where you can say how to read it, and choose it here."
        ),
    )
    if file is None:
        return None
    return Found(
        file.name, _look(f"{file.file_id} {options}", file.name, options, task, file), file, options.unlabelled
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def _look(identity: str, name: str, _options: ReadOptions, task: str, _source: "Path | BinaryIO") -> Preview:
    """The beginning of a file, by its own reader. `identity`: says which file, and how it is read."""
    if isinstance(_source, Path):
        with _source.open("rb") as stream:
            return _read(stream, name, _options, task)
    return _read(_source, name, _options, task)


def _read(stream: BinaryIO, name: str, options: ReadOptions, task: str) -> Preview:
    size = stream.seek(0, SEEK_END)
    head = beginning(stream)
    return preview(head, len(head) == size, name, options, size, task)


def _first_rows(found: Found) -> None:
    corpus = found.seen.read.corpus
    rows = found.seen.estimated_rows
    about = (
        t("About {n} sentences. The first ones:", n=rows)
        if rows
        else t("{n} sentences. The first ones:", n=len(corpus))
    )
    st.caption(about)
    first = browse.page(corpus, np.arange(len(corpus)), 0, _ROWS)
    entities([shown(row, str(row.position + 1)) for row in first], corpus.schema.labels, key="augment_file_rows")


def _label_map(space: Workspace, project: Project, stage: Stage, found: Found) -> Mapping[str, str | None]:
    """For each label of the file one of the project's, or none."""
    ours = sorted({label for split in ("train", "dev", "test") for label in stage.imported["labels"].get(split, ())})
    theirs = _labels(space, project, found)
    guess = suggest(theirs, ours)
    st.markdown(
        t(
            "What do its labels mean? Names whose label is kept out of training stay in the text, "
            "and the model learns nothing from them: neither that they are names nor that they are not."
        )
    )
    found_map: dict[str, str | None] = {}
    for label in theirs:
        key = _key(project, found.name, label)
        if st.session_state.get(key) not in (*ours, _MASK):
            st.session_state[key] = guess[label] or _MASK
        said = st.selectbox(
            t("{label} means", label=label),
            [*ours, _MASK],
            key=key,
            format_func=_option,
            persist_state="session",
        )
        found_map[label] = said or None
    return found_map


def _labels(space: Workspace, project: Project, found: Found) -> Sequence[str]:
    """The labels of a file's beginning, and those that are known of it otherwise."""
    name = _changed(project)
    part = project.ingredients.get(name) if name else None
    more = part.labels or {} if isinstance(part, FileIngredient) and part.file == f"corpus:{found.name}" else {}
    return list(dict.fromkeys([*found.labels, *more, *_unlisted(space, project)]))


def _unlisted(space: Workspace, project: Project) -> Sequence[str]:
    """The labels of the last attempt, and the one further down in the file that it had to leave out."""
    wait: Pending | None = st.session_state.get(_READ)
    if wait is None or wait.project != project.slug:
        return ()
    error = space.store.get(wait.run).error or {}
    unlisted = [error["values"]["label"]] if error.get("code") == "label_unlisted" else []
    return [*(wait.part.labels or {}), *unlisted] if unlisted else ()


def _option(label: str) -> str:
    return visible(label) if label else raw("keep out of training (mask)")


def _changed(project: Project) -> str | None:
    """The ingredient that is being changed."""
    slug_of, name = st.session_state.get(_CHANGED, ("", ""))
    return name if slug_of == project.slug and name in project.ingredients else None


def _keep(space: Workspace, project: Project, found: Found, labels: Mapping[str, str | None] | None) -> None:
    name = _changed(project)
    if name is not None:
        st.markdown(t("You are changing the ingredient **{name}**.", name=name))
        with st.container(horizontal=True):
            if st.button(t("Save and read again"), key="augment_file_save", type="primary", icon=":material/build:"):
                _add(space, project, name, found, labels)
            if st.button(t("Leave it as it is"), key="augment_file_leave"):
                del st.session_state[_CHANGED]
                st.rerun()
        return
    usual = free_name(project, _ingredient_name(found.name))
    if st.session_state.get(_NAME) in (None, "", st.session_state.get(_USUAL)):
        st.session_state[_NAME] = usual
    st.session_state[_USUAL] = usual
    help = t("What it is called in mixes: letters, digits, blanks, points and hyphens.")
    name = st.text_input(t("Name"), key=_NAME, max_chars=NAME_LENGTH, persist_state="session", help=help).strip()
    taken = name in project.ingredients
    if taken:
        st.caption(t("There is an ingredient of that name. Choose another one, or change that one in the list below."))
    if st.button(
        t("Add as ingredient"),
        key="augment_file_add",
        type="primary",
        icon=":material/add:",
        disabled=taken or not name,
        help=t("Reads and checks the whole file, in the background. Sentences that stand in dev or test are left out."),
    ):
        _add(space, project, name, found, labels)


def _ingredient_name(file: str) -> str:
    """A name like the file's, without its ending."""
    return slug(Path(file).stem).replace("_", " ").strip()[:NAME_LENGTH]


def _add(space: Workspace, project: Project, name: str, found: Found, labels: Mapping[str, str | None] | None) -> None:
    """Keep the file if it is new, and read everything with it; the project changes when that has succeeded."""
    with telling():
        corpus = found.name if found.stream is None else _stored(space, found, found.stream, project.recipe.task)
        part = FileIngredient(
            f"corpus:{corpus}", None if labels is None else dict(labels), ReadOptions(unlabelled=found.bare)
        )
        run = start_import(space, with_ingredient(name, part)(project))
        st.session_state[_READ] = Pending(project.slug, name, part, run.id)
        st.rerun()


def _stored(space: Workspace, found: Found, stream: BinaryIO, task: str) -> str:
    """An uploaded file under a name in the workspace, the one it has if it was there. -> that name"""
    stream.seek(0)
    file = f"file:{space.add_stream(stream, found.name)}"
    gold = Gold({"file": Source(found.name, ReadOptions(unlabelled=found.bare))}, {"file": file}, task=task)
    same = (other for other in space.corpus_names() if named_gold(space, f"corpus:{other}") == gold)
    free = next(same, None) or free_corpus_name(space, slug(Path(found.name).stem).casefold())
    name_gold(space, free, gold)
    return free


def pending(space: Workspace, project: Project) -> None:
    """The file that is being read: how far it is or why it failed; once read, it is an ingredient."""
    wait: Pending | None = st.session_state.get(_READ)
    if wait is None or wait.project != project.slug:
        return
    run = space.store.get(wait.run)
    watch(space, run, t("Reading the file for {name}", name=wait.name), key="augment_file_read")
    if run.state != "succeeded":
        return
    event = {"event": "ingredient", "name": wait.name}
    start_import(space, projects.edit(space, project.slug, with_ingredient(wait.name, wait.part), event))
    for key in (_READ, _CHANGED, _NAME):
        st.session_state.pop(key, None)
    st.query_params[CHOSEN] = wait.name
    st.rerun()
