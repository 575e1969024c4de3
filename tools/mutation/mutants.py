"""Mutants of a module: small faults, each a replacement of one span of the source text.

Replacing a span instead of unparsing the tree keeps every other line as it is, so that a mutant is
shown as a diff of a line or two. Text in messages, annotations and `__all__` are left alone.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: operator -> the one that replaces it
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
#: comparisons whose replacement is the inverted condition
_EXACT = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
#: results for which None is no other answer, or hardly
_FALSE = ("None", "False")


@dataclass(frozen=True)
class Mutant:
    """One fault: the bytes from `start` to `end` of a module, replaced by `text`.

    `function` is the qualified name of the function around it, empty outside of functions.
    """

    path: str
    function: str
    kind: str
    start: int
    end: int
    text: str
    source: str

    @property
    def mutated(self) -> str:
        """The module's text with the fault."""
        raw = self.source.encode()
        return (raw[: self.start] + self.text.encode() + raw[self.end :]).decode()

    @property
    def key(self) -> str:
        """A name that changes with the module's text."""
        parts = (self.path, self.source, str(self.start), str(self.end), self.text)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def diff(self) -> list[str]:
        """The fault as a unified diff."""
        before, after = self.source.splitlines(), self.mutated.splitlines()
        return list(difflib.unified_diff(before, after, self.path, self.kind, n=1, lineterm=""))

    @property
    def change(self) -> str:
        """The removed and added lines, which name a mutant whatever stands around them."""
        return " ".join(
            f"{line[0]} {line[1:].strip()}" for line in self.diff[3:] if line[0] in "-+"
        )


def mutants(path: str, source: str) -> list[Mutant]:
    """List the mutants of a module, in the order of the text."""
    found: dict[tuple[int, int, str], Mutant] = {}
    lengths = [len(line) for line in source.encode().splitlines(keepends=True)]
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    for function, kind, first, last, text in _changes(ast.parse(source).body, "", ""):
        start = starts[first.lineno - 1] + first.col_offset
        end = starts[(last.end_lineno or 0) - 1] + (last.end_col_offset or 0)
        if source.encode()[start:end].decode() != text:
            mutant = Mutant(path, function, kind, start, end, text, source)
            found.setdefault((start, end, text), mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.start, mutant.end, mutant.text))


_Node = ast.stmt | ast.expr
#: kind, first and last node of the span, its replacement
_Fault = tuple[str, _Node, _Node, str]


def _changes(
    body: Iterable[ast.AST], name: str, function: str
) -> Iterator[tuple[str, str, _Node, _Node, str]]:
    for node in body:
        if _is_left_alone(node):
            continue
        inner, within = name, function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{name}.{node.name}".lstrip(".")
            within = function if isinstance(node, ast.ClassDef) else inner
        for fault in _faults(node):
            yield within, *fault
        yield from _changes(_children(node), inner, within)


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.keyword(arg="strict"):
            return True  # of zip: both have the same length, unless the source has a fault
        case ast.JoinedStr():  # a message; Python 3.11 does not place what is inside either
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "TYPE_CHECKING")]):
            return True
    return False


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list", "type_params"):
            yield from (
                child
                for child in (value if isinstance(value, list) else [value])
                if isinstance(child, ast.AST)
            )


def _faults(node: ast.AST) -> Iterator[_Fault]:
    if isinstance(node, ast.ExceptHandler):
        yield from _handler_faults(node)
    elif isinstance(node, ast.stmt):
        yield from _statement_faults(node)
    elif isinstance(node, ast.expr):
        yield from _expression_faults(node)
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield from _inverted(node.test)
    elif isinstance(node, ast.comprehension):
        for test in node.ifs:
            yield from _inverted(test)


def _expression_faults(node: ast.expr) -> Iterator[_Fault]:
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            other = ast.Compare(left, [COMPARISONS[type(operator)]()], [right])
            yield "comparison", node, node, ast.unparse(other)
        case ast.BoolOp(op=operator, values=values):
            swapped = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "and/or", node, node, f"({ast.unparse(ast.BoolOp(swapped, values))})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "inverted", node, node, f"({ast.unparse(operand)})"
        case ast.Constant(value=bool(value)):
            yield "constant", node, node, str(not value)
        case ast.Constant(value=int(value) | float(value)) if value + 1 != value:
            yield "constant", node, node, repr(value + 1)
            yield "constant", node, node, f"({value - 1!r})"


def _statement_faults(node: ast.stmt) -> Iterator[_Fault]:
    match node:
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) not in _FALSE:
            yield "return value", node, node, "return None"
        case ast.Expr(value=ast.Constant()):
            pass  # a docstring
        case ast.Expr() | ast.AugAssign() | ast.Delete() | ast.Raise():
            yield "deleted", node, node, "pass"
        case ast.Continue() | ast.Break() | ast.Return(value=None):
            yield "deleted", node, node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield "deleted", node, node, "pass"
        case ast.Try(finalbody=[first, *rest]):
            yield "inert finally", first, (rest or [first])[-1], "pass"


def _handler_faults(node: ast.ExceptHandler) -> Iterator[_Fault]:
    first, last = node.body[0], node.body[-1]
    yield "inert handler", first, last, "pass"
    if not isinstance(first, ast.Raise):
        yield "no handler", first, last, "raise"


def _inverted(test: ast.expr) -> Iterator[_Fault]:
    match test:
        case ast.Constant() | ast.UnaryOp(op=ast.Not()):
            return
        case ast.Compare(ops=[operator]) if isinstance(operator, _EXACT):
            return  # the other comparison is the inverted condition
    yield "inverted", test, test, f"(not ({ast.unparse(test)}))"
