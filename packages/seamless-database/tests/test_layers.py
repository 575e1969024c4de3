"""The layers of the package: imports go down only, also inside functions and for typing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import seamless_database

SOURCE = Path(seamless_database.__file__).parent
#: low to high; a layer may import itself and the layers below it
LAYERS = (
    ("errors", "unraisable"),
    ("tables", "models", "json_codec"),
    ("protocol",),
    ("request_types",),
    ("storage",),
    ("metrics",),
    ("http",),
    ("server",),
    ("cli",),
)
#: beside the layers: the only parts that these may import
BESIDE = {
    "client": {"client", "errors", "protocol"},
    "admin": {
        "admin",
        "errors",
        "json_codec",
        "models",
        "protocol",
        "request_types",
        "storage",
        "tables",
        "unraisable",
    },
}
#: the layers of the administration, low to high; modules that are not listed form the empty one
ADMIN_LAYERS = (("errors", "interruption", "console"), ("access",), (), ("commands",), ("cli",))
#: the root: it re-exports lazily, so its imports point at any layer
ROOT = {"__init__", "__main__"}


def imports(path: Path) -> Iterator[str]:
    """Yield the imported modules of this package, relative to it, wherever they stand."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("seamless_database."):
                yield name.removeprefix("seamless_database.")


def arrows() -> Iterator[tuple[str, str]]:
    """Yield (module, imported module) for the whole package."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__") or "__init__"
        for name in imports(path):
            target = SOURCE.joinpath(*name.split("."))
            is_module = target.is_dir() or target.with_suffix(".py").exists()
            yield module, name if is_module else name.rpartition(".")[0]


def allowed(part: str) -> set[str]:
    """Return the parts of the package that a part may import."""
    if part in BESIDE:
        return BESIDE[part]
    (rank,) = [number for number, layer in enumerate(LAYERS) if part in layer]
    return {name for layer in LAYERS[: rank + 1] for name in layer}


def upward() -> set[tuple[str, str]]:
    found = set()
    for module, target in arrows():
        part, imported = module.partition(".")[0], target.partition(".")[0]
        # the version of the package is in its root
        if part not in ROOT and imported and imported not in allowed(part):
            found.add((module, target))
    return found


def test_imports_go_down_only() -> None:
    assert upward() == set()


def admin_rank(module: str) -> int:
    part = module.split(".")[1]
    ranks = [number for number, layer in enumerate(ADMIN_LAYERS) if part in layer]
    return ranks[0] if ranks else ADMIN_LAYERS.index(())


def test_imports_within_the_administration_go_down_only() -> None:
    found = {
        (module, target)
        for module, target in arrows()
        if module.startswith("admin.") and module != "admin.__main__"
        if target.startswith("admin.") and admin_rank(target) > admin_rank(module)
    }
    assert found == set()


def test_no_sub_command_imports_another() -> None:
    found = {
        (module, target)
        for module, target in arrows()
        if module.startswith("admin.commands.") and target.startswith("admin.commands.")
    }
    assert found == set()


def test_every_part_of_the_package_has_a_layer() -> None:
    parts = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()}
    listed = {name for layer in LAYERS for name in layer} | set(BESIDE) | ROOT
    assert parts - {"__pycache__"} == listed


def test_imports_in_functions_and_for_typing_count(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import json, seamless_database.cli.main\n"
        "if TYPE_CHECKING:\n    from seamless_database.http import app\n"
        "def f():\n    from seamless_database.errors import RequestError\n"
    )
    assert sorted(imports(module)) == ["cli.main", "errors.RequestError", "http.app"]
