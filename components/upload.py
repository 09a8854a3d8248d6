"""New data: files are looked at as soon as they arrive, how they are read can be changed, then they are imported."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import streamlit as st

from components.frame import telling
from components.incoming import Incoming, Reading, card
from components.speech import TASK_WORDS
from components.words import raw, speaking, t, visible
from core import launch, sources
from core.formats import guess_task, guesses
from core.formats.importing import Source, Split, quick_rows
from core.formats.preview import beginning, raw_lines
from core.project import Project
from core.sources import Gold
from core.tasks import TASKS
from core.tasks import task as task_of
from core.workspace import Workspace

_MOST_FILES = 3
_LANGUAGE = re.compile("[a-z]{2,3}")  # as recipes have it


@st.fragment
def new_data(space: Workspace) -> None:
    """The files of a new project, whatever kind of rows the project has that is looked at."""
    with speaking(""):
        _new_data(space)


def _new_data(space: Workspace) -> None:
    files = st.file_uploader(
        t("One labelled file, or up to three: train, dev and test"),
        accept_multiple_files=True,
        key="data_files",
        help=t(
            "CSV, JSON Lines, Parquet, or CoNLL (one token and its tag on each line); the content decides, not the "
            "file's name."
        ),
    )
    if not files:
        _formats()
        return
    if len(files) > _MOST_FILES:
        st.error(t("Choose at most three files: train, dev and test."), icon=":material/error:")
        return
    roles = guesses.guess_roles([file.name for file in files])
    incoming = [
        Incoming(file.file_id, file.name, file.size, beginning(file), role, stream=file)
        for file, role in zip(files, roles, strict=True)
    ]
    title = guesses.guess_title([file.name for file in files]) or raw("My data")
    found = _form(incoming, Gold({}, {}, task=guess_task(incoming[0].head)), None, title)
    if found:
        with telling(), st.spinner(t("Keeping the files ..."), show_time=False):
            gold = _gold(space, incoming, found)
            project = sources.bring(space, found.title, gold, found.language)
            launch.start_import(space, project)
            st.query_params.update(project=project.slug, view="overview")
            st.rerun()


@st.fragment
def read_again(space: Workspace, project: Project) -> None:
    """The files of a project that could not be imported, to be read in another way."""
    assert isinstance(project.recipe.data, str)
    gold = sources.named_gold(space, project.recipe.data)
    incoming = [_kept(space, role, source, gold.inputs[role]) for role, source in gold.sources.items()]
    found = _form(incoming, gold, project.recipe.language, None)
    if found:
        with telling():
            again = sources.bring_again(space, project.slug, _gold(space, incoming, found), found.language)
            launch.start_import(space, again)
            st.rerun()


def _kept(space: Workspace, role: str, source: Source, kept: str) -> Incoming:
    path = space.root / "files" / kept.partition(":")[2]
    with path.open("rb") as file:
        head = beginning(file)
    return Incoming(f"{role}_{kept[-64:]}", source.name, path.stat().st_size, head, role, source.options, kept)


@dataclass(frozen=True)
class _Filled:
    """The form as it was sent."""

    title: str
    task: str
    language: str
    readings: Sequence[Reading]
    split: Split | None
    train_rows: int | None


def _gold(space: Workspace, files: Sequence[Incoming], filled: _Filled) -> Gold:
    inputs = {
        reading.role: file.kept or _keep(space, file) for file, reading in zip(files, filled.readings, strict=True)
    }
    named = {
        reading.role: Source(file.name, reading.options) for file, reading in zip(files, filled.readings, strict=True)
    }
    return Gold(named, inputs, filled.split, filled.train_rows, filled.task)


def _keep(space: Workspace, file: Incoming) -> str:
    stream = file.stream or BytesIO(file.head)
    stream.seek(0)
    return f"file:{space.add_stream(stream, file.name)}"


def _form(files: Sequence[Incoming], gold: Gold, language: str | None, title: str | None) -> _Filled | None:
    """The files, what holds for all of them, and the button. -> what was asked for, when it was pressed"""
    key = files[0].key
    left, right = st.columns(2)
    with left:
        task = _task(gold.task, key)
    with right:
        language = _language(files[0], language)
    with speaking(task_of(task).rows):
        return _read(files, gold, task, language, title)


def _read(files: Sequence[Incoming], gold: Gold, task: str, language: str | None, title: str | None) -> _Filled | None:
    """The rest of the form, once it is known what the labels are about."""
    key = files[0].key
    readings = [card(file, len(files), language or "en", task) for file in files]
    roles = [reading.role for reading in readings]
    split = _split(gold.split, key) if "file" in roles else None
    rows = _quick(readings, split, gold.train_rows, key)
    named = (
        st.text_input(t("Name of the project"), value=title, key=f"data_title_{key}", max_chars=120) if title else ""
    )
    problem = _problem(roles, readings, language)
    if problem:
        st.warning(problem, icon=":material/warning:")
    pressed = st.button(
        t("Import") if title else t("Import again"),
        key="data_import",
        type="primary",
        icon=":material/download_done:",
        disabled=bool(problem),
    )
    if not pressed or language is None:
        return None
    return _Filled(named or title or "", task, language, readings, split, rows)


def _task(before: str, key: str) -> str:
    """What the labels of all files are about; guessed, and to be changed."""
    return st.selectbox(
        t("What carries the labels?"),
        list(TASKS),
        index=list(TASKS).index(before),
        format_func=lambda name: raw(TASK_WORDS[name]) if name in TASK_WORDS else visible(name),
        key=f"data_task_{key}",
        help=t("Guessed by the beginning of the file. It decides how it is read, and what a model learns from it."),
    )


def _problem(roles: Sequence[str], readings: Sequence[Reading], language: str | None) -> str:
    """Why the import can't begin; nothing where it can."""
    if language is None:
        return t("Give the language as two or three small letters, such as en, zh or de.")
    if any(reading.preview is None for reading in readings):
        return t("A file can't be read yet: change how it is read, or choose another one.")
    if len(set(roles)) < len(roles):
        return t("Each part may stand for one file only: train, dev or test.")
    if "train" not in roles and "file" not in roles:
        return t("One of the files must be for training.")
    return ""


