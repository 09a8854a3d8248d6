"""Changed copies of a corpus, what runs lose on them by hand, and the run that tries it on trained models."""

import json
import time
from collections import Counter
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from core import corpus as corpora
from core import project as projects
from core import robustness
from core.archive.contents import contents
from core.augment.copies import Copy, with_other_mentions, with_slips
from core.care.links import Known, belongings
from core.commands.answer import Setting
from core.commands.arguments import parser
from core.commands.trust import trust
from core.corpus import Corpus
from core.errors import CoreError
from core.evaluation.scoring import score
from core.evaluation.shift import shifts
from core.formats import ReadOptions, read
from core.formats.importing import Source
from core.groups import Group, counts_of, groups
from core.jobs.folder import Run, last_metrics, read_json, write_json
from core.jobs.run import Exit
from core.jobs.trainer import Context
from core.launch import launch, look_at_test, plan_launch, standing, start_import
from core.mix import Mix, Part
from core.params import canonical
from core.project import Project
from core.robustness import NOISE, SWAP, RobustnessParams, robustness_of
from core.runs import KINDS, Cancelled, RunSpec
from core.scores import Counts
from core.tasks import task
from core.tasks.tagging import spans
from core.training.predictions import file_of
from core.workspace import Workspace
from tests.conftest import HARBOUR
from tests.trust_page import opened, said

TAGGING = task("tagging")

COPIES = [f"{NOISE}0.05", f"{NOISE}0.1", f"{NOISE}0.2", SWAP]


@pytest.fixture(scope="module")
def harbour() -> Corpus:
    return read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus


def with_text(data: Corpus) -> Corpus:
    """The corpus with running text: its tokens with a space between."""
    lines = data.table.to_pylist()
    for line in lines:
        ends = np.cumsum([len(word) + 1 for word in line["tokens"]]) - 1
        starts = (ends - [len(word) for word in line["tokens"]]).tolist()
        line |= {"text": " ".join(line["tokens"]), "starts": starts, "ends": ends.tolist()}
    return Corpus(data.schema, pa.Table.from_pylist(lines, schema=data.table.schema))


def tokens(data: Corpus) -> list[list[str]]:
    return data.table.column("tokens").to_pylist()


def rows_of(data: Corpus, *names: str) -> list[tuple[object, ...]]:
    return list(zip(*(data.table.column(name).to_pylist() for name in names), strict=True))


def slipped(data: Corpus, copy: Copy) -> list[tuple[str, str]]:
    """(before, after) of every word that differs."""
    both = zip(tokens(data), tokens(copy.corpus), strict=True)
    return [(a, b) for before, after in both for a, b in zip(before, after, strict=True) if a != b]


def test_a_slip_is_one_neighbouring_letter_in_a_word_of_four(harbour, tmp_path):
    [copy] = with_slips(harbour, [0.3], 0, tmp_path)
    changed = slipped(harbour, copy)
    assert len(changed) > 50
    for before, after in changed:
        assert len(before) == len(after) >= 4 and after.isalnum() == before.isalnum()
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    assert rows_of(copy.corpus, "tags", "origin") == rows_of(harbour, "tags", "origin")
    assert copy.words == pytest.approx(len(changed) / sum(map(len, tokens(harbour))))


def test_the_share_of_slips_is_the_one_asked_for_even_in_short_sentences(harbour, tmp_path):
    """Chance may leave a row as it is: forcing one word a row would make 5 % several times as much."""
    able = [word for row in tokens(harbour) for word in row if len(word) >= 4 and word.isalnum()]
    rates = [0.02, 0.05, 0.2, 1.0]
    found = [
        len(slipped(harbour, copy)) / len(able)
        for seed in range(5)
        for copy in with_slips(harbour, rates, seed, tmp_path)
    ]
    means = np.array(found).reshape(5, 4).mean(0)
    assert means[:3] == pytest.approx(rates[:3], abs=0.02)
    assert means[3] > 0.99


def test_more_noise_holds_all_of_less(harbour, tmp_path):
    copies = with_slips(harbour, [0.05, 0.1, 0.2], 0, tmp_path)
    places = [
        {(row, at, word) for row, words in enumerate(tokens(copy.corpus)) for at, word in enumerate(words)}
        - {(row, at, word) for row, words in enumerate(tokens(harbour)) for at, word in enumerate(words)}
        for copy in copies
    ]
    assert all(less < more for less, more in pairwise(places))


