"""The command line against its public contract (docs/architecture.md): real processes, a tiny model, tiny steps.

Trainings are what costs time, so tests share them: `Harbour` is one workspace in which each is done once.
"""

import json
import math
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import HARBOUR, ROOT, Done, ended, start

from core import corpus as corpora
from core.recipe import check
from core.yaml_text import parse

SCHEMA = json.loads((ROOT / "docs" / "run-output.schema.json").read_text())
COMMANDS = ("run", "import", "augment", "train", "score", "list", "show", "cancel", "predict", "doctor")
WIKI_ROWS = range(15, 27)
Row = list[tuple[str, str]]


def valid(answer: Any) -> Any:
    jsonschema.Draft202012Validator(SCHEMA).validate(answer)
    return answer


def sample() -> list[Row]:
    """The 60 sentences of the harbour corpus."""
    blocks = HARBOUR.read_text().strip().split("\n\n")
    return [[(token, tag) for token, tag in (line.split("\t") for line in block.split("\n"))] for block in blocks]


def conll(rows: list[Row]) -> str:
    return "".join("".join(f"{token}\t{tag}\n" for token, tag in row) + "\n" for row in rows)


def cut(row: Row) -> Row:
    """Nearly the same sentence: without its first O token."""
    first = next(at for at, (_, tag) in enumerate(row) if tag == "O")
    return row[:first] + row[first + 1 :]


def without(row: Row, label: str) -> Row:
    return [(token, "O" if tag.endswith(label) else tag) for token, tag in row]


def trainers(workspace: Path) -> list[tuple[str, str, int]]:
    """Wait for the workspace to have a process that carries out a run. -> (run id, attempt, pid) of each"""
    end = time.monotonic() + 60
    found: list[tuple[str, str, int]] = []
    while not found and time.monotonic() < end:
        time.sleep(0.01)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().decode().split("\0")
            except (OSError, UnicodeDecodeError):
                continue
            if "core.jobs.trainer" in words and str(workspace) in words:
                at = words.index(str(workspace))
                found.append((words[at + 1], words[at + 2], int(process.name)))
    return found


def in_the_middle(workspace: Path) -> tuple[str, int]:
    """Wait for a training to have done a step. -> (run id, pid of its trainer)"""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for run, attempt, trainer in trainers(workspace):
            metrics = workspace / "runs" / run / f"metrics-{attempt}.jsonl"
            if metrics.exists() and '"loss"' in metrics.read_text():
                return run, trainer
    raise AssertionError("no training began")


@dataclass(frozen=True)
class Harbour:
    """Files, recipes and one workspace.

    train.conll: 60 rows, of which 2 also stand in dev and 1 in test; wiki.conll: rows with PER, LOC, MISC, of which
    1 stands in dev; dev has no EVENT; test has a label ODD that nothing else has.
    """

    folder: Path
    model: Path
    core: Callable[..., Done]

    def recipe(self, name: str, text: str, train: str = "steps: 40, learning_rate: 1e-2, seeds: [0]") -> str:
        settings = f"freeze_word_embeddings: false, evaluations: 2, {train}"
        body = f"version: 1\n{text}\ntrain: {{model: {self.model}, {settings}}}\n"
        (self.folder / f"{name}.yaml").write_text(body)
        return f"{name}.yaml"

    def run(self, recipe: str, *more: str, workspace: str = "ws") -> Done:
        return self.core("run", recipe, "--json", "--workspace", workspace, *more, folder=self.folder)

    def submit(self, name: str, text: str, train: str = "steps: 1000") -> Any:
        """The object of a recipe of which nothing is trained: it is submitted, and its trainer killed at once."""
        done = self.run(self.recipe(name, text, f"{train}, seeds: [5]"), "--detach", workspace="untrained")
        assert done.status == 0, done.stderr
        [(_, _, trainer)] = trainers(self.folder / "untrained")
        os.kill(trainer, signal.SIGKILL)
        return valid(done.json)

    def looks(self, project: str, workspace: str = "ws") -> list[Any]:
        events = self.folder / workspace / "projects" / project / "events.jsonl"
        return [json.loads(line) for line in events.read_text().split("\n") if line] if events.exists() else []


