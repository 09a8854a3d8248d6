"""A causal language model: text that goes on from a prompt, or answers it where the model has a template for chats."""

import json
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.models.chat import Reply
from core.models.loading import pretrained, reading, running_tokenizer
from core.models.sampling import Choice, seed_of

_TEMPLATE, _TOKENIZER, _SETTINGS = "chat_template.jinja", "tokenizer_config.json", "generation_config.json"
_ANSWER = "\n\nAnswer: "  # what a model without a template goes on from
_LONGEST = 4096  # sub-tokens, of a model that doesn't say


class CausalModel:
    """The model of an installed folder, in float32, on the GPU where there is one.

    Raises CoreError `model_unloadable`, and `model_not_causal` for a model that doesn't write.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._tokenizer = running_tokenizer(folder)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._config = _object(folder / _TOKENIZER)
        self._template = _template(folder, self._config)
        self._network = _network(folder, name)
        told = {**vars(self._network.config), **_object(folder / _SETTINGS)}.get("eos_token_id")
        self._ends = told if isinstance(told, list) else [] if told is None else [told]
        self.longest = int(getattr(self._network.config, "max_position_embeddings", None) or _LONGEST)  # sub-tokens

    def tokens(self, prompt: str) -> int:
        """Sub-tokens of a prompt, with what the model's template puts around it."""
        return len(self._ids(prompt))

    def write(self, prompt: str, seed: int, temperature: float, most: int) -> Reply:
        """What comes after a prompt; the same for the same seed. `most`: sub-tokens."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        ids = self._ids(prompt)
        most = min(most, self.longest - len(ids))
        if most <= 0:
            return Reply("", len(ids), 0, cut=True)
        before = len(ids)

        def line_ends(written: Any, scores: Any) -> Any:
            text = self._tokenizer.decode(written[0, before:].tolist()).lstrip()
            return torch.full((1,), self._template is None and "\n" in text, device=written.device)

        settings = GenerationConfig(eos_token_id=self._ends or None, pad_token_id=(self._ends or [0])[0],
                                    do_sample=False, num_beams=1, max_new_tokens=most, use_cache=True)  # fmt: skip
        asked = torch.tensor([ids], device=self._network.device)
        with torch.inference_mode():
            made = self._network.generate(
                input_ids=asked,
                attention_mask=torch.ones_like(asked),
                generation_config=settings,
                logits_processor=LogitsProcessorList([Choice([seed_of(seed, prompt)], temperature)]),
                stopping_criteria=StoppingCriteriaList([line_ends]),
            )[0, before:].tolist()
        text = self._tokenizer.decode(made)
        ended = bool(made) and (made[-1] in self._ends or (self._template is None and "\n" in text.lstrip()))
        if self._template is None:
            text = text.lstrip().partition("\n")[0]
        return Reply(text, before, len(made), cut=not ended)

    def _ids(self, prompt: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(self._whole(prompt), add_special_tokens=self._template is None).ids
        return ids

    def _whole(self, prompt: str) -> str:
        if self._template is None:
            return prompt + _ANSWER
        from jinja2.exceptions import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        special: dict[str, Any] = {key: _text(self._config.get(key)) for key in ("bos_token", "eos_token")}
        chat = [[{"role": "user", "content": prompt}]]
        try:
            made, _ = render_jinja_template(chat, chat_template=self._template, add_generation_prompt=True, **special)
        except (TemplateError, TypeError, ValueError) as error:
            values = {"model": self._name, "what": str(error)[:200]}
            raise CoreError("model_unloadable", values, "hint_model_folder") from None
        return str(made[0])


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(token: Any) -> str:
    """A special token as a tokeniser's configuration has it."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    """The chat template, which transformers fills in a sandbox."""
    if (folder / _TEMPLATE).is_file():
        return (folder / _TEMPLATE).read_text(encoding="utf-8")
    found = config.get("chat_template")
    return found if isinstance(found, str) else None


def _network(folder: Path, name: str) -> Any:
    from transformers import AutoModelForCausalLM, GenerationConfig

    refused = CoreError("model_not_causal", {"model": name}, "hint_model_not_causal")
    try:
        model, absent = pretrained(folder, AutoModelForCausalLM, name)
    except ValueError:  # a family that doesn't write
        raise refused from None
    if absent:
        raise refused
    model.generation_config = GenerationConfig()
    return reading(model)
