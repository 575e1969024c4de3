"""The Python names of a package: public modules, what is in them, and signatures as text.

Read from the source by griffe, so that neither the Python that runs this nor the version of any
dependency shows in the result.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.api.packages import Package

Entry = tuple[str, str]

#: names that say nothing about how an object is used
_LEFT_OUT = {"__all__", "__module__", "__slots__", "__version__", "__repr__", "__str__"}
#: longest value of a constant that is written down
_SHOWN = 60
_TYPE_VARIABLES = {"typing.TypeVar", "typing.ParamSpec"}
_MARKS = {
    griffe.ParameterKind.var_positional: "*",
    griffe.ParameterKind.var_keyword: "**",
}


def collect(package: Package) -> dict[str, str]:
    """Return the text of every public name."""
    loaded = griffe.load(
        package.module,
        search_paths=[package.folder / "src"],
        allow_inspection=False,
        resolve_aliases=True,
        resolve_implicit=True,
        resolve_external=False,
    )
    return dict(sorted(_Reader(package, loaded).entries()))


class _Reader:
    """Walks through the public modules of one package."""

    def __init__(self, package: Package, loaded: griffe.Object | griffe.Alias) -> None:
        self._package = package
        self._loaded = loaded
        self._public = package.public_modules

    def entries(self) -> Iterator[Entry]:
        for path in self._package.public_modules:
            name = path.removeprefix(self._package.module).lstrip(".")
            module = self._loaded[name] if name else self._loaded
            first = module.docstring.value.split(":")[0] if module.docstring else ""
            kinds = {"Bridge": "module, a bridge", "Alias": "module, an alias"}
            yield path, kinds.get(first, "module")
            for member in module.members.values():
                if self._wanted(path, member):
                    yield from self._object(f"{path}.{member.name}", member)

    def _wanted(self, path: str, member: griffe.Object | griffe.Alias) -> bool:
        listed = self._public[path]
        if member.name in listed:
            return True
        if "*" not in listed or isinstance(member, griffe.Module) or member.name in _LEFT_OUT:
            return False
        return bool(member.is_public)

    def _object(self, path: str, item: griffe.Object | griffe.Alias) -> Iterator[Entry]:
        if isinstance(item, griffe.Alias):
            if item.target_path.split(".")[0] != self._package.module:
                yield path, f"the same as {item.target_path}"
                return
            target = item.final_target
            home = target.module
            if home.path in self._public and self._wanted(home.path, target):
                yield path, f"the same as {target.path}"
                return
            item = target
        if isinstance(item, griffe.Class):
            yield from self._class(path, item)
        elif isinstance(item, griffe.Function):
            yield path, signature(item)
        elif isinstance(item, griffe.Attribute):
            text = self._attribute(item)
            if text is not None:
                yield path, text

    def _class(self, path: str, item: griffe.Class) -> Iterator[Entry]:
        bases = [str(base) for base in item.bases if not self._is_internal(base)]
        yield path, f"class({', '.join(bases)})" if bases else "class"
        for member in item.all_members.values():
            name = f"{path}.{member.name}"
            if name in self._package.internal or member.name in _LEFT_OUT:
                continue
            if member.is_public:
                target = member.final_target if isinstance(member, griffe.Alias) else member
                yield from self._object(name, target)

    def _attribute(self, item: griffe.Attribute) -> str | None:
        if "property" in item.labels:
            kind = "writable property" if "writable" in item.labels else "property"
        else:
            kind = "attribute"
        text = kind if item.annotation is None else f"{kind}: {item.annotation}"
        if kind != "attribute":
            return text
        if isinstance(item.value, griffe.ExprCall):
            return self._made_by_call(text, item.value)
        if item.value is None:
            return text
        return f"{text} = {item.value}" if _is_literal(str(item.value)) else text

    def _made_by_call(self, text: str, call: griffe.ExprCall) -> str | None:
        """Describe what a call makes: a descriptor around a function has its signature."""
        if call.canonical_path in _TYPE_VARIABLES:
            return None
        for argument in call.arguments:
            path = getattr(argument, "canonical_path", "")
            # a path with a parenthesis leads to a parameter, or to the value of a call
            if path.startswith(f"{self._package.module}.") and "(" not in path:
                made_of = self._loaded[path.removeprefix(f"{self._package.module}.")]
                if isinstance(made_of, griffe.Function):
                    return f"{text} of {signature(made_of)}"
        return text

    def _is_internal(self, base: str | griffe.Expr) -> bool:
        """Whether a base is the package's own business; its members count, it does not."""
        path = base if isinstance(base, str) else base.canonical_path
        inside = path.split(".")[0] == self._package.module
        return inside and path.rpartition(".")[0] not in self._public


def signature(function: griffe.Function) -> str:
    """Return a signature as a line of Python, without the name."""
    kinds: tuple[str, ...] = ("classmethod", "staticmethod")
    words = [word for word in kinds if word in function.labels]
    words.append("async def" if "async" in function.labels else "def")
    parts = list(_parameters(function))
    returns = f" -> {function.returns}" if function.returns is not None else ""
    return f"{' '.join(words)} ({', '.join(parts)}){returns}"


def _parameters(function: griffe.Function) -> Iterator[str]:
    kinds = griffe.ParameterKind
    parameters = list(function.parameters)
    starred = any(parameter.kind is kinds.var_positional for parameter in parameters)
    for number, parameter in enumerate(parameters):
        if parameter.kind is kinds.keyword_only and not starred:
            starred = True
            yield "*"
        text = _MARKS.get(parameter.kind, "") + parameter.name
        if parameter.annotation is not None:
            text += f": {parameter.annotation}"
        if parameter.default is not None and parameter.kind not in _MARKS:
            text += f" = {parameter.default}"
        yield text
        following = parameters[number + 1 : number + 2]
        if parameter.kind is kinds.positional_only and (
            not following or following[0].kind is not kinds.positional_only
        ):
            yield "/"


def _is_literal(text: str) -> bool:
    """Whether a value is written out, and short enough to be shown."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return len(text) <= _SHOWN
