"""`score`, `predict` and `features`: what a model found, and what it makes of words."""

import json
import re
import sys
from argparse import Namespace
from pathlib import Path

from core import corpus as corpora
from core.commands.answer import Answer, Setting, delivered, trained
from core.errors import CoreError, Issue, message
from core.evaluation.scoring import score
from core.formats.importing import used_labels
from core.groups import predicted
from core.models.catalogue import install
from core.output import issue_json, issue_line, plain, score_table, table
from core.pipeline import pools_of
from core.recipe import Data, FileIngredient, Recipe
from core.sides import predictions_in
from core.tasks import task as task_of
from core.tasks.iob2 import flat
from core.tasks.matching import KINDS, kinds_of, match
from core.training.features import ROWS, STATES, spec_of


def score_file(args: Namespace, at: Setting) -> Answer:
    """Scores of a predictions file (token, gold, predicted), or of a run's kept predictions, and what was wrong how.

    Raises CoreError `rule_unknown`, and those of files and runs.
    """
    rules = task_of("tagging").rules
    if args.rule not in rules:
        raise CoreError("rule_unknown", {"rule": args.rule, "known": ", ".join(rules)}, "hint_known")
    issues: list[Issue] = []
    if re.fullmatch("[0-9a-f]{1,16}", args.source) and not Path(args.source).exists():
        run = trained(args.source, at)
        spec = json.loads((at.workspace.run_folder(run.id) / "spec.json").read_text())
        gold = corpora.read(at.workspace.corpus_path(spec["inputs"]["dev"].partition(":")[2]))
        found = predicted(at.workspace, run.id, gold.id)
        names = tuple(sorted({*spec["params"]["labels"], *used_labels(gold)}))
    else:
        gold, found, issues = predictions_in(args.source)
        names = gold.schema.labels
    scores = score([task_of("tagging").counts(gold.table, found, names, args.rule)])
    mistakes = kinds_of(match(flat(gold.table.column("tags"), names), flat(found, names), names))
    told = {name: dict(zip(KINDS, row, strict=True)) for name, row in zip(names, mistakes.tolist(), strict=True)}
    data = {
        "scores": scores.to_json(),
        "mistakes": told,
        "issues": [issue_json(issue, at.language) for issue in issues],
    }
    heads = [message("col_label", {}, at.language), *(message(f"kind_{kind}", {}, at.language) for kind in KINDS)]
    rows = [[name, *(str(row[kind]) for kind in KINDS)] for name, row in told.items()]
    lines = [score_table(scores, at.language), "", table([heads, *rows], right=tuple(range(1, len(heads))))]
    return Answer(data, "\n".join([*lines, *(issue_line(issue, at.language) for issue in issues)]))


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
