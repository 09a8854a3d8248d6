"""Who writes: a language model behind an endpoint, or one in this process; and what it wrote so far, kept on disk."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from core.models import chat
from core.models.causal import CausalModel
from core.models.chat import Reply
from core.models.endpoints import Endpoint, name_of, named
from core.models.remembered import Remembered

Keep = Callable[["Question", Reply], None]
Check = Callable[[], None]


@dataclass(frozen=True)
class Spent:
    """What was had from language models. `answers`: different ones; `remembered`: those of them that were on disk
    already; tokens and cost are of all of them. `cost`: in `currency`; None: not known."""

    answers: int
    remembered: int
    tokens_in: int
    tokens_out: int
    cost: float | None = None
    currency: str = ""
    writer: str = ""  # the model, and the endpoint that it answers at
    prompt: str = ""  # the first digits of the sha256 of what all questions have in common


@dataclass(frozen=True)
class Planned:
    """What is about to be asked, roughly: tokens are guessed from some of the rows. `cost`: in `currency`; None: not
    known, or none."""

    questions: int
    tokens_in: int
    tokens_out: int
    cost: float | None = None
    currency: str = ""

    def times(self, number: int) -> "Planned":
        """So many times as much."""
        cost = None if self.cost is None else number * self.cost
        return Planned(number * self.questions, number * self.tokens_in, number * self.tokens_out, cost, self.currency)


@dataclass(frozen=True)
class Question:
    """A prompt, and which of the answers to it."""

    prompt: str
    seed: int
    most: int  # tokens of the answer


class Writer(Protocol):
    """What answers questions."""

    @property
    def name(self) -> str:
        """What its answers are kept under: another model or another setting, another name."""
        ...

    @property
    def told(self) -> str:
        """What it is called."""
        ...

    def answer(self, questions: Sequence[Question], keep: Keep, check: Check) -> None:
        """`keep` is called with each answer as it comes, then `check`, which may raise. Raises CoreError; what came
        until then, and what was on its way, was kept."""
        ...

    def cost(self, tokens_in: int, tokens_out: int) -> tuple[float | None, str]:
        """In a currency; None where it isn't known."""
        ...

    def tokens(self, prompt: str) -> int:
        """Of a prompt, with all that is put around it; a guess where only the other side can count them."""
        ...

    @property
    def longest(self) -> int | None:
        """The most tokens that a prompt and its answer may have together; None: not known."""
        ...


class OfEndpoint:
    """Several questions at once, as many as the endpoint's file says."""

    def __init__(self, endpoint: Endpoint, called: str, temperature: float) -> None:
        self._endpoint, self._called, self._temperature = endpoint, called, temperature
        sent = json.dumps(endpoint.send, sort_keys=True)
        self.name = f"endpoint 1 {endpoint.url} {endpoint.model} at {temperature:g} {sent}"
        self.told = f"{endpoint.model} ({called})"

    def answer(self, questions: Sequence[Question], keep: Keep, check: Check) -> None:
        with ThreadPoolExecutor(self._endpoint.parallel) as threads:
            left: dict[Future[Reply], Question] = {threads.submit(self._ask, one): one for one in questions}
            try:
                while left:
                    done, _ = wait(left, return_when=FIRST_COMPLETED)
                    for future in sorted(done, key=lambda one: one.exception() is not None):  # what came, first
                        keep(left.pop(future), future.result())
                        check()
            finally:
                on_their_way = {future: one for future, one in left.items() if not future.cancel()}
                for future, one in on_their_way.items():  # and will have to be paid for
                    if future.exception() is None:
                        keep(one, future.result())

    def _ask(self, one: Question) -> Reply:
        how = self._temperature
        return chat.ask(self._endpoint, self._called, one.prompt, temperature=how, seed=one.seed, most=one.most)

    def cost(self, tokens_in: int, tokens_out: int) -> tuple[float | None, str]:
        return self._endpoint.cost(tokens_in, tokens_out), self._endpoint.currency

    def tokens(self, prompt: str) -> int:
        return chat.guess(prompt)

    @property
    def longest(self) -> None:
        return None


class OfModel:
    """One question after the other, so that an answer is the same whatever else is asked."""

    def __init__(self, folder: Path, temperature: float) -> None:
        self._folder, self._temperature = folder, temperature
        self.name = f"causal 1 {folder.name} at {temperature:g}"
        self.told = folder.name[:16]
        _loaded(folder)

    def answer(self, questions: Sequence[Question], keep: Keep, check: Check) -> None:
        model = _loaded(self._folder)
        for one in questions:
            keep(one, model.write(one.prompt, one.seed, self._temperature, one.most))
            check()

    def cost(self, tokens_in: int, tokens_out: int) -> tuple[float | None, str]:
        return None, ""

    def tokens(self, prompt: str) -> int:
        return _loaded(self._folder).tokens(prompt)

    @property
    def longest(self) -> int:
        return _loaded(self._folder).longest


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> CausalModel:
    """A model in memory: another setting needs no other. An installed folder never changes."""
    return CausalModel(folder, folder.name[:16])


def writer(value: str, folder: Path | None, endpoints: Path | None, temperature: float) -> Writer:
    """Who answers for a setting that names a model or `endpoint:NAME`. `folder`: of the installed model, where it names
    one; `endpoints`: the file that says what endpoints are. Raises CoreError of that file, and of models."""
    called = name_of(value)
    if called is not None:
        return OfEndpoint(named(endpoints, called), called, temperature)
    assert folder is not None
    return OfModel(folder, temperature)


class Answers:
    """What a writer has answered, kept by question."""

    def __init__(self, writer: Writer, folder: Path) -> None:
        self._writer = writer
        self._kept = Remembered(folder, "answers")
        self._used: dict[bytes, tuple[Reply, bool]] = {}  # and whether it was there before

    def of(self, questions: Iterable[Question], check: Check = lambda: None) -> Mapping[Question, Reply]:
        """The answer to each. What is known isn't asked. `check` is called after each answer that comes, when it is
        kept, and may raise. Raises CoreError of the writer."""
        keys = {one: self._key(one) for one in questions}
        for key, text in self._kept.find(key for key in keys.values() if key not in self._used).items():
            self._used[key] = Reply(**json.loads(text)), True
        missing = [one for one, key in keys.items() if key not in self._used]

        def keep(question: Question, reply: Reply) -> None:
            key = keys[question]
            self._used[key] = reply, False
            self._kept.keep({key: json.dumps(asdict(reply))})

        if missing:
            self._writer.answer(missing, keep, check)
        return {one: self._used[key][0] for one, key in keys.items()}

    def spent(self, prompt: str) -> Spent:
        """`prompt`: what all questions have in common."""
        replies = [reply for reply, _ in self._used.values()]
        tokens = sum(one.tokens_in for one in replies), sum(one.tokens_out for one in replies)
        cost, currency = self._writer.cost(*tokens)
        before = sum(there for _, there in self._used.values())
        mark = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return Spent(len(replies), before, *tokens, cost, currency, self._writer.told, mark)

    def _key(self, one: Question) -> bytes:
        about = f"{self._writer.name}\0{one.most}\0{one.seed}\0{one.prompt}"
        return hashlib.sha256(about.encode("utf-8", "surrogatepass")).digest()
