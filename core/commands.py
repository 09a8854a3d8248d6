"""What each command of `python -m core` does, short of printing: the JSON it gives and the text for people."""

import json
import re
import shutil
import sqlite3
import sys
from argparse import Namespace
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.augment import AUGMENTERS, params_of
from core.corpus import Corpus
from core.errors import CoreError, Issue, Value, message
from core.formats import read as read_file
from core.formats import write as write_file
from core.formats.importing import ImportParams, Source, Split
from core.formats.protocol import ReadOptions
from core.jobs.dispatch import cancel as cancel_run
from core.jobs.folder import Run
from core.jobs.machine import Machine
from core.mix import GOLD
from core.output import (
    issue_json,
    issue_line,
    issues_text,
    outcome_json,
    outcome_text,
    plain,
    score_table,
    table,
    yields_text,
)
from core.params import build, canonical
from core.pipeline import Options, Outcome, carry_out, issue_of, pools_of, scores_of
from core.recipe import AugmentedIngredient, Data, FileIngredient, Recipe, check, load
from core.runs import POOL, RunSpec
from core.scores import Scores
from core.sources import keep_source
from core.submit import Watch, result_of, wait
from core.workspace import Workspace
from core.yaml_text import parse


@dataclass(frozen=True)
class Answer:
    """What a command says, and its exit status."""

    data: Mapping[str, Any]
    text: str
    status: int = 0


@dataclass(frozen=True)
class Setting:
    """What every command is given besides its arguments."""

    workspace: Workspace
    language: str
    watch: Watch


def run(args: Namespace, at: Setting) -> Answer:
    path = Path(args.recipe)
    recipe = load(path, args.recipe)
    lines = parse(path.read_text(encoding="utf-8-sig"), args.recipe).lines
    try:
        outcome = carry_out(at.workspace, recipe, Options(not args.no_test, args.fresh, args.detach), at.watch)
    except CoreError as error:
        raise _placed(error, lines, args.recipe) from None
    return _outcome(outcome, at)


def _placed(error: CoreError, lines: Mapping[str, int], recipe: str) -> CoreError:
    """The error with the place of the recipe's key that it is about; one about a data file names that file itself."""
    where = str(error.values.get("where", ""))
    if not where or ("file" in error.values and where != "train.model"):
        return error
    while where and where not in lines:
        where = where.rpartition(".")[0]
    place = f"{recipe}:{lines[where]}" if where else recipe
    return CoreError(error.code, error.values | {"place": place}, error.hint_code)


def train(args: Namespace, at: Setting) -> Answer:
    """Gold only, without a recipe file."""
    options = {
        k: v for k, v in vars(args).items() if k in ("epochs", "steps", "learning_rate", "model") and v is not None
    }
    if args.data and (args.train or args.dev or args.test):
        raise CoreError("data_train_or_file", {}, "hint_data")
    if args.data:
        data: Any = args.data if args.data.startswith("corpus:") else {"train": args.data}
    else:
        data = {k: v for k, v in (("train", args.train), ("dev", args.dev), ("test", args.test)) if v}
    plain = {
        "version": 1,
        "data": data,
        "language": args.language,
        "train": options | ({"seeds": args.seeds} if args.seeds else {}),
    }
    recipe = check(plain, Path.cwd(), args.project)
    return _outcome(
        carry_out(at.workspace, recipe, Options(bool(args.with_test), args.fresh, args.detach), at.watch), at
    )


def _outcome(outcome: Outcome, at: Setting) -> Answer:
    ended = {seed_run.run.state for seed_run in outcome.runs}
    status = 1 if ended & {"failed", "cancelled", "interrupted"} else 0
    return Answer(outcome_json(outcome, at.language), outcome_text(outcome, at.language), status)


