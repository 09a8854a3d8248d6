"""How a delivered model is used by somebody who has never heard of Peibi: a few lines of Python."""

from collections.abc import Iterator

from core.tasks.protocol import Task

_TORCH = """import torch
from transformers import {name}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = {name}.from_pretrained(".").eval()
names = model.config.id2label


def logits_of(read):
    with torch.inference_mode():
        return model(**read).logits.numpy()
"""
_ONNX = """import onnxruntime
from transformers import AutoConfig, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
session = onnxruntime.InferenceSession("model.onnx")
names = AutoConfig.from_pretrained(".").id2label


def logits_of(read):
    inputs = {{name: read[name].numpy() for name in ("input_ids", "attention_mask")}}
    return session.run(["logits"], inputs)[0]
"""
_READ = {
    "tokens": """
words = ["Anna", "Berg", "lives", "in", "Oslo", "."]
read = tokenizer(words, is_split_into_words=True, truncation=True, return_tensors="pt")
logits, places = logits_of(read)[0], read.word_ids()
for number, word in enumerate(words):
    if number in places:  # a word's class stands at its first sub-token
        print(word, names[int(logits[places.index(number)].argmax())])""",
    "row": """
read = tokenizer(["A text of one's own."], truncation=True, return_tensors="pt")
for number, value in enumerate(logits_of(read)[0]):  # logits: {score} makes probabilities of them
    print(names[number], float(value))""",
}
_VALID = (
    "The scores above take the most probable *valid* sequence of IOB2 tags (Viterbi); the lines here take the most "
    "probable tag of each word, which is nearly always the same."
)


def snippet(task: Task, format: str) -> Iterator[str]:
    """Lines of Markdown. `format`: `safetensors` or `onnx`."""
    name, score = task.head.partition(":")[2], "sigmoid" if task.objective == "sigmoid" else "softmax"
    yield "```python"
    yield from (_ONNX if format == "onnx" else _TORCH).format(name=name).split("\n")
    yield from _READ[task.reads].format(score=score).split("\n")
    yield "```"
    if task.reads == "tokens":
        yield from ("", _VALID)
