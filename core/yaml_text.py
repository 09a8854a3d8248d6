"""YAML 1.2, core schema, as plain data with the line of every key (ruamel.yaml parses; scalars are read here)."""

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from core.errors import CoreError

LARGEST = 200_000  # characters
_MOST_NODES = 50_000
_DEEPEST = 50
_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE, _FALSE = re.compile("true|True|TRUE"), re.compile("false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL, _HEX = re.compile("0o[0-7]+"), re.compile("0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|(\.nan|\.NaN|\.NAN)")
_LONGEST_NUMBER = 400
_TOO_DEEP = "nested too deeply"
_CORE = "tag:yaml.org,2002:"


@dataclass
class Document:
    """`data`: dict, list, str, int, float, bool, None; `lines`: dotted path of a key -> line from 1."""

    data: Any
    lines: dict[str, int] = field(default_factory=dict[str, int])


def parse(text: str, file: str) -> Document:
    """Raises CoreError `yaml_syntax`, `yaml_duplicate`, `yaml_too_large` with file and row."""
    if len(text) > LARGEST:
        raise CoreError("yaml_too_large", {"file": file, "most": LARGEST})
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        mark, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
        row = mark.line + 1 if mark else text.count("\n", 0, position) + 1 if isinstance(position, int) else None
        what = str(getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__)
        raise CoreError("yaml_syntax", {"file": file, "row": row, "what": what}) from None
    except RecursionError:
        raise CoreError("yaml_syntax", {"file": file, "row": None, "what": _TOO_DEEP}) from None
    except ValueError as error:
        raise CoreError("yaml_syntax", {"file": file, "row": None, "what": str(error)[:100]}) from None
    reader = _Reader(file)
    return Document(reader.value(root, "") if root is not None else None, reader.lines)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[str, int] = {}
        self.seen = 0
        self.characters = 0

    def value(self, node: Node, path: str, depth: int = 0) -> Any:
        self._limit(node, depth)
        tagged = node.ctag.handle is not None or not str(node.tag).startswith(_CORE)
        if tagged and not (node.tag == _CORE + "str" and isinstance(node, ScalarNode)):
            raise self._syntax(node, f"the tag {node.tag} has no meaning here")
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [self.value(item, f"{path}.{i}" if path else str(i), depth + 1) for i, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return node.value if node.style or tagged else _scalar(node.value)

    def _limit(self, node: Node, depth: int) -> None:
        """Aliases can grow a small file without end."""
        self.seen += 1
        if self.seen > _MOST_NODES:
            raise CoreError("yaml_too_large", {"file": self.file, "most": _MOST_NODES})
        if depth > _DEEPEST:
            raise self._syntax(node, _TOO_DEEP)
        if isinstance(node, ScalarNode):
            self.characters += len(node.value)
            if self.characters > LARGEST:
                raise CoreError("yaml_too_large", {"file": self.file, "most": LARGEST})
            if any("\ud800" <= character <= "\udfff" for character in node.value):
                raise self._syntax(node, "half of a surrogate pair is no character")

    def _syntax(self, node: Node, what: str) -> CoreError:
        return CoreError("yaml_syntax", {"file": self.file, "row": node.start_mark.line + 1, "what": what})

    def _mapping(self, node: MappingNode, path: str, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise self._syntax(key_node, "a key must be a word")
            self._limit(key_node, depth)
            key = str(key_node.value)
            where = f"{path}.{key}" if path else key
            if key in out:
                raise CoreError("yaml_duplicate", {"file": self.file, "row": line, "key": where})
            self.lines[where] = line
            out[key] = self.value(value_node, where, depth + 1)
        return out


def _scalar(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2: `5e-4` is a number, `NO` a string."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if len(text) <= _LONGEST_NUMBER:
        for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
            if pattern.fullmatch(text):
                return int(text.replace("0o", "") if base == 8 else text, base)
        if _FLOAT.fullmatch(text):
            return float(text)
    special = _SPECIAL.fullmatch(text)
    if special:
        return float("nan") if special[3] else float(special[1] + "inf")
    return text
