"""The prose of the page of byte formats: what code can't express, one entry a cell type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One cell type: what it holds, how it lies in bytes, and a value to show, as Python."""

    holds: str
    layout: str
    example: str


INTRODUCTION = """\
# Byte formats

The checksum of a buffer is the SHA-256 of its bytes, so these formats are a public interface: a
value has the same bytes on every machine and in every version, and a changed byte would be a new
major version. Another program that writes these bytes gets the same checksums.

This page is made by `tools/formats/page.py`: every table, every dump and every checksum comes
out of the code, and a test keeps the page current.
"""

SECTIONS: dict[str, Section] = {
    "plain": Section(
        "A JSON value: null, truth values, integers of up to 64 bits, floats, text, lists and "
        "dicts with text keys. Tuples become lists, checksums their text. The names `deepcell`, "
        "`deepfolder`, `folder` and `module` are stored as `plain`.",
        "Canonical JSON, as described below, and one newline.",
        '{"name": "run é", "ok": True, "sizes": (1, 2.5e16)}',
    ),
    "text": Section(
        "Text. Bytes are decoded; any other value is shown as Python's `str` does.",
        "UTF-8. All newlines at the end become exactly one; reading takes it off. `\\r\\n` stays.",
        '"two\\nlines\\n\\n"',
    ),
    "python": Section(
        "Python source. Its syntax is checked when it is read, by the running interpreter.",
        "As `text`.",
        '"def f(x):\\n    return x + 1"',
    ),
    "ipython": Section(
        "Source with IPython's magics and shell escapes; taken as it stands.",
        "As `text`.",
        '"%time f(1)"',
    ),
    "yaml": Section(
        "One YAML 1.2 document of plain data; the value is its text. Checked when it is read. Any "
        "JSON text is one. Of equal keys the last counts; keys are scalars, no value contains "
        "itself, and all of it can be said in JSON.",
        "As `text`.",
        '"a: 1\\nb: [x, y]"',
    ),
    "str": Section(
        "One text, exactly: newlines at the end included. Truth values stay what they are, and "
        "read as text.",
        "Canonical JSON of the text, and one newline.",
        '"é\\n"',
    ),
    "int": Section(
        "One integer of up to 64 bits; other values as Python's `int` converts them.",
        "Its JSON, and one newline.",
        "2**64 - 1",
    ),
    "float": Section(
        "One float; other values as Python's `float` converts them. NaN and the infinities are "
        "stored as `null`, which does not read back.",
        "Its canonical JSON, and one newline.",
        "1e16",
    ),
    "bool": Section(
        "One truth value; other values as Python's `bool` converts them, so any text but the empty "
        "one is true.",
        "`true` or `false`, and one newline.",
        "True",
    ),
    "binary": Section(
        "One NumPy array or record of truth values, integers, floats or byte strings, of native "
        "byte order; structures have to be aligned. Bytes are stored as they are.",
        "A `.npy` file: the header described below, then the items. An array whose memory is in "
        "Fortran order, and not in C order too, keeps it, and so has other bytes than its equal "
        "in C order. Other strides are copied first, in the order of the axes in memory (in "
        "`mixed`, in C order). An array of unicode text keeps an old format: the JSON of its first "
        "item.",
        'np.arange(3, dtype="<i2")',
    ),
    "bytes": Section(
        "Any bytes. Of an array, the data of its items in C order, padding zero; of other objects "
        "with a `tobytes` method, what that returns; else the text, without newlines at its end.",
        "The bytes themselves.",
        'b"\\x00\\xff"',
    ),
    "mixed": Section(
        "Nested dicts, lists and tuples that hold JSON values, arrays, records and bytes.",
        "One of three formats, which differ in their first bytes. An array, a record or bytes "
        "alone (one byte string, without dimensions) are a `.npy` file. What has no binary part is "
        "JSON with two-space indent, sorted keys and one newline, in ASCII and with Python's "
        "numbers; it differs from `plain` where the table below says. "
        "Everything else is a container.",
        '{"a": np.array([1.5, 2.0]), "b": ["x", 5]}',
    ),
    "checksum": Section(
        "A checksum as 64 hexadecimal digits, or dicts and lists of them.",
        "Canonical JSON, and one newline. Bare digits without quotes are read too.",
        '["ab" * 32]',
    ),
}