def test_the_same_seed_makes_the_same_copies(harbour, tmp_path):
    first, again, other = (
        [
            with_slips(harbour, [0.1], seed, tmp_path)[0].corpus.id,
            with_other_mentions(harbour, seed, tmp_path).corpus.id,
        ]
        for seed in (0, 0, 1)
    )
    assert first == again and not {*first} & {*other}


def test_a_copy_keeps_row_against_row(harbour, tmp_path):
    """Changed rows are new ones with a parent; the others are the same rows. Text and tokens agree in both."""
    harbour = with_text(harbour)
    for copy in (with_slips(harbour, [0.05], 0, tmp_path)[0], with_other_mentions(harbour, 0, tmp_path)):
        assert len(copy.corpus) == len(harbour)
        pairs = zip(rows_of(harbour, "id", "tokens"), rows_of(copy.corpus, "id", "tokens", "parent"), strict=True)
        same = 0
        for (id, before), (mine, after, parent) in pairs:
            assert (mine == id and parent is None) if before == after else (mine != id and parent == id)
            same += before == after
        assert same == sum(copy.unchanged.values()) and 0 < same < len(harbour)
        for text, starts, ends, words in rows_of(copy.corpus, "text", "starts", "ends", "tokens"):
            assert [text[start:end] for start, end in zip(starts, ends, strict=True)] == words


def test_every_mention_becomes_another_of_its_label(harbour, tmp_path):
    copy = with_other_mentions(harbour, 0, tmp_path)
    known = Counter(
        (s.label, row.tokens[s.start : s.end]) for row in TAGGING.examples(harbour.table) for s in spans(row.tags)
    )
    surfaces = Counter(label for label, _ in known)
    for before, after in zip(TAGGING.examples(harbour.table), TAGGING.examples(copy.corpus.table), strict=True):
        was, now = ([(s.label, row.tokens[s.start : s.end]) for s in spans(row.tags)] for row in (before, after))
        assert [label for label, _ in was] == [label for label, _ in now]
        assert all((a != b) == (surfaces[a[0]] > 1) and b in known for a, b in zip(was, now, strict=True))
        assert before.tokens == after.tokens or was
    assert set(copy.unchanged) <= {"no_mentions", "no_other_mention"} and copy.unchanged["no_mentions"] > 0


def test_words_that_are_not_known_stay(tmp_path, harbour):
    """A masked word is neither mistyped nor part of a mention."""
    table = harbour.table.slice(0, 20)
    tags = [[None if tag == "O" else tag for tag in row] for row in table.column("tags").to_pylist()]
    at = table.schema.get_field_index("tags")
    masked = Corpus(harbour.schema, table.set_column(at, table.schema.field(at), [tags]))
    for copy in (with_slips(masked, [1.0], 0, tmp_path)[0], with_other_mentions(masked, 0, tmp_path)):
        for before, after in zip(TAGGING.examples(masked.table), TAGGING.examples(copy.corpus.table), strict=True):
            kept = [
                [word for word, tag in zip(row.tokens, row.tags, strict=True) if tag is None] for row in (before, after)
            ]
            assert kept[0] == kept[1]


def test_without_a_keyboard_there_is_no_noise(harbour, tmp_path):
    chinese = Corpus(replace(harbour.schema, language="zh"), harbour.table)
    with pytest.raises(CoreError) as caught:
        with_slips(chinese, [0.1], 0, tmp_path)
    assert caught.value.code == "no_keyboard"
    assert len(with_other_mentions(chinese, 0, tmp_path).corpus) == len(chinese)


# What is lost


def counts(tp: object, pred: object, gold: object) -> Counts:
    return Counts(("LOC", "PER"), *(np.array(part, dtype=np.int32) for part in (tp, pred, gold)))


GOLD = [[1, 0], [0, 1], [1, 1], [0, 0]] * 10
HALF = [[1, 0], [0, 0], [0, 1], [0, 0]] * 10


def test_losses_are_means_over_runs_of_each_label():
    whole, half = counts(GOLD, GOLD, GOLD), counts(HALF, GOLD, GOLD)
    found = shifts([whole, half], {"a": [half, half], "b": [whole, half]}, draws=100)
    assert [(one.copy, one.label, one.support) for one in found] == [
        *(("a", "", 40), ("a", "LOC", 20), ("a", "PER", 20)),
        *(("b", "", 40), ("b", "LOC", 20), ("b", "PER", 20)),
    ]
    assert (found[0].clean["recall"], found[0].changed["recall"]) == (0.75, 0.5)
    assert found[0].difference["recall"].value == pytest.approx(-0.25)
    low, high = found[0].difference["recall"].interval
    assert -0.65 < low < -0.4 and high == 0  # at times the first run alone is drawn, at times the second


