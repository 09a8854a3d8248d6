"""A pool whose trainer is killed: it is built again by itself, nothing is lost and nothing is there twice."""

from collections import Counter
from pathlib import Path

from core import launch
from core import project as projects
from core.corpus import read
from core.recipe import AugmentedIngredient
from core.sample import open_sample
from core.submit import result_of
from core.workspace import Workspace
from tests.invariants import interrupted, kill, lines, processes, until, wait

COPIES = 4


def queued(space: Workspace) -> str:
    """The building of a pool that takes some seconds, begun."""
    open_sample(space, "newsroom")
    part = AugmentedIngredient("back_translation", params={"rate": 0.4}, copies=COPIES, seed=3)
    projects.edit(space, "newsroom", projects.with_ingredient("there and back", part), {"event": "ingredient"})
    project = projects.load(space, "newsroom")
    result_of(space, launch.start_import(space, project), lambda runs: None)
    return launch.start_pool(space, project, "there and back").id


def test_a_pool_that_was_killed_is_the_pool_that_was_not(tmp_path: Path):
    space, other = Workspace.open(tmp_path / "ws"), Workspace.open(tmp_path / "other")
    run = queued(space)
    metrics = space.run_folder(run) / "metrics-1.jsonl"
    until(lambda: metrics.exists() and any(0 < line["step"] < line["total"] for line in lines(metrics)))
    (trainer,) = processes(space.root, "core.jobs.trainer", run)
    kill(trainer)
    interrupted(space.store, run)
    assert wait(space.store, run) == ["succeeded"] and space.store.get(run).attempt == 2
    assert wait(other.store, queued(other)) == ["succeeded"]

    found, undisturbed = space.result(run), other.result(run)
    assert found == undisturbed
    pool = read(space.corpus_path(found["corpus"]))
    assert len(pool) + sum(found["rejected"].values()) == 84 * COPIES
    assert max(Counter(pool.table.column("id").to_pylist()).values()) == 1
