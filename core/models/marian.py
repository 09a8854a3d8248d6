"""`tokenizer.json` of a Marian model, which comes with a vocabulary and two SentencePiece files in its stead.

Tiedemann & Thottingal 2020, "OPUS-MT", https://aclanthology.org/2020.eamt-1.61. The source's file says how a text is
cut into pieces (Unigram: pieces with scores), the vocabulary what number each piece has; both languages share it. So
the numbers are those of the vocabulary, and pieces that the source doesn't have can't come of a text. Run as a process
of its own: `python -m core.models.marian FOLDER TARGET`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SOURCE, VOCABULARY = "source.spm", "vocab.json"
_NEVER = -1e4  # score of a piece that no text is cut into
_END, _UNKNOWN, _PAD = "</s>", "<unk>", "<pad>"


def brought(folder: Path) -> bool:
    """Whether a folder has what this reads."""
    return (folder / SOURCE).is_file() and (folder / VOCABULARY).is_file()


def tokenizer(folder: Path) -> Any:
    """The tokenizers.Tokenizer of the source's side, which also reads what the model writes."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers.utils import sentencepiece_model_pb2_new as sentencepiece

    proto: Any = sentencepiece.ModelProto()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    proto.ParseFromString((folder / SOURCE).read_bytes())
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == 1}
    numbers: dict[str, int] = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
    pieces = sorted(numbers, key=numbers.__getitem__)
    if [numbers[piece] for piece in pieces] != [*range(len(pieces))]:
        raise ValueError(VOCABULARY)
    table = [(piece, float(scores.get(piece, _NEVER))) for piece in pieces]
    found = Tokenizer(models.Unigram(table, numbers[_UNKNOWN]))
    charsmap = proto.normalizer_spec.precompiled_charsmap
    plain = [normalizers.Precompiled(charsmap)] if charsmap else []
    found.normalizer = normalizers.Sequence([*plain, normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()])
    found.pre_tokenizer = pre_tokenizers.Metaspace()
    found.decoder = decoders.Metaspace()
    end = (_END, numbers[_END])
    found.post_processor = processors.TemplateProcessing(single=f"$A {_END}", special_tokens=[end])
    told = [piece for piece in pieces if piece.startswith(">>") and piece.endswith("<<")]
    found.add_special_tokens([AddedToken(piece, special=True) for piece in (_END, _UNKNOWN, _PAD, *told)])
    return found


def main(arguments: Sequence[str]) -> int:
    """Arguments: the model's folder, and where `tokenizer.json` is to be."""
    folder, target = (Path(argument) for argument in arguments)
    tokenizer(folder).save(str(target))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
