"""The two packages: where they are, and which of their modules are public.

What is not listed may change at any time. Listed is what published companion packages import from
seamless-core, some of it private by its name, and what the READMEs import.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Package:
    """One distribution."""

    #: its short name: the argument of the release tool, and the beginning of its tags
    short: str
    distribution: str
    module: str
    #: public modules, below `module`, with their public names; the empty key is the package
    #: itself, a star stands for all that the module has or lists under public names
    public: Mapping[str, str]
    #: members of public classes that only the package itself calls
    internal: frozenset[str] = frozenset()
    root: Path = ROOT

    @property
    def folder(self) -> Path:
        """Its folder in the repository."""
        return self.root / "packages" / self.distribution

    @property
    def version_file(self) -> Path:
        """The file with its version."""
        return self.folder / "src" / self.module / "__init__.py"

    @property
    def changelog(self) -> Path:
        """Its changelog."""
        return self.folder / "CHANGELOG.md"

    @property
    def surface_file(self) -> Path:
        """The committed file with its public surface."""
        return self.root / "tools" / "api" / "recorded" / f"{self.distribution}.json"

    @property
    def published_file(self) -> Path:
        """What is known of the release that ours takes the place of."""
        return self.root / "tools" / "api" / "recorded" / "published" / f"{self.distribution}.json"

    @property
    def public_modules(self) -> dict[str, set[str]]:
        """Full names of the public modules, and their public names."""
        return {
            f"{self.module}.{name}".rstrip("."): set(names.split())
            for name, names in self.public.items()
        }

    def version(self) -> str:
        """The version in the source."""
        found = re.search(r'^__version__ = "(.*)"$', self.version_file.read_text(), re.MULTILINE)
        if found is None:
            raise ValueError(f"no __version__ in {self.version_file}")
        return found[1]


def packages(root: Path = ROOT) -> dict[str, Package]:
    """Return the packages of a checkout, by short name."""
    core = Package("core", "seamless-core", "seamless", _CORE, _CORE_INTERNAL, root)
    database = Package("database", "seamless-database", "seamless_database", _DATABASE, root=root)
    return {"core": core, "database": database}


_CORE = {
    "": "* _closed _require_close",
    "buffer_class": "Buffer",
    "caching.buffer_cache": "BufferCache TempRef get_buffer_cache",
    "caching.eviction_cost": (
        "CostProfile get_cost override_download_cost record_transformation_cost "
        "register_buffer_length register_dependencies set_download_profile"
    ),
    "caching.buffer_writer": "await_existing_task flush init purge register",
    "checksum.buffer_facts": "*",
    "checksum.buffer_info": "*",
    "checksum.calculate_checksum": "calculate_checksum calculate_dict_checksum "
    "calculate_file_checksum",
    "checksum.celltypes": "BufferType CellType TextType celltypes",
    "checksum.conversion": "*",
    "checksum.json_": "json_dumps json_dumps_bytes",
    "checksum.parse_buffer": "parse_buffer parse_buffer_sync",
    "checksum.serialize": "serialize serialize_sync",
    "checksum_class": "Checksum",
    "compression_utils": "COMPRESSION_SUFFIXES decompress_bytes strip_compression_suffix",
    "config": "",
    "errors": "*",
    "remote": "configure locate",
    "shutdown": "close _closed _closing",
    "transformer": "",
    "util": "*",
    "util.get_event_loop": "*",
    "util.ipython": "*",
    "util.mixed.get_form": "get_form",
    "util.mount_directory": "*",
    "util.pylru": "*",
}
_CORE_INTERNAL = frozenset(
    f"seamless.{name}"
    for name in (
        "buffer_class.Buffer.__getstate__",
        "buffer_class.Buffer.__setstate__",
        "buffer_class.Buffer.adopt_content",
        "caching.buffer_cache.BufferCache.update_costs",
        "caching.buffer_cache.BufferCache.lock",
        "caching.buffer_cache.BufferCache.note_stored",
        "caching.buffer_cache.BufferCache.reload_seconds",
        "caching.buffer_cache.BufferCache.strong_cache",
        "caching.buffer_cache.TempRef.fade_rate",
        "caching.buffer_cache.TempRef.fades_until",
        "caching.buffer_cache.TempRef.lasting_interest",
        "caching.buffer_cache.TempRef.renew",
    )
)
_DATABASE = {"": "*", "client": "*", "errors": "*"}
