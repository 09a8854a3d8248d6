"""How fast Peibi fine-tunes: against three other loops, in groups, and from the click to a verdict. Needs PEIBI_DATA.

loops    the first 800 sentences of WNUT-17, same encoder, rows and epochs, each side in turn in this process:
         textbook   tokenise per item, pad to 128, 16 rows a step, every weight in fp32 with AdamW
         trainer    transformers' Trainer, its collator for tokens and its defaults
         tuned      the same by hand: bf16 where the processor has units for it, batches of like length, 32 rows
         peibi      core.training as every run uses it, tokenising and frozen states included, with batches of 512
                    sub-tokens, about as many rows as the textbook's 16: with more, as many epochs teach less
         half       the same with half of the layers frozen and batches of 256: as fast as it gets at the others' F1
         F1 on dev beside each; ours with several seeds, whose spread the others should lie in
group    8 repeats on 300 sentences: one launch, whose runs share a process, against 8 launches of one
verdict  300 sentences: gold only against gold + 1x mention swaps, 8 repeats each, from the command to the sentence;
         the most memory a trainer took
start    from the command to the first loss, with a trainer that stands by from the run before and without; 1,287
         sentences predicted

  python bench/train.py [--only loops,group,verdict,start] [--epochs 4] [--quick] [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.corpus import Corpus
from core.formats import ReadOptions, read
from core.jobs import idle
from core.jobs.folder import json_lines
from core.jobs.machine import Machine, gpu_name, gpus
from core.models import batching
from core.models.catalogue import DEFAULT, install
from core.models.loading import longest_input, network, tokenizer
from core.tasks import task
from core.training import predictions
from core.training.feed import Feed, feed, reader
from core.training.gear import Gear, gear_of
from core.training.loop import Job, _backward, _clip, _Loss, _optimizer
from core.training.methods import frozen_layers, ready
from core.training.predictions import f1_of
from core.training.settings import TrainParams

TAGGING = task("tagging")
REPEATS = 8
STAND_BY = 30  # seconds
HALF = (256, 3)  # sub-tokens in a batch, layers frozen


@dataclass(frozen=True)
class Setting:
    """What every side is given."""

    model: Path
    train: Corpus
    dev: Corpus
    epochs: int
    machine: Machine

    @property
    def labels(self) -> tuple[str, ...]:
        return self.train.schema.labels

    @property
    def classes(self) -> tuple[str, ...]:
        return TAGGING.classes(self.labels)

    def rows(self) -> list[tuple[list[str], list[str]]]:
        table = self.train.table
        return list(zip(table.column("tokens").to_pylist(), table.column("tags").to_pylist(), strict=True))

    @property
    def gear(self) -> Gear:
        machine = self.machine
        return gear_of({"threads": machine.threads, "precision": machine.precision, "device": machine.device})

    def f1(self, model: Any) -> float:
        """Dev F1 of a network, predicted the same way for every side."""
        pieces = TAGGING.pieces(self.dev.table, tokenizer(self.model), longest_input(self.model, 256))
        found = predictions.predict(reader(TAGGING, model), self.labels, Feed(pieces, 0), self.gear)
        return f1_of(TAGGING, self.dev, found.values, self.labels)


def textbook(at: Setting) -> tuple[float, Any]:
    """-> (seconds, trained network)"""
    import torch
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(str(at.model), local_files_only=True)
    torch.manual_seed(0)
    model = network(at.model, TAGGING.head, at.classes).to(at.gear.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    rows, steps = at.rows(), at.epochs * -(-len(at.train) // 16)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / (steps / 10), (steps - s) / steps))
    began = time.perf_counter()
    for epoch in range(at.epochs):
        order = np.random.default_rng(epoch).permutation(len(rows))
        for start in range(0, len(rows), 16):
            batch = [_item(tokens, *rows[row], at.classes) for row in order[start : start + 16]]
            columns = (torch.tensor(list(column)).to(at.gear.device) for column in zip(*batch, strict=True))
            ids, mask, targets = columns
            model(input_ids=ids, attention_mask=mask, labels=targets).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return _since(began), model


def _since(began: float) -> float:
    """Seconds, when all that was given to a GPU is done."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _item(
    tokens: Any, words: list[str], tags: list[str], classes: tuple[str, ...], whole: bool = True
) -> tuple[list[int], list[int], list[int]]:
    """One sentence as ids, mask and targets; `whole`: padded to 128."""
    padding = {"padding": "max_length"} if whole else {}
    item = tokens(words, is_split_into_words=True, truncation=True, max_length=128 if whole else 256, **padding)
    firsts = {w: i for i, w in reversed(list(enumerate(item.word_ids()))) if w is not None}
    target = [-100] * len(item["input_ids"])
    for word, place in firsts.items():
        target[place] = classes.index(tags[word])
    return item["input_ids"], item["attention_mask"], target


