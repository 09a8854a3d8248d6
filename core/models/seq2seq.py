"""A model that reads a text and writes another one: a translator of the families Marian, NLLB, M2M100, mBART, T5."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.models.languages import english, token
from core.models.loading import longest_input, pretrained, reading, running_tokenizer, weights_absent
from core.models.sampling import Choice, seed_of

_LONGEST = 512  # sub-tokens of a text
_AT_ONCE = 2048  # sub-tokens of a batch, padding included
_MORE = 8  # sub-tokens that an answer may have beyond twice those of its text
_LANGUAGE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}|[a-z]{2}_[A-Z]{2}|__[a-z]{2,3}__|<2[a-z]{2,3}>|>>[a-z]{2,3}(_\w+)?<<")


@dataclass(frozen=True)
class _Asked:
    """A text as the model reads it. `first`: the sub-token that its answer must begin with, if any."""

    place: int
    ids: tuple[int, ...]
    first: int | None
    seed: int


class Seq2SeqModel:
    """The model of an installed folder, in float32, on the GPU where there is one.

    Raises CoreError `model_unloadable`, and `model_not_seq2seq` for a model that writes nothing.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        self._tokenizer = running_tokenizer(folder)
        self._tokenizer.no_padding()
        self._longest = longest_input(folder, _LONGEST)
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        self._languages = {name: id for name, id in vocabulary.items() if _LANGUAGE.fullmatch(name)}
        self._network = _network(folder, name)
        self._settings = self._generation()

    @property
    def languages(self) -> list[str]:
        """The languages that it can be told to write, as its vocabulary spells them."""
        return sorted(self._languages)

    def speaks(self, language: str) -> bool:
        """Whether it can be told to write a language; one that knows a single pair isn't told, and may write any."""
        return not self._languages or self._token(language) is not None

    def translate(
        self, texts: Sequence[str], source: str, target: str, draws: Sequence[int], temperature: float
    ) -> list[str]:
        """In the order of `texts`; empty where a text is too long for the model. Texts of like length are read
        together, and each becomes what it becomes alone. `draws`: which of the ways to say it, where `temperature` is
        above 0."""
        asked = [self._asked(at, text, source, target, draw) for at, (text, draw) in
                 enumerate(zip(texts, draws, strict=True))]  # fmt: skip
        found = [""] * len(texts)
        close: list[_Asked] = []
        for batch in _batches([one for one in asked if len(one.ids) <= self._longest]):
            for one, text, doubtful in zip(batch, *self._written(batch, temperature), strict=True):
                found[one.place] = text
                close += [one] if doubtful and len(batch) > 1 else []
        for one in close:
            found[one.place] = self._written([one], temperature)[0][0]
        return found

    def _asked(self, place: int, text: str, source: str, target: str, draw: int) -> _Asked:
        """What the families want: the source's token before the text and the target's before the answer, or the
        target's before the text, or, of a T5 without such tokens, what to do in words."""
        seed = seed_of(draw, target, text)
        mine, its = self._token(source), self._token(target)
        end = [id for id in [self._settings["eos_token_id"]] if id is not None]
        if its is None:
            told = f"translate {english(source)} to {english(target)}: " if self._config["model_type"] == "t5" else ""
            return _Asked(place, tuple(self._tokenizer.encode(told + text).ids), None, seed)
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        if self._tokenizer.id_to_token(its)[0] in "<>":  # MADLAD, Marian
            return _Asked(place, (its, *ids, *end), None, seed)
        begin = [] if mine is None else [mine]
        return _Asked(place, (*begin, *ids, *end), its, seed)

    def _token(self, language: str) -> int | None:
        spelt = token(language)
        return next((self._languages[one] for one in sorted(self._languages) if spelt.fullmatch(one)), None)

    def _written(self, batch: Sequence[_Asked], temperature: float) -> tuple[list[str], list[bool]]:
        """The answers, and which of them might be others in another batch."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        width = max(len(one.ids) for one in batch)
        pad = self._settings["pad_token_id"]
        rows = [[*one.ids, *[pad] * (width - len(one.ids))] for one in batch]
        mask = [[1] * len(one.ids) + [0] * (width - len(one.ids)) for one in batch]
        longest = [min(self._longest, 2 * len(one.ids) + _MORE) for one in batch]
        device, choice = self._network.device, Choice([one.seed for one in batch], temperature)
        settings = GenerationConfig(**self._settings, forced_bos_token_id=batch[0].first, do_sample=False, num_beams=1,
                                    max_new_tokens=max(longest), use_cache=True)  # fmt: skip
        with torch.inference_mode():
            made = self._network.generate(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(mask, device=device),
                generation_config=settings,
                logits_processor=LogitsProcessorList([choice]),
            )
        answers = [ids[: most + 1] for ids, most in zip(made.tolist(), longest, strict=True)]
        return [text.strip() for text in self._tokenizer.decode_batch(answers)], choice.close

    def _generation(self) -> dict[str, Any]:
        """The sub-tokens that an answer begins with, ends with and never has."""
        from transformers import GenerationConfig

        found = self._network.generation_config
        pad = self._config.get("pad_token_id") or 0
        end = found.eos_token_id if found.eos_token_id is not None else self._config.get("eos_token_id")
        end = end[0] if isinstance(end, list) else end
        begin = found.decoder_start_token_id
        begin = self._config.get("decoder_start_token_id", pad) if begin is None else begin
        never = [[pad]] if pad != end else None  # Marian begins with it, and would write it
        self._network.generation_config = GenerationConfig()  # what else it says hangs on how long a batch's longest is
        return {"pad_token_id": pad, "eos_token_id": end, "decoder_start_token_id": begin, "bad_words_ids": never}


def _batches(asked: Sequence[_Asked]) -> list[list[_Asked]]:
    """Texts of like length together, the longest first; those of a batch ask for the same beginning."""
    batches: list[list[_Asked]] = []
    for one in sorted(asked, key=lambda one: (one.first or 0, -len(one.ids), one.place)):
        last = batches[-1] if batches else []
        fits = last and last[0].first == one.first and (len(last) + 1) * len(last[0].ids) <= _AT_ONCE
        if fits:
            last.append(one)
        else:
            batches.append([one])
    return batches


def _network(folder: Path, name: str) -> Any:
    from transformers import AutoModelForSeq2SeqLM

    try:
        model, absent = pretrained(folder, AutoModelForSeq2SeqLM, name)
    except ValueError:  # a family that writes nothing
        raise CoreError("model_not_seq2seq", {"model": name}, "hint_model_not_seq2seq") from None
    if absent:
        raise weights_absent(name, absent)
    return reading(model)
