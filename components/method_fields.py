"""The settings of methods of augmenting in words: what each is called and does, and what an ingredient has."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.attack import attack_words
from components.checks import checks_words
from components.given import called
from components.labeller import labeller_words
from components.methods import METHODS, ingredient, title
from components.params_form import FieldWords, kinds_of
from components.words import percent, raw, t, visible
from core.augment import AUGMENTERS, draws_on, params_class, params_for
from core.recipe import AugmentedIngredient
from core.tasks.protocol import Task


@dataclass(frozen=True)
class Setting:
    """What a setting is called and what it does."""

    label: str
    help: str


RATES: Mapping[str, Setting] = {  # words
    "mention_replacement": Setting("Names replaced", "The chance of each name to be replaced; at least one is."),
    "token_replacement": Setting("Words replaced", "The chance of each word to be replaced; at least one is."),
    "shuffle_segments": Setting("Segments shuffled", "The chance of each segment to be shuffled; at least one is."),
    "back_translation": Setting(
        "Segments translated", "The chance of each stretch between names to be translated; at least one is."
    ),
    "synonym": Setting("Words replaced", "Replaced words per word of the sentence; at least one."),
    "neighbours": Setting("Words replaced", "Replaced words per word of the sentence; at least one."),
    "graph": Setting("Words changed", "Changed words per word of the sentence; at least one."),
    "insertion": Setting("Words inserted", "Inserted words per word of the sentence; at least one."),
    "masked_lm": Setting("Words changed", "Words replaced or put in, per word of the sentence; at least one."),
    "written": Setting("Sentences asked for", "The chance of each sentence to have a new one written beside it."),
    "attack": Setting("Words replaced, at most", "Replaced words per word of the sentence; at least one."),
    "rockner": Setting("Words replaced", "Replaced words outside names, per word of the sentence; at least one."),
    "swap": Setting("Pairs swapped", "Swapped pairs per word of the sentence; at least one."),
    "deletion": Setting("Words deleted", "The chance of each word outside names to be deleted; at least one is."),
    "keyboard": Setting("Words with a slip", "The chance of each word to be changed; at least one is."),
    "ocr": Setting("Words misread", "The chance of each word to be changed; at least one is."),
    "spelling": Setting("Words misspelt", "The chance of each word with known misspellings; at least one is changed."),
    "case": Setting("Words changed", "The chance of each word to be changed; at least one is."),
    "chain": Setting("Methods applied", "The chance of each method to be applied; at least one is."),
    "spacing": Setting("Words touched", "The chance of each word to be joined or cut; at least one is."),
}


def field_words(method: str) -> Mapping[str, FieldWords]:
    """What the settings of a method are called, by field."""
    words = {**_name_words(), **_noise_words(), **_translation_words(), **_graph_words(), **_model_words()}
    words |= _writing_words() if method == "written" else {}
    rate = {"rate": FieldWords(t(RATES[method].label), t(RATES[method].help))} if method in RATES else {}
    return {**words, **rate, **attack_words(method), **(labeller_words() if AUGMENTERS[method].labels else {})}


def _name_words() -> dict[str, FieldWords]:
    return {
        "balance": FieldWords(
            t("Even out what is rare"),
            t("Rare labels are replaced more often, and every spelling is as likely as the most frequent one."),
        ),
        "gazetteer": FieldWords(
            t("Names from a file of yours"),
            t("A CSV file with the columns label and mention. Names of these labels become those of the file."),
        ),
        "methods": FieldWords(
            t("Methods"),
            t("In this order, each as it is by default; for settings of your own make an ingredient of an ingredient."),
            {name: t(METHODS[name].title) for name in METHODS},
        ),
    }


def _noise_words() -> dict[str, FieldWords]:
    return {
        "character_rate": FieldWords(
            t("Characters changed"), t("The chance of each character of such a word to be changed; at least one is.")
        ),
        "shortest": FieldWords(
            t("Shortest word changed, in characters"), t("Shorter words stay: a slip in them often leaves nothing.")
        ),
        "scope": FieldWords(
            t("Where"),
            t("Outside or inside names, or anywhere. The label of a name stays in any case."),
            {"all": t("Anywhere"), "outside": t("Outside"), "inside": t("Inside")},
        ),
        "style": FieldWords(
            t("What words become"),
            t("Any: one of the three, by chance."),
            {"any": t("Any"), "lower": t("small"), "title": t("Title"), "upper": t("CAPS")},
        ),
        "joined": FieldWords(t("Joined rather than cut"), t("The share of words that run into the next one.")),
    }


def _translation_words() -> dict[str, FieldWords]:
    return {
        "fewest": FieldWords(
            t("Fewest words of a segment"), t("Shorter stretches stay: they rarely come back changed.")
        ),
        "mode": FieldWords(
            t("What is translated"),
            t(
                "Stretches between names, each by itself, or whole sentences: those read better, but are dropped if a "
                "name in them comes back as something else."
            ),
            {"segments": t("Stretches"), "markers": t("Whole sentences")},
        ),
        "pivot": FieldWords(
            t("Language between"),
            t(
                "The language that a sentence goes through: pt, Portuguese. Of several, such as de, fr, each child "
                "takes one."
            ),
        ),
        "there": FieldWords(
            t("Model that translates"),
            t(
                "In place of the embedded translator: a translation model, by its id on a hub, such as "
                "Helsinki-NLP/opus-mt-en-de, or a folder inside the workspace; or an endpoint, such as endpoint:local."
            ),
        ),
        "back": FieldWords(
            t("Model that translates back"), t("Without one, the first goes both ways: it must know many languages.")
        ),
        "temperature": FieldWords(
            t("Temperature"),
            t("0 takes the likeliest words; above that they are drawn, so that more copies say it in more ways."),
        ),
    }


def _graph_words() -> dict[str, FieldWords]:
    return {
        "relation": FieldWords(
            t("Relation"),
            t(
                "What the other word is to the word: dog to spaniel, spaniel to dog, setter to spaniel, page to book, "
                "or book to page."
            ),
            {
                "hypernym": t("What it is a kind of"),
                "hyponym": t("A kind of it"),
                "sibling": t("Another of its kind"),
                "part": t("A part of it"),
                "whole": t("What it is part of"),
            },
        ),
        "how": FieldWords(
            t("What happens"),
            t("The other word takes the place of the word, or follows it: the spaniel (dog)."),
            {"replace": t("Replace"), "append": t("Append")},
        ),
        "senses": FieldWords(
            t("Senses of a word"),
            t("How many count, the most frequent first. More change more words, and more of them into something else."),
        ),
        "triples": FieldWords(
            t("Relations from a file of yours"),
            t(
                "A CSV file with the columns head, relation and tail, in place of WordNet. Names are looked up in it, "
                "too."
            ),
        ),
        "along": FieldWords(
            t("Relation in that file"),
            t("As the file calls it; sibling: another head with the same relation to the same tail."),
        ),
    }


def _model_words() -> dict[str, FieldWords]:
    return {
        "nearest": FieldWords(
            t("Neighbours drawn from"), t("How many of the words nearest to a word its successor is drawn from.")
        ),
        "least": FieldWords(
            t("Nearness, at least"),
            t("Of a neighbour to the word. Less lets more words change, and more of them into something else."),
        ),
        "model": FieldWords(
            t("Model"),
            t("A masked language model: its id on a hub, such as bert-base-uncased, or a folder inside the workspace."),
        ),
        "way": FieldWords(
            t("What happens"), None, {"replace": t("Words are replaced"), "insert": t("Words are put in")}
        ),
        "likeliest": FieldWords(t("Words to draw from"), t("How many words may come to stand at one place.")),
    }


def _writing_words() -> dict[str, FieldWords]:
    return {
        "model": FieldWords(
            t("Model or endpoint"),
            t(
                "A language model: its id on a hub, such as google/gemma-3-270m-it, or a folder inside the workspace. "
                "Or an endpoint that endpoints.yaml in the workspace names, such as endpoint:local."
            ),
        ),
        "label": FieldWords(
            t("Labels"),
            t(
                "Separated by commas. Empty: those of the sentence. Of names, these are asked for besides; of whole "
                "texts, in place of the text's own."
            ),
        ),
        "style": FieldWords(t("Style"), t("Goes into the question, such as: terse, as in a chat.")),
        "domain": FieldWords(t("Domain"), t("Goes into the question, such as: shipping news.")),
        "temperature": FieldWords(t("Temperature"), t("More makes answers differ more, and more of them unusable.")),
        "prompt": FieldWords(
            t("Prompt"),
            t(
                "$example, $wanted, $labels, $language, $style and $domain are filled in for each sentence; what form "
                "the answer has is added where $form is missing."
            ),
        ),
    }


def settings(part: AugmentedIngredient, task: Task) -> dict[str, str]:
    """All settings of an ingredient by what they are called, as they are."""
    cls = params_class(part.augmenter)
    words, given = field_words(part.augmenter), cls(**part.params)
    found = {raw("Method"): title(part.augmenter), raw("Made of"): ingredient(part.of)}
    kinds = kinds_of(cls)
    for name in params_for(part.augmenter, task):
        kind = kinds[name]
        label, value = words[name].label if name in words else visible(name), getattr(given, name)
        share = kind.type is float and (kind.low, kind.high) == (0, 1)
        if kinds[name].names is not None:
            found |= {} if value is None else {label: visible(called(value))}
            continue
        if isinstance(value, bool):
            found[label] = raw("yes") if value else raw("no")
            continue
        several: list[str] = [str(one) for one in value] if isinstance(value, (list, tuple)) else []  # pyright: ignore[reportUnknownVariableType]
        options = words[name].options if name in words else {}
        shown = ", ".join(options.get(one, visible(one)) for one in several) or options.get(str(value))
        found[label] = percent(value) if share else shown or visible(value)
    found |= {raw("Copies"): str(part.copies), raw("Seed"): str(part.seed)}
    others = draws_on(part.augmenter, part.params)
    found |= {raw("Also words from"): "; ".join(visible(called(one)) for one in others)} if others else {}
    return found | checks_words(part.checks)
