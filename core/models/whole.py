"""A fine-tuned network as a whole folder, which transformers loads by itself: configuration, weights, tokeniser."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.models.loading import ModelMeta, pad_id, tokenizer
from core.models.shapes import told
from core.tasks import task as task_of
from core.tasks.words import unknown_of

_PROBLEMS = {"softmax": "single_label_classification", "sigmoid": "multi_label_classification"}
_OF_THE_MAKER = ("transformers_version", "_name_or_path")  # of a configuration: says nothing of the model


def write(model: Any, meta: ModelMeta, base: Path, folder: Path) -> None:
    """Fill an empty folder. `base`: the installed encoder that the network was tuned from."""
    classes = task_of(meta.task).classes(meta.labels)
    describe(model.config, meta, classes)
    told(model, model.config)
    model.save_pretrained(str(folder), max_shard_size="1TB", safe_serialization=True)
    write_config(model.config, folder)
    write_tokenizer(base, meta.max_length, folder)


def describe(config: Any, meta: ModelMeta, classes: Sequence[str]) -> None:
    """Say in a configuration what the outputs mean. `config`: a transformers.PretrainedConfig."""
    task = task_of(meta.task)
    config.id2label = dict(enumerate(classes))
    config.label2id = {name: number for number, name in enumerate(classes)}
    if task.reads == "row":
        config.problem_type = _PROBLEMS[task.objective]


def write_config(config: Any, folder: Path) -> None:
    """A configuration without what says nothing of the model: the same model has the same, whoever wrote it."""
    config.save_pretrained(str(folder))
    path = folder / "config.json"
    kept = {key: value for key, value in json.loads(path.read_text()).items() if key not in _OF_THE_MAKER}
    path.write_text(json.dumps(kept, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")


def write_tokenizer(base: Path, max_length: int, folder: Path, mask: str | None = None) -> None:
    """The tokeniser of an installed model as it is, and what transformers wants to know of it besides. `mask`: what
    hides a word, of a model that guesses it."""
    shutil.copyfile(base / "tokenizer.json", folder / "tokenizer.json")
    read = tokenizer(base)
    read.no_truncation()
    read.no_padding()
    around = read.encode("").tokens
    known = {"pad_token": read.id_to_token(pad_id(base)), "unk_token": read.id_to_token(max(unknown_of(read), 0))}
    if len(around) == 2:
        known |= {"cls_token": around[0], "sep_token": around[1]}
    known |= {"mask_token": mask}
    if unknown_of(read) < 0:
        del known["unk_token"]
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": max_length,
        "clean_up_tokenization_spaces": False,
        **{name: token for name, token in known.items() if token is not None},
    }
    text = json.dumps(config, ensure_ascii=False, indent=1)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