def test_the_same_runs_and_rows_are_drawn_on_both_sides():
    """However much runs differ from each other, what did not change is no loss."""
    runs = [counts(GOLD, GOLD, GOLD), counts(HALF, GOLD, GOLD)]
    for one in shifts(runs, {"same": runs}, draws=50):
        assert all(lost.value == 0 and lost.interval == (0, 0) for lost in one.difference.values())


def test_intervals_equal_brute_force():
    gold = [[1, 0], [1, 1], [0, 2], [0, 1]]
    clean = [counts([[1, 0], [0, 1], [0, 1], [0, 1]], [[1, 1], [1, 1], [0, 2], [0, 1]], gold) for _ in range(2)]
    noisy = [
        counts([[0, 0], [1, 0], [0, 1], [0, 0]], [[1, 0], [1, 0], [1, 1], [0, 0]], gold),
        counts([[1, 0], [0, 1], [0, 0], [0, 1]], [[1, 1], [0, 1], [0, 0], [0, 1]], gold),
    ]
    [whole, _, second] = shifts(clean, {"a": noisy}, draws=200, seed=3)
    rng = np.random.default_rng(3)
    rows, runs = rng.integers(0, 4, size=(200, 4)), rng.integers(0, 2, size=(200, 2))

    def recall(one: Counts, picked: np.ndarray, columns: list[int]) -> float:
        tp, pos = one.tp[picked][:, columns].sum(), one.gold[picked][:, columns].sum()
        return tp / pos if pos else np.nan

    for found, columns in ((whole, [0, 1]), (second, [1])):
        drawn = [
            np.mean([recall(noisy[run], row, columns) - recall(clean[run], row, columns) for run in picked])
            for row, picked in zip(rows, runs, strict=True)
        ]
        low, high = np.nanpercentile(drawn, (2.5, 97.5))
        assert found.difference["recall"].interval == (pytest.approx(low), pytest.approx(high))


def test_copies_of_other_gold_or_other_runs_are_refused():
    whole, other = counts(GOLD, GOLD, GOLD), counts(HALF, GOLD, HALF)
    for copies in ({"a": [other]}, {"a": [whole, whole]}):
        with pytest.raises(ValueError, match="same runs"):
            shifts([whole], copies)


# The run


def carry_out(space: Workspace) -> list[Run]:
    """Carry out all that waits, in this process: a process of its own for each would load torch anew. -> the runs"""
    waiting = [run.id for run in space.store.pending()][::-1]
    for id in waiting:
        assert space.store.claim(id)
        folder = space.run_folder(id)
        spec = RunSpec.from_json(read_json(folder / "spec.json"))
        module, name = KINDS[spec.kind].function.split(":")
        getattr(import_module(module), name)(Context(space.root, folder, spec, read_json(folder / "resolved.json"), 1))
        assert space.store.end(id, Exit(1, "succeeded", time.time()))
    return [space.store.get(id) for id in waiting]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> tuple[Workspace, Project]:
    """A project with two mixes, of two repeats and of one."""
    space = Workspace.open(tmp_path_factory.mktemp("robust") / "ws")
    write_json(space.root / "slots.json", {"train": 0, "light": 0})  # what is submitted waits
    sentences = HARBOUR.read_text(encoding="utf-8").strip().split("\n\n")
    known = [f"{sentence}\ntoday\tO" for sentence in sentences[:24]]  # nearly what it learns, so that it finds some
    parts = {"train": sentences[:36], "dev": known[:12], "test": known[12:]}
    for role, part in parts.items():
        (space.root / f"{role}.conll").write_text("\n\n".join(part) + "\n", encoding="utf-8")
    inputs = {role: f"file:{space.add_file(space.root / f'{role}.conll', role)}" for role in parts}
    sources = {role: canonical(Source(f"{role}.conll")) for role in parts}
    space.name_corpus("harbour", {"sources": sources, "inputs": inputs})
    project = projects.create(space, "harbour", "corpus:harbour")
    settings = {"steps": 40, "learning_rate": 1e-2, "evaluations": 1, "freeze_word_embeddings": False}
    train = replace(project.recipe.train, model=str(tiny_model), batch_tokens=256, **settings)
    project = projects.edit(
        space, project.slug, lambda p: replace(p, recipe=replace(p.recipe, train=train)), {"event": "settings"}
    )
    start_import(space, project)
    carry_out(space)
    stage = standing(space, project).stage
    assert stage is not None
    half = Mix(parts={"gold": Part(0.5, "times_gold")})
    for name, mix, seeds in (("gold only", Mix(), [0, 1]), ("half", half, [0])):
        launch(space, project, stage, plan_launch(space, project, stage, {name: mix}, seeds))
    assert [run.kind for run in carry_out(space)] == ["train"] * 3
    return space, project