JSON_RULES = """\
- UTF-8, no byte order mark; two spaces of indent; `": "` after a key, `,` and a newline between
  items; `{}` and `[]` for what is empty.
- Keys are sorted by their UTF-8 bytes, which is also the order of their code points.
- Of text, only `"`, `\\` and the control characters below U+0020 are escaped: `\\b`, `\\t`, `\\n`,
  `\\f`, `\\r`, and `\\u00XX` for the others.
- A float is the shortest decimal that reads back as the same float. From 1e-5 up to below 1e16 it
  is written without an exponent, with at least one digit after the point; an exponent has no
  leading zeros, and a sign, `+` included. Writers based on orjson before 3.11.7 leave the `+`
  out, and so give other checksums.
- NaN and the infinities are `null`.

The JSON of `mixed`, beside it, is ASCII with Python's own numbers (␡ is the byte 7f as it stands):
"""

#: Values that the two kinds of JSON write differently, or that one refuses.
JSON_CASES = (
    '"é"',
    '"\\x7f"',
    '"𝄞"',
    "0.00001",
    "1e-07",
    "1e15",
    "1e16",
    "1e100",
    'float("nan")',
    'float("-inf")',
    "2**64",
    "{2: 3}",
    "np.int64(5)",
    '"\\ud800"',
)

NPY_RULES = """\
`{magic}`, two bytes of version, the length of the header text as a little-endian
integer, the text, and the items. The version is the lowest that can hold the text:

{versions}

The text is `{{'descr': D, 'fortran_order': B, 'shape': S, }}` with Python's own spelling of the
type description D, the truth value B and the tuple S. Unless the array has no dimensions, spaces
follow, so that the axis that varies slowest could grow to {growth} digits in place. Then come
further spaces, at least one, and a newline, so that the items begin at a multiple of {alignment}
bytes.

The items lie in C order, or in Fortran order where the header says so. On reading, bytes behind
the last item are ignored, headers of Python objects are refused, and an array is a read-only view
of the buffer; of structures it is a copy, aligned where the file is packed.
"""

PADDING_RULES = """\
Bytes that carry no information are always zero, whatever was in memory: the gaps between the
fields of an aligned structure and after the last one, and the unused six bytes of an x86 extended
precision number. So equal values have equal bytes, and nothing else of a process is stored.
"""

CONTAINER_RULES = """\
All integers are little-endian and unsigned:

{layout}

The *form* describes types, sizes and shapes without data: for a JSON scalar `"null"`, `"boolean"`,
`"integer"`, `"number"` or `"string"`, else an object. A dict lists its `properties` in their own
order; a list has the form of each of its `items`, or a single one if all are equal (`identical`),
and its length as `shape`. An array has `items` (`type`, `bytesize`, `unsigned` for integers),
`shape`, and `contiguous`; where its memory isn't in C order, also its `strides` in bytes. A
structure lists its fields as `properties`, their `order` and its `bytesize`; a field that is an
array itself has type `tuple`. What holds binary data somewhere inside has a `storage`:
`pure-binary` for an array or record, `mixed-plain` for a dict or list.

The data part begins with JSON on a single line: a list of the offsets at which the arrays begin,
ended by the size of the binary data, and the value with 0 in place of each array. JSON here has
`", "` and `": "` between its items, ASCII only, and keys in their own order. The arrays follow
without gaps, in C order, as the value is walked: lists from the front, dicts by sorted keys.
"""

CONTAINER_PARTS = (
    ("{outer} bytes", "magic number", "`{outer_magic}`"),
    ("1 byte", "length of the name of the storage", ""),
    ("that many", "name of the storage", "`mixed-plain`"),
    ("{form_size} bytes", "length of the form", ""),
    ("that many", "the form", "JSON"),
    ("{inner} bytes", "magic number of the data part", "`{inner_magic}`"),
    ("{half} bytes", "length of the JSON", ""),
    ("{half} bytes", "length of the binary data", ""),
    ("as said", "offsets and value", "JSON"),
    ("as said", "the arrays", ""),
)

CONVERSION_RULES = """\
What a buffer of one cell type (downwards) becomes as another (across):

{legend}
"""

FORBIDDEN_NOTE = """\
A forbidden pair needs a decision about values: read the value, make the other one yourself,
and write that.

These go through other cell types, one step after the other; everything else is one step:
"""
