"""An encoder or decoder with its language-model head: what continued pre-training trains, and the folder of it after.

An encoder whose folder lacks the head (a sentence encoder, say) is given one: BERT's (Devlin et al. 2019,
https://arxiv.org/abs/1810.04805), whose decoder is the table of word embeddings. It begins at random.
"""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import CoreError
from core.models import layers, loading
from core.models.checks import TEXT_FILES
from core.models.whole import write_config, write_tokenizer

if TYPE_CHECKING:
    import torch

Objective = Literal["masked", "causal"]
WEIGHTS = "model.safetensors"
_MASKS = ("[MASK]", "<mask>")
_OURS = frozenset({"config.json", "generation_config.json", "start.json", "model.safetensors.index.json"})


@dataclass(frozen=True)
class LanguageModel:
    """`whole`: the network, float32; `made`: names of weights of the head that the folder lacked; `mask`: the id that
    stands for a hidden sub-token, -1 of a causal one."""

    whole: Any
    objective: Objective
    made: frozenset[str]
    mask: int

    @property
    def parameters(self) -> dict[str, "torch.nn.Parameter"]:
        """All weights by name; tied ones once."""
        return dict(self.whole.named_parameters())

    def scores(self, inputs: dict[str, "torch.Tensor"], at: "torch.Tensor") -> "torch.Tensor":
        """What the head says at some places of a batch. `at`: of rows x longest. *Shape:* (n,) -> (n, vocabulary).

        The head of an encoder is worked out at these places alone: it is as wide as the vocabulary.
        """
        if self.objective == "causal":
            return self.whole(**inputs, use_cache=False).logits.flatten(0, 1).index_select(0, at).float()
        states = self.whole.base_model(**inputs)[0].flatten(0, 1).index_select(0, at)
        return layers.head_alone(self.whole)(inputs_embeds=states[None]).logits[0].float()


def language_model(folder: Path, name: str, seed: int) -> LanguageModel:
    """The model of an installed folder. `seed`: of weights that are made.

    Raises CoreError `model_no_language` for a family that is neither, or an encoder whose tokeniser has no mask,
    `model_unloadable`, `model_weights_absent`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    torch.manual_seed(seed)
    tokenizer = loading.tokenizer(folder)
    mask = next((id for token in _MASKS if (id := tokenizer.token_to_id(token)) is not None), -1)
    objective = _objective(folder, name, mask)
    auto = AutoModelForMaskedLM if objective == "masked" else AutoModelForCausalLM
    whole, lacking = loading.pretrained(folder, auto, name)
    inner = f"{whole.base_model_prefix}."
    absent = [key for key in lacking if objective == "causal" or key.startswith(inner)]
    if absent:  # a head for masked words can be made, nothing else can
        raise loading.weights_absent(name, absent)
    made = frozenset(key for key in lacking if key in dict(whole.named_parameters()))
    return LanguageModel(whole, objective, made, mask if objective == "masked" else -1)


def _objective(folder: Path, name: str, mask: int) -> Objective:
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    family = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False).model_type
    if family in MODEL_FOR_MASKED_LM_MAPPING_NAMES:  # many of these are causal too, but not as they were trained
        if mask >= 0:
            return "masked"
    elif family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    raise CoreError("model_no_language", {"model": name, "family": family}, "hint_model_no_language")


def begin_with_frequencies(model: LanguageModel, counts: "torch.Tensor") -> None:
    """Let a head that was made begin with how often sub-tokens occur, not with all alike: its bias is log(count + 1),
    mean 0. `counts`: *shape* (vocabulary,)."""
    import torch

    bias = getattr(model.whole.get_output_embeddings(), "bias", None)
    if model.made and bias is not None:
        with torch.no_grad():
            told = torch.zeros_like(bias)
            told[: len(counts)] = (counts + 1).log()
            bias.copy_(told - told.mean())


def write(model: LanguageModel, base: Path, max_length: int, folder: Path) -> None:
    """Fill an empty folder with a network, which transformers loads by itself, and with the tokeniser of `base`.

    What `base` has beside the network with this head (a pooler, which heads over whole texts begin with) stays.
    """
    from safetensors.torch import load_file, save_file

    model.whole.save_pretrained(str(folder), max_shard_size="1TB", safe_serialization=True)
    write_config(model.whole.config, folder)
    tensors = load_file(str(folder / WEIGHTS))
    tensors |= _beside(base, model.whole.base_model_prefix, tensors.keys())
    save_file(dict(sorted(tensors.items())), str(folder / WEIGHTS), metadata={"format": "pt"})
    mask = loading.tokenizer(base).id_to_token(model.mask) if model.mask >= 0 else None
    write_tokenizer(base, max_length, folder, mask)
    for path in sorted(base.iterdir()):
        if path.name in TEXT_FILES - _OURS:
            shutil.copyfile(path, folder / path.name)


def _beside(base: Path, prefix: str, known: Collection[str]) -> dict[str, "torch.Tensor"]:
    """The pooler of a folder, under the names that it has in a network with a head; nothing where `known` has it."""
    from safetensors import safe_open

    found: dict[str, Any] = {}
    for path in sorted(base.glob("*.safetensors")):
        with safe_open(str(path), "pt") as file:
            for key in file.keys():  # noqa: SIM118 -- no dict
                name = key if key.startswith(f"{prefix}.") else f"{prefix}.{key}"
                if name.startswith(f"{prefix}.pooler.") and name not in known:
                    found[name] = file.get_tensor(key)
    return found
