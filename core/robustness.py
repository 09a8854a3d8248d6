"""How trained runs bear noise and other names: the run kind `robustness`, and what its predictions say.

A split is copied with slips of the keyboard in some of its words, and with every mention become another one of its
label; what is to be found stays true. Trained runs mark the copies, and their predictions lie beside the others.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.augment import available
from core.augment.copies import Copy, with_other_mentions, with_slips
from core.augment.protocol import Rate
from core.corpus import Corpus
from core.errors import CoreError
from core.evaluation.shift import Shift, shifts
from core.formats.importing import used_labels
from core.groups import Group, evaluated, split_of
from core.jobs.folder import Run, read_object
from core.models import loading
from core.params import CLOSED, build, canonical
from core.prompting.prompted import opened
from core.runs import RunContext, RunSpec
from core.scores import Counts
from core.tasks import task as task_of
from core.training import predictions
from core.training.feed import BATCH_TOKENS, Feed, pieces_of, reader
from core.training.gear import gear_of
from core.training.prompting import labelled
from core.workspace import Workspace

SWAP, NOISE = "swap", "noise:"  # names of the copies: swap, noise:0.1


@dataclass(frozen=True)
class RobustnessParams:
    """The copies that are made of a split.

    `noise`: for each copy, the share of the words of four letters or more in which one letter becomes its neighbour
    on the keyboard; `swap`: whether there is a copy in which every mention becomes another mention of its label.
    """

    __pydantic_config__ = CLOSED
    noise: tuple[Rate, ...] = (0.05, 0.1, 0.2)
    swap: bool = True
    seed: int = 0


def copies(data: Corpus, params: RobustnessParams, cache: Path, check: Callable[[], None]) -> dict[str, Copy]:
    """The copies, by name. `check`: see core.augment.copies. Raises CoreError `no_keyboard`, `augmenter_needs`."""
    noisy = with_slips(data, params.noise, params.seed, cache, check) if params.noise else []
    found = {f"{NOISE}{rate:g}": one for rate, one in zip(params.noise, noisy, strict=True)}
    return found | ({SWAP: with_other_mentions(data, params.seed, cache, check)} if params.swap else {})


def run(ctx: RunContext) -> None:
    """The run kind `robustness`: `model:0`, ... mark copies of `data`; each keeps its predictions in its own folder.

    Raises CoreError `robustness_unseen` for a run that has not marked `data` itself: test is not looked at this way.
    """
    params = build(RobustnessParams, ctx.spec.params, "robustness")
    data = corpora.read(ctx.input("data"))
    folders = [ctx.input(role) for role in ctx.spec.inputs if role.startswith("model:")]
    for folder in folders:
        if not predictions.file_of(folder, data.id).exists():
            raise CoreError("robustness_unseen", {"run": folder.name})
    ctx.metric(step=0)
    made, skipped = _made(ctx, data, params)
    for one in made.values():
        corpora.write(one.corpus, ctx.root / "corpora")
    _mark(ctx, folders, [one.corpus for one in made.values()])
    ctx.finish(
        {
            "models": len(folders),
            "corpora": {name: one.corpus.id for name, one in made.items()},
            "unchanged": {name: dict(one.unchanged) for name, one in made.items()},
            "words": {name: one.words for name, one in made.items()},
            "skipped": skipped,
        }
    )


def _made(ctx: RunContext, data: Corpus, params: RobustnessParams) -> tuple[dict[str, Copy], list[str]]:
    """The copies; without noise where no keyboard is known for the language, without other mentions where there are
    none. -> copies, what was left out"""
    left = [] if "mention_replacement" in available(task_of(data.schema.task)) else [SWAP]
    params = replace(params, swap=params.swap and not left)
    try:
        return copies(data, params, ctx.root / "cache", ctx.check_cancelled), left
    except CoreError as error:
        if error.code != "no_keyboard" or not params.swap:
            raise
        ctx.note(f"no noise: no keyboard is known for the language {data.schema.language}")
        return copies(data, replace(params, noise=()), ctx.root / "cache", ctx.check_cancelled), ["noise"]


@dataclass(frozen=True)
class _Read:
    """Copies as one encoder reads them."""

    meta: loading.ModelMeta
    feeds: Sequence[Feed]


def _mark(ctx: RunContext, folders: Sequence[Path], made: Sequence[Corpus]) -> None:
    """Predict every copy with every model; what is there already is not predicted again."""
    gear = gear_of(ctx.resolved)
    read: _Read | None = None
    for number, folder in enumerate(folders):
        ctx.metric(step=number * len(made), total=len(folders) * len(made))
        ctx.check_cancelled()
        left = [at for at, one in enumerate(made) if not predictions.file_of(folder, one.id).exists()]
        if not left:
            continue
        asked = opened(folder / "model", ctx.root)
        if asked is not None:
            for at in left:
                predictions.write(predictions.file_of(folder, made[at].id), made[at], labelled(ctx, asked, made[at]))
            continue
        meta = loading.ModelMeta.read(folder / "model")
        base, task = ctx.root / "models" / meta.base, task_of(meta.task)
        if read is None or read.meta != meta:  # the repeats of a mix read alike
            pad = loading.pad_id(base)
            read = _Read(meta, [Feed(pieces_of(task, one, base, meta.max_length, None), pad) for one in made])
        model = loading.load_trained(folder / "model", base, task.head, task.classes(meta.labels)).to(gear.device)
        budget = max(1, BATCH_TOKENS >> ctx.halvings)
        for at in left:
            found = predictions.predict(
                reader(task, model), meta.labels, read.feeds[at], gear, budget, ctx.check_cancelled
            )
            predictions.write(predictions.file_of(folder, made[at].id), made[at], found)
            ctx.metric(step=number * len(made) + at + 1, total=len(folders) * len(made))


@dataclass(frozen=True)
class Robustness:
    """What a group of runs loses on the copies of a split. `words`, `unchanged`: see Copy; `skipped`: copies that
    could not be made."""

    runs: int
    rows: int
    words: Mapping[str, float]
    unchanged: Mapping[str, Mapping[str, int]]
    skipped: tuple[str, ...]
    shifts: tuple[Shift, ...]


@dataclass(frozen=True)
class Tried:
    """Copies that were made of a split: the result of a run of the kind, and the group's runs that marked them all."""

    made: Mapping[str, Any]
    runs: tuple[str, ...]


