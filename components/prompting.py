"""Prompting a language model, on the page Mix: who is asked, what it is shown and how, and a prompt to look at."""

from dataclasses import replace

import streamlit as st

from components import asking, training_form
from components.bench import Bench
from components.given import asked_for
from components.params_form import fill, params_form
from components.training_words import prompt_words
from components.words import t, told
from core.augment.protocol import Names
from core.errors import CoreError
from core.launch import plan_launch
from core.mix import Mix
from core.models.endpoints import name_of
from core.params import build, canonical, canonical_json, digest
from core.prompting.settings import PromptParams
from core.prompting.voices import voice_of
from core.questions import alike
from core.tasks import task
from core.training import sense
from core.training.settings import TrainParams

_SECONDS = 60.0  # that a prompt may take: all rows of the mix are compared with one
_HIGH = 260  # pixels of a template
_FIRST = ("demonstrations", "choose")
_MORE = ("most_tokens", "answer_tokens", "temperature")
_SHOWN, _ASKED = "mix_prompt_shown", "mix_prompt_asked"  # session keys: the prompt that is wanted, and its question


def settings(bench: Bench) -> TrainParams:
    """The form of a training that asks a language model. Its `prompt` is None until somebody says who that is."""
    project, slug = bench.project, bench.project.slug
    key, words = _key(slug), prompt_words()
    _take_in(key, project.recipe.train.prompt, project.recipe.language)
    model = asked_for(bench.space, Names("model", endpoints=True), words["model"], f"{key}_model")
    if model is not None and name_of(model) is not None:
        st.caption(t("Rows of dev, and those that are shown beside them, are sent to this endpoint."))
    asked = params_form(PromptParams, key, words, _FIRST)
    with st.expander(t("More training settings"), key="mix_experts"):
        rest = training_form.more(slug, "prompt", [], task(project.recipe.task))
        own = _template(key, project.recipe.language)
        asked |= params_form(PromptParams, key, words, _MORE) | ({} if own is None else {"template": own})
    prompt = None if model is None else asked | {"model": model}
    train = build(TrainParams, rest | {"method": "prompt"} | ({} if prompt is None else {"prompt": prompt}), "train")
    return replace(sense.tidied(train), steps=project.recipe.train.steps)


def _key(slug: str) -> str:
    """What the keys of a project's form begin with."""
    return f"mix_prompt_{slug}"


def _take_in(key: str, prompt: PromptParams | None, language: str) -> None:
    """Put a project's settings into the form, when it is drawn first and whenever they were changed elsewhere."""
    data = {} if prompt is None else canonical(prompt)
    if st.session_state.get(f"{key}_from") != canonical_json(data):
        fill(PromptParams, key, data)
        st.session_state[f"{key}_from"] = canonical_json(data)
        st.session_state[f"{key}_template"] = data.get("template", voice_of(language).template)


def _template(key: str, language: str) -> str | None:
    """The words of the question, which people may change. -> None: as they are by default"""
    usual, place = voice_of(language).template, f"{key}_template"
    text = st.text_area(
        t("Template of the question"),
        key=place,
        height=_HIGH,
        persist_state="session",
        help=t(
            "$text is the row, $demonstrations the examples, $labels the labels with what they mean, $form how the "
            "answer must look, $task the task in a sentence, $language the language. $$ is a dollar sign."
        ),
    )

    def reset() -> None:
        st.session_state[place] = usual

    st.button(t("Back to the usual template"), key=f"{key}_reset", on_click=reset, disabled=text == usual)
    return None if text.strip() in ("", usual.strip()) else text


def agreeing(mix: Mix, train: TrainParams) -> None:
    """Where every repeat asks the same: that their spread tells nothing, and what changes that."""
    if train.prompt is not None and alike(train.prompt, mix.draw_per_seed):
        st.caption(
            t(
                "All repeats ask the same, so they agree to the digit and their spread tells nothing. For a verdict "
                "choose random examples; in a recipe, `draw_per_seed` lets each repeat draw rows of its own."
            )
        )


def preview(bench: Bench, mix: Mix, train: TrainParams) -> None:
    """One prompt as it would be sent. Nobody is asked anything for it but the process that compares rows."""
    with st.expander(t("A prompt as it is sent"), key="mix_prompt"):
        row = st.number_input(t("Row of dev"), min_value=1, max_value=max(1, bench.dev.rows), key="mix_prompt_row")
        about = digest([canonical(train), canonical(mix), int(row), bench.project.slug])
        if st.button(t("Show the prompt"), key="mix_prompt_show", icon=":material/visibility:"):
            try:
                with st.spinner(t("Making the encoder ready ...")):
                    st.session_state[_SHOWN] = {"about": about, "request": _request(bench, mix, train, int(row) - 1)}
            except CoreError as error:
                st.error(told(error), icon=":material/error:")
        wanted = st.session_state.get(_SHOWN)
        if wanted is None or wanted["about"] != about:
            st.caption(t("No question is asked for this. The rows that are shown beside it are those of a training."))
            return
        found = asking.asked(bench.space, _ASKED, "prompt", wanted["request"], _SECONDS)
        if found.problem is not None:
            asking.problem(_ASKED, found.problem)
        elif found.answer is None:
            asking.waiting(bench.space, _ASKED)
        else:
            st.code(str(found.answer["prompt"]), language=None, wrap_lines=True)
            _counted(int(found.answer["shown"]), int(found.answer["dropped"]))


def _request(bench: Bench, mix: Mix, train: TrainParams, row: int) -> dict[str, object]:
    """What the process is asked for: the first repeat of the mix, as a launch would have it."""
    project = replace(bench.project, recipe=replace(bench.project.recipe, train=train))
    spec = plan_launch(bench.space, project, bench.stage, {"mix": mix}, [0]).mixes[0].specs[0]
    return {"inputs": dict(spec.inputs), "params": dict(spec.params), "row": row}


def _counted(shown: int, dropped: int) -> None:
    text = t("Examples in it: {n}.", n=shown)
    st.caption(text + (" " + t("Left out, so that it is not too long: {n}.", n=dropped) if dropped else ""))