def import_files(args: Namespace, at: Setting) -> Answer:
    """Read and check files, and remember them under a name."""
    options = build(
        ReadOptions, _given(args, ("format", "scheme", "separator", "token_column", "tag_column")), "options"
    )
    roles = {"train": args.train, "dev": args.dev, "test": args.test, "file": args.file}
    roles = {role: name for role, name in roles.items() if name}
    if not roles or ("file" in roles) == ("train" in roles):
        raise CoreError("data_train_or_file", {}, "hint_data")
    share = {"dev": args.split_dev, "test": args.split_test, "seed": args.split_seed}
    split = (
        build(Split, {k: v for k, v in share.items() if v is not None}, "split")
        if args.split_dev or args.split_test
        else None
    )
    kept = {
        role: keep_source(at.workspace, Source(name, options), role, Path.cwd(), {}) for role, name in roles.items()
    }
    role_of = {"file": POOL + "file"} if "file" in roles and split is None else {}
    params = ImportParams({role_of.get(r, r): s for r, (s, _) in kept.items()}, language=args.language, split=split)
    inputs = {role_of.get(role, role): value for role, (_, value) in kept.items()}
    result = _result_of(RunSpec("import", inputs, canonical(params)), at)
    if args.name:
        stored = {role: canonical(source) for role, (source, _) in kept.items()}
        named = {"sources": stored, "inputs": {r: v for r, (_, v) in kept.items()}}
        at.workspace.name_corpus(args.name, named | ({"split": canonical(split)} if split else {}))
    issues = [issue_of(data) for data in result["issues"]]
    rows = [["", *(message(c, {}, at.language) for c in ("col_rows", "col_labels"))]]
    rows += [[role.removeprefix(POOL), str(n), ", ".join(result["labels"][role])] for role, n in result["rows"].items()]
    data = {
        "rows": result["rows"],
        "rows_in": result["rows_in"],
        "labels": result["labels"],
        "layouts": result["layouts"],
    }
    data["issues"] = [issue_json(issue, at.language) for issue in issues]
    if args.issues:
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in data["issues"])
        with _writing(args.issues):
            Path(args.issues).write_text(text, encoding="utf-8")
    used = f"\n\n{message('line_corpus_named', {'name': args.name}, at.language)}" if args.name else ""
    return Answer(data, table(rows, right=(1,)) + "\n\n" + issues_text(issues, at.language) + used)


@contextmanager
def _writing(name: str) -> Generator[None]:
    """A file the user named is written inside. Raises CoreError `file_unwritable`."""
    try:
        yield
    except OSError as error:
        raise CoreError("file_unwritable", {"file": name, "what": error.strerror or ""}) from None