def by_trainer(at: Setting, tuned: bool) -> tuple[float, Any]:
    """transformers' Trainer. -> (seconds, trained network)"""
    import torch
    from transformers import AutoTokenizer, DataCollatorForTokenClassification, Trainer, TrainingArguments

    tokens = AutoTokenizer.from_pretrained(str(at.model), local_files_only=True)
    torch.manual_seed(0)
    model = network(at.model, TAGGING.head, at.classes)
    by_hand: dict[str, Any] = {
        "per_device_train_batch_size": 32,
        "train_sampling_strategy": "group_by_length",
        "bf16": at.machine.precision == "bf16",
    }
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=at.epochs,
            learning_rate=2e-4,
            warmup_steps=0.1,
            use_cpu=at.machine.device == "cpu",
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            seed=0,
            **(by_hand if tuned else {}),
        )
        began = time.perf_counter()
        names = ("input_ids", "attention_mask", "labels")
        items = (_item(tokens, *row, at.classes, whole=False) for row in at.rows())
        data = [dict(zip(names, item, strict=True)) for item in items]
        side = Trainer(model, arguments, DataCollatorForTokenClassification(tokens), train_dataset=data)  # pyright: ignore[reportArgumentType]
        with redirect_stdout(sys.stderr):  # what it says at its end is no claim
            side.train()
        return _since(began), model