FULL = """data: {train: train.conll, dev: dev.conll, test: test.conll}
ingredients:
  mentions: {augmenter: mention_replacement, copies: 2}
  wiki: {file: wiki.conll, labels: {PER: PER, LOC: LOC, MISC: null}}
  shuffled: {augmenter: swap, of: wiki}
mix:
  parts:
    mentions: 0.5
    wiki: {amount: 10, unit: rows}
    shuffled: 0.1
project: first look"""
GOLD = "data: {train: train.conll, dev: dev.conll}"
ALIENS = """data: {{train: train.conll, dev: stranger.conll}}
ingredients: {{x: {{file: aliens.conll}}}}
mix: {}"""


@pytest.fixture(scope="module")
def harbour(tmp_path_factory, tiny_model, core) -> Harbour:
    folder = tmp_path_factory.mktemp("harbour")
    rows = sample()
    dev = [without(cut(row), "EVENT") for row in rows[:15]] + [*(without(row, "EVENT") for row in rows[57:59])]
    odd = [("Zyx", "B-ODD"), ("sang", "O"), (".", "O")]
    wiki = [*(without(rows[at], "EVENT") for at in WIKI_ROWS), dev[3]]
    (folder / "train.conll").write_text("# harbour\n-DOCSTART-\tO\n\n" + conll(rows))
    (folder / "dev.conll").write_text(conll(dev))
    (folder / "test.conll").write_text(conll([*(cut(row) for row in rows[15:30]), rows[59], odd]))
    (folder / "wiki.conll").write_text(conll(wiki).replace("-ORG", "-MISC"))
    return Harbour(folder, tiny_model, core)


@pytest.fixture(scope="module")
def closed(harbour) -> Done:
    """The full recipe with test left closed."""
    return harbour.run(harbour.recipe("full", FULL, "steps: 40, learning_rate: 1e-2, seeds: [0, 1]"), "--no-test")


@pytest.fixture(scope="module")
def looked(harbour, closed) -> Done:
    """The same with the look at test."""
    return harbour.run("full.yaml")


@pytest.fixture(scope="module")
def undisturbed(harbour) -> Any:
    """Gold only, detached, then waited for."""
    recipe = harbour.recipe("gold", GOLD)
    detached = harbour.run(recipe, "--detach")
    return detached, harbour.run(recipe)


# What is printed


def test_the_object_has_exactly_the_keys_of_the_contract(closed):
    assert closed.status == 0, closed.stderr
    answer = valid(closed.json)
    assert list(answer) == ["version", "corpus", "mix", "runs", "seeds_used", "scores"]
    assert [(run["seed"], run["state"], run["reused"]) for run in answer["runs"]] == [
        (0, "succeeded", False),
        (1, "succeeded", False),
    ]
    assert answer["seeds_used"] == 2
    assert closed.complaints == []


def test_no_key_may_be_missing_or_new(closed):
    """The schema is as strict as the contract: it refuses the object with any key renamed."""

    def broken(value: Any) -> Any:
        for key in value if isinstance(value, dict) else ():
            yield {("x" + k if k == key else k): v for k, v in value.items()}
            for inner in broken(value[key]):
                yield value | {key: inner}

    named_by_the_user = ("EVENT", "LOC", "ORG", "PER", "mentions", "wiki", "shuffled")
    validator = jsonschema.Draft202012Validator(SCHEMA)
    answer = closed.json
    answer["corpus"]["issues"], answer["runs"] = answer["corpus"]["issues"][:1], answer["runs"][:1]
    tried = [one for one in broken(answer) if not any(f'"x{name}"' in json.dumps(one) for name in named_by_the_user)]
    assert len(tried) > 60
    assert [one for one in tried if validator.is_valid(one)] == []


