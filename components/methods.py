"""The methods of augmenting in words: what each does, where it comes from, and what its settings mean."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.words import raw, t, visible
from core.augment import AUGMENTERS
from core.mix import GOLD


@dataclass(frozen=True)
class Method:
    """A method's name, and what it does in one sentence."""

    title: str
    what: str


METHODS: Mapping[str, Method] = {  # words
    "mention_replacement": Method(
        "Mention replacement", "Each name may become another name with the same label, taken from your own sentences."
    ),
    "token_replacement": Method(
        "Token replacement", "Each word may become another word that carries the same label in your own sentences."
    ),
    "shuffle_segments": Method(
        "Shuffled segments", "Words change their order, but only within a name or within the text between two names."
    ),
    "back_translation": Method(
        "Back-translation", "What stands outside names is translated into another language and back: English through "
        "Portuguese without a network, or whatever translation models that you name know."
    ),
    "synonym": Method("Synonym replacement", "Words outside names become synonyms from WordNet. English only."),
    "neighbours": Method(
        "Neighbouring words", "Words outside names become words that stand near them in the space of an encoder."
    ),
    "graph": Method(
        "Graph expansion", "Words outside names become, or are followed by, words that WordNet relates them to, such "
        "as what they are kinds or parts of; with a file of yours, names too. WordNet is English."
    ),
    "insertion": Method(
        "Synonym insertion", "Synonyms of words in the sentence are put in at other places, never inside a name. "
        "English only."
    ),
    "masked_lm": Method(
        "Words a model expects",
        "Words outside names become words that a masked language model expects there, or such words are put in. It "
        "needs such a model.",
    ),
    "written": Method(
        "Written by a language model",
        "A language model writes a new sentence for each of yours, with the same labels. Its answers are checked, "
        "and what is not as asked is dropped. It needs a model or an endpoint.",
    ),
    "attack": Method(
        "Attack on a trained run",
        "Words outside names become words that stand near them, one after the other, until "
        "a trained run is wrong about the sentence. Only where that succeeds is there a child.",
    ),
    "pseudo_labels": Method(
        "Labels by a trained run",
        "Sentences without labels get those that a trained run finds in them. What it is not sure of stays unknown, "
        "and nothing is learned from it. The words stay as they are.",
    ),
    "rockner": Method(
        "Other names in other words",
        "Each name becomes another one with the same label, and words around it become "
        "other words; on request, only what a trained run is wrong about.",
    ),
    "swap": Method("Word swaps", "Two words outside names change places, never across a name."),
    "deletion": Method("Word deletion", "Words outside names are left out."),
    "keyboard": Method("Keyboard slips", "Characters become their neighbours on the keyboard."),
    "ocr": Method("OCR errors", "Characters become look-alikes that text recognition confuses, such as 0 and O."),
    "spelling": Method("Spelling mistakes", "Words become misspellings that people often make. English only."),
    "case": Method("Other case", "Words change between small letters, a capital first, and capitals only."),
    "spacing": Method("Missing and wrong spaces", "Neighbouring words run together, or a word falls apart."),
    "chain": Method("Chain of methods", "Several methods change a sentence one after the other."),
    "duplicate": Method(
        "Control: gold again", "No augmentation: the same sentences once more. What a mix gains by it, it gains by "
        "seeing gold more often."
    ),
    "label_shuffle": Method(
        "Control: wrong labels", "No augmentation: names get the labels of others. It should never help; if it seems "
        "to, doubt the comparison."
    ),
}  # fmt: skip
SOURCES: Mapping[str, str] = {  # Markdown
    "mention_replacement": "[Dai & Adel 2020](https://arxiv.org/abs/2010.11683)",
    "token_replacement": "[Dai & Adel 2020](https://arxiv.org/abs/2010.11683)",
    "shuffle_segments": "[Dai & Adel 2020](https://arxiv.org/abs/2010.11683)",
    "back_translation": "[Sennrich et al. 2016](https://arxiv.org/abs/1511.06709), "
    "[Xie et al. 2020](https://arxiv.org/abs/1904.12848), [Chen et al. 2023](https://arxiv.org/abs/2211.15613)",
    "synonym": "[Wei & Zou 2019](https://arxiv.org/abs/1901.11196)",
    "neighbours": "[Wang & Yang 2015](https://aclanthology.org/D15-1306), "
    "[Jiao et al. 2020](https://arxiv.org/abs/1909.10351)",
    "graph": "[Fellbaum 1998](https://wordnet.princeton.edu)",
    "insertion": "[Wei & Zou 2019](https://arxiv.org/abs/1901.11196)",
    "masked_lm": "[Wu et al. 2019](https://arxiv.org/abs/1812.06705), "
    "[Garg & Ramakrishnan 2020](https://arxiv.org/abs/2004.01970)",
    "written": "[Schick & Schütze 2021](https://arxiv.org/abs/2104.07540), "
    "[Yoo et al. 2021](https://arxiv.org/abs/2104.08826), [Ye et al. 2022](https://arxiv.org/abs/2202.07922)",
    "attack": "[Jin et al. 2020](https://arxiv.org/abs/1907.11932)",
    "pseudo_labels": "[Yarowsky 1995](https://aclanthology.org/P95-1026), Lee 2013, "
    "[Sohn et al. 2020](https://arxiv.org/abs/2001.07685)",
    "rockner": "[Lin et al. 2021](https://arxiv.org/abs/2109.05620)",
    "swap": "[Wei & Zou 2019](https://arxiv.org/abs/1901.11196)",
    "deletion": "[Wei & Zou 2019](https://arxiv.org/abs/1901.11196)",
    "keyboard": "[Belinkov & Bisk 2018](https://arxiv.org/abs/1711.02173)",
    "ocr": "[Ma 2019, nlpaug](https://github.com/makcedward/nlpaug)",
    "spelling": "[Belinkov & Bisk 2018](https://arxiv.org/abs/1711.02173)",
    "case": "[Dhole et al. 2021](https://arxiv.org/abs/2112.02721)",
    "spacing": "[Dhole et al. 2021](https://arxiv.org/abs/2112.02721)",
    "label_shuffle": "[Zhang et al. 2017](https://arxiv.org/abs/1611.03530)",
}


def title(method: str) -> str:
    """The name of a method, as it is."""
    return t(METHODS[method].title) if method in METHODS else visible(method.replace("_", " "))


def what(method: str) -> str:
    """What a method does to a sentence, and what it keeps."""
    if AUGMENTERS[method].control or AUGMENTERS[method].labels:
        return t(METHODS[method].what)
    kept = (
        t("Names stay as they are.") if AUGMENTERS[method].keeps_mentions else t("Names may change, their types stay.")
    )
    return " ".join((t(METHODS[method].what), kept)) if method in METHODS else kept


def ingredient(name: str) -> str:
    """The name of an ingredient, as it is."""
    return raw("gold") if name == GOLD else visible(name)
