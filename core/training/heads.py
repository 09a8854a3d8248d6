"""How a network's head begins where it doesn't begin at random: in closed form over what reaches it.

`solved`: ridge (core.models.ridge). `prototypes`, `neighbours`: by how near an item is to what was shown of each class
(core.models.nearness). `described`: prototypes of one example each, a sentence that says what the label means, so that
no labelled row is needed (Yin et al. 2019, https://arxiv.org/abs/1909.00161, in the form of Reimers & Gurevych 2019,
https://arxiv.org/abs/1908.10084: the nearest sentence embedding). Of words: runs that may be names (core.training.
naming) are called by the description that each, read alone, is nearest to, and a head is solved from the words so
labelled in context. Departure from matching spans of a text with labels (Zaratiana et al. 2023, GLiNER,
https://arxiv.org/abs/2311.08526): that is what its encoder is trained for, and this one isn't.

Of words, B- and I- of a label are one class here (IO), which makes more of few examples (Yang & Katiyar 2020, section
3.1, https://arxiv.org/abs/2010.02405); core.tasks.tagging reads logits that don't tell the two apart.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import CoreError
from core.models import batching, loading, nearness, shapes
from core.models.ridge import ridge
from core.tasks.protocol import Encoded, Task
from core.training.feed import BATCH_TOKENS, Feed, means
from core.training.gear import Gear
from core.training.methods import Network, scored
from core.training.naming import OTHERS, candidates, taught
from core.training.settings import TrainParams

_MOST_ITEMS = 50_000  # that a head is solved from
MOST_KEPT = 20_000  # items that a head of neighbours may keep


@dataclass(frozen=True)
class Beginning:
    """What a head begins from. `base`: the installed encoder; `labels`: of the classes, in order."""

    task: Task
    params: TrainParams
    train: Encoded
    feed: Feed  # of the same rows
    gear: Gear
    seed: int
    base: Path
    labels: tuple[str, ...]
    rows: pa.Table | None = None  # the same rows as text, for what reads their words

    @property
    def groups(self) -> np.ndarray:
        """The class that stands for each class where B- and I- are one. *Shape:* (classes,), int64."""
        return np.array(groups_of(self.task.classes(self.labels)))


def groups_of(classes: Sequence[str]) -> list[int]:
    """The number of each class's group: tags of one label are one, any other class is one by itself."""
    names = [name.partition("-")[2] if name[:2] in ("B-", "I-") else name for name in classes]
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return [order[name] for name in names]


def begin(network: Network, made: Beginning) -> None:
    """Give the head what the settings ask for, over the network as it is. Raises CoreError `support_large`,
    `described_no_names`."""
    if made.params.head == "described":
        if made.task.reads == "row":
            _describe(network, made)
            return
        made = _named(network, made)
    features, wanted = reached(network, made)
    if made.params.head in ("solved", "described"):
        head = network.whole.get_submodule(shapes.head_name(network.whole))
        _lay(network.whole, *ridge(features, wanted, head.out_features))
        return
    groups = made.groups if made.task.reads == "tokens" else np.arange(len(made.groups))
    shown = groups[wanted]
    if made.params.head == "prototypes":
        weights, bias = nearness.prototypes(features, shown, int(groups.max()) + 1)
        _lay(network.whole, weights[groups], bias[groups])
    else:
        _keep(network.whole, features, shown, groups)


def reached(network: Network, made: Beginning) -> tuple[np.ndarray, np.ndarray]:
    """What reaches the head, and what is to be made of it, of the items that are learned from.

    Of a large mix, rows drawn by the seed, as many as hold `_MOST_ITEMS` items. *Shapes:* (items, width), (items, ...).
    """
    import torch

    network.whole.eval()
    put, features, wanted = (
        network.reader(made.task, made.feed, shapes.headless),
        list[np.ndarray](),
        list[np.ndarray](),
    )
    with torch.inference_mode(), made.gear.autocast():
        picked = _some(made.feed, made.seed)
        for batch in batching.in_order(made.train.lengths[picked], BATCH_TOKENS):
            rows = picked[batch]
            positions, within, places = made.feed.items(rows)
            use = (places >= 0) & scored(made.train.targets[positions])
            features.append(put(made.feed.inputs(rows, made.gear), within[use], places[use]).cpu().numpy())
            wanted.append(made.train.targets[positions[use]])
    return np.concatenate(features), np.concatenate(wanted)


