"""`score`, `predict` and `features`: what a model found, and what it makes of words."""

import json
import re
import sys
from argparse import Namespace
from pathlib import Path

from core.commands.answer import Answer, Setting, delivered, trained
from core.errors import CoreError, Issue, Value, message
from core.formats import read as read_file
from core.formats.protocol import ReadOptions
from core.models.catalogue import install
from core.output import issue_json, issue_line, plain, score_table
from core.pipeline import pools_of, scores_of
from core.recipe import Data, FileIngredient, Recipe
from core.scores import Scores
from core.tasks import task as task_of
from core.training.features import ROWS, STATES, spec_of


def score_file(args: Namespace, at: Setting) -> Answer:
    """Scores of a predictions file (token, gold, predicted), or of a run's kept predictions.

    Raises CoreError `rule_unknown`, and those of files and runs.
    """
    rules = task_of("tagging").rules
    if args.rule not in rules:
        raise CoreError("rule_unknown", {"rule": args.rule, "known": ", ".join(rules)}, "hint_known")
    if re.fullmatch("[0-9a-f]{1,16}", args.source) and not Path(args.source).exists():
        run = trained(args.source, at)
        spec = json.loads((at.workspace.run_folder(run.id) / "spec.json").read_text())
        scores = scores_of(at.workspace, spec["inputs"]["dev"].partition(":")[2], [run.id], spec["params"]["labels"],
                           args.rule)  # fmt: skip
        return Answer({"scores": scores.to_json(), "issues": []}, score_table(scores, at.language))
    scores, issues = _scores_in(args.source, args.rule)
    data = {"scores": scores.to_json(), "issues": [issue_json(issue, at.language) for issue in issues]}
    told = [issue_line(issue, at.language) for issue in issues]
    return Answer(data, "\n".join([score_table(scores, at.language), *told]))


def _scores_in(name: str, rule: str) -> tuple[Scores, list[Issue]]:
    """The scores of a predictions file, and what was repaired in it. A row that can't be read is refused."""
    from core.evaluation.scoring import score

    gold, found = (read_file(Path(name), name=name, options=ReadOptions(scheme="IOB2", tag_column=c)) for c in (-2, -1))
    issues = [*gold.issues, *(issue for issue in found.issues if issue not in gold.issues)]
    for issue in issues:
        if issue.action == "dropped":
            values: dict[str, Value] = {"file": name, "row": issue.row}
            raise CoreError(issue.code, values | issue.values, "hint_predictions")
    names = tuple(sorted({*gold.corpus.schema.labels, *found.corpus.schema.labels}))
    counts = task_of("tagging").counts(gold.corpus.table, found.corpus.table.column("tags"), names, rule)
    return score([counts]), issues


def predict(args: Namespace, at: Setting) -> Answer:
    """Entities in text, one row a line, by a trained run."""
    from core.predict import predict_lines

    found = trained(args.run, at)
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


def features(args: Namespace, at: Setting) -> Answer:
    """The hidden states of every word of a file or corpus, as files that numpy maps into memory."""
    rows = FileIngredient(args.source)
    recipe = Recipe(data=Data(), folder=Path.cwd(), file=args.source, project="features", language=args.language,
                    ingredients={"rows": rows})  # fmt: skip
    corpus = pools_of(at.workspace, recipe, at.watch)[0]["rows"]
    model = install(args.model, at.workspace.models, Path.cwd())
    spec = spec_of(corpus.id, model.identity, args.layers or ())
    result = delivered(spec, at)
    folder = at.workspace.run_folder(spec.id)
    files = {"states": str(folder / STATES), "rows": str(folder / ROWS)}
    values = {"words": result["words"], "width": result["width"], "path": files["states"]}
    return Answer({"run": spec.id, **result, "files": files}, message("line_features", values, at.language))
