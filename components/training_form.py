"""The settings of a training: the method and the few that matter most, the rest folded; those alone that apply.

What is offered is what method and task have a use for (core.training.sense).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from components.frame import workspace
from components.params_form import FieldWords, fill, params_form
from components.starts import known_models
from components.words import raw, t, visible
from core.params import canonical, canonical_json
from core.tasks.protocol import Task
from core.training import sense
from core.training.settings import Method, TrainParams

_MORE = (  # in the order in which they are shown
    *("head", "pooling", "frozen_layers", "freeze_word_embeddings", "lora_rank", "lora_alpha", "layer_decay"),
    *("dropout", "weight_decay", "class_weights", "adversarial", "warmup", "clip"),
    *("evaluations", "patience", "max_length", "checkpoint_every", "consistency", "consistency_weight", "descriptions"),
)
_CHOSEN = ("method", "head", "pooling")  # of which a task has no use for every option
_OF_TEXT = ("consistency", "consistency_weight")


def key_of(slug: str) -> str:
    """What the keys of a project's form begin with."""
    return f"mix_train_{slug}"


def steps_key(slug: str) -> str:
    """The key of the number of steps, which the page suggests where a project has none yet."""
    return f"mix_steps_{slug}"


def take_in(slug: str, train: TrainParams) -> None:
    """Put a project's settings into its form, when it is drawn first and whenever they were changed elsewhere."""
    told, kept = canonical_json(canonical(train)), f"{key_of(slug)}_from"
    if st.session_state.get(kept) != told:
        fill(TrainParams, key_of(slug), canonical(train))
        st.session_state[kept] = told
        if train.steps is not None:
            st.session_state[steps_key(slug)] = train.steps


def method(slug: str, task: Task) -> Method:
    """What is trained: everything, low-rank updates, or the head."""
    words = _offered(TrainParams.method, task)
    return params_form(TrainParams, key_of(slug), words, ["method"]).get("method", TrainParams.method)


def essential(slug: str) -> dict[str, object]:
    """Learning rate and batch. -> those that differ from their default"""
    found: dict[str, object] = {}
    for place, name in zip(st.columns(2), ("learning_rate", "batch_tokens"), strict=True):
        with place:
            found |= params_form(TrainParams, key_of(slug), _words(), [name])
    return found


def more(slug: str, method: Method, texts: Sequence[str], task: Task) -> dict[str, object]:
    """All else that method and task have a use for. `texts`: ingredients without labels. -> what differs from its
    default"""
    key, words = key_of(slug), _offered(method, task)
    model = _model(slug)
    frozen = st.session_state.get(f"{key}_frozen_layers")
    head = st.session_state.get(f"{key}_head")
    begins = head if head in sense.choices("head", method, task) else TrainParams.head
    likely = TrainParams(method=method, frozen_layers=frozen, head=begins)
    shown = [name for name in _MORE if name not in _OF_TEXT and sense.applies(likely, name) and _left(words[name])]
    asked = params_form(TrainParams, key, words, shown)
    given = {name: value for name, value in asked.items() if name != "descriptions" or value}
    return given | model | _consistency(slug, texts)


def _consistency(slug: str, texts: Sequence[str]) -> dict[str, object]:
    """What text without labels teaches, where there is such text."""
    name, weight = _OF_TEXT
    key, words = f"{key_of(slug)}_{name}", _words()[name]
    if st.session_state.get(key) not in texts:
        st.session_state[key] = None
    if not texts:
        return {}
    look = {"key": key, "placeholder": words.unset, "help": words.help, "format_func": visible}
    chosen = st.selectbox(words.label, texts, index=None, persist_state="session", **look)
    return {name: chosen} | params_form(TrainParams, key_of(slug), _words(), [weight]) if chosen else {}


def listed(train: TrainParams) -> dict[str, str]:
    """The settings that apply to a training, by what they are called, as they are."""
    words = _words()
    names = ("method", "learning_rate", "batch_tokens", *_MORE)
    return {words[name].label: _shown(words[name], train, name) for name in names if sense.applies(train, name)}


def _shown(words: FieldWords, train: TrainParams, name: str) -> str:
    value = train.peak if name == "learning_rate" else getattr(train, name)
    if value is None:
        return words.unset or "-"
    if isinstance(value, bool):
        return raw("yes") if value else raw("no")
    return words.options.get(str(value)) or visible(value)


def _model(slug: str) -> dict[str, object]:
    """The encoder: a bundled one, a folder, or the name of one on a hub."""
    key = f"{key_of(slug)}_model"
    now = st.session_state.get(key) or TrainParams.model
    st.session_state[key] = now
    known = known_models(workspace())
    chosen = st.selectbox(
        t("Model"),
        list(dict.fromkeys([*known, now])),
        key=key,
        format_func=lambda name: known.get(name) or visible(name),
        accept_new_options=True,
        persist_state="session",
        help=t("What is fine-tuned: a bundled encoder, a trained run, a folder on the server, or one on a hub."),
    )
    name = str(chosen or now).strip()
    return {} if name == TrainParams.model else {"model": name}


def _offered(method: Method, task: Task) -> Mapping[str, FieldWords]:
    """The words, with the options that method and task have a use for."""
    words = _words()
    return {**words, **{name: replace(words[name], offered=sense.choices(name, method, task)) for name in _CHOSEN}}


def _left(words: FieldWords) -> bool:
    """Whether there is anything to choose."""
    return words.offered is None or len(words.offered) > 0


def _words() -> Mapping[str, FieldWords]:
    """What the settings are called, and what they do in a sentence."""
    return {**_first_words(), **_network_words(), **_course_words(), **_text_words()}