def test_rows_and_issues(closed):
    corpus = closed.json["corpus"]
    assert {role: corpus[role] for role in ("train", "dev", "test")} == {"train": 57, "dev": 17, "test": 17}
    assert set(corpus["ingredients"]) == {"mentions", "wiki", "shuffled"}
    assert corpus["ingredients"]["wiki"] == len(WIKI_ROWS)
    dropped = [issue for issue in corpus["issues"] if issue["action"] == "dropped"]
    assert {issue["code"] for issue in dropped} == {"leak_exact"}
    assert [issue["file"] for issue in dropped].count("train.conll") == 3
    assert [issue["file"] for issue in dropped].count("wiki.conll") == 1
    lines = HARBOUR.read_text().split("\n")
    first = sum(len(row) + 1 for row in sample()[:59]) + 1
    assert lines[first - 1].split("\t")[0] == sample()[59][0][0]
    assert first + 3 in [issue["row"] for issue in dropped]  # three lines stand above the first row
    kept = {issue["code"] for issue in corpus["issues"] if issue["action"] == "kept"}
    assert {"leak_near", "mention_overlap", "label_only_in_test"} <= kept
    assert not any(re.search(r"[{}]", issue["message"]) for issue in corpus["issues"])


def test_the_mix(closed):
    mix = closed.json["mix"]
    assert mix["requested"] == {
        "gold": {"amount": 1.0, "unit": "times_gold"},
        "mentions": {"amount": 0.5, "unit": "times_gold"},
        "wiki": {"amount": 10, "unit": "rows"},
        "shuffled": {"amount": 0.1, "unit": "times_gold"},
    }
    rows = {name: part["rows"] for name, part in mix["realised"].items()}
    assert rows == {"gold": 57, "mentions": 29, "wiki": 10, "shuffled": 6}  # 57 x .5 = 28.5, 57 x .1 = 5.7
    assert math.isclose(sum(part["share"] for part in mix["realised"].values()), 1)
    assert mix["realised"]["mentions"]["pool_rows"] == closed.json["corpus"]["ingredients"]["mentions"]
    assert mix["steps"] == 40


def test_labels_that_a_source_does_not_know_are_masked(harbour, closed):
    """`wiki` maps to PER and LOC: the other labels make its O tokens and its children's unknown, null those of MISC."""
    folder = harbour.folder / "ws"
    spec = json.loads((folder / "runs" / closed.json["runs"][0]["id"] / "spec.json").read_text())
    assert spec["params"]["mask_outside"] == ["shuffled", "wiki"]
    assert spec["params"]["labels"] == ["EVENT", "LOC", "ORG", "PER"]
    pool = corpora.read(folder / "corpora" / f"{spec['inputs']['pool:wiki'].removeprefix('corpus:')}.arrow")
    rows = [without(row, "EVENT") for row in sample()[WIKI_ROWS.start : WIKI_ROWS.stop]]
    expected = [[None if tag.endswith("-ORG") else tag for _, tag in row] for row in rows]
    assert pool.table.column("tags").to_pylist() == expected
    children = corpora.read(folder / "corpora" / f"{spec['inputs']['pool:shuffled'].removeprefix('corpus:')}.arrow")
    assert set(children.table.column("origin").to_pylist()) <= set(pool.table.column("id").to_pylist())


# Test split, reuse


def test_no_test_leaves_it_closed(closed):
    assert closed.json["scores"]["test"] is None
    assert [run["predictions"]["test"] for run in closed.json["runs"]] == [None, None]
    assert closed.json["corpus"]["test"] == 17


def test_a_look_is_recorded_and_nothing_is_trained_again(harbour, closed, looked):
    assert looked.status == 0, looked.stderr
    answer = valid(looked.json)
    assert [run["reused"] for run in answer["runs"]] == [True, True]
    assert [run["id"] for run in answer["runs"]] == [run["id"] for run in closed.json["runs"]]
    assert answer["scores"]["dev"] == closed.json["scores"]["dev"]
    assert answer["scores"]["test"]["support"] > 0
    [look] = harbour.looks("first-look")
    assert look["event"] == "look"
    assert look["runs"] == [run["id"] for run in answer["runs"]]