def _some(feed: Feed, seed: int) -> np.ndarray:
    """All rows, or so many drawn by a seed that they hold no more items than a head is solved from, in order."""
    items = np.diff(feed.pieces.items)
    if items.sum() <= _MOST_ITEMS:
        return np.arange(len(items))
    drawn = np.random.default_rng(seed).permutation(len(items))
    return np.sort(drawn[: max(1, int(np.searchsorted(np.cumsum(items[drawn]), _MOST_ITEMS, "right")))])


def _describe(network: Network, made: Beginning) -> None:
    """Each class by the embedding of what its label means."""
    texts = [described(label, made.params.descriptions) for label in made.labels]
    table = pa.table({"text": pa.array(texts, pa.string())})
    length = loading.longest_input(made.base, made.params.max_length)
    pieces = made.task.pieces(table, loading.tokenizer(made.base), length)
    feed = Feed(pieces, loading.pad_id(made.base))
    asked = Encoded(pieces, np.arange(len(texts)))
    features, order = reached(network, replace(made, train=asked, feed=feed))
    means = np.zeros_like(features)
    means[order] = features
    there = np.ones(len(means), dtype=bool)
    scale = nearness.sharpness(np.empty((0, 0)), np.empty(0), there, nearness.distances(means, means))
    _lay(network.whole, *nearness.linear(means, there, scale))


def _named(network: Network, made: Beginning) -> Beginning:
    """The same with what descriptions say of the words of the rows, in place of their labels."""
    assert made.rows is not None
    words = [*made.task.words(made.rows)]
    runs = candidates(words)
    if not runs:
        raise CoreError("described_no_names", {"rows": len(words), "where": "train.head"}, "hint_described_no_names")
    forms = [" ".join(words[row][start:end]) for row, start, end in runs]
    known = {form: number for number, form in enumerate(dict.fromkeys(forms))}
    meant = [*(described(label, made.params.descriptions) for label in made.labels), *OTHERS]
    nearest = (_embedded(network, made, [*known]) @ _embedded(network, made, meant).T).argmax(axis=1)
    labels = nearest[[known[form] for form in forms]]
    return replace(made, train=Encoded(made.train.pieces, taught(words, runs, labels, len(made.labels))))


def _embedded(network: Network, made: Beginning, texts: Sequence[str]) -> np.ndarray:
    """The mean state of each text, of length 1. *Shape:* (texts, width)."""
    length = loading.longest_input(made.base, made.params.max_length)
    table = pa.table({"tokens": pa.array([text.split() for text in texts], pa.list_(pa.string()))})
    pieces = made.task.pieces(table, loading.tokenizer(made.base), length)
    found = means(network.whole.base_model, Feed(pieces, loading.pad_id(made.base)), made.gear)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def described(label: str, descriptions: Mapping[str, str]) -> str:
    """What a label means, in words: as somebody wrote it, else its name made readable (`card_arrival`, `CardArrival`:
    card arrival)."""
    told = descriptions.get(label, "").strip()
    if told:
        return told
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[\W_]+", " ", label))
    return " ".join(word if word.isupper() else word.lower() for word in apart.split()) or label


def _lay(model: Any, weights: np.ndarray, bias: np.ndarray) -> None:
    """Give the head's last linear map its values."""
    import torch

    head = model.get_submodule(shapes.head_name(model))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weights))
        head.bias.copy_(torch.from_numpy(bias))


def _keep(model: Any, features: np.ndarray, shown: np.ndarray, groups: np.ndarray) -> None:
    """Put a head of neighbours in the place of the last map, or new values into one that is there."""
    import torch

    if len(shown) > MOST_KEPT:
        values = {"items": len(shown), "most": MOST_KEPT, "where": "train.head"}
        raise CoreError("support_large", values, "hint_support_large")
    order = np.argsort(shown, kind="stable")
    scale = nearness.neighbours(features, shown, int(groups.max()) + 1)
    head = model.get_submodule(shapes.head_name(model))
    if not hasattr(head, "support"):
        head = shapes.neighbours(len(shown), features.shape[1], len(groups)).to(model.device)
        shapes.place_head(model, head)
    with torch.no_grad():
        head.support.copy_(torch.from_numpy(features[order]))
        head.owner.copy_(torch.from_numpy(shown[order].astype(np.float32)))
        head.group.copy_(torch.from_numpy(groups.astype(np.float32)))
        head.scale.fill_(scale)
