"""`score` and `features`: what a model found, and what it makes of words."""

import json
import re
from argparse import Namespace
from pathlib import Path

from core import corpus as corpora
from core.commands.answer import Answer, Setting, delivered, trained
from core.errors import CoreError, Issue, message
from core.evaluation.scoring import score
from core.formats.importing import used_labels
from core.groups import predicted
from core.models.catalogue import default_for, install
from core.output import issue_json, issue_line, score_table, table
from core.pipeline import pools_of
from core.recipe import Data, FileIngredient, Recipe
from core.sides import predictions_in
from core.sources import likely_task
from core.tasks import task as task_of
from core.tasks.pairs import KINDS, kinds_of
from core.training.features import ROWS, STATES, spec_of


def score_file(args: Namespace, at: Setting) -> Answer:
    """Scores of a predictions file (docs/formats.md), or of a run's kept predictions, and what was wrong how.

    Raises CoreError `rule_unknown`, and those of files and runs.
    """
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
    task = task_of(gold.schema.task)
    if args.rule not in task.rules:
        raise CoreError("rule_unknown", {"rule": args.rule, "known": ", ".join(task.rules)}, "hint_known")
    scores = score([task.counts(gold.table, found, names, args.rule)], task.headline, task.also)
    mistakes = kinds_of(task.pairs(gold.table, found, names))
    columns = [KINDS.index(kind) for kind in task.kinds]
    counts = mistakes[:, columns].tolist()
    told = {name: dict(zip(task.kinds, row, strict=True)) for name, row in zip(names, counts, strict=True)}
    data = {
        "scores": scores.to_json(),
        "mistakes": told,
        "issues": [issue_json(issue, at.language) for issue in issues],
    }
    heads = [message("col_label", {}, at.language), *(message(f"kind_{kind}", {}, at.language) for kind in task.kinds)]
    rows = [[name, *(str(row[kind]) for kind in task.kinds)] for name, row in told.items()]
    lines = [score_table(scores, at.language), "", table([heads, *rows], right=tuple(range(1, len(heads))))]
    return Answer(data, "\n".join([*lines, *(issue_line(issue, at.language) for issue in issues)]))


def features(args: Namespace, at: Setting) -> Answer:
    """The hidden states of every word of a file or corpus, as files that numpy maps into memory."""
    rows = FileIngredient(args.source)
    task = args.task or likely_task(at.workspace, args.source, Path.cwd())
    recipe = Recipe(data=Data(), folder=Path.cwd(), file=args.source, project="features", task=task,
                    language=args.language, ingredients={"rows": rows})  # fmt: skip
    corpus = pools_of(at.workspace, recipe, at.watch)[0]["rows"]
    model = install(args.model or default_for(corpus.schema.language), at.workspace.models, Path.cwd())
    spec = spec_of(corpus.id, model.identity, args.layers or ())
    result = delivered(spec, at)
    folder = at.workspace.run_folder(spec.id)
    files = {"states": str(folder / STATES), "rows": str(folder / ROWS)}
    values = {"words": result["words"], "width": result["width"], "path": files["states"]}
    return Answer({"run": spec.id, **result, "files": files}, message("line_features", values, at.language))