def test_the_same_again_starts_nothing_and_is_the_same(harbour, looked):
    files = sorted((harbour.folder / "ws" / "runs").glob("*/events.jsonl"))
    before = [path.read_text() for path in files]
    again = harbour.run("full.yaml")
    assert again.json == looked.json
    assert sorted((harbour.folder / "ws" / "runs").glob("*/events.jsonl")) == files
    assert [path.read_text() for path in files] == before
    assert len(harbour.looks("first-look")) == 2


def test_looking_is_what_is_recorded(harbour, looked):
    before = len(harbour.looks("first-look"))
    assert harbour.run("full.yaml", "--no-test").json["scores"]["test"] is None
    assert len(harbour.looks("first-look")) == before


def test_parts_in_another_order_are_the_same_runs(harbour, looked):
    other = FULL.replace("    mentions: 0.5\n", "").replace("shuffled: 0.1", "shuffled: 0.1\n    mentions: 0.5")
    assert other != FULL
    swapped = harbour.run(
        harbour.recipe("swapped", other, "steps: 40, learning_rate: 1e-2, seeds: [1, 0]"), "--no-test"
    )
    assert [run["id"] for run in swapped.json["runs"]] == [run["id"] for run in looked.json["runs"]][::-1]
    assert all(run["reused"] for run in swapped.json["runs"])
    spec = json.loads((harbour.folder / "ws" / "runs" / looked.json["runs"][0]["id"] / "spec.json").read_text())
    assert list(spec["params"]["mix"]["parts"]) == ["gold", "mentions", "shuffled", "wiki"]  # the id is blind to order


def test_detached_then_waited_for(undisturbed):
    detached, waited = undisturbed
    assert detached.status == 0, detached.stderr
    answer = valid(detached.json)
    assert answer["scores"] is None
    assert [run["predictions"] for run in answer["runs"]] == [{"dev": None, "test": None}]
    assert {run["state"] for run in answer["runs"]} <= {"queued", "running"}
    assert waited.status == 0, waited.stderr
    assert [(run["id"], run["reused"]) for run in valid(waited.json)["runs"]] == [(answer["runs"][0]["id"], True)]
    assert waited.json["scores"]["dev"]["metrics"]["f1"]["sd"] is None  # one seed


def test_without_a_test_split_there_is_nothing_to_look_at(harbour, undisturbed):
    _, waited = undisturbed
    assert waited.json["corpus"]["test"] is None
    assert waited.json["scores"]["test"] is None
    assert harbour.looks("gold") == []


@pytest.mark.whole
def test_fresh_is_a_replicate(harbour, undisturbed):
    _, before = undisturbed
    fresh = harbour.run("gold.yaml", "--fresh", "--no-test")
    assert fresh.status == 0, fresh.stderr
    [run] = valid(fresh.json)["runs"]
    assert not run["reused"]
    assert run["id"] != before.json["runs"][0]["id"]
    assert fresh.json["scores"] == before.json["scores"]  # the same spec gives the same bits


# Scores


