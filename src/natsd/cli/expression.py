"""Boolean expressions over JSON documents: ``state.messages > 10 && config.name startsWith "A"``.

Names, fields, numbers, texts, lists, comparisons, ``in``, ``and or not`` (also ``&& || !``), plus and minus. Nothing is
called and nothing but the document can be reached; a field that is not there is null.
"""

from __future__ import annotations

import ast
import operator
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LONGEST = 4096
_COMPARISONS: dict[type[ast.cmpop], Any] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, group: group is not None and item in group,
    ast.NotIn: lambda item, group: group is None or item not in group,
}
_ARITHMETIC: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_NAMES = {"true": True, "false": False, "nil": None, "null": None}
# Words of the expr language that Python writes in another way; texts in quotes stay as they are.
_WORDS = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(&&|\|\||!(?!=))|\b(startsWith|endsWith|contains|matches)\b"""
)
_WORD_OPERATORS = {"startsWith": "@", "endsWith": "//", "contains": "<<", "matches": ">>"}
_TEXT_TESTS: dict[type[ast.operator], Any] = {
    ast.MatMult: str.startswith,
    ast.FloorDiv: str.endswith,
    ast.LShift: str.__contains__,
    ast.RShift: lambda text, pattern: re.search(pattern, text) is not None,
}


class ExpressionError(Exception):
    """An expression that cannot be understood or evaluated."""


class Expression:
    """A parsed expression; `holds` evaluates it for a document."""

    def __init__(self, text: str) -> None:
        """Raises ExpressionError."""
        if len(text) > LONGEST:
            raise ExpressionError(f"longer than {LONGEST} characters")
        try:
            self._tree = ast.parse(_WORDS.sub(_translate, text).strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ExpressionError(f"cannot understand {text!r}") from None

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Raises ExpressionError where it is not a matter of true or false."""
        try:
            value = _value(self._tree, document)
        except (TypeError, ValueError, ArithmeticError, re.error, RecursionError) as problem:
            raise ExpressionError(str(problem)) from None
        if not isinstance(value, bool):
            raise ExpressionError("the expression is neither true nor false")
        return value


def _translate(found: re.Match[str]) -> str:
    quoted, mark, word = found.groups()
    if quoted:
        return quoted
    if word:
        return f" {_WORD_OPERATORS[word]} "
    return {"&&": " and ", "||": " or "}.get(mark, " not ")


def _value(node: ast.expr, document: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value) if isinstance(value, (str, int, float)):
            return value
        case ast.Name(id=name):
            return _NAMES[name] if name in _NAMES else _field(document, name)
        case ast.Attribute(value=inner, attr=name):
            return _field(_value(inner, document), name)
        case ast.Subscript(value=inner, slice=key):
            return _item(_value(inner, document), _value(key, document))
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item, document) for item in items]
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(inner, document)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, document)
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, document) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, document) for part in parts)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _TEXT_TESTS:
            text = _value(left, document)
            return _TEXT_TESTS[type(op)]("" if text is None else str(text), str(_value(right, document)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](_number(_value(left, document)), _number(_value(right, document)))
        case ast.Compare(left=left, ops=ops, comparators=rest):
            return _compare(_value(left, document), ops, [_value(part, document) for part in rest])
    raise ExpressionError(f"{type(node).__name__} is not supported in expressions")


def _compare(left: Any, ops: list[ast.cmpop], rest: list[Any]) -> bool:
    for op, right in zip(ops, rest, strict=True):
        compare = _COMPARISONS.get(type(op))
        if compare is None:
            raise ExpressionError(f"{type(op).__name__} is not supported in expressions")
        if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
            left, right = _number(left), _number(right)
        if not compare(left, right):
            return False
        left = right
    return True


def _number(value: Any) -> Any:
    """A field that is left out of a document counts as 0."""
    return 0 if value is None else value


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, list) and isinstance(key, int):
        return value[key] if -len(value) <= key < len(value) else None
    return _field(value, key)
