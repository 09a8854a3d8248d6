"""What the warm process loads ahead of any request, piece by piece, so that a client who comes in between is served.

A request that needs a piece which is not there yet loads it itself.
"""

from collections import deque
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

# "module", or "module:function", called with the workspace's root
LIGHT: Sequence[str] = ("core.augment.wordnet:prepare", "core.augment.preview", "core.predict")  # before any request
PIECES: Sequence[str] = (  # what is asked for first, and what is cheap, first
    "torch",
    "nlpaug.model.char",
    "nlpaug.model.word_dict",
    "transformers",
    "torch.distributed.tensor",  # of what follows: in pieces of a second each
    "scipy.optimize",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",  # the default encoder
    "core.augment.wordnet:prepare",  # by now they are built
)
_left = deque((*LIGHT, *PIECES))


def left() -> int:
    """How many pieces are not loaded yet."""
    return len(_left)


def light() -> bool:
    """Whether all is there that most requests need."""
    return len(_left) <= len(PIECES)


def load_next(root: Path) -> str:
    """Load the next piece. -> its name"""
    place = _left.popleft()
    module, _, function = place.partition(":")
    found = import_module(module)
    if function:
        getattr(found, function)(root)
    return place
