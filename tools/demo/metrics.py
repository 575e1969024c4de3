"""The computation of the demonstration: complexity metrics of one Python source file.

Pure: bytes in, a JSON value out, the same value each time. The text of this very file is part
of every transformation (as its code checksum), so a change here makes all of them new.

Metrics: cyclomatic complexity (McCabe 1976), volume, difficulty and effort (Halstead 1977),
maintainability index (Oman and Hagemeister 1992, without the comment term).
"""

from __future__ import annotations

import ast
import io
import math
import token
import tokenize
import warnings
from collections import Counter
from typing import Any

#: each is one more path through a function
BRANCHES = (
    ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert,
    ast.comprehension, ast.match_case,
)  # fmt: skip
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
OPERANDS = (token.NAME, token.NUMBER, token.STRING)
WORST_SHOWN = 5


def analyse(source: bytes) -> dict[str, Any]:
    """Return the metrics of a source file, or under `error` why it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the source, which is not ours
            tree = ast.parse(source)
            tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
    except (SyntaxError, ValueError, RecursionError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    functions = [function_metrics(node) for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    functions.sort(key=lambda one: (-one["complexity"], one["name"], one["line"]))
    complexity = sum(one["complexity"] for one in functions)
    lines = line_metrics(source, tokens)
    volume = halstead(tokens)
    return {
        "lines": lines,
        "halstead": volume,
        "functions": len(functions),
        "classes": sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)),
        "complexity": complexity,
        "worst_functions": functions[:WORST_SHOWN],
        "maintainability": maintainability(volume["volume"], complexity, lines["code"]),
        "imports": sorted(imported(tree)),
    }


def function_metrics(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Any]:
    """Complexity and nesting of one function, inner functions included."""
    inner = list(ast.walk(node))
    operators = sum(len(one.values) - 1 for one in inner if isinstance(one, ast.BoolOp))
    return {
        "name": node.name,
        "line": node.lineno,
        "complexity": 1 + sum(isinstance(one, BRANCHES) for one in inner) + operators,
        "nesting": depth(node),
    }


def depth(node: ast.AST) -> int:
    """How deeply blocks stand inside each other below a node."""
    below = max(map(depth, ast.iter_child_nodes(node)), default=0)
    return below + isinstance(node, BLOCKS)


def line_metrics(source: bytes, tokens: list[tokenize.TokenInfo]) -> dict[str, int]:
    """Count lines: all, with code, with nothing but a comment, empty."""
    code: set[int] = set()
    comments: set[int] = set()
    for one in tokens:
        if one.type == tokenize.COMMENT:
            comments.add(one.start[0])
        elif one.type in OPERANDS or one.type == token.OP:
            code.update(range(one.start[0], one.end[0] + 1))
    total = len(source.splitlines())
    return {
        "total": total,
        "code": len(code),
        "comment": len(comments - code),
        "empty": total - len(code | comments),
    }


def halstead(tokens: list[tokenize.TokenInfo]) -> dict[str, float]:
    """Size and effort of a text, from how many different words it uses how often."""
    operators = Counter(one.string for one in tokens if one.type == token.OP)
    operands = Counter(one.string for one in tokens if one.type in OPERANDS)
    words = len(operators) + len(operands)
    length = operators.total() + operands.total()
    volume = length * math.log2(words) if words else 0.0
    difficulty = len(operators) / 2 * operands.total() / len(operands) if operands else 0.0
    return {
        "volume": round(volume, 3),
        "difficulty": round(difficulty, 3),
        "effort": round(volume * difficulty, 3),
    }


def maintainability(volume: float, complexity: int, lines: int) -> float:
    """Maintainability index, 0 to 100."""
    if not lines or not volume:
        return 100.0
    index = 171 - 5.2 * math.log(volume) - 0.23 * complexity - 16.2 * math.log(lines)
    return round(max(0.0, index * 100 / 171), 3)


def imported(tree: ast.AST) -> set[str]:
    """Names of the top-level modules that are imported anywhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names