def _formats() -> None:
    """What can be brought, by example."""
    st.caption(t("Nothing is uploaded to anyone: the files stay on the machine that runs Peibi."))
    left, middle, right = st.columns(3)
    with left:
        st.markdown(t("**CoNLL**: a token and its tag on each line, an empty line between sentences."))
        st.code("Anna\tB-PER\nKuhn\tI-PER\nleft\tO\nParis\tB-LOC\n.\tO\n\nNobody\tO\nnoticed\tO\n.\tO", language=None)
    with right:
        st.markdown(t("**CSV** or Parquet: a column of texts and one of labels, for labels of whole texts."))
        st.code("text,label\nThe brakes squeal.,fault\nCan I pay in cash?,payment", language=None)
    with middle:
        st.markdown(t("**JSON Lines**: on each line tokens with tags, or a text with spans or labels."))
        st.code(
            '{"tokens": ["Anna", "left", "Paris"], "tags": ["B-PER", "O", "B-LOC"]}\n'
            '{"text": "Anna left Paris", "spans": [[0, 4, "PER"], [10, 15, "LOC"]]}\n'
            '{"text": "Can I pay in cash?", "label": "payment"}',
            language=None,
            wrap_lines=True,
        )


def _language(first: Incoming, known: str | None) -> str | None:
    """The language of all files; None where what was typed is no code."""
    names = {"en": raw("English"), "zh": raw("Chinese")}
    key = f"data_language_{first.key}"
    default = known or guesses.guess_language(raw_lines(first.head))
    options = list(dict.fromkeys([*names, default]))
    found = st.selectbox(
        t("Language of the text"),
        options,
        index=options.index(default),
        format_func=lambda code: names.get(code, code),
        key=key,
        accept_new_options=True,
        help=t("For another language type its ISO code: de, fr, es, ja ... It decides how text is cut into words."),
    )
    return found if found and _LANGUAGE.fullmatch(found) else None


def _split(before: Split | None, key: str) -> Split:
    before = before or Split(0.1, 0.1)
    left, right = st.columns(2)
    dev = left.number_input(
        t("Dev, % of the sentences"),
        1,
        45,
        round(100 * (before.dev or 0.1)),
        key=f"data_dev_{key}",
        help=t("Held out for choosing among mixes. Drawn at random, so that each label has its share."),
    )
    test = right.number_input(
        t("Test, % of the sentences"),
        0,
        45,
        round(100 * (before.test or 0.0)),
        key=f"data_test_{key}",
        help=t("Held out for the last look. 0: no test."),
    )
    return Split(dev / 100, test / 100 if test else None, before.seed)


def _quick(readings: Sequence[Reading], split: Split | None, before: int | None, key: str) -> int | None:
    """How many training sentences to use: None for all."""
    found = next((reading.preview for reading in readings if reading.role in ("train", "file")), None)
    if found is None:
        return before
    rows = found.estimated_rows or found.rows_seen
    rows = round(rows * (1 - (split.dev or 0) - (split.test or 0))) if split else rows
    enough = quick_rows(rows)
    if enough >= rows:
        return None
    text = t(
        "Quick look: a first answer needs only {n} sentences. Use a random {n} of the {rows} training sentences.",
        n=enough,
        rows=f"{rows:,}",
    )
    chosen = st.toggle(
        text,
        value=before is not None,
        key=f"data_quick_{key}",
        help=t("Each label keeps its share. Dev and test stay whole. Import again without it for the full answer."),
    )
    return enough if chosen else None
