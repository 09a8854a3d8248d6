"""Sentences that read otherwise where what is labelled are whole texts, not mentions in them.

A sentence of the app is written once, where it is said, about sentences with mentions. For projects with rows of
another kind (`Task.rows`) it is said as it stands here, which is translated as well; and a row has another name.
"""

from collections.abc import Mapping, Sequence

_WHOLE_TEXTS: Mapping[str, str] = {  # words
    # how methods change a text
    "Words outside names become synonyms from WordNet. English only.": (
        "Words become synonyms from WordNet. English only."
    ),
    "Words outside names become words that stand near them in the space of an encoder.": (
        "Words become words that stand near them in the space of an encoder."
    ),
    "Words outside names become, or are followed by, words that WordNet relates them to, such as what they are kinds "
    "or parts of; with a file of yours, names too. WordNet is English.": (
        "Words become, or are followed by, words that WordNet or a file of yours relates them to. WordNet is English."
    ),
    "Sentences without labels get those that a trained run finds in them. What it is not sure of stays unknown, and "
    "nothing is learned from it. The words stay as they are.": (
        "Texts without labels get those that a trained run finds for them. Texts that it is not sure of are left out. "
        "The words stay as they are."
    ),
    "Of a word, or of the least sure word of a name. What is below stays unknown, and teaches nothing.": (
        "Of a label. A text of whose label the run is not that sure is left out."
    ),
    "Names of a label that are kept, the surest ones. The preview shows them all.": (
        "Texts of a label that are kept, the surest ones. The preview shows them all."
    ),
    "On its dev the run marked {n} names: {claimed} sure on average, {right} right.": (
        "On its dev the run labelled {n} texts: {claimed} sure on average, {right} right."
    ),
    "Words outside names become words that a masked language model expects there, or such words are put in. It needs "
    "such a model.": (
        "Words become words that a masked language model expects there, or such words are put in. It needs such a "
        "model."
    ),
    "Words outside names become words that stand near them, one after the other, until a trained run is wrong about "
    "the sentence. Only where that succeeds is there a child.": (
        "Words become words that stand near them, one after the other, until a trained run is wrong about the text. "
        "Only where that succeeds is there a child."
    ),
    "One repeat of each mix is attacked on {n} sentences of dev at most: words outside names become words that stand "
    "near them, one after the other, until it is wrong about the sentence or nothing is left to try. Test is never "
    "attacked.": (
        "One repeat of each mix is attacked on {n} texts of dev at most: words become words that stand near them, one "
        "after the other, until it is wrong about the text or nothing is left to try. Test is never attacked."
    ),
    "Synonyms of words in the sentence are put in at other places, never inside a name. English only.": (
        "Synonyms of words in the text are put in at other places. English only."
    ),
    "Two words outside names change places, never across a name.": "Two words change places.",
    "Words outside names are left out.": "Words are left out.",
    "The chance of each word outside names to be deleted; at least one is.": (
        "The chance of each word to be deleted; at least one is."
    ),
    "What stands outside names is translated into another language and back: English through Portuguese without a "
    "network, or whatever translation models that you name know.": (
        "Texts are translated into another language and back: English through Portuguese without a network, or "
        "whatever translation models that you name know."
    ),
    "No augmentation: names get the labels of others. It should never help; if it seems to, doubt the comparison.": (
        "No augmentation: texts get the labels of others. It should never help; if it seems to, doubt the comparison."
    ),
    "Names stay as they are.": "A child keeps the labels of its text.",
    "Names may change, their types stay.": "The child keeps the labels of its text.",
    # another labelled file
    "Sentences labelled for another purpose, of the same kind of text or not, can join gold. Say what their labels "
    "mean here.": "Texts labelled for another purpose can join gold. Say what their labels mean here.",
    "What do its labels mean? Names whose label is kept out of training stay in the text, and the model learns "
    "nothing from them: neither that they are names nor that they are not.": (
        "What do its labels mean? Of a label that is kept out of training the model learns nothing: neither which "
        "texts have it nor which don't."
    ),
    "A labelled file: CoNLL columns or JSON lines": "A labelled file: CSV, JSON Lines or Parquet",
    "No token carries a label. Check which column holds the tags.": (
        "No text carries a label. Check which column holds the labels."
    ),
    # what a project's data are like
    "Mentions": "Gold labels",
    "Places in the text that carry a label.": "One for each label that a text has.",
    "Sentences without mention": "Texts without label",
    "Only sentences without mention": "Only texts without label",
    "Sentences with mentions of all of these.": "Texts that have all of these.",
    "Tokens of the file, punctuation included.": "Punctuation marks are counted as words.",
    "Share of mentions": "Share of labels",
    "Share of each label in the mentions of each split": "Share of each label in all labels of each split",
    "Mentions, {split}": "Texts, {split}",
    "New": "New texts",
    "New in {split}": "New texts, {split}",
    "Mentions by label": "Texts by label",
    "Of the mentions in this split, those whose text never occurs with this label in train.": (
        "Of the texts in this split with this label, those that don't stand in train with it."
    ),
    "**Every mention in {split} also occurs in train**: scores there say nothing about new names.": (
        "**Every text in {split} also stands in train**: scores there say nothing about new texts."
    ),
    "**{share} of the {n} mentions in {split} never occur in train**: only their context tells what they are.": (
        "**{share} of the {n} labelled texts in {split} don't stand in train.**"
    ),
    # what a mix consists of
    "Different mentions in the drawn sentences that don't occur in gold.": (
        "Different texts among those drawn that don't stand in gold."
    ),
    "How the labels share the mentions: the mix beside gold and dev. Mentions that gold doesn't have: {n}.": (
        "How many of the labels are of which kind: the mix beside gold and dev. Texts that gold doesn't have: {n}."
    ),
    "Share of each label in all mentions: mix, gold, dev": "Share of each label in all labels: mix, gold, dev",
    # runs
    "The batch of step 1 of repeat {seed}: {rows} sentences, filled up to {longest} sub-words each. {scored} of the "
    "{all} sub-words below count in the loss; coloured ones begin or continue a mention.": (
        "The batch of step 1 of repeat {seed}: {rows} texts, filled up to {longest} sub-words each. The label of a "
        "text is learned from its first sub-word, the encoder's own mark, which looks at all of it: so {scored} of "
        "the {all} sub-words below count in the loss."
    ),
    "B- begins a mention, I- continues it, O is outside of mentions.": "The label of the whole text.",
    "not the first sub-word of its word": "read, but not scored by itself",
    "Loss, left, says how far the model is from the labels it trains on: lower is better. Dev F1, right, says how "
    "well it finds the entities of the dev split: higher is better.": (
        "Loss, left, says how far the model is from the labels it trains on: lower is better. Dev F1, right, says how "
        "well it finds the labels of the dev split: higher is better."
    ),
    "Dev as repeat {seed} marked it at the end: the mentions of gold above, those it found below. A mention is right "
    "if its words and its label are. How sure it was is the probability of its least probable word.": (
        "Dev as repeat {seed} labelled it at the end: gold above, what it found below. How sure it was is the "
        "probability of its label, of the least probable one where there are several."
    ),
    "Worst: most wrong mentions first, then the least sure. Best: none wrong, most right mentions first, then the "
    "most sure. Random: drawn anew at a press.": (
        "Worst: most wrong labels first, then the least sure. Best: none wrong, most right labels first, then the "
        "most sure. Random: drawn anew at a press."
    ),
    # comparisons
    "Recall: of 100 mentions in the text, how many were found, with the right borders and label.": (
        "Recall: of 100 texts that have a label, how many were given it."
    ),
    "Precision: of 100 mentions the model marks, how many are right.": (
        "Precision: of 100 times that the model gives a label, how many are right."
    ),
    "Too few to judge, under {few} mentions: {labels}.": "Too few to judge, under {few} texts: {labels}.",
    "**{mix}**: too few mentions to judge.": "**{mix}**: too few texts to judge.",
    "more mentions of **{label}** found (recall {figures})": "more texts of **{label}** found (recall {figures})",
    "more mentions of **{label}** missed (recall {figures})": "more texts of **{label}** missed (recall {figures})",
    "marks of **{label}** right more often (precision {figures})": (
        "**{label}** right more often where it is given (precision {figures})"
    ),
    "marks of **{label}** right less often (precision {figures})": (
        "**{label}** right less often where it is given (precision {figures})"
    ),
    "The mark is the mean difference over repeats, the line its 95 % interval. Triangle: better or worse; square: the "
    "same; disc: can't tell; grey cross: under 30 mentions or 5 repeats.": (
        "The mark is the mean difference over repeats, the line its 95 % interval. Triangle: better or worse; square: "
        "the same; disc: can't tell; grey cross: under 30 texts or 5 repeats."
    ),
    "Mentions in the split. Under {few} they are too few to judge.": (
        "Labels in the split, one for each text that has it. Under {few} they are too few to judge."
    ),
    "The finished runs mark the entities of test, and are scored. It is noted as one look.": (
        "The finished runs label the texts of test, and are scored. It is noted as one look."
    ),
    "Only sentences with mentions that are": "Only texts that are",
    "In gold, or in what a run marked. *Seen in gold* and *new*: the same words stand in gold train, or not.": (
        "By the number of their words, a third of the split each."
    ),
    # closer views
    "Kinds of mentions": "Kinds of texts",
    "Each label goes from a square ({baseline}) to a disc ({mix}): to the right more mentions are found, "
    "upwards more of what is marked is right. Means over repeats; the small dots are single repeats of {label}. Along "
    "a dotted line F1 is the same. Grey: under {few} mentions. Names that find no room are told when you point at "
    "their dot.": (
        "Each label goes from a square ({baseline}) to a disc ({mix}): to the right more of its texts are "
        "found, upwards it is right more often where it is given. Means over repeats; the small dots are single "
        "repeats of {label}. Along a dotted line F1 is the same. Grey: under {few} texts. Names that find no room are "
        "told when you point at their dot."
    ),
    "A row is a label of gold; its cells say what per cent of its mentions were marked as each label with the same "
    "borders, only with other borders, or not at all: means over repeats.": (
        "A row is a label of gold; its cells say what per cent of its texts were given each label, or did not get it: "
        "means over repeats."
    ),
    "The last row, *nothing*: what per cent of all that was marked with a label touches no mention of gold.": (
        "The last row, *nothing*: what per cent of all times that a label was given the text has not got it."
    ),
    "Marked as": "Label given",
    "No kind of mistake changed by half a point or more in labels with {few} mentions.": (
        "No kind of mistake changed by half a point or more in labels with {few} texts."
    ),
    "What changed most: **{column}** marked where gold has nothing, from {before} to {after} of all that is "
    "marked so.": (
        "What changed most: **{column}** given where gold has nothing, from {before} to {after} of all times that it "
        "is given."
    ),
    "What changed most: **{row}** taken for **{column}**, from {before} to {after} of its mentions.": (
        "What changed most: **{row}** taken for **{column}**, from {before} to {after} of its texts."
    ),
    "What changed most: **{row}** missed, from {before} to {after} of its mentions.": (
        "What changed most: **{row}** missed, from {before} to {after} of its texts."
    ),
    "Length of the sentence": "Length of the text",
    "A third of the sentences each: up to {low} words, up to {high}, and longer ones.": (
        "A third of the texts each: up to {low} words, up to {high}, and longer ones."
    ),
    "Sentences that hold exactly this text, words apart by a blank; capitals make no difference.": (
        "Texts that hold exactly this; capitals make no difference."
    ),
    "Text in the sentence": "Words to look for",
    "No part has a mention of this label.": "No part has a text with this label.",
    "Mentions of gold in this part.": "Labels of gold in this part.",
    "Recall is that of the mentions of gold in a part, precision that of the marks in it. A line is the 95 % interval "
    "of this one difference: among many parts one leaves out zero now and then by chance, so no part gets a verdict. "
    "Grey cross: under {few} mentions.": (
        "Recall and precision are those of the texts in a part. A line is the 95 % interval of this one difference: "
        "among many parts one leaves out zero now and then by chance, so no part gets a verdict. Grey cross: "
        "under {few} texts."
    ),
    # confidence and noise
    "mentions a repeat": "labels a repeat",
    "How many marked mentions are right, by confidence": "How many of the labels given are right, by confidence",
    "The confidence of a mention is the probability of its least probable word; right is one with the borders and "
    "label of gold. Each dot holds about as many mentions as the others, the mean over repeats; its line is the 95 % "
    "interval. Below the dashed line the model is too sure, above it not sure enough.": (
        "The confidence of a label is its probability. Each dot holds about as many labels as the others, the mean "
        "over repeats; its line is the 95 % interval. Below the dashed line the model is too sure, above it not sure "
        "enough."
    ),
    "**{mix}** marked nothing, so there is no confidence to judge.": (
        "**{mix}** gave no label, so there is no confidence to judge."
    ),
    "**{mix}** marks under {few} mentions: too few to judge its confidence.": (
        "**{mix}** gives under {few} labels: too few to judge its confidence."
    ),
    "**{mix}** is too sure: its confidence promises that {claimed} of what it marks is right, and {right} is. Level "
    "by level of confidence the two are {error} points apart on average (calibration error; chance alone makes up to "
    "{chance}).": (
        "**{mix}** is too sure: its confidence promises that {claimed} of its labels are right, and {right} are. "
        "Level by level of confidence the two are {error} points apart on average (calibration error; chance alone "
        "makes up to {chance})."
    ),
    "**{mix}** is not sure enough: its confidence promises that {claimed} of what it marks is right, and {right} is. "
    "Level by level of confidence the two are {error} points apart on average (calibration error; chance alone makes "
    "up to {chance}).": (
        "**{mix}** is not sure enough: its confidence promises that {claimed} of its labels are right, and {right} "
        "are. Level by level of confidence the two are {error} points apart on average (calibration error; chance "
        "alone makes up to {chance})."
    ),
    "**{mix}** is too sure of some mentions and not sure enough of others. On average confidence and truth are "
    "{error} points apart (calibration error; chance alone makes up to {chance}).": (
        "**{mix}** is too sure of some labels and not sure enough of others. On average confidence and truth are "
        "{error} points apart (calibration error; chance alone makes up to {chance})."
    ),
    "Keep only mentions with a confidence of at least": "Keep only labels with a confidence of at least",
    "**{mix}**: a repeat marks no mention with a confidence of {threshold} or more.": (
        "**{mix}**: a repeat gives no label with a confidence of {threshold} or more."
    ),
    "**{mix}**, only mentions of at least {threshold}: precision {precision} → {precision_then}, recall {recall} → "
    "{recall_then}.": (
        "**{mix}**, only labels of at least {threshold}: precision {precision} → {precision_then}, recall {recall} → "
        "{recall_then}."
    ),
    "The models mark copies of {split} in which something was changed, and what is to be found was not. Noise: in "
    "some words of four letters or more one letter becomes its neighbour on the keyboard. Other names: every mention "
    "becomes another one of its label from the same split.": (
        "The models label copies of {split} in which something was changed, and what is to be found was not. Noise: "
        "in some words of four letters or more one letter becomes its neighbour on the keyboard."
    ),
    "How does it bear noise and new names?": "How does it bear noise?",
    "Trying noise and other names": "Trying noise",
    "Try noise and other names ({n} runs)": "Try noise ({n} runs)",
    "The weights that were kept mark four copies of the split, once. Of test only runs that were tested already take "
    "part, so it is no new look.": (
        "The weights that were kept label three copies of the split, once. Of test only runs that were tested already "
        "take part, so it is no new look."
    ),
    "Shapes other than a disc: changed sentences. Grey: under {few} mentions, too few to judge.": (
        "Shapes other than a disc: changed texts. Grey: under {few} texts, too few to judge."
    ),
    "**{mix}** finds {recall} of all mentions.": "**{mix}** finds {recall} of all labels.",
    # a trained run on a text of one's own
    "Text, one sentence a line": "Texts, one a line",
    "Find entities": "Find labels",
    "Entity": "Text",
    "No entities found in this text.": "No label found for this text.",
    "Entities found": "Labels found",
    "Confidence is the probability that the model gives to the least probable word of an entity. It is not "
    "calibrated: of entities with 90 %, more or fewer than 90 in 100 may be right.": (
        "Confidence is the probability that the model gives to a label. It is not calibrated: of labels with 90 %, "
        "more or fewer than 90 in 100 may be right."
    ),
}
TASK_WORDS: Mapping[str, str] = {  # words
    "tagging": "Names or other mentions in the text",
    "classification": "Each text as a whole, with one label",
    "multilabel": "Each text as a whole, with any number of labels",
}
NOUNS: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]] = {  # kind of rows -> language -> what is called how
    "labelled": {
        "en": (("sentence", "text"), ("Sentence", "Text")),
        "zh_CN": (
            *(
                ("句子", "文本"),
                ("新句", "新文本"),
                ("金标句", "金标文本"),
                ("训练句", "训练文本"),
                ("标注句", "标注文本"),
            ),
            *(("长句", "长文本"), ("短句", "短文本"), ("句内", "文中"), ("句中", "文中"), ("句", "条")),
        ),
    }
}
SPEECH: Mapping[str, Mapping[str, str]] = {"labelled": _WHOLE_TEXTS}  # kind of rows -> sentence -> how it is said
