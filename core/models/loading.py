"""From an installed model to a network with a task's head, and back to a folder of trained tensors."""

import importlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CoreError
from core.models.heads import classes_of, fresh_unless_meant
from core.models.shapes import PLAIN, Shape, kept_head, shape_of, shaped

if TYPE_CHECKING:
    import torch

OVERLAY = "trained.safetensors"
META = "model.json"
PROMPT, POOL = "prompt.json", "pool.arrow"  # in place of the first, of a model that is prompted, see core.prompting
ROUTER = "router.safetensors"  # beside the folders of a model that is several, see core.continual.routing


@dataclass(frozen=True)
class ModelMeta:
    """What a fine-tuned model needs besides its tensors."""

    base: str  # identity of the installed model it was tuned from
    task: str
    language: str
    labels: tuple[str, ...]
    max_length: int
    frozen_layers: int = 0  # lowest layers that are as in the base, so that what they make of a row can be shared
    shape: Shape = PLAIN  # what its network has that its family has not

    @classmethod
    def read(cls, folder: Path) -> "ModelMeta":
        data = json.loads((folder / META).read_text())
        return cls(
            data["base"], data["task"], data["language"], tuple(data["labels"]), data["max_length"],
            data.get("frozen_layers", 0), Shape(**data.get("shape", {})),
        )  # fmt: skip


def tokenizer(folder: Path) -> Any:
    """The tokenizers.Tokenizer of an installed model."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def running_tokenizer(folder: Path) -> Any:
    """The same for running text: byte-level ones, told that words come one by one, put no blank before it any more."""
    from tokenizers import Tokenizer

    data = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    first = data.get("pre_tokenizer") or {}
    for part in (first, *first.get("pretokenizers", [])):
        if part.get("type") == "ByteLevel":
            part["add_prefix_space"] = False
    return Tokenizer.from_str(json.dumps(data))


def pad_id(folder: Path) -> int:
    """The sub-token that fills batches up."""
    found = json.loads((folder / "config.json").read_text()).get("pad_token_id")
    return int(found or 0)


def longest_input(folder: Path, wanted: int) -> int:
    """The longest row in sub-tokens that the model takes, at most `wanted`."""
    config = json.loads((folder / "config.json").read_text())
    positions = config.get("max_position_embeddings")
    offset = 2 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert") else 0
    return wanted if positions is None else min(wanted, int(positions) - offset)


def hidden_states(folder: Path) -> tuple[int, int]:
    """How wide the model's hidden states are, and the number of the last: an estimate where its family is unusual."""
    config = json.loads((folder / "config.json").read_text())
    width = config.get("hidden_size") or config.get("dim") or config.get("d_model") or 1024
    return int(width), int(config.get("num_hidden_layers") or config.get("n_layers") or 12)


def network(folder: Path, head: str, classes: Sequence[str], shape: Shape | None = None) -> "torch.nn.Module":
    """The pre-trained encoder with a head of the given classes, float32: the one that the folder brings along where it
    is meant for these, else a fresh one. The caller seeds torch before. `shape`: None: the folder's."""
    module, _, name = head.partition(":")
    auto = getattr(importlib.import_module(module), name)
    try:
        model, lacking = pretrained(folder, auto, folder.name, num_labels=len(classes), ignore_mismatched_sizes=True)
    except ValueError as error:
        values = {"model": folder.name, "what": str(error)[:200]}
        raise CoreError("model_unloadable", values, "hint_model_folder") from None
    encoder = f"{model.base_model_prefix}."
    absent = [key for key in lacking if key.startswith(encoder)]
    if absent:  # a head of ours is fresh, an encoder never is
        raise weights_absent(folder.name, absent)
    loaded = {n for n, _ in model.named_parameters() if not n.startswith(encoder)} - {*lacking}
    fresh_unless_meant(model, auto.from_config, folder, classes, loaded)
    return _shaped(model, folder, name, classes, shape)


