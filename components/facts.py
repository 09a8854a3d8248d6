"""What pages read again and again, kept by content id: corpora and what was derived from them never change."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from core import corpus as corpora
from core import groups as grouped
from core.corpus import Corpus
from core.evaluation.comparison import Comparison, Measured, compare, measure
from core.groups import Group
from core.launch import Standing, standing
from core.models import fit as fits
from core.project import Project
from core.report import browse, composition, mistakes, portrait
from core.report.mistakes import Judged
from core.scores import Counts
from core.shelf import folder_of
from core.tasks import task
from core.training import predictions
from core.workspace import Workspace


@st.cache_resource(max_entries=64, show_spinner=False)
def corpus(root: Path, corpus_id: str) -> Corpus:
    """A stored corpus, memory-mapped."""
    return corpora.read(Workspace(root).corpus_path(corpus_id))


@st.cache_resource(max_entries=64, show_spinner=False)
def pool_index(root: Path, corpus_id: str) -> composition.PoolIndex:
    """What a composition needs of a pool."""
    return composition.index(corpus(root, corpus_id))


@st.cache_resource(max_entries=16, show_spinner=False)
def browse_index(root: Path, corpus_id: str) -> browse.Index:
    """What searching a corpus needs."""
    return browse.index(corpus(root, corpus_id))


@st.cache_resource(max_entries=16, show_spinner=False)
def lengths(root: Path, corpus_id: str) -> np.ndarray:
    """Words of each row of a corpus. *Shape:* (rows,)."""
    found = corpus(root, corpus_id)
    return task(found.schema.task).lengths(found.table)


@st.cache_resource(max_entries=16, show_spinner=False)
def portrait_of(root: Path, ids: tuple[tuple[str, str], ...]) -> portrait.Portrait:
    """Counts, lengths, unseen mentions. `ids`: (split, corpus id)."""
    return portrait.portrait({split: corpus(root, corpus_id) for split, corpus_id in ids})


def project_standing(space: Workspace, project: Project) -> Standing:
    """Where a project stands; read anew each time, it is small."""
    return standing(space, project)


def pool_ids(found: Standing) -> Mapping[str, str]:
    """Corpus ids of gold and the built pools, by ingredient."""
    return {} if found.stage is None else {name: pool.id for name, pool in found.stage.pools.items()}


@st.cache_resource(max_entries=256, show_spinner=False)
def _counts(
    root: Path, runs: tuple[str, ...], corpus_id: str, split: str, rule: str, _group: Group
) -> Sequence[Counts]:
    return grouped.counts_of(Workspace(root), _group, split, rule)


def counts(space: Workspace, group: Group, split: str, rule: str = "strict") -> Sequence[Counts]:
    """The counts of a group's evaluated runs. Raises CoreError `nothing_evaluated`."""
    runs = tuple(grouped.evaluated(space, group, split))
    return _counts(space.root, runs, group.corpora.get(split, ""), split, rule, group)


@st.cache_resource(max_entries=512, show_spinner=False)
def _measured(root: Path, runs: tuple[str, ...], corpus_id: str, split: str, rule: str, _group: Group) -> Measured:
    return measure(grouped.counts_of(Workspace(root), _group, split, rule))


def measured(space: Workspace, group: Group, split: str, rule: str = "strict") -> Measured:
    """What comparisons need of a group on a split. Raises CoreError `nothing_evaluated`."""
    runs = tuple(grouped.evaluated(space, group, split))
    return _measured(space.root, runs, group.corpora.get(split, ""), split, rule, group)


def comparison(space: Workspace, baseline: Group, other: Group, split: str, rule: str = "strict") -> Comparison:
    """The difference of two groups on a split."""
    return compare(*(measured(space, group, split, rule) for group in (baseline, other)))


@st.cache_resource(max_entries=32, show_spinner=False)
def _predicted(root: Path, run_id: str, corpus_id: str) -> Sequence[Sequence[str]]:
    return predictions.read(predictions.file_of(Workspace(root).run_folder(run_id), corpus_id)).values


def predicted(space: Workspace, run_id: str, corpus_id: str) -> Sequence[Sequence[str]]:
    """What a run predicted for each row of a corpus."""
    return _predicted(space.root, run_id, corpus_id)


@st.cache_resource(max_entries=32, show_spinner=False)
def _judged(root: Path, run_id: str, corpus_id: str, labels: tuple[str, ...]) -> Judged:
    found = predictions.read(predictions.file_of(Workspace(root).run_folder(run_id), corpus_id))
    return mistakes.judged(corpus(root, corpus_id), found, labels)


def judged(space: Workspace, run_id: str, corpus_id: str, labels: tuple[str, ...]) -> Judged:
    """Each row of a corpus as a run marked it, held against gold."""
    return _judged(space.root, run_id, corpus_id, labels)


@st.cache_resource(max_entries=64, show_spinner=False)
def _fit(root: Path, corpus_id: str, model: Path) -> fits.Fit:
    return fits.fit(corpus(root, corpus_id), model)


def fit(root: Path, corpus_id: str, model_name: str, relative_to: Path | None = None) -> fits.Fit | None:
    """How well an encoder's vocabulary suits a corpus; None where the encoder is not on this machine yet.

    `relative_to`: the folder that a model's path in a recipe starts from, which is the project's.
    """
    folder = folder_of(Workspace(root), model_name, relative_to or root)
    return None if folder is None else _fit(root, corpus_id, folder)