def peibi(at: Setting, seed: int = 0, batch_tokens: int = 512, frozen: int | None = None) -> tuple[float, Any]:
    """-> (seconds, trained network)"""
    import torch

    from core.tasks.protocol import Encoded
    from core.training import feed as feeds

    gear = at.gear
    params = TrainParams(epochs=at.epochs, batch_tokens=batch_tokens, frozen_layers=frozen)
    torch.manual_seed(seed)
    model = network(at.model, TAGGING.head, at.classes)
    feeds._kept.clear()  # nothing is to be known from another seed
    began = time.perf_counter()
    pieces = TAGGING.pieces(at.train.table, tokenizer(at.model), longest_input(at.model, params.max_length))
    encoded = Encoded(pieces, TAGGING.targets(at.train.table, at.labels))
    made = ready(model, params, frozen_layers(params, at.model))
    made.whole.to(gear.device)
    read = feed(pieces, made.whole, made.frozen, at.model, gear)
    per_epoch = batching.count(encoded.lengths, params.batch_tokens)
    steps = params.steps_for(per_epoch)
    job = Job(
        TAGGING, encoded, read, params, steps, frozenset(), seed, len(at.classes), lambda: (0.0, lambda _: None), {}
    )
    optimizer, put, loss = _optimizer(made, params), made.reader(TAGGING, read), _Loss(TAGGING, None)
    order: list[np.ndarray] = []
    for step in range(steps):
        if step % per_epoch == 0:
            order = batching.epoch(encoded.lengths, params.batch_tokens, seed, step // per_epoch)
        for group in optimizer.param_groups:
            group["lr"] = params.rate(step, steps) * group["scale"]
        made.train()
        _backward(_Whole(), put, job, order[step % per_epoch], loss, gear)  # pyright: ignore[reportArgumentType]
        _clip(made, params.clip)
        optimizer.step()
        optimizer.zero_grad()
    return _since(began), made.whole


class _Whole:
    """The one thing that a step asks of its run: whether the batch goes in parts."""

    halvings = 0


def loops(at: Setting, seeds: int, rounds: int) -> list[dict[str, Any]]:
    """The claims about one fine-tune."""
    sides: dict[str, Callable[[], tuple[float, Any]]] = {
        "textbook": lambda: textbook(at),
        "trainer": lambda: by_trainer(at, tuned=False),
        "tuned": lambda: by_trainer(at, tuned=True),
        "peibi": lambda: peibi(at),
        "half": lambda: peibi(at, 0, *HALF),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    f1: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            took, model = side()
            seconds[name].append(took)
            f1[name] = f1[name] or [at.f1(model)]
            _say(f"{name:<10} {took:8.1f} s   dev F1 {f1[name][0]:.3f}")
    for seed in range(1, seeds):
        f1["peibi"].append(at.f1(peibi(at, seed)[1]))
        f1["half"].append(at.f1(peibi(at, seed, *HALF)[1]))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    figures = {"seconds": seconds, "dev_f1": f1, "sentences": len(at.train), "epochs": at.epochs}
    return [
        {"name": f"{claim}_over_{name}", "value": median[name] / median[ours], "unit": "x", "detail": figures}
        for claim, ours in (("speed", "peibi"), ("half", "half"))
        for name in ("textbook", "trainer", "tuned")
    ]


def command(folder: Path, *arguments: str, warm: int = 0) -> tuple[float, Any]:
    """`python -m core ... --json` in a workspace of its own folder. `warm`: seconds that a trainer stands by after it.

    -> (seconds, what it printed)
    """
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--workspace", str(folder / "workspace"), "--json"],
        cwd=folder,
        env=os.environ | {idle.WARM: str(warm)},
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - began, json.loads(done.stdout)


def recipe(folder: Path, name: str, seeds: Iterable[int], swaps: bool) -> str:
    """A recipe file on 300 sentences of WNUT-17 and its dev. Both mixes get the same steps: four epochs of so little
    gold are 38, after which nothing is learned yet. As where seconds count, half of the layers are frozen, and dev is
    looked at once, at the end: the last step is taken, none is chosen."""
    mix = (
        "ingredients: {swaps: {augmenter: mention_replacement}}\nmix: {parts: {gold: 1.0, swaps: 1.0}}\n"
        if swaps
        else ""
    )
    text = f"version: 1\nproject: bench\ndata: {{train: train.conll, dev: dev.conll}}\n{mix}"
    tokens, frozen = HALF
    quick = f"steps: 100, evaluations: 1, batch_tokens: {tokens}, frozen_layers: {frozen}"
    train = f"train: {{{quick}, seeds: {[*seeds]}}}\n"
    (folder / f"{name}.yaml").write_text(text + train)
    return f"{name}.yaml"


def files(folder: Path, data: Path, rows: int) -> None:
    """train.conll, so many sentences of WNUT-17's, and its dev.conll, in a folder."""
    lines = (data / "train.conll").read_text(encoding="utf-8").split("\n")
    ends = [number for number, line in enumerate(lines) if not line.strip()]
    (folder / "train.conll").write_text("\n".join(lines[: ends[rows - 1] + 1]) + "\n", encoding="utf-8")
    (folder / "dev.conll").write_bytes((data / "dev.conll").read_bytes())


def group(data: Path, rows: int, repeats: int) -> list[dict[str, Any]]:
    """The claim about a group of repeats."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files(folder, data, rows)
        command(folder, "run", recipe(folder, "first", [99], swaps=False), "--no-test")  # the import and the model
        alone = [
            command(folder, "run", recipe(folder, f"alone-{s}", [s], False), "--no-test")[0]
            for s in range(100, 100 + repeats)
        ]
        together, found = command(folder, "run", recipe(folder, "group", range(repeats), swaps=False), "--no-test")
    figures = {"alone": alone, "together": together, "rows": rows, "dev_f1": found["scores"]["dev"]["metrics"]["f1"]}
    _say(f"{repeats} repeats: one launch {together:.1f} s, {repeats} launches {sum(alone):.1f} s")
    return [{"name": "group_over_independent", "value": sum(alone) / together, "unit": "x", "detail": figures}]


def verdict(data: Path, rows: int, repeats: int) -> list[dict[str, Any]]:
    """The claims about a verdict, from nothing but two files to the sentence; and about starting and memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files(folder, data, rows)
        began = time.perf_counter()
        first, second = (
            command(folder, "run", recipe(folder, name, range(repeats), swaps), "--no-test", warm=STAND_BY)[1]
            for name, swaps in (("gold", False), ("swaps", True))
        )
        took = time.perf_counter() - began
        f1 = {key: found["scores"]["dev"]["metrics"]["f1"] for key, found in (("gold", first), ("swaps", second))}
        runs = folder / "workspace" / "runs"
        ids = [run["id"] for found in (first, second) for run in found["runs"]]
        lines = [line for id in ids for line in json_lines(runs / id / "resources-1.jsonl")]
        peak = max((line["memory"] for line in lines), default=0) / 2**30
        losses = [json_lines(runs / id / "metrics-1.jsonl") for id in ids]
        firsts = [next((line["s"] for line in found if line.get("loss") is not None), None) for found in losses]
    _say(f"{2 * repeats} repeats in {took:.0f} s; trainer's peak {peak:.2f} GiB; F1 {f1}")
    figures = {"rows": rows, "repeats": repeats, "dev_f1": f1, "seconds_to_first_loss_in_the_process": firsts}
    return [
        {"name": "seconds_to_verdict", "value": took, "unit": "s", "detail": figures},
        {"name": "trainer_peak", "value": peak, "unit": "GiB", "detail": {}},
    ]


def start(data: Path, rows: int, rounds: int) -> list[dict[str, Any]]:
    """The claims about the first loss, and about predicting."""
    from core.training.train import with_model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files(folder, data, rows)
        found = command(folder, "run", recipe(folder, "first", [99], swaps=False), "--no-test")[1]  # import and model
        cold = [_first_loss(folder, seed) for seed in range(rounds)]
        _first_loss(folder, 50, STAND_BY)
        warm = [_first_loss(folder, 51 + seed, STAND_BY) for seed in range(rounds)]
        workspace, machine = folder / "workspace", Machine.here()
        gear = gear_of({"threads": machine.threads, "precision": machine.precision, "device": machine.device})
        test = read(data / "test.conll", name="test.conll", options=ReadOptions()).corpus
        times: list[float] = []
        for _ in range(rounds):
            began = time.perf_counter()
            with_model(workspace / "runs" / found["runs"][0]["id"] / "model", workspace, test, gear)
            times.append(time.perf_counter() - began)
    waits = f"{statistics.median(warm):.1f} s, cold {statistics.median(cold):.1f} s"
    _say(f"first loss after {waits}; {len(test)} sentences in {statistics.median(times):.1f} s")
    return [
        {"name": "first_loss_warm", "value": statistics.median(warm), "unit": "s", "detail": {"times": warm}},
        {"name": "first_loss_cold", "value": statistics.median(cold), "unit": "s", "detail": {"times": cold}},
        {"name": "predicting", "value": statistics.median(times), "unit": "s", "detail": {"rows": len(test)}},
    ]


def _first_loss(folder: Path, seed: int, warm: int = 0) -> float:
    """Seconds from the command to the first line with a loss, its import and model known."""
    began = time.time()
    found = command(folder, "run", recipe(folder, f"first-{seed}", [seed], swaps=False), "--no-test", warm=warm)[1]
    lines = json_lines(folder / "workspace" / "runs" / found["runs"][0]["id"] / "metrics-1.jsonl")
    return next(line["t"] for line in lines if line.get("loss") is not None) - began


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="loops,group,verdict,start")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    if not os.environ.get("PEIBI_DATA"):
        print("PEIBI_DATA is not set: the folder with wnut17/train.conll", file=sys.stderr)
        return 2
    data, machine = Path(os.environ["PEIBI_DATA"], "wnut17"), Machine.here()
    asked, rows, repeats = args.only.split(","), 60 if args.quick else 300, 2 if args.quick else REPEATS
    claims: list[dict[str, Any]] = []
    if "loops" in asked:
        splits = {
            split: read(data / f"{split}.conll", name=split, options=ReadOptions()).corpus for split in ("train", "dev")
        }
        with tempfile.TemporaryDirectory() as folder:
            model = install(DEFAULT, Path(folder), Path()).folder
            train = splits["train"].take(np.arange(64 if args.quick else 800))
            at = Setting(model, train, splits["dev"], 1 if args.quick else args.epochs, machine)
            claims += loops(at, 1 if args.quick else 5, args.rounds)
    claims += group(data, rows, repeats) if "group" in asked else []
    claims += verdict(data, rows, repeats) if "verdict" in asked else []
    claims += start(data, rows, 1 if args.quick else 3) if "start" in asked else []
    gpu = {"gpu": gpu_name(gpus()[0])} if machine.device == "cuda" else {}
    where = gpu | {"cpu_flags": machine.flags, "threads": machine.threads, "precision": machine.precision}
    if args.json:
        print(json.dumps({"machine": where, "claims": claims}))
    else:
        print(f"{gpu.get('gpu', '')} {machine.threads} threads, {machine.precision}, {machine.flags}".strip())
        for claim in claims:
            print(f"{claim['name']:<24} {claim['value']:8.2f} {claim['unit']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