def columns(path: str) -> list[list[list[str]]]:
    """The rows of a predictions file, each as its three columns."""
    blocks = Path(path).read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    return [
        [list(column) for column in zip(*(line.split("\t") for line in b.split("\n")), strict=True)] for b in blocks
    ]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_predictions_give_the_printed_scores(harbour, looked, split):
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    answer = looked.json
    reports = []
    for run in answer["runs"]:
        path = run["predictions"][split]
        assert Path(path).is_absolute()
        rows = columns(path)
        assert (
            conll([list(zip(tokens, gold, strict=True)) for tokens, gold, _ in rows])
            == (harbour.folder / f"{split}.conll").read_text()
        )
        gold, predicted = [row[1] for row in rows], [row[2] for row in rows]
        reports.append(
            classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
        )
    scores = answer["scores"][split]
    assert scores["metrics"]["f1"]["mean"] > 0.05  # something was learned: the comparison is not one of zeros

    def mean(row: str, metric: str) -> float:
        return sum(report[row][metric] for report in reports) / len(reports)

    for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert math.isclose(scores["metrics"][ours]["mean"], mean("micro avg", theirs), rel_tol=1e-12)
        assert math.isclose(scores["metrics"]["macro_" + ours]["mean"], mean("macro avg", theirs), rel_tol=1e-12)
        assert scores["overall"][ours] == scores["metrics"][ours]["mean"]
        for label, found in scores["per_label"].items():
            if found["support"]:
                assert math.isclose(found[ours], mean(label, theirs), rel_tol=1e-12, abs_tol=1e-15)
    seeds = [report["micro avg"]["f1-score"] for report in reports]
    assert math.isclose(scores["metrics"]["f1"]["sd"], abs(seeds[0] - seeds[1]) / math.sqrt(2), rel_tol=1e-9)
    for metric in scores["metrics"].values():
        assert 0 <= metric["interval"][0] <= metric["interval"][1] <= 1
    assert scores["support"] == scores["overall"]["support"] == sum(s["support"] for s in scores["per_label"].values())


def test_a_label_without_support_and_one_that_is_never_predicted(looked):
    event = looked.json["scores"]["dev"]["per_label"]["EVENT"]
    nothing = dict.fromkeys(("precision", "recall", "f1"))
    assert event == nothing | {"support": 0, "interval": nothing}
    odd = looked.json["scores"]["test"]["per_label"]["ODD"]
    assert {name: odd[name] for name in ("precision", "recall", "f1", "support")} == {
        "precision": 0,
        "recall": 0,
        "f1": 0,
        "support": 1,
    }


def test_score_gives_the_same_from_a_predictions_file(harbour, undisturbed, core):
    _, waited = undisturbed
    path = waited.json["runs"][0]["predictions"]["dev"]
    scored = core("score", path, "--json", "--workspace", "ws", folder=harbour.folder)
    assert scored.status == 0, scored.stderr
    mine, theirs = scored.json["scores"], waited.json["scores"]["dev"]
    assert mine["metrics"]["f1"]["mean"] == theirs["metrics"]["f1"]["mean"]


def test_the_table_for_people(harbour, looked, core):
    done = core("run", "full.yaml", "--workspace", "ws", folder=harbour.folder)
    assert done.status == 0, done.stderr
    for word in ("precision", "recall", "F1", "PER", "ODD", "40", "reused", "wiki"):
        assert word in done.stdout
    f1 = looked.json["scores"]["test"]["per_label"]["PER"]["f1"]
    assert f"{f1:.3f}" in done.stdout
    chinese = core("run", "full.yaml", "--workspace", "ws", "--lang", "zh_CN", "--no-test", folder=harbour.folder)
    assert re.search("[一-鿿]", chinese.stdout)


# Data and mixes, without training


def test_a_dev_split_is_made_where_there_is_none_and_epochs_become_steps(harbour):
    answer = harbour.submit("nodev", "data: {train: train.conll}", "epochs: 0.5, batch_tokens: 64")
    assert answer["corpus"]["test"] is None
    assert (answer["corpus"]["train"], answer["corpus"]["dev"]) == (54, 6)
    [issue] = [issue for issue in answer["corpus"]["issues"] if issue["code"] == "dev_split"]
    assert (issue["file"], issue["row"], issue["action"]) == ("train.conll", None, "kept")
    whole = sum(len(row) + 2 for row in sample()) / 64  # batches, if they were full
    assert 0.4 * whole <= answer["mix"]["steps"] <= whole


