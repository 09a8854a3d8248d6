"""The run kind `pretrain`: an encoder or decoder goes on learning its language, from text without labels.

Gururangan et al. 2020, "Don't Stop Pretraining" (https://arxiv.org/abs/2004.10964): pre-training goes on in the domain,
and on the task's own text, before fine-tuning. Masked words of an encoder (core.training.masking), the next sub-token
of a decoder. Departures: an encoder reads rows one by one, as fine-tuning does, not packed; and a head that had to be
made learns alone for the first tenth of the steps, the encoder as it was: its first gradients say nothing yet, and
would undo what the encoder knows (Kumar et al. 2022, https://arxiv.org/abs/2202.10054).
"""

import math
import shutil
import time
from collections.abc import Mapping

import numpy as np

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.formats.guard import HELD_OUT
from core.mix import GOLD
from core.models import language, loading, started
from core.models.language import LanguageModel
from core.models.started import Pretraining
from core.params import build
from core.runs import TEXT, RunContext
from core.training import state
from core.training.gear import gear_of, versions
from core.training.masking import Masking
from core.training.pretrain_loop import HEAD_ALONE, Job, PretrainParams, learn
from core.training.pretrain_text import Rows, choose, packed, rows_as_read


def run(ctx: RunContext) -> None:
    """Inputs: `model`; `text:NAME` and, where gold's words are read too, `gold`; `dev` and `test`, whose text is left
    out. Keeps the model, which is installed as `run:ID`."""
    import torch

    began = time.monotonic()
    params = build(PretrainParams, ctx.spec.params, "pretrain")
    roles = [role for role in ctx.spec.inputs if role == GOLD or role.startswith(TEXT)]
    texts = {role: corpora.read(ctx.input(role)) for role in roles}
    rows = choose(texts, [corpora.read(ctx.input(role)) for role in HELD_OUT if role in ctx.spec.inputs])
    ctx.note(f"{rows.read} rows are read, {rows.kept_apart} kept apart; {rows.left_out + rows.near} left out")
    base, gear = ctx.input("model"), gear_of(ctx.resolved)
    model = language.language_model(base, base.name, params.seed)
    job = _job(ctx, model, params, texts, rows, began)
    if not len(job.learned.lengths) or not len(job.held_out.lengths):
        raise CoreError("pretrain_little", {"rows": rows.read, "least": 1}, "hint_pretrain_little")
    if model.made:
        counts = np.bincount(job.learned.ids, minlength=len(model.whole.get_input_embeddings().weight))
        language.begin_with_frequencies(model, torch.from_numpy(counts.astype(np.float32)))
    model.whole.to(gear.device)
    found = learn(ctx, job, gear)
    _deliver(ctx, job, texts, rows, found)


def _job(
    ctx: RunContext, model: LanguageModel, params: PretrainParams, texts: Mapping[str, Corpus], rows: Rows, began: float
) -> Job:
    base, masked = ctx.input("model"), model.objective == "masked"
    tokenizer = (loading.tokenizer if masked else loading.running_tokenizer)(base)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    length, masking = loading.longest_input(base, params.max_length), None
    if masked:
        learned, held_out = (rows_as_read(texts, some, tokenizer, length) for some in (rows.learned, rows.held_out))
        special = {*tokenizer.encode("", add_special_tokens=True).ids, loading.pad_id(base), model.mask}
        known = np.arange(tokenizer.get_vocab_size(with_added_tokens=False))
        asked = np.array(sorted(special), dtype=np.int64)
        masking = Masking(model.mask, asked, known[~np.isin(known, asked)], params.masked)
    else:
        end = model.whole.config.eos_token_id
        end = end[0] if isinstance(end, list) else end
        learned, held_out = (packed(texts, some, tokenizer, end, length) for some in (rows.learned, rows.held_out))
    alone = math.ceil(HEAD_ALONE * params.steps) if model.made and params.steps > 1 else 0
    return Job(
        model, params, learned, held_out, masking, loading.pad_id(base), alone, state.environment_of(ctx.resolved),
        began,
    )  # fmt: skip


def _deliver(
    ctx: RunContext, job: Job, texts: Mapping[str, Corpus], rows: Rows, perplexity: Mapping[int, float]
) -> None:
    """Keep the model, say what it has read, and install it."""
    base, folder = ctx.input("model"), ctx.folder / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    language.write(job.model, base, loading.longest_input(base, job.params.max_length), folder)
    told = Pretraining(
        objective=job.model.objective,
        steps=job.params.steps,
        read=rows.read,
        left_out=rows.left_out + rows.near,
        before=perplexity[job.alone],  # a head that was made said nothing before it had learned
        after=perplexity[job.params.steps],
    )
    read = {role: corpus.take(rows.learned[role]) for role, corpus in texts.items()}
    started.write_pretrained(ctx.spec.id, base, read, told, folder)
    installed = started.install(ctx.spec.id, ctx.root / "models")
    ctx.finish(
        {
            "model": installed.name,
            "objective": told.objective,
            "steps": told.steps,
            "head_made": bool(job.model.made),
            "rows": {role: len(learned) for role, learned in rows.learned.items()},
            "held_out_rows": rows.kept_apart,
            "left_out": {"stands": rows.left_out, "near": rows.near, "twice": rows.twice},
            "perplexity": [[step, value] for step, value in sorted(perplexity.items())],
            "before": told.before,
            "after": told.after,
            "tokens": len(job.learned.ids),
            "versions": dict(versions()),
        }
    )
    ctx.point("finished")
    shutil.rmtree(ctx.folder / state.FOLDER, ignore_errors=True)
