"""Small models that have learned some rows by heart, to be attacked: folders such as a hub has them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.augment.protocol import Example
from core.augment.victim import same
from core.models.loading import tokenizer
from core.tasks import task as task_of
from core.tasks.protocol import IGNORED
from tests.conftest import SPECIAL, wordpiece


def learned(
    folder: Path, name: str, rows: Sequence[Example], labels: Sequence[str], strange: Sequence[Example] = ()
) -> Path:
    """A BERT of one layer that was trained on rows of a task, whose words are its vocabulary, and on `strange` ones,
    whose words are not: what it learns of these it believes of every word that it doesn't know."""
    import torch
    import transformers

    task = task_of(name)
    words = sorted({token.lower() for row in rows for token in row.tokens})
    folder.mkdir(parents=True, exist_ok=True)
    wordpiece([*SPECIAL, *words]).save(str(folder / "tokenizer.json"))
    classes = task.classes(labels)
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 64, "max_position_embeddings": 64, "vocab_size": len(SPECIAL) + len(words)}
    rows = [*rows, *strange]
    config = transformers.BertConfig(
        **sizes, id2label=dict(enumerate(classes)), label2id={one: at for at, one in enumerate(classes)}
    )
    torch.manual_seed(0)
    network: Any = getattr(transformers, "BertFor" + task.head.partition("AutoModelFor")[2])(config).eval()
    table = task.changed([(row, same(row)) for row in rows])
    pieces, targets = task.pieces(table, tokenizer(folder), 64), task.targets(table, labels)
    longest = int(pieces.lengths.max())
    ids, gold = np.zeros((len(rows), longest), dtype=np.int64), np.full((len(rows), longest), IGNORED)
    for row in range(len(rows)):
        inside = pieces.ids[pieces.rows[row] : pieces.rows[row + 1]]
        ids[row, : len(inside)] = inside
        items = slice(pieces.items[row], pieces.items[row + 1])
        gold[row, pieces.places[items]] = targets[items] if task.reads == "tokens" else IGNORED
    mask = torch.from_numpy((np.arange(longest) < pieces.lengths[:, None]).astype(np.int64))
    asked = torch.from_numpy(gold if task.reads == "tokens" else targets)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(80):
        network(input_ids=torch.from_numpy(ids), attention_mask=mask, labels=asked).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    network.save_pretrained(folder, safe_serialization=True)
    return folder