@pytest.fixture(scope="module")
def tried(trained: tuple[Workspace, Project]) -> tuple[Workspace, Project, Group, Group]:
    space, project = trained
    first, second = groups(space, project.slug)
    assert robustness_of(space, first, "dev") is None
    assert robustness.start(space, [first, second], "dev") is not None
    carry_out(space)
    return space, project, first, second


def test_trained_runs_mark_the_copies(tried):
    space, _, first, second = tried
    run = robustness.newest(space, [second], "dev")
    assert run is not None and run.lane == "train"
    result = space.result(run.id)
    assert list(result["corpora"]) == COPIES and result["models"] == 3 and result["skipped"] == []
    for group in (first, second):
        for id in result["corpora"].values():
            data = corpora.read(space.corpus_path(id))
            assert all(file_of(space.run_folder(one), data.id).exists() for one in group.finished)
    steps = [line["step"] for line in last_metrics(space.run_folder(run.id))]
    assert steps[0] == 0 and steps[-1] == 12 and last_metrics(space.run_folder(run.id))[-1]["total"] == 12
    assert robustness.start(space, [first, second], "dev") is None  # all is done


def test_what_it_costs_is_read_from_the_predictions(tried):
    space, _, first, _ = tried
    found = robustness_of(space, first, "dev")
    assert found is not None and (found.runs, found.rows) == (2, 12)
    whole = {one.copy: one for one in found.shifts if not one.label}
    assert list(whole) == COPIES
    clean = score(counts_of(space, first, "dev"), draws=10).metrics
    for one in whole.values():
        assert all(one.clean[name] == pytest.approx(clean[name].mean) for name in ("recall", "precision", "f1"))
    assert clean["recall"].mean > 0.2  # it has learned something
    assert whole[f"{NOISE}0.2"].changed["recall"] < clean["recall"].mean  # its vocabulary lacks words with slips
    assert 0 < found.words[f"{NOISE}0.05"] < found.words[f"{NOISE}0.2"] < 0.2
    assert {one.label for one in found.shifts if one.label} <= {
        *corpora.read(space.corpus_path(first.corpora["dev"])).schema.labels
    }


def test_test_is_not_looked_at_this_way(tried, tmp_path):
    """Runs that did not mark test itself don't mark its copies; those that did, do."""
    space, project, first, second = tried
    assert robustness.start(space, [first, second], "test") is None
    assert robustness.left(space, first, "test") == ([], 0)
    inputs = {
        "data": str(space.corpus_path(first.corpora["test"])),
        "model:0": str(space.run_folder(first.finished[0])),
    }
    spec = RunSpec("robustness", dict.fromkeys(inputs, ""))
    with pytest.raises(CoreError) as caught:
        robustness.run(Context(space.root, tmp_path, spec, RESOLVED | {"inputs": inputs}, 1))
    assert caught.value.code == "robustness_unseen"
    assert look_at_test(space, project.slug, [first]) is not None
    carry_out(space)
    assert robustness.left(space, first, "test") == (first.finished, 0)
    assert robustness.left(space, second, "test") == ([], 0)
    run = robustness.start(space, [first, second], "test")
    assert run is not None and space.store.cancel(run.id)
    spec = read_json(space.run_folder(run.id) / "spec.json")
    assert [value for role, value in spec["inputs"].items() if role != "data"] == [
        f"run:{one}" for one in first.finished
    ]


RESOLVED = {"device": "cpu", "precision": "fp32", "threads": 1, "versions": {}}


