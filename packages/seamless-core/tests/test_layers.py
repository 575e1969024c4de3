"""The layers of the package: imports go down only, also inside functions and for typing."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from python_runs import run_python

import seamless

SOURCE = Path(seamless.__file__).parent

#: low to high: modules and packages; the longest name that fits a module gives its layer
LAYERS = (
    ("errors", "worker_role"),
    ("util", "shutdown_steps", "shutdown"),
    # bytes: codecs, conversions, checksums of files
    ("checksum", "util.mixed", "compression_utils"),
    # digest -> bytes
    ("stores",),
    # digest -> buffer
    ("caching",),
    # transfer between the cache and the stores
    (
        "remote",
        "resolution",
        "caching.eviction_cost",
        "caching.upload_queue",
        "caching.buffer_writer",
    ),
    ("checksum_class", "buffer_class"),
    # functions over the two classes
    (
        "checksum.serialize",
        "checksum.parse_buffer",
        "checksum.buffer_info",
        "checksum.buffer_facts",
        "util.mount_directory",
        "config",
        "transformer",
    ),
    ("__init__",),
    ("cli",),
)

#: the one circle: a checksum resolves to a buffer, and a buffer has a checksum
CIRCLE = {"checksum_class", "buffer_class"}


@cache
def modules() -> dict[str, Path]:
    """Return the modules of the package by their names below it."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts) if len(parts) == 1 else ".".join(parts).removesuffix(".__init__")] = (
            path
        )
    return found


def layer_of(module: str) -> int:
    names = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in names:
            return names[name]
    raise AssertionError(f"{module} has no layer: add it to the table")


def imported(source: str) -> set[str]:
    """Return the modules of the package that a source imports, wherever the statement is."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "seamless":
                found.add(longest_module(rest))
    return found


def longest_module(name: str) -> str:
    """Return the module that a dotted name begins with; the root if there is none."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or "__init__"


@cache
def graph() -> dict[str, set[str]]:
    return {name: imported(path.read_text()) - {name} for name, path in modules().items()}


def upward(imports: dict[str, set[str]]) -> set[tuple[str, str]]:
    return {
        (module, target)
        for module, targets in imports.items()
        for target in targets
        if layer_of(target) > layer_of(module)
    }


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Return the largest sets of modules that all import each other, directly or not."""
    reachable = {name: reach(name, imports) for name in imports}
    sets = {
        frozenset(other for other in reachable[name] if name in reachable[other])
        for name in imports
        if name in reachable[name]
    }
    return [set(found) for found in sets]


def reach(start: str, imports: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    left = [start]
    while left:
        for name in imports.get(left.pop(), set()) - reached:
            reached.add(name)
            left.append(name)
    return reached


def test_imports_go_down_only() -> None:
    assert upward(graph()) == set()


def test_only_the_two_value_classes_import_each_other() -> None:
    # the root imports its modules, and exports the classes lazily
    inside = {name: targets - {"__init__"} for name, targets in graph().items()}
    assert circles(inside) == [CIRCLE]


def test_the_modules_below_the_classes_do_not_load_them() -> None:
    below = [name for name in modules() if layer_of(name) < layer_of("buffer_class")]
    code = """
        import importlib, sys
        for name in sys.argv[1:]:
            importlib.import_module(f"seamless.{name}")
        print(sorted({"seamless.buffer_class", "seamless.checksum_class"} & set(sys.modules)))
    """
    assert run_python(code, *below).stdout == "[]\n"


def test_every_name_in_the_table_exists() -> None:
    assert [name for layer in LAYERS for name in layer if name not in modules()] == []


@pytest.mark.parametrize(
    "statement",
    [
        "from seamless.buffer_class import Buffer",
        "def f():\n    from seamless import buffer_class",
        "if TYPE_CHECKING:\n    import seamless.buffer_class",
    ],
)
def test_an_upward_import_is_found_wherever_it_is(statement: str) -> None:
    source = {"stores.base": imported(statement)}
    assert upward(source) == {("stores.base", "buffer_class")}


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
