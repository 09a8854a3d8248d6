"""Settings that can be searched, in words: their names, their values, and what trials are judged by."""

from collections.abc import Mapping

from components.words import language, raw, visible
from core.trials import Search, Trial
from core.tunable import Tried


def question(search: Search) -> str:
    """What trials are judged by, as it is."""
    name = {"f1": raw("F1"), "recall": raw("Recall"), "precision": raw("Precision")}[search.metric]
    if search.label:
        return raw("{metric} of {label}", metric=name, label=search.label)
    return raw("{metric} of all labels", metric=name)


def setting_names() -> Mapping[str, str]:
    """What settings are called, as it is."""
    return {
        "learning_rate": raw("Learning rate"),
        "epochs": raw("Epochs"),
        "steps": raw("Training steps"),
        "batch_tokens": raw("Sub-words in a batch"),
        "warmup": raw("Warm-up"),
        "weight_decay": raw("Weight decay"),
        "dropout": raw("Dropout"),
        "layer_decay": raw("Rate of each lower layer"),
        "frozen_layers": raw("Frozen layers"),
        "method": raw("What is trained"),
        "head": raw("Start of the head"),
        "class_weights": raw("Rare classes"),
        "adversarial": raw("Adversarial push"),
    }


def value_words(value: Tried | None) -> str:
    """A value of a setting, as it is."""
    words = {
        "full": raw("All weights"),
        "lora": raw("Low-rank updates"),
        "frozen": raw("The head alone"),
        "contrastive": raw("Pairs of texts"),
        "fresh": raw("At random"),
        "solved": raw("Solved"),
        "prototypes": raw("Prototypes"),
        "neighbours": raw("Nearest example"),
        "described": raw("Descriptions"),
        "none": raw("As all others"),
        "balanced": raw("Balanced"),
    }
    if value is None:
        return "-"
    return words.get(value, visible(value)) if isinstance(value, str) else f"{value:.6g}"


def settings_words(one: Trial) -> str:
    """What a trial has of the settings that are searched, as it is."""
    names = setting_names()
    return raw(", ").join(f"{names[name]} {value_words(value)}" for name, value in one.values.items())


def share_words(value: float | None) -> str:
    """A share (0..1) in per cent with one digit, as it is."""
    return "-" if value is None else f"{100 * value:.1f} %"


def joined(*sentences: str) -> str:
    """Sentences one after the other."""
    return ("" if language() == "zh_CN" else " ").join(sentences)
