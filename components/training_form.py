"""The settings of a training: the method and the few that matter most, the rest folded; those alone that apply.

What is offered is what method and task have a use for (core.training.sense).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from components.frame import workspace
from components.params_form import FieldWords, fill, params_form
from components.starts import known_models
from components.training_words import setting_words
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
            found |= params_form(TrainParams, key_of(slug), setting_words(), [name])
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
    key, words = f"{key_of(slug)}_{name}", setting_words()[name]
    if st.session_state.get(key) not in texts:
        st.session_state[key] = None
    if not texts:
        return {}
    look = {"key": key, "placeholder": words.unset, "help": words.help, "format_func": visible}
    chosen = st.selectbox(words.label, texts, index=None, persist_state="session", **look)
    return {name: chosen} | params_form(TrainParams, key_of(slug), setting_words(), [weight]) if chosen else {}


def listed(train: TrainParams) -> dict[str, str]:
    """The settings that apply to a training, by what they are called, as they are."""
    words = setting_words()
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
    words = setting_words()
    return {**words, **{name: replace(words[name], offered=sense.choices(name, method, task)) for name in _CHOSEN}}


def _left(words: FieldWords) -> bool:
    """Whether there is anything to choose."""
    return words.offered is None or len(words.offered) > 0