def test_a_run_that_is_stopped_goes_on_where_it_was(tried, tmp_path):
    space, _, first, _ = tried
    inputs = {"data": str(space.corpus_path(first.corpora["dev"]))}
    inputs |= {f"model:{at}": str(space.run_folder(run)) for at, run in enumerate(first.finished)}
    params = RobustnessParams(noise=(0.5, 0.6), seed=1)
    spec = RunSpec("robustness", dict.fromkeys(inputs, ""), canonical(params))
    before = {path for run in first.finished for path in space.run_folder(run).glob("predictions-*")}

    class Stopped(Context):
        def check_cancelled(self) -> None:
            made = {path for run in first.finished for path in space.run_folder(run).glob("predictions-*")} - before
            if len(made) == 2:
                raise Cancelled

    with pytest.raises(Cancelled):
        robustness.run(Stopped(space.root, tmp_path, spec, RESOLVED | {"inputs": inputs}, 1))
    made = {path for run in first.finished for path in space.run_folder(run).glob("predictions-*")} - before
    stamps = {path: path.stat().st_mtime_ns for path in made}
    assert len(stamps) == 2 and not (tmp_path / "result.json").exists()
    robustness.run(Context(space.root, tmp_path, spec, RESOLVED | {"inputs": inputs}, 2))
    result = json.loads((tmp_path / "result.json").read_text())
    assert list(result["corpora"]) == [f"{NOISE}0.5", f"{NOISE}0.6", SWAP]
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_a_language_without_a_keyboard_has_other_names_alone(harbour, tmp_path):
    chinese = Corpus(replace(harbour.schema, language="zh"), harbour.table)
    inputs = {"data": str(corpora.write(chinese, tmp_path / "corpora"))}
    (tmp_path / "run").mkdir()
    context = Context(tmp_path, tmp_path / "run", RunSpec("robustness", {"data": ""}), RESOLVED | {"inputs": inputs}, 1)
    robustness.run(context)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (list(result["corpora"]), result["skipped"]) == ([SWAP], ["noise"])
    assert (tmp_path / "corpora" / f"{result['corpora'][SWAP]}.arrow").exists()


def test_an_archive_leaves_them_behind_and_the_project_owns_them(tried):
    """Predictions for corpora that are not in the archive would make it one that can't be read."""
    space, project, first, _ = tried
    run = robustness.newest(space, [first], "dev")
    assert run is not None
    copies = set(space.result(run.id)["corpora"].values())
    having = belongings(space, project, Known(space))
    assert run.id in having.runs and copies <= having.corpora
    names = {entry.name for entry in contents(space, project, weights=False, models=False).entries}
    known = {name.removeprefix("corpora/")[:16] for name in names if name.startswith("corpora/")}
    told = {name.rpartition("predictions-")[2].removesuffix(".arrow") for name in names if "predictions-" in name}
    assert first.corpora["dev"][:16] in told and told <= known and not {id[:16] for id in copies} & told


def test_the_command(tried):
    space, _, first, _ = tried
    asked = parser().parse_args(["trust", f"harbour/{first.name}", "--robustness"])
    answer = trust(asked, Setting(space, "en", lambda runs: None))
    found = json.loads(json.dumps(answer.data, allow_nan=False))
    assert found["robustness"]["runs"] == 2 and {one["copy"] for one in found["robustness"]["shifts"]} == {*COPIES}
    assert NOISE in answer.text and SWAP in answer.text


def test_the_page_shows_what_noise_costs(tried, tmp_path):
    space, project, first, _ = tried
    page = opened(space.root, tmp_path, project.slug, ("gold only", "half"), "dev")
    assert "half** finds" in said(page) and "noise in 20 % of words" in said(page)
    [table] = [found.value for found in page.dataframe if "recall_gap" in found.value]
    whole = robustness_of(space, first, "dev")
    assert whole is not None and len(table) == 2 * len(whole.shifts)
    assert table["recall"][0] == pytest.approx(100 * whole.shifts[0].changed["recall"])
    assert not [found for found in page.button if found.key == "trust_try"]
    gone = file_of(
        space.run_folder(first.finished[0]), space.result(robustness.newest(space, [first], "dev").id)["corpora"][SWAP]
    )
    kept = gone.rename(gone.with_suffix(".away"))
    try:
        page.run()
        [press] = [found for found in page.button if found.key == "trust_try"]
        assert "1 runs" in press.label.replace("\\", "")
        press.click().run()
        assert not page.exception
        run = robustness.newest(space, [first], "dev")
        assert run is not None and run.pending and space.store.list(kind="robustness")[0].id == run.id
        assert [one.id for one in carry_out(space)] == [run.id] and gone.exists()
        page.run()
        assert not page.exception and not [found for found in page.button if found.key == "trust_try"]
    finally:
        kept.unlink()