def test_one_file_and_a_split_and_shares(harbour):
    text = """data: {file: train.conll, split: {dev: .1, test: .2, seed: 3}}
ingredients: {m: {augmenter: mention_replacement}}
mix: {unit: share, size: 61, parts: {m: .5, gold: .5}}"""
    answer = harbour.submit("split", text)
    assert [answer["corpus"][role] for role in ("train", "dev", "test")] == [42, 6, 12]
    assert answer["mix"]["requested"]["m"] == {"amount": 0.5, "unit": "share"}
    assert {name: part["rows"] for name, part in answer["mix"]["realised"].items()} == {"m": 31, "gold": 30}


def test_a_mix_that_is_short_is_shrunk_and_gold_is_in(harbour):
    (harbour.folder / "stranger.conll").write_bytes(BAD_FILES["stranger.conll"])
    (harbour.folder / "aliens.conll").write_text("they\tO\nlove\tO\nalien\tB-ALIEN\nfood\tO\n\n")
    answer = harbour.submit("aliens", ALIENS.format("{parts: {x: 1}}"))
    assert answer["mix"]["realised"]["gold"]["rows"] == answer["corpus"]["train"] == 60
    assert answer["mix"]["realised"]["x"] == {
        "rows": 4,
        "share": 4 / 64,
        "times_gold": 4 / 60,
        "pool_rows": 1,
        "max_repeat": 4,
    }


# Bad input: exit status 2, one line, an error object

BAD_FILES = {
    "empty.conll": b"",
    "binary.conll": bytes(range(256)) * 20,
    "picture.conll": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0" * 9,
    "nothing.conll": b"# only a comment\n\n-DOCSTART- O\n\n",
    "ragged.conll": b"a O\nb\n\nc O x y\nd O\n\ne O\n\nf\ng O\n\n",
    "latin.conll": b"ok O\ncaf\xe9 O\n\n",
    "stranger.conll": b"ok\tO\n\nan\tO\nalien\tB-ALIEN\n\n",
}
BAD_DATA = [  # the training file, the place that must be named, the code
    ("empty.conll", "empty.conll", "empty_file"),
    ("binary.conll", "binary.conll:1", "binary_file"),
    ("picture.conll", "picture.conll", "wrong_type"),
    ("nothing.conll", "nothing.conll", "no_usable_rows"),
    ("ragged.conll", "ragged.conll:2", "mostly_ragged"),
    ("latin.conll", "latin.conll:2", "bad_encoding"),
    ("absent.conll", "absent.conll", "file_missing"),
    (".", ".", "file_is_folder"),
]
BAD_RECIPES = [  # the recipe without version and train, the line that must be named, the code
    (f"{GOLD}\nmix: {{short: error, parts: {{gold: 5}}}}", 3, "mix_short"),
    (f"{GOLD}\nmix:\n  parts:\n    gold: 0", 4, "mix_empty"),
    (f"{GOLD}\nmixx: {{}}", 3, "unknown_key"),
    (f"{GOLD}\nmix:\n  parts: {{gold: 1}}\n  shart: error", 5, "unknown_key"),
    (f"{GOLD}\nmix:\n  unit: share\n  size: 90\n  parts: {{gold: 0.5}}", 6, "shares_sum"),
    (f"{GOLD}\nmix: {{unit: share, parts: {{gold: 1}}}}", 3, "size_missing"),
    (f"{GOLD}\nmix: {{parts: {{gold: 1}}}}\nmix: {{}}", 4, "yaml_duplicate"),
    ("data:\n  train: train.conll\n  dev: corpus:nowhere", 4, "corpus_unknown"),
    (f"{GOLD}\ningredients:\n  x: {{file: wiki.conll, labels: {{PER: PERR, LOC: LOC, MISC: null}}}}", 4, "unknown_key"),
]
BAD_MODELS = [  # what is wrong with the folder, the code
    ("no weights", "model_no_weights"),
    ("pickle", "model_pickle"),
    ("code", "model_code"),
    ("no-such-organisation/no-such-model", "hub_unreachable"),
]


