"""Fakes of seamless-remote and seamless-transformer: packages with the given functions."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from seamless import Buffer, Checksum


def install(monkeypatch: pytest.MonkeyPatch, path: str, **functions: Any) -> types.ModuleType:
    """Make `package.module` importable, with `functions` as its attributes."""
    package_name, _, module_name = path.partition(".")
    package = sys.modules.get(package_name)
    if package is None:
        package = types.ModuleType(package_name)
        monkeypatch.setitem(sys.modules, package_name, package)
    module = types.ModuleType(path)
    vars(module).update(functions)
    monkeypatch.setattr(package, module_name, module, raising=False)
    return module


class Server:
    """A fake buffer server: the functions of `seamless_remote.buffer_remote`."""

    def __init__(self) -> None:
        self.buffers: dict[str, bytes] = {}
        self.promised: list[str] = []
        self.refusing = False
        self.error: type[BaseException] | None = None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
        return install(
            monkeypatch,
            "seamless_remote.buffer_remote",
            get_buffer=self.get_buffer,
            has_write_server=lambda: True,
            promise=self.promise,
            write_buffer=self.write_buffer,
            _write_server_clients=[],
        )

    async def get_buffer(self, checksum: Checksum) -> Buffer | None:
        from seamless import Buffer

        content = self.buffers.get(checksum.hex())
        return None if content is None else Buffer(content)

    async def promise(self, checksum: Checksum) -> None:
        self.promised.append(checksum.hex())

    async def write_buffer(self, checksum: Checksum, buffer: Buffer) -> bool:
        if self.refusing:
            raise ConnectionError("the server is gone")
        if self.error is not None:
            raise self.error
        assert checksum.hex() in self.promised
        self.buffers[checksum.hex()] = buffer.content
        return True
