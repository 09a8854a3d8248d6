"""What the settings of a training are called, and what they do in a sentence."""

from collections.abc import Mapping

from components.params_form import FieldWords
from components.words import t


def setting_words() -> Mapping[str, FieldWords]:
    """By the name of the setting."""
    return {**_first_words(), **_head_words(), **_network_words(), **_course_words(), **_text_words()}


def prompt_words() -> Mapping[str, FieldWords]:
    """The same of the settings of prompting."""
    return {
        "model": FieldWords(
            t("Language model"),
            t("A causal language model, by its id on a hub or a folder inside the workspace; or an endpoint."),
        ),
        "demonstrations": FieldWords(
            t("Examples shown"),
            t("So many rows of the mix, with their labels, stand in each question. 0 is zero shot: the labels alone."),
            step=1,
        ),
        "choose": FieldWords(
            t("Which ones"),
            t(
                "Similar: the nearest to the row that is asked about, as the encoder sees it. Covering: among them one "
                "of each label. Random: the same ones for all rows, by the repeat's number."
            ),
            {"similar": t("Similar"), "cover": t("Covering the labels"), "random": t("Random")},
        ),
        "most_tokens": FieldWords(
            t("Longest question, in tokens"),
            t("Where it would be longer, the least similar example is left out."),
            step=100,
        ),
        "answer_tokens": FieldWords(
            t("Longest answer, in tokens"), t("An answer that is cut off counts as nothing predicted."), step=50
        ),
        "temperature": FieldWords(
            t("Temperature"),
            t("0 takes the likeliest answer, so that repeats differ by the rows that they draw alone."),
            step=0.1,
            format="%g",
        ),
    }


def _first_words() -> Mapping[str, FieldWords]:
    return {
        "method": FieldWords(
            t("What is trained"),
            t(
                "All weights: the usual way, and the best where there is enough data. Low-rank updates (LoRA): small "
                "additions to each layer. The head alone: the encoder stays as it is, which takes seconds. Pairs: for "
                "few texts, those of one label are drawn together and others apart, and the head is solved over them. "
                "Prompt: nothing is trained, a language model is asked, with rows of the mix as examples."
            ),
            {
                "full": t("All weights"),
                "lora": t("Low-rank"),
                "frozen": t("Head only"),
                "contrastive": t("Pairs of texts"),
                "prompt": t("Prompt a language model"),
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


def _head_words() -> Mapping[str, FieldWords]:
    """Of what is said about the head."""
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
    }


def _network_words() -> Mapping[str, FieldWords]:
    """Of what is said about the network below it."""
    return {
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
