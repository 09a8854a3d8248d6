"""What a training has to compute, in multiplications and additions: from settings and the encoder's sizes alone.

Held against steps of a BERT of 6 layers, 384 wide, on two cores: every method within 8 % (tests/test_estimate.py).
"""

from collections.abc import Mapping

from core.models.weights import FLOAT, Layout, Tensor
from core.training.portions import split
from core.training.settings import Method, TrainParams

PASSES: Mapping[Method, float] = {  # over a layer that is not left as it is, in forward passes of it
    "full": 3.0,  # forward, back to what came in, back to its weights
    "lora": 2.85,  # no gradient for the weights, but two more products beside each
    "frozen": 0.0,
    "contrastive": 3.0,
    "prompt": 0.0,
}
STATES = 1 << 30  # bytes of states that are kept of a mix, and as many of dev
_STEP = 0.5e9  # of a step, whatever its size
_WEIGHT = 220.0  # of a weight that is updated and whose gradient is clipped
_READ = 1.8e6  # of a sub-token of dev: from its logits to a prediction


def _bert(words: int, width: int, layers: int) -> Layout:
    """The sizes of a BERT, without positions and pooler."""
    inner = 4 * width
    matrices = [(width, width)] * 4 + [(inner, width), (width, inner)]
    vectors = [(width,)] * 9 + [(inner,)]  # biases, and two normalisations
    each = [
        Tensor(f"layer.{number}.{at}.weight", shape, "layer", number)
        for number in range(layers)
        for at, shape in enumerate([*matrices, *vectors])
    ]
    return Layout((Tensor("word_embeddings.weight", (words, width), "words"), *each), layers, width)


USUAL = _bert(30_522, 384, 6)  # what an encoder is taken for of which nothing is known: all-MiniLM-L6-v2


def keeps(width: int, tokens: float) -> bool:
    """Whether the states that frozen layers make of so many sub-tokens, of a mix or of dev, are kept in memory.

    Of more of them the frozen layers are gone through anew at every step.
    """
    return FLOAT * width * tokens <= STATES


def kept(width: int, *tokens: float | None) -> float:
    """Of the sub-tokens of a mix and of dev, as far as they are known, those whose states are kept."""
    return sum(one for one in tokens if one and keeps(width, one))


def of_step(found: Layout, train: TrainParams, below: int, places: float, known: bool = True) -> float:
    """Of one step over so many sub-tokens, the lowest `below` layers left as they are; `known`: their states are."""
    layers = PASSES[train.method] * (found.layers - below) * forward(found) * places
    layers += 0.0 if known else of_states(found, below, places)
    text = 0.0 if train.consistency is None else _of_text(found, train, below, places)
    trained = split(found, train, below, 1).trained
    return _STEP + (2 if train.adversarial else 1) * layers + text + _WEIGHT * trained


def _of_text(found: Layout, train: TrainParams, below: int, places: float) -> float:
    """Of as many sub-tokens of text without labels: read once as they are, and learned from with some exchanged."""
    passes = found.layers + below + PASSES[train.method] * (found.layers - below)
    return _STEP + passes * forward(found) * places


def of_look(found: Layout, below: int, tokens: float) -> float:
    """Of predicting so many sub-tokens of dev, those of the lowest `below` layers' states being known."""
    return _STEP + tokens * ((found.layers - below) * forward(found) + _READ)


def of_states(found: Layout, below: int, tokens: float) -> float:
    """Of what the lowest `below` layers make of so many sub-tokens, once for all runs of a process."""
    return below * forward(found) * tokens


def forward(found: Layout) -> float:
    """Of one layer for one sub-token: each of its weights is multiplied once, and added once."""
    return 2 * found.of_a_layer
