"""The console scripts of a package and their options, as their parsers know them.

Each command is called until it comes to its parser (argparse or click); that is then read and
the command left. So the help text, which differs between versions of Python, does not matter.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn
from unittest import mock

import click
import tomli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.api.packages import Package

Entry = tuple[str, str]
Parser = argparse.ArgumentParser | click.Command


class _Seen(BaseException):
    """A command has come to its parser; no command catches this on its way."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser


def collect(package: Package) -> dict[str, str]:
    """Return every command, argument and option with what it takes."""
    project = tomli.loads((package.folder / "pyproject.toml").read_text())["project"]
    found: dict[str, str] = {}
    for name, entry_point in project["scripts"].items():
        module, _, function = entry_point.partition(":")
        parser = parser_of(getattr(import_module(module), function))
        if isinstance(parser, click.Command):
            found |= _click_entries(name, parser)
        else:
            found |= _argparse_entries(name, parser)
    return dict(sorted(found.items()))


def parser_of(command: Callable[[list[str]], object]) -> Parser:
    """Return the parser that a command uses."""

    def seen(parser: Parser, *_args: Any, **_options: Any) -> NoReturn:
        raise _Seen(parser)

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", seen),
        mock.patch.object(click.Command, "make_context", seen),
    ):
        try:
            command([])
        except _Seen as found:
            return found.parser
    raise ValueError(f"{command} parses no arguments")


def _argparse_entries(name: str, parser: argparse.ArgumentParser) -> Iterator[Entry]:
    yield name, "command"
    # help is the same for every command, and comes from argparse itself
    for action in parser._actions[1:]:
        if isinstance(action, argparse._SubParsersAction):
            for subname, subparser in action.choices.items():
                yield from _argparse_entries(f"{name} {subname}", subparser)
            continue
        label = ", ".join(action.option_strings) or action.dest.upper()
        takes = 1 if action.nargs is None else action.nargs
        default = None if action.default in (argparse.SUPPRESS, False) else action.default
        yield f"{name} {label}", _text(bool(action.option_strings), action.required, takes, default)


def _click_entries(name: str, command: click.Command) -> Iterator[Entry]:
    yield name, "command"
    for parameter in command.params:
        is_option = isinstance(parameter, click.Option)
        label = ", ".join(parameter.opts) if is_option else str(parameter.human_readable_name)
        flag = isinstance(parameter, click.Option) and parameter.is_flag
        takes = 0 if flag else parameter.nargs
        default = parameter.default if isinstance(parameter.default, str | int | float) else None
        text = _text(is_option, parameter.required, takes, None if flag else default)
        yield f"{name} {label}", text
    if isinstance(command, click.Group):
        context = click.Context(command)
        for subname in command.list_commands(context):
            subcommand = command.get_command(context, subname)
            assert subcommand is not None
            yield from _click_entries(f"{name} {subname}", subcommand)


def _text(is_option: bool, required: bool, takes: int | str, default: object) -> str:
    parts = ["option" if is_option else "argument"]
    if required is not (not is_option):
        parts.append("required" if required else "optional")
    if is_option or takes != 1:
        parts.append("a flag" if takes == 0 else f"takes {takes}")
    if default is not None:
        parts.append(f"by default {default}")
    return ", ".join(parts)
