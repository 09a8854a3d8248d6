"""Training without learning: a language model is asked for the labels of dev, and predictions are what it said."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.corpus import Corpus
from core.models.loading import ModelMeta
from core.prompting import prompted
from core.prompting.prompted import Made, Prompted, Told
from core.runs import RunContext
from core.tasks import task as task_of
from core.tasks.drawing import drawn_of, mixed
from core.training import predictions
from core.training.gear import gear_of, versions
from core.training.predictions import Predictions
from core.training.run_params import TrainRunParams


def run(ctx: RunContext, params: TrainRunParams, pools: Mapping[str, Corpus], dev: Corpus) -> None:
    """The run kind `train` by prompting: makes the run's `model`, labels dev with it, and says what came of it.

    Raises CoreError of endpoints and models. What was answered is kept: another attempt asks for the rest alone.
    """
    gear_of(ctx.resolved)
    folder = ctx.folder / "model"
    shutil.rmtree(folder, ignore_errors=True)
    rows = make(folder, params, pools, dev, ctx.input("model").name)
    model = Prompted(folder, ctx.root)
    ctx.metric(step=0, total=len(dev))
    guessed = labelled(ctx, model, dev, lambda at: ctx.metric(step=at, total=len(dev)))
    told = replace(noted(ctx, model), seconds=guessed.seconds)
    predictions.write(predictions.file_of(ctx.folder, dev.id), dev, guessed)
    score = predictions.f1_of(task_of(dev.schema.task), dev, guessed.values, params.labels)
    ctx.metric(step=len(dev), total=len(dev), dev=score, s=guessed.seconds)
    about = {"steps": 1, "rows": dict(rows), "best_step": 1, "best_dev": score, "versions": dict(versions())}
    ctx.finish(about | {"prompted": told.to_json()})
    ctx.point("finished")


def make(
    folder: Path, params: TrainRunParams, pools: Mapping[str, Corpus], dev: Corpus, encoder: str
) -> Mapping[str, int]:
    """Make the folder of the model that a training comes to, with the mix as it draws it. -> rows by ingredient

    `encoder`: identity of the installed one that says which rows are alike.
    """
    task, train = task_of(dev.schema.task), params.train
    assert train.prompt is not None
    found = drawn_of(task, pools, params.mix, params.seed)
    mix = mixed(task, found.pools, found.picked, params.mask_outside)
    meta = ModelMeta(encoder, task.name, dev.schema.language, params.labels, train.max_length)
    prompted.write(meta, Made(train.prompt, params.seed, train.descriptions), mix, folder)
    return found.rows


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
