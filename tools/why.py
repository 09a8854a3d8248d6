"""Whether the rows that `why` names matter: a mix is trained without some of them, and what the run says is looked at.

  python tools/why.py [--workspace DIR] [--halves N]       needs PEIBI_DATA

Trainings that were made before are not made again.

WNUT-17, 300 sentences of train with half as much of swaps, synonyms and a control whose labels are shuffled, 150 steps
of the upper half of the encoder, one seed. Questions are all mentions of dev that the run or gold marks.

The run is trained on halves of its rows, drawn by chance. For each question the sum of what the rows of a half are said
to do is ranked against what the difference of logits came to (linear datamodeling score: Park et al. 2023, "TRAK",
https://arxiv.org/abs/2303.14186). And it is trained without each ingredient: the ingredient's part in what speaks for
each wrong mention is ranked against what the difference came to.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core import corpus as corpora
from core.corpus import Corpus
from core.forecast.statistics import class_weights, scale_of
from core.jobs.folder import read_json
from core.jobs.trainer import Context
from core.mix import GOLD
from core.models import batching, loading
from core.params import build
from core.pipeline import Options, carry_out
from core.reasons import reading
from core.reasons.asked import Asked, asked_of, direction
from core.reasons.rows import Read, taught, wrong
from core.recipe import load
from core.runs import POOL, RunSpec
from core.submit import result_of
from core.tasks import task as task_of
from core.tasks.protocol import Encoded
from core.training import sense
from core.training.feed import feed, pieces_of
from core.training.gear import gear_of
from core.training.loop import Job, train
from core.training.methods import frozen_layers, ready
from core.training.state import environment_of
from core.training.train import Prepared, TrainRunParams, prepare
from core.workspace import Workspace
from tools.public import SHORT, wnut17

INGREDIENTS: Mapping[str, Mapping[str, str]] = {
    "swaps": {"augmenter": "mention_replacement"},
    "synonyms": {"augmenter": "synonym"},
    "wrong": {"augmenter": "label_shuffle"},
}
RECIPE = {
    "version": 1,
    "project": "why-wnut17",
    "ingredients": INGREDIENTS,
    "mix": {"parts": dict.fromkeys(INGREDIENTS, 0.5)},
}
TASK = task_of("tagging")
EACH = 200  # questions of a kind, drawn by chance


@dataclass(frozen=True)
class Question:
    """`items`: of dev; `towards`: see core.reasons.asked.direction."""

    kind: str
    items: slice
    towards: np.ndarray

    def of(self, logits: np.ndarray) -> float:
        return float((logits[self.items] * self.towards).sum())


@dataclass(frozen=True)
class Study:
    """One run. `row`: of each drawn row, which different one it is; `named`: ingredient of each different row; `order`:
    where it stands in what was read; `states`, `logits`: of dev's items."""

    workspace: Workspace
    run: str
    params: TrainRunParams
    prepared: Prepared
    dev: Corpus
    row: np.ndarray
    named: Sequence[str]
    order: np.ndarray
    read: Read
    states: np.ndarray
    logits: np.ndarray

    @property
    def folder(self) -> Path:
        return self.workspace.root / "why"

    def questions(self, part: float = 1.0) -> list[Question]:
        """Wrong mentions, missed ones, right ones; so many of each by chance, all where `part` is infinite."""
        found: dict[str, list[Question]] = {"wrong": [], "missed": [], "right": []}
        ends, gold = _ends(self.dev), self.dev.table.column("tags").to_pylist()
        for row, (start, end) in enumerate(pairwise(ends)):
            logits = self.logits[start:end]
            seen = np.asarray(~np.isnan(logits).any(axis=1))
            said = TASK.decode(self.params.labels, seen, logits[seen]).values
            for one in asked_of(TASK, self.params.labels, said, gold[row], logits):
                items = slice(start + one.start, start + one.end)
                found[_kind(one)].append(Question(_kind(one), items, direction(TASK, self.params.labels, one)))
        rng = np.random.default_rng(0)
        sizes = {"wrong": EACH, "missed": EACH // 2, "right": EACH // 2}
        most = {kind: int(min(len(found[kind]), part * size)) for kind, size in sizes.items()}
        return [some[at] for kind, some in found.items() for at in rng.permutation(len(some))[: most[kind]]]


def _kind(one: Asked) -> str:
    return "right" if not one.wrong else "missed" if {*one.said} == {"O"} else "wrong"


def _ends(corpus: Corpus) -> list[int]:
    return np.concatenate([[0], np.cumsum(TASK.lengths(corpus.table))]).tolist()


def study(workspace: Workspace) -> Study:
    """Train the run and read what is behind it, where that was not done."""
    file = workspace.root / "why.yaml"
    file.write_text(json.dumps({**RECIPE, "data": wnut17(300), "train": {**SHORT, "seeds": [0]}}), encoding="utf-8")
    [found] = carry_out(workspace, load(file), Options(test=False), lambda runs: None).runs
    run = found.run.id
    result_of(workspace, workspace.submit(reading.spec_of(run))[0], lambda runs: None)
    behind = reading.read(workspace.run_folder(reading.spec_of(run).id))
    spec = RunSpec.from_json(read_json(workspace.run_folder(run) / "spec.json"))
    params = build(TrainRunParams, spec.params, "train")
    pools, base = _pools(workspace, spec), _base(workspace, spec)
    prepared = prepare(pools, params, base, workspace.root / "cache")
    dev = corpora.read(workspace.corpus_path(spec.inputs["dev"].partition(":")[2]))
    drawn, known = _keys(prepared.drawn), _keys(behind.mix)
    different = [*dict.fromkeys(drawn)]
    place = {key: at for at, key in enumerate(different)}
    order = np.array([{key: at for at, key in enumerate(known)}[key] for key in different])
    states, logits = _dev(workspace, run, params, base, dev)
    row = np.array([place[key] for key in drawn])
    return Study(workspace, run, params, prepared, dev, row, [name for name, _ in different], order, behind.read(),
                 states, logits)  # fmt: skip


def _keys(mix: Corpus) -> list[tuple[str, bytes]]:
    return [*zip(*(mix.table.column(name).to_pylist() for name in ("ingredient", "id")), strict=True)]


def _pools(workspace: Workspace, spec: RunSpec) -> Mapping[str, Corpus]:
    return {
        role.removeprefix(POOL): corpora.read(workspace.corpus_path(value.partition(":")[2]))
        for role, value in spec.inputs.items()
        if role == GOLD or role.startswith(POOL)
    }


def _base(workspace: Workspace, spec: RunSpec) -> Path:
    return workspace.models / spec.inputs["model"].partition(":")[2]


def _dev(workspace: Workspace, run: str, params: TrainRunParams, base: Path, dev: Corpus) -> tuple[np.ndarray, ...]:
    """States and logits of dev's items as the run has them; NaN where one was cut off."""
    folder = workspace.run_folder(run)
    network = loading.load_trained(folder / "model", base, TASK.head, TASK.classes(params.labels))
    return _put(network, dev, base, params, read_json(folder / "resolved.json"), workspace.root / "cache")


def _put(
    network: object, dev: Corpus, base: Path, params: TrainRunParams, resolved: Mapping[str, object], cache: Path
) -> tuple[np.ndarray, ...]:
    gear, head = gear_of(resolved), reading.head_of(TASK, network)
    read = feed(pieces_of(TASK, dev, base, params.train.max_length, cache), network, 0, base, gear)
    found: list[np.ndarray] = []
    for rows in batching.in_order(read.pieces.lengths, 4096):
        *both, positions = head(read, rows, gear)
        found = found or [np.full((int(read.pieces.items[-1]), side.shape[1]), np.nan, np.float32) for side in both]
        for whole, side in zip(found, both, strict=True):
            whole[positions] = side
    return tuple(found)


def trained(made: Study, name: str, out: np.ndarray) -> np.ndarray:
    """Logits of dev's items after a training without some different rows; kept under a name."""
    path = made.folder / f"{name}.npy"
    if path.exists():
        return np.load(path)
    import torch

    began, settings = time.monotonic(), replace(made.params.train, checkpoint_every=10**6)
    spec = RunSpec.from_json(read_json(made.workspace.run_folder(made.run) / "spec.json"))
    resolved = read_json(made.workspace.run_folder(made.run) / "resolved.json")
    base, gear = _base(made.workspace, spec), gear_of(resolved)
    rows, ends = np.flatnonzero(~np.isin(made.row, out)), made.prepared.encoded.pieces.items
    targets = np.concatenate([made.prepared.encoded.targets[ends[row] : ends[row + 1]] for row in rows])
    encoded = Encoded(made.prepared.encoded.pieces.take(rows), targets)
    torch.manual_seed(made.params.seed)
    frozen, classes = frozen_layers(settings, base), TASK.classes(made.params.labels)
    network = loading.network(base, TASK.head, classes, sense.shape(settings, TASK, base))
    whole = ready(network, settings, frozen)
    scratch = made.folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    steps = made.prepared.steps
    job = Job(TASK, encoded, feed(encoded.pieces, whole.whole, frozen, base, gear), settings, steps,
              frozenset({steps}), made.params.seed, len(classes), lambda: (0.0, lambda folder: None),
              environment_of(resolved))  # fmt: skip
    train(Context(made.workspace.root, scratch, spec, resolved, 1), whole, job, gear)
    cache = made.workspace.root / "cache"
    found = _put(whole.whole, made.dev, base, made.params, resolved, cache)[1]
    np.save(path, found)
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def ways(made: Study, asked: Sequence[Question]) -> Mapping[str, np.ndarray]:
    """What each different row is said to do to each question, by several rules. *Shape:* (rows, questions)."""
    read, count = made.read, len(asked)
    chosen = np.stack([taught(read, made.states[one.items], one.towards).by_row for one in asked], axis=1)
    states, residual = read.states.astype(np.float32), wrong(read)
    known = np.abs(residual).sum(axis=1) > 0
    middle, scale = states[known].mean(axis=0), scale_of(states[known])
    truth = np.where(known[:, None], np.eye(residual.shape[1])[np.maximum(read.targets, 0)], 0.0)
    phi, dev = scale(np.nan_to_num(states)), scale(np.nan_to_num(made.states))
    weight = class_weights(read.targets, residual.shape[1])[np.maximum(read.targets, 0)] * known
    ridge = np.linalg.inv((phi * weight[:, None]).T @ phi + np.diag([*[1000.0] * (phi.shape[1] - 1), 1e-6]))

    def rows(per_item: np.ndarray) -> np.ndarray:
        row = np.repeat(np.arange(len(read.times)), np.diff(read.ends))
        return np.bincount(row, per_item, len(read.times)) * read.times

    def by(left: np.ndarray, right: np.ndarray, what: np.ndarray) -> np.ndarray:
        left = np.nan_to_num(left)
        found = [rows(((left @ right[one.items].T) * (what @ one.towards.T)).sum(axis=1)) for one in asked]
        return np.stack(found, axis=1)

    found = {
        "what `why` does": chosen,
        "not from the mean": by(states, made.states, residual),
        "scaled to length 1": by(_unit(states - middle), _unit(made.states - middle), residual),
        "the label in place of what is wrong": by(states - middle, made.states - middle, truth),
        "a ridge head's influence (as `blame`)": by(phi * weight[:, None], dev @ ridge, residual),
        "chance": np.random.default_rng(1).standard_normal((len(read.times), count)),
    }
    return {name: values[made.order] for name, values in found.items()}


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, axis=0), axis=0).astype(float)


