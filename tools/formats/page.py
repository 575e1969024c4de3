"""Write the page of byte formats from the tables in the code, or check that it is current.

python -m tools.formats.page           write packages/seamless-core/FORMATS.md
python -m tools.formats.page --check   exit 1 if the page is not what would be written
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seamless import Buffer
from seamless.checksum.celltypes import celltypes
from seamless.checksum.conversion import MATRIX, Conversion, classify, route
from seamless.util.mixed import npy
from seamless.util.mixed.format import (
    DATA_SIZES,
    FORM_SIZE,
    MAGIC_NUMPY,
    MAGIC_SEAMLESS,
    MAGIC_SEAMLESS_MIXED,
)
from tools.formats import text as prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAGE = Path(__file__).resolve().parents[2] / "packages/seamless-core/FORMATS.md"
BYTES_PER_LINE = 16
#: How a class of conversions is drawn in the matrix.
SIGNS = {
    Conversion.TRIVIAL: "=",
    Conversion.REINTERPRET: "v",
    Conversion.REFORMAT: "f",
    Conversion.POSSIBLE: "?",
    Conversion.FORBIDDEN: "·",
}
MEANINGS = {
    Conversion.TRIVIAL: "the same bytes; never fails, and nothing is read",
    Conversion.REINTERPRET: "the same bytes; fails if they are no buffer of the target",
    Conversion.REFORMAT: "the canonical bytes of the new value; never fails",
    Conversion.POSSIBLE: "the canonical bytes of the new value, if it has any",
    Conversion.FORBIDDEN: "none",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draw a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def value_of(expression: str) -> Any:
    """Make a value that the page shows."""
    return eval(expression, {"np": np})


def escaped(content: bytes) -> str:
    """Show bytes as Python would, without its quotes."""
    return repr(content)[2:-1]


def dump(content: bytes) -> str:
    """Show bytes as numbers and characters, so many on a line."""
    lines = []
    for start in range(0, len(content), BYTES_PER_LINE):
        part = content[start : start + BYTES_PER_LINE]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<{3 * BYTES_PER_LINE}} {shown}")
    return "\n".join(lines)


def section(celltype: str) -> str:
    """Describe one cell type, with an example."""
    words = prose.SECTIONS[celltype]
    buffer = Buffer(value_of(words.example), celltype)
    return f"""\
### {celltype}

**Holds.** {words.holds}

**Layout.** {words.layout}

**Example.** `Buffer({words.example}, "{celltype}")` has {len(buffer)} bytes:

```text
{dump(buffer.content)}
```

and the checksum `{buffer.get_checksum()}`.
"""


def json_cell(expression: str, celltype: str) -> str:
    """Show what a value is in JSON, or that it is refused."""
    try:
        content = Buffer(value_of(expression), celltype).content
    except TypeError:
        return "refused"
    try:
        text = content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        return "refused"
    return f"`{' '.join(text.split())}`".replace("\x7f", "\N{SYMBOL FOR DELETE}")


def json_rules() -> str:
    """Describe canonical JSON, and where `mixed` differs."""
    rows = [
        (f"`{case}`", json_cell(case, "plain"), json_cell(case, "mixed"))
        for case in prose.JSON_CASES
    ]
    return prose.JSON_RULES + "\n" + table(("value", "`plain`", "`mixed`"), rows) + "\n"


def npy_rules() -> str:
    """Describe the header of arrays."""
    encodings = {"latin1": "Latin-1", "utf8": "UTF-8"}
    sizes = {"<H": "2 bytes", "<I": "4 bytes"}
    rows = [
        (f"{version}.0", sizes[size_format], encodings[encoding])
        for version, (size_format, encoding) in npy._VERSIONS.items()
    ]
    return prose.NPY_RULES.format(
        magic=escaped(MAGIC_NUMPY),
        versions=table(("version", "length field", "encoding"), rows),
        growth=npy._GROWTH_DIGITS,
        alignment=npy._ALIGNMENT,
    )


def container_rules() -> str:
    """Describe the container of `mixed`."""
    facts = {
        "outer": len(MAGIC_SEAMLESS_MIXED),
        "outer_magic": escaped(MAGIC_SEAMLESS_MIXED),
        "inner": len(MAGIC_SEAMLESS),
        "inner_magic": escaped(MAGIC_SEAMLESS),
        "form_size": FORM_SIZE.size,
        "half": DATA_SIZES.size // 2,
    }
    rows = [[cell.format(**facts) for cell in part] for part in prose.CONTAINER_PARTS]
    return prose.CONTAINER_RULES.format(layout=table(("size", "part", "content"), rows))


def matrix() -> str:
    """Draw the conversions."""
    counts = Counter(word for (source, target), word in MATRIX.items() if source != target)
    legend = [
        (f"`{SIGNS[word]}`", str(word), MEANINGS[word], str(counts[word])) for word in Conversion
    ]
    rows = [
        (f"**{source}**", *(SIGNS[classify(source, target)] for target in celltypes))
        for source in celltypes
    ]
    head = table(("sign", "class", "result", "pairs"), legend)
    return f"{prose.CONVERSION_RULES.format(legend=head)}\n{table(('', *celltypes), rows)}\n"


def routes() -> str:
    """List the conversions of several steps."""
    rows = []
    for source, target in MATRIX:
        steps = route(source, target)
        if classify(source, target) is not Conversion.FORBIDDEN and len(steps) > 1:
            way = " → ".join([steps[0][0], *(step[1] for step in steps)])
            rows.append((f"{source} → {target}", way))
    return prose.FORBIDDEN_NOTE + "\n" + table(("conversion", "way"), rows) + "\n"


def page() -> str:
    """Return the whole page."""
    parts = [
        prose.INTRODUCTION,
        "## The cell types\n",
        *map(section, prose.SECTIONS),
        "## Canonical JSON\n",
        json_rules(),
        "## The header of arrays\n",
        npy_rules(),
        "## Padding\n",
        prose.PADDING_RULES,
        "## The container of `mixed`\n",
        container_rules(),
        "## Conversions\n",
        matrix(),
        routes(),
    ]
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the page of byte formats.")
    parser.add_argument("--check", action="store_true", help="only check whether it is current")
    check = parser.parse_args(arguments).check
    missing = set(celltypes).symmetric_difference(prose.SECTIONS)
    if missing:
        names = ", ".join(sorted(missing))
        print(
            f"Error: tools/formats_text.py has no section, or one too many: {names}",
            file=sys.stderr,
        )
        return 1
    text = page()
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"Error: {PAGE.name} is not current; run `python -m tools.formats.page`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