def _given(args: Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _result_of(spec: RunSpec, at: Setting) -> dict[str, Any]:
    """Submit a run, wait, and give what it delivers."""
    return result_of(at.workspace, at.workspace.submit(spec)[0], at.watch)


def augment(args: Namespace, at: Setting) -> Answer:
    """Children of a file's rows by one method, side by side with their parents."""
    pairs = dict(item.partition("=")[::2] for item in args.param)
    given = {key: parse(value, "--param").data for key, value in pairs.items()}
    params_of(args.method, given, "param")
    kind, _, name = args.source.partition(":")
    held_out = kind == "corpus" and "dev" in at.workspace.named_corpus(name)["sources"]
    of = GOLD if held_out else "rows"  # without a dev to keep away from, every row has children
    children = AugmentedIngredient(args.method, of, given, args.copies, args.seed)
    recipe = Recipe(
        data=args.source if held_out else Data(),
        folder=Path.cwd(), file=args.source, project="augment", language=args.language,
        ingredients={"children": children} if held_out else {of: FileIngredient(args.source), "children": children},
    )  # fmt: skip
    pools, rejected = pools_of(at.workspace, recipe, at.watch)
    pool, parents = pools["children"], pools[of]
    if args.out:
        with _writing(args.out):
            write_file(pool, Path(args.out), format="jsonl" if args.out.endswith(".jsonl") else "conll")
    data = {"rows": len(pool), "rejected": rejected, "corpus": pool.id, "out": args.out}
    shown = _side_by_side(parents, pool, args.show)
    return Answer(data, yields_text(len(pool), rejected, at.language) + ("\n\n" + shown if shown else ""))


def _side_by_side(parents: Corpus, pool: Corpus, count: int) -> str:
    """The first children, what changed marked as [was -> is]."""
    tokens = dict(zip(parents.table.column("id").to_pylist(), parents.table.column("tokens").to_pylist(), strict=True))
    lines: list[str] = []
    for row in pool.table.slice(0, count).to_pylist():
        words, at = [], 0
        for change in row["changes"]:
            words += row["tokens"][at : change["start"]]
            words.append(f"[{' '.join(change['was'])} -> {' '.join(row['tokens'][change['start'] : change['end']])}]")
            at = change["end"]
        lines += ["  " + " ".join(tokens.get(row["parent"], ["?"])), "> " + " ".join(words + row["tokens"][at:])]
    return "\n".join(plain(line) for line in lines)


def score_file(args: Namespace, at: Setting) -> Answer:
    """Scores of a predictions file (token, gold, predicted), or of a run's kept predictions."""
    if re.fullmatch("[0-9a-f]{1,16}", args.source) and not Path(args.source).exists():
        run = _trained(args.source, at)
        spec = json.loads((at.workspace.run_folder(run.id) / "spec.json").read_text())
        scores = scores_of(at.workspace, spec["inputs"]["dev"].partition(":")[2], [run.id], spec["params"]["labels"])
        return Answer({"scores": scores.to_json(), "issues": []}, score_table(scores, at.language))
    scores, issues = _scores_in(args.source)
    data = {"scores": scores.to_json(), "issues": [issue_json(issue, at.language) for issue in issues]}
    told = [issue_line(issue, at.language) for issue in issues]
    return Answer(data, "\n".join([score_table(scores, at.language), *told]))


def _scores_in(name: str) -> tuple[Scores, list[Issue]]:
    """The scores of a predictions file, and what was repaired in it. A row that can't be read is refused."""
    from core.evaluation.scoring import score
    from core.tasks import task

    gold, found = (read_file(Path(name), name=name, options=ReadOptions(scheme="IOB2", tag_column=c)) for c in (-2, -1))
    issues = [*gold.issues, *(issue for issue in found.issues if issue not in gold.issues)]
    for issue in issues:
        if issue.action == "dropped":
            values: dict[str, Value] = {"file": name, "row": issue.row}
            raise CoreError(issue.code, values | issue.values, "hint_predictions")
    names = tuple(sorted({*gold.corpus.schema.labels, *found.corpus.schema.labels}))
    counts = task("tagging").counts(gold.corpus.table, found.corpus.table.column("tags").to_pylist(), names)
    return score([counts]), issues


def list_runs(args: Namespace, at: Setting) -> Answer:
    runs = at.workspace.store.list(kind=args.kind, state=args.state, limit=args.limit)
    heads = [message(c, {}, at.language) for c in ("col_run", "col_kind", "col_state", "col_attempt", "col_seconds")]
    rows = [[r.id, r.kind, message("state_" + r.state, {}, at.language), str(r.attempt), _seconds(r)] for r in runs]
    text = table([heads, *rows], right=(3, 4)) if rows else message("runs_none", {}, at.language)
    return Answer({"runs": [asdict(r) | {"seconds": r.seconds} for r in runs]}, text)


def _seconds(run: Run) -> str:
    return "-" if run.seconds is None else f"{run.seconds:.1f}"


def show(args: Namespace, at: Setting) -> Answer:
    found = _known(args.run, at)
    folder = at.workspace.run_folder(found.id)
    spec = json.loads((folder / "spec.json").read_text())
    from core.jobs.folder import last_metrics, tail

    metrics = last_metrics(folder)
    data = {"run": asdict(found), "spec": spec, "metrics": metrics[-20:], "log": tail(folder / "log.txt")}
    lines = [f"{found.id}  {spec['kind']}  {message('state_' + found.state, {}, at.language)}"]
    if found.error:
        lines.append(message(str(found.error["code"]), found.error["values"], at.language))
    lines += [json.dumps(item, ensure_ascii=False) for item in ({"spec": spec}, *metrics[-5:])]
    return Answer(data, "\n".join([*lines, str(data["log"])[-2000:]]))


def _known(run_id: str, at: Setting) -> Run:
    """A run by its id or the beginning of it. Raises CoreError `run_ambiguous`."""
    runs = [r for r in at.workspace.store.list() if r.id.startswith(run_id)]
    if len(runs) != 1:
        raise CoreError("run_ambiguous", {"run": run_id, "found": len(runs)}, "hint_list")
    return runs[0]


def _trained(run_id: str, at: Setting) -> Run:
    """A run with a model. Raises CoreError `run_ambiguous`, `run_has_no_model`."""
    found = _known(run_id, at)
    if found.kind != "train" or found.state != "succeeded":
        raise CoreError("run_has_no_model", {"run": found.id, "kind": found.kind, "state": found.state}, "hint_list")
    return found


def cancel(args: Namespace, at: Setting) -> Answer:
    runs = [_known(run_id, at) for run_id in args.runs]
    for found in runs:
        cancel_run(at.workspace.root, found.id)
    ended = wait(at.workspace, [r.id for r in runs], at.watch)
    states = {r.id: r.state for r in ended}
    return Answer(
        {"runs": states}, "\n".join(f"{i}  {message('state_' + s, {}, at.language)}" for i, s in states.items())
    )


def predict(args: Namespace, at: Setting) -> Answer:
    """Entities in text, one row a line, by a trained run."""
    from core.predict import predict_lines

    found = _trained(args.run, at)
    if args.file in (None, "-"):
        text = sys.stdin.read()
    else:
        try:
            text = Path(args.file).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise CoreError("file_unreadable", {"file": args.file, "what": error.strerror or ""}, "hint_file") from None
        except UnicodeDecodeError as error:
            raise CoreError("recipe_not_text", {"file": args.file, "byte": error.start}) from None
    rows = predict_lines(at.workspace, found.id, [line for line in text.split("\n") if line.strip()])
    lines = [
        f"{plain(row['text'])}\n"
        + "".join(f"    {plain(e['text'])}  {e['label']}  {e['confidence']:.2f}\n" for e in row["entities"])
        for row in rows
    ]
    return Answer({"rows": rows}, "".join(lines).rstrip("\n"))


def doctor(args: Namespace, at: Setting) -> Answer:
    """What this installation and workspace are, and whether they work."""
    machine = Machine.here()
    checks: list[tuple[str, bool, str]] = [
        ("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        ("sqlite", True, sqlite3.sqlite_version),
        ("machine", True, f"{machine.device}, {machine.precision}, {machine.threads} threads, {machine.flags}"),
        ("free space", shutil.disk_usage(at.workspace.root).free > 2 << 30, f"{at.workspace.free_bytes() >> 20} MB"),
        ("database", *_database(at.workspace)),
        ("model", *_bundled_model()),
        ("corpora", *_corpora(at.workspace)),
    ]
    if args.selftest:
        result = _result_of(RunSpec("selftest", {}, {"seed": int(args.selftest_seed)}), at)
        checks.append(("selftest run", True, str(result["digest"])[:16]))
    rows = [["", "", ""], *([name, "ok" if good else "NOT OK", what] for name, good, what in checks)]
    status = 0 if all(good for _, good, _ in checks) else 1
    return Answer(
        {"checks": [{"name": n, "ok": g, "what": w} for n, g, w in checks]}, table(rows).split("\n", 2)[2], status
    )


def _database(workspace: Workspace) -> tuple[bool, str]:
    workspace.store.list(limit=1)  # opens it, so that a damaged one is rebuilt first
    with sqlite3.connect(workspace.root / "runs.db") as connection:
        found = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    return found == "ok", found


def _bundled_model() -> tuple[bool, str]:
    from core.models.catalogue import BUNDLED, bundled_is_intact

    name = next(iter(BUNDLED))
    return bundled_is_intact(name), name


def _corpora(workspace: Workspace) -> tuple[bool, str]:
    """Whether every stored corpus still has the content its name says."""
    paths = sorted(workspace.corpora.glob("*.arrow"))
    bad = [path.stem for path in paths if corpora.read(path).id != path.stem]
    return not bad, ", ".join(bad) or str(len(paths))


COMMANDS: Mapping[str, Callable[[Namespace, Setting], Answer]] = {
    "run": run,
    "import": import_files,
    "augment": augment,
    "train": train,
    "score": score_file,
    "list": list_runs,
    "show": show,
    "cancel": cancel,
    "predict": predict,
    "doctor": doctor,
}
METHODS = tuple(AUGMENTERS)
