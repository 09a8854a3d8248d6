"""Seconds for one pass over WNUT-17 sentences: Peibi's loop against the textbook one, on the same model and rows.

The textbook loop tokenises per item, pads to 128, takes 16 rows a step, and trains every weight in fp32 with AdamW.
Peibi's takes batches of like length under a token budget, tokenises once, freezes the word embeddings, and uses bf16
where the CPU has matrix units for it. Both sides run in this process, in turn; medians over the rounds. Needs
PEIBI_DATA.

  python bench/training.py [--quick] [--json]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.formats import ReadOptions, read
from core.jobs.machine import Machine
from core.models.catalogue import DEFAULT, install
from core.models.loading import network, tokenizer, word_embeddings
from core.tasks import task
from core.training import batching
from core.training.loop import Job, _batch, _loss, _optimizer, accelerator
from core.training.settings import TrainParams


def textbook(folder: Path, rows: list[tuple[list[str], list[str]]], labels: tuple[str, ...]) -> float:
    """One pass, in seconds."""
    import torch
    from transformers import AutoTokenizer

    names = task("tagging").classes(labels)
    tokens = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = network(folder, task("tagging").head, names).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    began = time.perf_counter()
    for start in range(0, len(rows), 16):
        batch = []
        for words, tags in rows[start : start + 16]:
            item = tokens(words, is_split_into_words=True, truncation=True, padding="max_length", max_length=128)
            firsts = {w: i for i, w in reversed(list(enumerate(item.word_ids()))) if w is not None}
            target = [-100] * 128
            for word, place in firsts.items():
                target[place] = names.index(tags[word])
            batch.append((item["input_ids"], item["attention_mask"], target))
        ids, mask, targets = (torch.tensor(list(column)) for column in zip(*batch, strict=True))
        loss = model(input_ids=ids, attention_mask=mask, labels=targets).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - began


def ours(folder: Path, table: object, labels: tuple[str, ...], machine: Machine) -> float:
    """One pass, in seconds, tokenising included."""
    gear = accelerator({"threads": machine.threads, "precision": machine.precision, "device": "cpu"})
    params = TrainParams()
    model = network(folder, task("tagging").head, task("tagging").classes(labels))
    word_embeddings(model).requires_grad_(False)
    model, optimizer = gear.prepare(model, _optimizer(model, params))
    model.train()
    began = time.perf_counter()
    encoded = task("tagging").encode(table, labels, tokenizer(folder), params.max_length)
    job = Job(encoded, params, 1, 0, 0, lambda _: 0.0, {})
    for rows in batching.epoch(encoded.lengths, params.batch_tokens, 0, 0):
        gear.backward(_loss(model, _batch(job, rows, gear.device)))
        gear.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], params.clip)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    data = os.environ.get("PEIBI_DATA")
    if not data:
        print("PEIBI_DATA is not set: the folder with wnut17/train.conll", file=sys.stderr)
        return 2
    count, rounds = (96, 1) if args.quick else (320, 3)
    corpus = read(Path(data, "wnut17", "train.conll"), name="train.conll", options=ReadOptions()).corpus
    picked = np.random.default_rng(0).choice(len(corpus), count, replace=False)
    table, labels = corpus.take(picked).table, corpus.schema.labels
    rows = list(zip(table.column("tokens").to_pylist(), table.column("tags").to_pylist(), strict=True))
    machine = Machine.here()
    with tempfile.TemporaryDirectory() as folder:
        model = install(DEFAULT, Path(folder), Path()).folder
        sides: dict[str, Callable[[], float]] = {
            "textbook": lambda: textbook(model, rows, labels),
            "peibi": lambda: ours(model, table, labels, machine),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, side in sides.items():
                seconds[name].append(side())
    median = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = median["textbook"] / median["peibi"]
    figures = {"sentences": count, "seconds": seconds, "threads": machine.threads, "precision": machine.precision}
    claims = [{"name": "training_speed_over_textbook", "value": ratio, "unit": "x", "detail": figures}]
    where = {"cpu_flags": machine.flags, "threads": machine.threads, "precision": machine.precision}
    if args.json:
        print(json.dumps({"machine": where, "claims": claims}))
    else:
        print(f"{'side':<10} seconds for {count} sentences (median of {rounds})")
        for name, value in median.items():
            print(f"{name:<10} {value:8.2f}")
        print(f"ratio      {ratio:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