def one_complaint(done: Done, place: str, code: str) -> None:
    """Exit status 2, one line beside progress that begins with the place, and the error object."""
    assert done.status == 2, done.stderr
    assert len(done.complaints) == 1, done.stderr
    assert done.complaints[0].startswith(place), done.complaints
    error = valid(done.json)["error"]
    assert error["code"] == code
    assert error["message"].rstrip(".") in done.complaints[0]
    assert not re.search(r"[{}]", error["message"] + error["hint"])


@pytest.mark.parametrize(("file", "place", "code"), BAD_DATA, ids=[row[0] for row in BAD_DATA])
def test_bad_files(harbour, file, place, code):
    if file in BAD_FILES:
        (harbour.folder / file).write_bytes(BAD_FILES[file])
    done = harbour.run(harbour.recipe("bad", f"data: {{train: {file}, dev: dev.conll}}"), workspace="untrained")
    one_complaint(done, place + ":", code)


def test_an_unknown_dev_label(harbour):
    (harbour.folder / "stranger.conll").write_bytes(BAD_FILES["stranger.conll"])
    data = "data: {train: train.conll, dev: stranger.conll}"
    done = harbour.run(harbour.recipe("stranger", data), workspace="untrained")
    one_complaint(done, "stranger.conll:3: ", "dev_label_unknown")
    assert "ALIEN" in done.stderr


def test_an_ingredient_that_is_not_in_the_mix_teaches_no_label(harbour):
    (harbour.folder / "stranger.conll").write_bytes(BAD_FILES["stranger.conll"])
    (harbour.folder / "aliens.conll").write_text("they\tO\nlove\tO\nalien\tB-ALIEN\nfood\tO\n\n")
    done = harbour.run(harbour.recipe("unused", ALIENS.format("{parts: {x: 0}}")), workspace="untrained")
    one_complaint(done, "stranger.conll:3: ", "dev_label_unknown")


@pytest.mark.parametrize(("text", "line", "code"), BAD_RECIPES, ids=[f"{row[2]}-{row[1]}" for row in BAD_RECIPES])
def test_bad_recipes(harbour, text, line, code):
    one_complaint(harbour.run(harbour.recipe("bad", text), workspace="untrained"), f"bad.yaml:{line}: ", code)


