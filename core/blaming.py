"""Which rows of an ingredient seem to hurt a mix, and leaving them out: a suspicion of the forecast's, see
core.forecast.blame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.augment.decisions import Decision
from core.decided import decide, use
from core.errors import CoreError
from core.forecast.blame import blame
from core.forecast.forecast import Pool, member_folder
from core.forecast.preparing import ForecastParams, as_read, rows_read, states_file
from core.forecasting import read
from core.jobs.folder import Run, read_json
from core.mix import GOLD, Mix
from core.params import build
from core.project import Project
from core.recipe import AugmentedIngredient
from core.runs import RunSpec
from core.stage import Stage
from core.workspace import Workspace


@dataclass(frozen=True)
class Suspects:
    """Rows of an ingredient, the worst first. `positions`: in its pool; `ids`: in hex; `harm`: by what part each raises
    the error on dev, in parts of a million; `all`: rows that raise it; `read`: rows that were looked at."""

    positions: Sequence[int]
    ids: Sequence[str]
    harm: Sequence[float]
    all: int
    read: int


def suspects(
    workspace: Workspace, run: str, stage: Stage, mix: Mix, name: str, label: str | None = None, top: int = 40
) -> Suspects:
    """`run`: a finished one of the kind `forecast`; `label`: one to look at, else all. Raises CoreError `blame_none`
    where the mix draws none of the ingredient, `mix_*` where it can't be drawn."""
    prospect, folder = read(workspace, run, stage), workspace.run_folder(run)
    drawn = prospect.drawn(mix)
    if not drawn.get(name) or name == GOLD:
        raise CoreError("blame_none", {"name": name}, "hint_blame_none")
    spec = RunSpec.from_json(read_json(folder / "spec.json"))
    params = build(ForecastParams, spec.params, spec.kind)

    rows = {one: rows_read(stage.pools[one], params) for one in (GOLD, name)}
    read_of = {one: as_read(stage.pools[one], rows[one], one, params) for one in (GOLD, name)}

    def pool(one: str, member: int) -> Pool:
        file = states_file(member_folder(folder, member), prospect.forecast.names.index(one))
        return Pool(read_of[one], np.lib.format.open_memmap(file, "r"))

    members = range(len(prospect.forecast.members))
    read_by = [(pool(GOLD, member), pool(name, member)) for member in members]
    found = blame(prospect.forecast, read_by, name, drawn, label)
    worst = found.worst(top)
    ids = [id.hex() for id in read_of[name].take(worst).table.column("id").to_pylist()]
    harm = found.by_row[worst].tolist()
    return Suspects(rows[name][worst].tolist(), ids, harm, int((found.by_row > 0).sum()), len(rows[name]))


def leave_out(workspace: Workspace, project: Project, name: str, ids: Sequence[str], labels: Sequence[str]) -> Run:
    """Reject children of an augmented ingredient, as by hand, and build its pool again. Raises CoreError `blame_file`
    for an ingredient that was not made, `pool_not_ready`."""
    if not isinstance(project.ingredients.get(name), AugmentedIngredient):
        raise CoreError("blame_file", {"name": name}, "hint_blame_file")
    for one in ids:
        decide(workspace, project.slug, name, Decision(one, "rejected"), labels)
    return use(workspace, project, name)