def _first_words() -> Mapping[str, FieldWords]:
    return {
        "method": FieldWords(
            t("What is trained"),
            t(
                "All weights: the usual way, and the best where there is enough data. Low-rank updates (LoRA): small "
                "additions to each layer. The head alone: the encoder stays as it is, which takes seconds. Pairs: for "
                "few texts, those of one label are drawn together and others apart, and the head is solved over them."
            ),
            {
                "full": t("All weights"),
                "lora": t("Low-rank"),
                "frozen": t("Head only"),
                "contrastive": t("Pairs of texts"),
            },
        ),
        "learning_rate": FieldWords(
            t("Learning rate"),
            t("How far each step moves the model. Left empty, it is the one that suits the method."),
            step=1e-5,
            format="%.6g",
            unset=t("by the method"),
        ),
        "batch_tokens": FieldWords(
            t("Sub-words in a batch"),
            t("Models cut words into pieces. So many pieces are looked at in one step, padding included."),
            step=64,
        ),
    }


def _network_words() -> Mapping[str, FieldWords]:
    """Of what is said about the network."""
    return {
        "head": FieldWords(
            t("Start of the head"),
            t(
                "The new layer on top begins at random, or solved: as the best linear answer to what the encoder knows "
                "already. That costs one pass over the mix. Left to method, task and model, it is random where "
                "that is enough: where all weights are trained on words, over MiniLM. For few rows it compares: with "
                "the mean of each label's examples (prototypes), with the nearest example, or what the label means in "
                "words, which takes no labelled row. With the head alone nothing more is learned then."
            ),
            {
                "suited": t("As it suits"),
                "fresh": t("At random"),
                "solved": t("Solved"),
                "prototypes": t("Prototypes"),
                "neighbours": t("Nearest example"),
                "described": t("Descriptions"),
            },
        ),
        "pooling": FieldWords(
            t("What is read of a text"),
            t(
                "Its first state, or the mean of all: what encoders of sentences were made for. Left empty, it is the "
                "mean where the head compares, else the first."
            ),
            {"first": t("The first state"), "mean": t("The mean of all")},
            unset=t("by the head"),
        ),
        "descriptions": FieldWords(
            t("What labels mean"),
            t("In words, one a line: `label: description`. Of a label that is left out its name is read."),
        ),
        "frozen_layers": FieldWords(
            t("Frozen layers"),
            t(
                "So many of the lowest layers stay as they are: what they make of a sentence is computed once for all "
                "repeats. Left empty, it is what suits the encoder; 0 trains every layer."
            ),
            step=1,
            unset=t("by the encoder"),
        ),
        "freeze_word_embeddings": FieldWords(
            t("Word embeddings frozen"),
            t("The table with a vector for each sub-word stays as it is. It is large, and few of its rows occur."),
        ),
        "lora_rank": FieldWords(
            t("Rank"), t("How wide the low-rank updates are: more can learn more, and costs more.")
        ),
        "lora_alpha": FieldWords(t("Alpha"), t("The updates count alpha / rank."), step=1.0, format="%g"),
        "layer_decay": FieldWords(
            t("Rate of each lower layer"),
            t("Each layer learns at so many times the rate of the one above it; 1 is the same for all."),
            step=0.05,
            format="%g",
        ),
        "dropout": FieldWords(
            t("Dropout"),
            t("The share of states that is left out at random while learning. Left empty, it is the encoder's own."),
            step=0.05,
            format="%g",
            unset=t("the encoder's own"),
        ),
    }


def _course_words() -> Mapping[str, FieldWords]:
    """Of what is said about the course of a training."""
    return {
        "weight_decay": FieldWords(
            t("Weight decay"), t("How strongly weights are drawn towards 0 at each step."), step=0.01, format="%g"
        ),
        "class_weights": FieldWords(
            t("Rare classes"),
            t("Balanced: the rarer a class, the more it counts in the loss, by the inverse root of its frequency."),
            {"none": t("As all others"), "balanced": t("Balanced")},
        ),
        "adversarial": FieldWords(
            t("Adversarial push"),
            t(
                "Each batch is seen twice, the second time with its embeddings pushed so far to where it hurts most. "
                "0 is none; 0.5 to 1 is usual. A step then costs twice as much."
            ),
            step=0.1,
            format="%g",
        ),
        "warmup": FieldWords(
            t("Warm-up"), t("The share of the steps in which the learning rate rises; then it falls to 0.")
        ),
        "clip": FieldWords(t("Longest gradient"), t("A longer one is shortened to this norm."), step=0.1, format="%g"),
        "evaluations": FieldWords(
            t("Looks at dev"),
            t("Evenly spaced; the weights of the best one are kept. Left empty, they take no longer than learning."),
            step=1,
            unset=t("2 to 4"),
        ),
        "patience": FieldWords(
            t("Patience"),
            t("Training ends early after so many looks at dev without a gain. Left empty, it never does."),
            step=1,
            unset=t("no end"),
        ),
        "max_length": FieldWords(
            t("Longest sentence, in sub-words"), t("Words beyond are not read and count as missed."), step=16
        ),
        "checkpoint_every": FieldWords(
            t("Steps between checkpoints"), t("An interrupted run goes on from its last one."), step=10
        ),
    }


def _text_words() -> Mapping[str, FieldWords]:
    """Of what is said about text without labels."""
    return {
        "consistency": FieldWords(
            t("Consistency on text without labels"),
            t(
                "The model learns to say of a sentence of this text, some of whose sub-words were exchanged, what it "
                "says of the sentence as it is, where it is sure enough. A step then costs two to three times as much."
            ),
            unset=t("none"),
        ),
        "consistency_weight": FieldWords(
            t("Weight of consistency"),
            t("How much this counts beside what is learned from the mix."),
            step=0.5,
            format="%g",
        ),
    }
