"""Consistency training: from text without labels a network learns to say of a changed row what it says of the row.

Unsupervised data augmentation, Xie et al. 2020 (https://arxiv.org/abs/1904.12848): predictions of a row as it is, made
without dropout and taken as given, are sharpened; wherever they were sure enough, those of the changed row are drawn to
them by the Kullback-Leibler divergence. Departures: a row is changed by exchanging some of its sub-tokens, which keeps
the places of its words, instead of by translation there and back; a word is asked for only where the sub-token that
stands for it was kept; and among sure predictions, each class counts by the inverse root of how often it was predicted,
since O would drown all others. Where an item has any number of labels, each of them is a choice between two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.corpus import Corpus
from core.models import batching, loading
from core.tasks.protocol import Pieces, Task
from core.training.feed import Feed, Reader, drawn_pieces
from core.training.gear import Gear
from core.training.methods import Network
from core.training.settings import TrainParams

if TYPE_CHECKING:
    import torch

EXCHANGED = 0.15  # of the sub-tokens
TEMPERATURE = 0.4  # that predictions are sharpened by
SURE = 0.8  # the least probability of a prediction that is learned from
_DRAWN, _CHANGED = 1, 2  # streams of random numbers


@dataclass(frozen=True)
class Text:
    """Rows without labels, as a training reads them. `marks`: the encoder's own sub-tokens, which are never exchanged;
    `fillers`: all others, which stand in for those that are; `batches`: the rows of each step."""

    feed: Feed
    marks: np.ndarray
    fillers: np.ndarray
    batches: Sequence[np.ndarray]
    seed: int

    def __len__(self) -> int:
        return len(self.feed.pieces)


@dataclass(frozen=True)
class Consistency:
    """The lesson (core.training.loop)."""

    text: Text
    task: Task
    params: TrainParams

    def teach(self, network: Network, step: int, gear: Gear, parts: int) -> dict[str, float]:
        put = network.reader(self.task, self.text.feed)
        value, sure = teach(self.text, network, put, self.params, step, gear, parts)
        return {"consistency": value, "sure": sure}


@dataclass(frozen=True)
class Goal:
    """What a network is to say. `said`: probabilities. *Shape:* (choices, options); `weights`: what each choice counts,
    0 where the prediction isn't sure, 1 on average over the sure ones. *Shape:* (choices,)"""

    said: "torch.Tensor"
    weights: "torch.Tensor"


def text_of(
    task: Task, corpus: Corpus, params: TrainParams, steps: int, seed: int, base: Path, cache: Path | None
) -> Text:
    """As many rows of a corpus as so many steps read, drawn by the seed. `base`: folder of the encoder; `cache`: where
    sub-tokens are kept."""
    words = float(np.mean(task.lengths(corpus.table)))  # each of them is a sub-token or more
    needed = int(np.ceil(steps * params.batch_tokens / max(1.0, words)))
    rows = np.random.default_rng([seed, _DRAWN]).permutation(len(corpus))[:needed]
    pieces = drawn_pieces(task, corpus, np.sort(rows), base, params.max_length, cache)
    batches: list[np.ndarray] = []
    number = 0
    while len(batches) < steps:
        batches += batching.epoch(pieces.lengths, params.batch_tokens, seed, number)
        number += 1
    marks = np.array(loading.tokenizer(base).encode("", add_special_tokens=True).ids)
    fillers = pieces.ids[~np.isin(pieces.ids, marks)]
    return Text(Feed(pieces, loading.pad_id(base)), marks, fillers, batches, seed)


def exchanged(pieces: Pieces, text: Text, rng: np.random.Generator) -> tuple[Pieces, np.ndarray]:
    """Rows with some sub-tokens exchanged for others of the text. -> them; which items stand where nothing was
    exchanged. *Shape:* (items,), bool"""
    hit = (rng.random(len(pieces.ids)) < EXCHANGED) & ~np.isin(pieces.ids, text.marks)
    ids = np.array(pieces.ids)
    ids[hit] = rng.choice(text.fillers, int(hit.sum()))
    starts = np.repeat(pieces.rows[:-1], np.diff(pieces.items))
    return replace(pieces, ids=ids), (pieces.places >= 0) & ~hit[starts + np.maximum(pieces.places, 0)]


def choices_of(logits: "torch.Tensor", task: Task) -> "torch.Tensor":
    """Logits of items as choices between options: one for each item, or, where it may have any number of labels, one
    for each of these. *Shape:* (items, classes) -> (choices, options)."""
    import torch

    return logits if task.objective == "softmax" else torch.stack([torch.zeros_like(logits), logits], -1).flatten(0, 1)


def goal_of(choices: "torch.Tensor", kinds: int = 1) -> Goal:
    """What predictions of rows as they are ask of those of the changed rows. `choices`: logits; `kinds`: how many
    choices an item has."""
    import torch

    sure, winner = choices.softmax(-1).max(-1)
    options = choices.shape[1]
    winner = winner + options * (torch.arange(len(choices), device=choices.device) % kinds)
    certain = (sure >= SURE).to(choices.dtype)
    counts = torch.zeros(options * kinds, dtype=choices.dtype, device=choices.device).index_add_(0, winner, certain)
    weights = certain * counts[winner].clamp_min(1).rsqrt()
    return Goal((choices / TEMPERATURE).softmax(-1), weights * (certain.sum() / weights.sum().clamp_min(1e-12)))


def divergence(choices: "torch.Tensor", goal: Goal) -> "torch.Tensor":
    """The weighed sum of the divergences of some choices from what they are to say. `choices`: logits."""
    import torch

    each = torch.nn.functional.kl_div(choices.log_softmax(-1), goal.said, reduction="none").sum(-1)
    return (goal.weights * each).sum()


def teach(
    text: Text, network: Network, put: Reader, params: TrainParams, step: int, gear: Gear, parts: int
) -> tuple[float, float]:
    """Add the gradient of what a step (from 0) learns from the text. -> the loss before it is weighed; the share of
    predictions that were sure, 0..1

    `put`: the network as it reads the text; `parts`: how many a batch goes in, whose gradients add up to the same.
    """
    import torch

    plain = text.feed.pieces.take(text.batches[step])
    changed, asked = exchanged(plain, text, np.random.default_rng([text.seed, _CHANGED, step]))
    split = [part for part in np.array_split(np.arange(len(plain)), parts) if len(part)]

    def said(pieces: Pieces, rows: np.ndarray) -> "torch.Tensor":
        read = Feed(pieces, text.feed.pad)
        positions, within, places = read.items(rows)
        use = asked[positions]
        with gear.autocast():
            logits = put(read.inputs(rows, gear), within[use], places[use])
        return choices_of(logits, put.task)

    network.whole.eval()
    with torch.no_grad():
        found = torch.cat([said(plain, rows) for rows in split])
    network.train()
    goal = goal_of(found, max(1, len(found) // max(1, int(asked.sum()))))
    total, start = 0.0, 0
    if not bool(goal.weights.any()):
        return 0.0, 0.0
    for rows in split:
        choices = said(changed, rows)
        end = start + len(choices)
        loss = divergence(choices, Goal(goal.said[start:end], goal.weights[start:end])) / len(found)
        (params.consistency_weight * loss).backward()
        total, start = total + float(loss.detach()), end
    return total, float((goal.weights > 0).float().mean())
