"""`compose`: what a mix would consist of, without training."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core import corpus as corpora
from core import project as projects
from core.commands.answer import Answer, Setting
from core.errors import CoreError, message
from core.launch import standing
from core.mix import GOLD, Mix
from core.output import table
from core.pipeline import pools_of, staged
from core.project import Project
from core.recipe import Recipe, load, placed
from core.report.composition import Composition, index
from core.report.composition import compose as composed
from core.sources import import_spec
from core.stage import Stage


def compose(args: Namespace, at: Setting) -> Answer:
    """The composition of a recipe's mix, or of one of a project's; pools that are missing are built first."""
    recipe = recipe_of(args, at)
    try:
        found = _composition(recipe, at)
    except CoreError as error:
        raise placed(error, recipe.lines, recipe.file) from None
    return Answer(asdict(found), _text(recipe.mix, found, at.language))


def recipe_of(args: Namespace, at: Setting) -> Recipe:
    """The recipe that was named, or that of a project's mix. Raises CoreError `compose_what`, `mix_unknown`."""
    if (args.recipe is None) == (args.project is None) or (args.mix is not None and args.project is None):
        raise CoreError("compose_what", {}, "hint_compose_what")
    if args.recipe is not None:
        return load(Path(args.recipe), args.recipe)
    project = projects.load(at.workspace, args.project)
    if args.mix is None:
        return project.recipe
    if args.mix not in project.mixes:
        known = ", ".join(project.mixes) or "-"
        raise CoreError("mix_unknown", {"name": args.mix, "project": project.slug, "known": known}, "hint_known")
    return project.with_mix(project.mixes[args.mix])


def stage_of(project: Project, at: Setting) -> Stage:
    """What a project hands to its trainings, imported and built as far as needed. Raises RunEnded, CoreError."""
    staged(at.workspace, project.recipe, at.watch)
    found = standing(at.workspace, project).stage
    assert found is not None  # it was just imported
    return found


def _composition(recipe: Recipe, at: Setting) -> Composition:
    pools, _ = pools_of(at.workspace, recipe, at.watch)
    dev_id = at.workspace.result(import_spec(at.workspace, recipe).id)["corpora"]["dev"]
    dev = corpora.read(at.workspace.corpus_path(dev_id))
    wanted = {name: pools[name] for name in recipe.mix.requested()}
    labels = sorted({label for corpus in (*wanted.values(), dev) for label in corpus.schema.labels})
    return composed(recipe.mix, {name: index(pool) for name, pool in wanted.items()}, index(dev), labels)


def _text(mix: Mix, found: Composition, language: str) -> str:
    """A table of the ingredients, and one of the mentions of each label in the mix, in gold and in dev."""
    asked = mix.requested()
    heads = ["col_ingredient", "col_requested", "col_rows", "col_share", "col_times_gold", "col_pool", "col_repeat"]
    rows = [[message(code, {}, language) for code in (*heads, "col_new_mentions")]]
    for part in found.parts:
        amount, unit = asked[part.name]
        figures = (f"{part.rows}", f"{part.share:.1%}", f"{part.times_gold:.2f}", f"{part.pool_rows}")
        seen = (f"{part.max_repeat}", f"{part.new_mentions}")
        rows.append([part.name, message(f"unit_{unit}", {"amount": amount}, language), *figures, *seen])
    total = message("line_composition", {"rows": found.rows, "words": found.words}, language)
    return "\n\n".join([table(rows, right=range(2, 8)), total, _label_table(found, language)])


def _label_table(found: Composition, language: str) -> str:
    def shares(label: str) -> Sequence[str]:
        totals = {name: sum(counts.values()) or 1 for name, counts in found.labels.items()}
        return [f"{counts[label]} ({counts[label] / totals[name]:.0%})" for name, counts in found.labels.items()]

    heads = [message(code, {}, language) for code in ("col_label", "col_in_mix", "col_in_gold", "col_in_dev")]
    return table([heads, *([label, *shares(label)] for label in found.labels[GOLD])], right=(1, 2, 3))
