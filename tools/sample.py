"""Make the study of a sample anew: its pools, every mix over eight seeds, dev and test. `make sample`.

    python tools/sample.py newsroom [--seeds 8] [--workspace DIR]

It takes about half an hour on two laptop cores. The result, without weights, replaces core/samples/NAME/study.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from core import project as projects
from core.groups import groups
from core.jobs.folder import Run
from core.launch import launch, look_at_test, plan_launch, standing, start_import, start_pool
from core.sample import open_sample, pack, sample
from core.submit import result_of, wait
from core.workspace import Workspace


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--workspace", help="kept, so that an interrupted study goes on (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        make(Workspace.open(Path(args.workspace or temporary)), args.name, args.seeds)
    return 0


def make(workspace: Workspace, name: str, seeds: int) -> None:
    """Carry out the sample's mixes in a workspace, and pack them."""
    fresh = sample(name)
    (fresh.study / "runs.json").unlink(missing_ok=True)
    (fresh.study / "events.jsonl").unlink(missing_ok=True)
    project = open_sample(workspace, name)
    result_of(workspace, start_import(workspace, project), say)
    for ingredient in standing(workspace, project).waiting:
        result_of(workspace, start_pool(workspace, project, ingredient), say)
    stage = standing(workspace, project).stage
    assert stage is not None
    if not groups(workspace, project.slug):  # else a study that was interrupted goes on
        plan = plan_launch(workspace, project, stage, project.mixes, range(seeds))
        print(f"{plan.new} trainings, about {plan.seconds / 60:.0f} min", flush=True)
        launch(workspace, project, stage, plan)
    wait(workspace, [run.id for group in groups(workspace, project.slug) for run in group.runs.values()], say)
    run = look_at_test(workspace, project.slug, groups(workspace, project.slug))
    if run is not None:
        result_of(workspace, run, say)
    pack(workspace, name)
    projects.load(workspace, name)


_said: set[str] = set()


def say(runs: list[Run]) -> None:
    """One line for every run that ended."""
    for run in runs:
        if run.ended is not None and run.id not in _said:
            _said.add(run.id)
            print(f"{run.kind} {run.id} {run.state} {run.seconds or 0:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
