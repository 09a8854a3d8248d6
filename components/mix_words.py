"""What mixes are judged by, and a search among them, in words."""

from collections.abc import Mapping

from components.words import raw
from core.evaluation.verdicts import Metric
from core.mix_trials import MixSearch


def metric_names() -> Mapping[Metric, str]:
    """As they are."""
    return {"f1": raw("F1"), "recall": raw("Recall"), "precision": raw("Precision")}


def question(search: MixSearch) -> str:
    """What mixes are judged by, as it is."""
    return score_words("" if search.worst else search.label, search.metric, search.worst)


def score_words(label: str, metric: Metric, worst: bool = False) -> str:
    """A score of a label, of all together where it is "", or of the label that does worst; as it is."""
    name = metric_names()[metric]
    if worst:
        return raw("{metric} of the worst label", metric=name)
    return raw("{metric} of {label}", metric=name, label=label) if label else raw("{metric} of all labels", metric=name)
