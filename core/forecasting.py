"""Forecasts of a recipe's mixes: what they are solved from is made by runs in the background, once for each corpus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core import corpus as corpora
from core.corpus import Corpus
from core.forecast.forecast import Forecast, Outlook, Pool, forecast
from core.mix import GOLD, Mix, Part, plan
from core.models.catalogue import install
from core.pipeline import staged
from core.recipe import Recipe
from core.stage import Stage, settle
from core.submit import Submitter, Watch, result_of
from core.tasks import task as task_of
from core.training import features
from core.workspace import Workspace

LAYERS = (3, 6)  # of the encoder, whose states are read


@dataclass(frozen=True)
class Prospect:
    """What mixes of a recipe's ingredients are likely to score on dev."""

    forecast: Forecast
    sizes: Mapping[str, int]  # rows of each ingredient

    def of(self, mix: Mix) -> Outlook:
        """Raises CoreError for a mix that can't be drawn."""
        asked = {name: n for name, n in self.sizes.items() if name in mix.requested()}
        return self.forecast.of(plan(mix, asked))


def prospect(workspace: Workspace, recipe: Recipe, watch: Watch, layers: Sequence[int] = LAYERS) -> Prospect:
    """Build what is missing of pools and states, and a forecast over them. Raises RunEnded, CoreError."""
    model = install(recipe.train.model, workspace.models, recipe.folder)
    stage, _ = staged(workspace, recipe, watch)
    params, _ = settle(replace(recipe, mix=_all(recipe)), stage)
    dev = corpora.read(workspace.corpus_path(stage.imported["corpora"]["dev"]))
    submit = Submitter(workspace, fresh=False)

    def pool(corpus: Corpus, of: Corpus) -> Pool:
        run, _ = submit(features.spec_of(of.id, model.identity, layers))
        result_of(workspace, run, watch)
        return Pool(corpus, features.read(workspace.run_folder(run.id)).states)

    pools = {name: pool(_masked(stage, name, params.mask_outside), found) for name, found in stage.pools.items()}
    sizes = {name: len(found) for name, found in stage.pools.items()}
    return Prospect(forecast(pools, pool(dev, dev), params.labels), sizes)


def _all(recipe: Recipe) -> Mix:
    """A mix of everything, from which labels and masks follow."""
    return Mix(parts=dict.fromkeys([GOLD, *recipe.ingredients], Part(1.0)))


def _masked(stage: Stage, name: str, outside: Sequence[str]) -> Corpus:
    found = stage.pools[name]
    return task_of(found.schema.task).masked(found, outside=True) if name in outside else found