def tried(
    workspace: Workspace, group: Group, split: str, params: RobustnessParams = RobustnessParams()
) -> Tried | None:
    """The newest copies of a split that runs of a group marked; None: there are none."""
    there = evaluated(workspace, group, split)
    for run in _runs(workspace, group.corpora.get(split, ""), params):
        made = workspace.result(run.id) if run.state == "succeeded" else {"corpora": {}}
        ids = list(made["corpora"].values())
        if ids and all(workspace.corpus_path(id).exists() for id in ids):
            done = [one for one in there if _marked(workspace, one, ids)]
            if done:
                return Tried(made, tuple(done))
    return None


def _marked(workspace: Workspace, run: str, corpora_ids: Sequence[str]) -> bool:
    return all(predictions.file_of(workspace.run_folder(run), id).exists() for id in corpora_ids)


def _runs(workspace: Workspace, corpus_id: str, params: RobustnessParams) -> list[Run]:
    """The runs of the kind over a corpus with the same params, the newest first."""
    asked = canonical(params)
    specs = ((run, read_object(workspace.run_folder(run.id) / "spec.json") or {}) for run in
             workspace.store.list(kind="robustness"))  # fmt: skip
    return [
        run
        for run, spec in specs
        if spec.get("params") == asked and spec.get("inputs", {}).get("data") == f"corpus:{corpus_id}"
    ]


def newest(
    workspace: Workspace, found: Sequence[Group], split: str, params: RobustnessParams = RobustnessParams()
) -> Run | None:
    """The newest run of the kind over a split with models of these groups, however it stands."""
    models = {f"run:{run}" for group in found for run in group.finished}
    for run in _runs(workspace, found[0].corpora.get(split, ""), params):
        spec = read_object(workspace.run_folder(run.id) / "spec.json") or {}
        if models & {*spec.get("inputs", {}).values()}:
            return run
    return None


def left(
    workspace: Workspace, group: Group, split: str, params: RobustnessParams = RobustnessParams()
) -> tuple[list[str], int]:
    """Runs that marked a split but not its copies. -> those with weights, so that they can; how many have none"""
    found = tried(workspace, group, split, params)
    missing = [run for run in evaluated(workspace, group, split) if found is None or run not in found.runs]
    able = [run for run in missing if (workspace.run_folder(run) / "model").exists()]
    return able, len(missing) - len(able)


def start(
    workspace: Workspace, found: Sequence[Group], split: str, params: RobustnessParams = RobustnessParams()
) -> Run | None:
    """Let the runs of groups that share a split mark its copies; None where nothing is left to do.

    Of test only the runs that were tested already: it is no new look.
    """
    runs = [run for group in found for run in left(workspace, group, split, params)[0]]
    if not runs:
        return None
    inputs = {"data": f"corpus:{found[0].corpora[split]}"} | {
        f"model:{at}": f"run:{run}" for at, run in enumerate(runs)
    }
    spec = RunSpec("robustness", inputs, canonical(params))
    for number in itertools.count():
        spec = replace(spec, repeat=number)  # one that succeeded and left nothing is done again
        if not any(run.state == "succeeded" for run in workspace.store.find([spec.id])):
            break
    return workspace.submit(spec)[0]


def robustness_of(
    workspace: Workspace, group: Group, split: str, params: RobustnessParams = RobustnessParams()
) -> Robustness | None:
    """What the runs of a group lose on the copies of a split, from kept predictions; None where none marked them."""
    found = tried(workspace, group, split, params)
    if found is None:
        return None
    data = split_of(workspace, group, split)
    names = tuple(sorted(used_labels(data)))
    ids: Mapping[str, str] = found.made["corpora"]
    counted = {name: _counts(workspace, corpora.read(workspace.corpus_path(id)), found.runs, names)
               for name, id in ids.items()}  # fmt: skip
    told = shifts(_counts(workspace, data, found.runs, names), counted)
    words, unchanged, skipped = (found.made[key] for key in ("words", "unchanged", "skipped"))
    return Robustness(len(found.runs), len(data), words, unchanged, tuple(skipped), tuple(told))


def _counts(workspace: Workspace, data: Corpus, runs: Sequence[str], names: Sequence[str]) -> list[Counts]:
    kept = (predictions.read(predictions.file_of(workspace.run_folder(run), data.id)) for run in runs)
    return [task_of(data.schema.task).counts(data.table, found.values, names) for found in kept]