def halves(made: Study, asked: Sequence[Question], count: int) -> None:
    """The linear datamodeling score of each way, by kind of question."""
    rows = len(made.named)
    kept = [np.sort(np.random.default_rng(at).permutation(rows)[: rows // 2]) for at in range(count)]
    everything = np.arange(rows)
    logits = [trained(made, f"half-{at}", np.setdiff1d(everything, some)) for at, some in enumerate(kept)]
    came = np.array([[one.of(found) for one in asked] for found in logits])
    for name, values in ways(made, asked).items():
        said = np.stack([values[some].sum(axis=0) for some in kept])
        left, right = (one - one.mean(axis=0) for one in (ranks(said), ranks(came)))
        score = (left * right).sum(axis=0) / np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
        kinds = np.array([one.kind for one in asked])
        told = "  ".join(f"{kind} {score[kinds == kind].mean():.2f}" for kind in dict.fromkeys(kinds.tolist()))
        print(f"{name:40s} {score.mean():.2f}   {told}")


def ingredients(made: Study) -> None:
    """Whether the wrong mentions change in the order of an ingredient's part when it is left out."""
    asked = [one for one in made.questions(np.inf) if one.kind == "wrong"]
    loud = np.stack([taught(made.read, made.states[one.items], one.towards).by_row for one in asked], axis=1)
    before = np.array([one.of(made.logits) for one in asked])
    for name in INGREDIENTS:
        mine = np.array([one == name for one in made.named])
        after = trained(made, f"without-{name}", np.flatnonzero(mine))
        part, moved = loud[made.order][mine].sum(axis=0), before - np.array([one.of(after) for one in asked])
        score = np.corrcoef(ranks(part), ranks(moved))[0, 1]
        print(f"without {name:10s} {score:+.2f} over {len(asked)} wrong mentions")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--halves", type=int, default=21, help="trainings on halves of the rows (default 21)")
    args = parser.parse_args()
    made = study(Workspace.open(args.workspace))
    made.folder.mkdir(exist_ok=True)
    ingredients(made)
    halves(made, made.questions(), args.halves)
    return 0


if __name__ == "__main__":
    sys.exit(main())
