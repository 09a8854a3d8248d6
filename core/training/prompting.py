"""Training without learning: a language model is asked for the labels of dev, and predictions are what it said."""

import shutil
import time
from dataclasses import replace

from core.corpus import Corpus
from core.models.loading import ModelMeta
from core.prompting import prompted
from core.prompting.prompted import Made, Prompted, Told
from core.runs import RunContext
from core.training.predictions import Predictions


def label(ctx: RunContext, dev: Corpus, meta: ModelMeta, made: Made, mix: Corpus) -> tuple[Predictions, Told]:
    """Make the run's `model` and label dev with it. `mix`: the rows that demonstrations are chosen from.

    Raises CoreError of endpoints and models. What was answered is kept: another attempt asks for the rest alone.
    """
    folder = ctx.folder / "model"
    shutil.rmtree(folder, ignore_errors=True)
    prompted.write(meta, made, mix, folder)
    model = Prompted(folder, ctx.root)
    ctx.metric(step=0, total=len(dev))
    found = labelled(ctx, model, dev, lambda rows: ctx.metric(step=rows, total=len(dev)))
    return found, replace(noted(ctx, model), seconds=found.seconds)


def labelled(ctx: RunContext, model: Prompted, data: Corpus, done: prompted.Done = prompted.nobody) -> Predictions:
    """The predictions for a corpus. `done`: see core.prompting.prompted."""
    began = time.monotonic()
    found = model.predict(data.table, ctx.check_cancelled, done)
    return Predictions([p.values for p in found], [p.confidence for p in found], time.monotonic() - began)


def noted(ctx: RunContext, model: Prompted) -> Told:
    """What became of a model's questions, with lines in the run's log for what somebody should know."""
    told = model.told()
    spent = told.spent
    price = "" if spent.cost is None else f", {spent.cost:.4f} {spent.currency}"
    tokens = f"{spent.tokens_in} tokens in, {spent.tokens_out} out"
    ctx.note(f"{spent.writer}: {spent.answers} answers ({spent.answers - spent.remembered} new), {tokens}{price}")
    for code, rows in told.unread.items():
        ctx.note(f"warning: nothing could be read for {rows} of {told.rows} rows: {code}")
    if told.shortened:
        ctx.note(f"warning: {told.shortened} prompts hold fewer demonstrations, so as not to be too long")
    return told