def _shaped(model: Any, folder: Path, name: str, classes: Sequence[str], asked: Shape | None) -> Any:
    """The network as it is asked for, or as its folder says, a head of neighbours with what that one kept."""
    from safetensors.torch import load_file

    wanted = shape_of(folder) if asked is None else asked
    meant = asked is not None or classes_of(folder) == tuple(classes)
    pooling = wanted.pooling if name.endswith("SequenceClassification") else "first"
    shaped(model, Shape(pooling, wanted.neighbours if meant else 0), len(classes))
    if asked is None and meant and wanted.neighbours:
        tensors = {key: t for file in folder.glob("*.safetensors") for key, t in load_file(str(file)).items()}
        kept_head(
            model,
            tensors,
            [key for key, _ in model.named_parameters() if not key.startswith(f"{model.base_model_prefix}.")],
        )
    return model


def pretrained(folder: Path, auto: Any, name: str, **more: Any) -> tuple[Any, list[str]]:
    """What an auto class of transformers makes of a folder, float32, and the weights that the folder lacks or has in
    another shape, sorted. Nothing is fetched, no code and no pickle of the folder is looked at.

    `name`: of the model, for messages. Raises ValueError for a family that the class doesn't know, CoreError
    `model_unloadable`.
    """
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        model, found = auto.from_pretrained(
            str(folder),
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **more,
        )
    except (OSError, KeyError, RuntimeError) as error:
        values = {"model": name, "what": str(error)[:200]}
        raise CoreError("model_unloadable", values, "hint_model_folder") from None
    lacking = (*found["missing_keys"], *found["mismatched_keys"])
    return model, sorted({key[0] if isinstance(key, tuple) else str(key) for key in lacking})


def weights_absent(name: str, keys: Sequence[str]) -> CoreError:
    """Of a model that can't do without them."""
    values = {"model": name, "count": len(keys), "first": keys[0]}
    return CoreError("model_weights_absent", values, "hint_model_folder")


def reading(model: Any) -> Any:
    """A network that is only read with, on the GPU where there is one."""
    import torch

    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def word_embeddings(model: Any) -> "torch.nn.Module":
    """The table of word embeddings."""
    return model.get_input_embeddings()


def is_prompted(folder: Path) -> bool:
    """Whether a run's model is none that was trained, but asks a language model, see core.prompting.prompted."""
    return (folder / PROMPT).is_file()


def save_trained(model: Any, meta: ModelMeta, folder: Path) -> None:
    """Write the tensors that were trained and what is needed to lay them over their base again."""
    save_tensors({name: p for name, p in model.named_parameters() if p.requires_grad}, folder / OVERLAY)
    save_meta(meta, folder)


def save_meta(meta: ModelMeta, folder: Path) -> None:
    """Write what a fine-tuned model needs besides its tensors."""
    (folder / META).write_text(json.dumps(asdict(meta), ensure_ascii=False, indent=1))


def save_tensors(tensors: dict[str, Any], path: Path) -> None:
    """Tensors as one safetensors file, on the CPU, contiguous."""
    from safetensors.torch import save_file

    save_file({name: t.detach().to("cpu").contiguous() for name, t in tensors.items()}, str(path))


def check_kept(run: Path, name: str) -> None:
    """Refuse the folder of a run that holds no one network: no model, one that asks, or one that is several. Raises
    CoreError `run_without_weights`, `run_prompted`, `run_of_parts`."""
    if is_prompted(run / "model"):
        raise CoreError("run_prompted", {"run": name}, "hint_run_prompted")
    if (run / "model" / ROUTER).is_file():
        raise CoreError("run_of_parts", {"run": name}, "hint_run_of_parts")
    if not (run / "model" / OVERLAY).is_file():
        raise CoreError("run_without_weights", {"run": name}, "hint_run_without_weights")


def load_trained(folder: Path, base: Path, head: str, classes: Sequence[str]) -> "torch.nn.Module":
    """A fine-tuned network: its base with the trained tensors laid over."""
    from safetensors.torch import load_file

    model = network(base, head, classes, ModelMeta.read(folder).shape)
    missing = model.load_state_dict(load_file(str(folder / OVERLAY)), strict=False).unexpected_keys
    if missing:
        raise CoreError("model_bad_weights", {"model": folder.parent.name, "part": OVERLAY}, "hint_safetensors")
    return model