@pytest.mark.parametrize(("what", "code"), BAD_MODELS, ids=[row[0] for row in BAD_MODELS])
def test_bad_models(harbour, tmp_path, what, code):
    model: str | Path = what
    if "/" not in what:
        model = tmp_path
        for path in harbour.model.iterdir():
            if what != "no weights" or path.suffix != ".safetensors":
                (tmp_path / path.name).write_bytes(path.read_bytes())
        if what == "pickle":
            (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04K\x01.")
        if what == "code":
            config = json.loads((tmp_path / "config.json").read_text())
            (tmp_path / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    (harbour.folder / "bad.yaml").write_text(f"version: 1\n{GOLD}\ntrain:\n  seeds: [0]\n  model: {model}\n")
    done = harbour.run("bad.yaml", workspace="untrained")
    one_complaint(done, "bad.yaml:5: ", code)
    assert str(model) in done.stderr


def test_no_recipe(harbour):
    one_complaint(harbour.run("none.yaml"), "none.yaml: ", "file_missing")
    (harbour.folder / "noise.yaml").write_bytes(b"\xff\xfe\0\0")
    one_complaint(harbour.run("noise.yaml"), "noise.yaml: ", "recipe_not_text")


@pytest.mark.parametrize("workspace", ["train.conll/below", "train.conll", "locked"])
def test_a_workspace_that_cannot_be(harbour, workspace):
    if workspace == "locked":
        if os.geteuid() == 0:  # to whom no folder is locked
            workspace = "/proc/peibi"
        else:
            (harbour.folder / "locked").mkdir(mode=0o500)
    harbour.recipe("gold", GOLD)
    done = harbour.run("gold.yaml", workspace=workspace)
    one_complaint(done, "", "workspace_unusable")
    assert workspace in done.complaints[0]


def test_a_wrong_command_line_is_told_like_any_error(core, tmp_path):
    for arguments in (("run", "--json"), ("list", "--state", "asleep", "--json"), ("sing", "--json")):
        done = core(*arguments, folder=tmp_path)
        one_complaint(done, "python -m core", "usage")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(core, tmp_path, command):
    done = core(*([command] if command else []), "--help", folder=tmp_path)
    assert (done.status, done.stderr) == (0, "")
    assert "usage: python -m core" in done.stdout


# Ends that are no success: exit status 1 and 130, and the same command afterwards


def waits(process: subprocess.Popen[str]) -> None:
    """Until a command has said that its training runs."""
    assert process.stderr is not None
    assert any(re.fullmatch("train [0-9a-f]{16}: running\n", line) for line in process.stderr)


def test_ctrl_c_cancels_and_after_a_kill_it_goes_on_as_if_undisturbed(harbour, undisturbed, whole):
    """One recipe in a workspace of its own, ended in two ways; at last it comes to what nobody disturbed."""
    _, other = undisturbed
    workspace = harbour.folder / "disturbed"
    run = ["run", "gold.yaml", "--json", "--workspace", workspace]
    mine = start(run, harbour.folder)
    run_id, trainer = in_the_middle(workspace)
    os.kill(trainer, signal.SIGSTOP)  # so that it can't be done before it is disturbed
    yours = start(run, harbour.folder)
    waits(yours)
    queued_is_cancelled_at_once(harbour, workspace)
    os.kill(mine.pid, signal.SIGINT)
    end = time.monotonic() + 60
    while not list((workspace / "runs" / run_id).glob("cancel-*")) and time.monotonic() < end:
        time.sleep(0.05)  # the trainer goes on once it was asked to stop, or it might be done before
    os.kill(trainer, signal.SIGCONT)
    ctrl_c, watched = ended(mine), ended(yours)
    assert ctrl_c.status == 130
    assert "Traceback" not in ctrl_c.stderr
    assert valid(ctrl_c.json)["error"]["code"] == "interrupted"
    assert watched.status == 1
    assert [(r["id"], r["state"]) for r in valid(watched.json)["runs"]] == [(run_id, "cancelled")]
    assert watched.json["scores"] is None
    if not whole:  # test_kill kills one, too
        return

    end = time.monotonic() + 60
    while list(trainers(workspace)) and time.monotonic() < end:
        time.sleep(0.05)  # the one that was cancelled is on its way home
    again = start(run, harbour.folder)
    os.kill(in_the_middle(workspace)[1], signal.SIGKILL)
    killed = ended(again)
    assert killed.status == 0, killed.stderr  # it went on by itself while the command waited
    assert valid(killed.json)["scores"] == other.json["scores"]
    assert killed.json["runs"][0]["id"] == run_id == other.json["runs"][0]["id"]
    assert [(r["state"], r["reused"]) for r in killed.json["runs"]] == [("succeeded", False)]
    events = [json.loads(line) for line in (workspace / "runs" / run_id / "events.jsonl").read_text().splitlines()]
    assert [event["to"] for event in events[-5:]] == ["running", "interrupted", "queued", "running", "succeeded"]


def queued_is_cancelled_at_once(harbour: Harbour, workspace: Path) -> None:
    """`cancel` by the beginning of an id, of a training that waits for another one."""
    recipe = harbour.recipe("queued", GOLD, "steps: 40, learning_rate: 1e-2, seeds: [7]")
    [waiting] = harbour.run(recipe, "--detach", workspace=str(workspace)).json["runs"]
    assert waiting["state"] == "queued"
    done = harbour.core("cancel", waiting["id"][:7], "--json", "--workspace", workspace, folder=harbour.folder)
    assert (done.status, done.json["runs"]) == (0, {waiting["id"]: "cancelled"})


# The documents


def test_the_example_of_the_documentation_is_a_recipe(tmp_path):
    text = (ROOT / "docs" / "recipe.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    recipe = check(parse(example, "recipe.yaml").data, tmp_path, "recipe.yaml")
    assert recipe.project == "demo"
    assert recipe.train.learning_rate == 2e-4
