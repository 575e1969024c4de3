"""What the golden vectors are about: cell types, and values as Python expressions.

Order matters: it is the order of the committed file, so new values go to the end of a tuple.
"""

from __future__ import annotations

import itertools

TEXT_TYPES = ("text", "str", "python", "ipython", "yaml")
JSON_TYPES = ("plain", "mixed", "checksum")

JSON_VALUES = (
    "None",
    "True",
    "False",
    "0",
    "-1",
    "2**53",
    "2**63 - 1",
    "2**64 - 1",
    "-2**63",
    "1.0",
    "-0.0",
    "0.1",
    "1e16",
    "-1e16",
    "1e22",
    "1e100",
    "5e-324",
    "1e-5",
    "1e-7",
    "123456789.123456789",
    "1.7976931348623157e308",
    "''",
    "'abc'",
    "'é日本😀'",
    "'\\x7f\\x00\\x1f\\t\\n\"\\\\/'",
    "'\\u2028'",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{'a': {}}",
    "[1, 2.5, 'x', None, True]",
    "(1, (2, 3))",
    "{'b': 1, 'a': {'d': 2, 'c': [3, {'f': 4, 'e': 5}]}}",
    "{'é': 1, 'z': 2, 'A': 3, '': 4}",
    "[Checksum('ab' * 32)]",
    "{'k': Checksum('cd' * 32), 't': (Checksum('ef' * 32),)}",
)
LOSSY_JSON_VALUES = (
    "float('nan')",
    "float('inf')",
    "[float('-inf')]",
    "2**64",
    "10**40",
    "{1: 2}",
    "{10: 1, 9: 2}",
    "{None: 1}",
    "'\\ud800'",
    "{1}",
    "object",
    "np.int64(5)",
    "np.float32(0.1)",
    "np.bool_(True)",
)
TEXTS = (
    "''",
    "'x'",
    "'x\\n'",
    "'x\\n\\n\\n'",
    "'\\n'",
    "'a\\r\\n'",
    "'é日本😀'",
    "b'bytes'",
    "b'\\xff'",
    "None",
    "5",
    "2.5",
    "True",
    "[1, 'a', None]",
    "{'b': 1, 'a': [True]}",
)
CODE = (
    "'a = 1'",
    "'def f(x):\\n    return x + 1\\n'",
    "'# comment only'",
    "'%matplotlib inline'",
    "'a: 1\\nb: [1, 2]'",
    "'- x\\n- y: z'",
)
NUMBERS = (
    "0",
    "7",
    "-7",
    "2**63",
    "1.5",
    "-2.9",
    "1e16",
    "'12'",
    "' 12 '",
    "'1_000'",
    "'1e5'",
    "'x'",
    "''",
    "b'12'",
    "True",
    "None",
    "[]",
    "[0]",
    "float('nan')",
    "np.int8(-3)",
    "np.float64(2.5)",
)
BYTES = (
    "b''",
    "b'abc'",
    "bytes(range(256))",
    "'text\\n\\n'",
    "bytearray(b'ab')",
    "memoryview(b'ab')",
    "np.arange(4, dtype='<i2')",
    "np.arange(6, dtype='<i4').reshape(2, 3)[:, ::2]",
    "5",
    "[1, 2]",
)

DTYPES = (
    "?",
    "i1",
    "<i2",
    "<i4",
    "<i8",
    "u1",
    "<u2",
    "<u4",
    "<u8",
    "<f2",
    "<f4",
    "<f8",
    "S1",
    "S5",
)
SHAPES = ("()", "(0,)", "(1,)", "(3,)", "(2, 3)", "(2, 0, 2)")
STRUCTS = (
    "np.zeros(2, np.dtype([('a', '<i4'), ('b', '<f8')], align=True))",
    "np.ones(3, np.dtype([('x', 'i1'), ('y', '<f4'), ('z', 'S3')], align=True))",
    "np.zeros((2, 2), np.dtype([('p', '<f8', (3,)), ('n', '<i2')], align=True))",
    "np.zeros(1, np.dtype([('i', np.dtype([('k', 'u1'), ('l', '<i8')], align=True))], align=True))",
    "np.zeros((), np.dtype([('a', '<i8')], align=True))[()]",
    "np.full(2, 0xEE, 'u1').repeat(8).view(np.dtype([('a', 'i1'), ('b', '<i4')], align=True))",
)
LAYOUTS = (
    "np.arange(10, dtype='<i4')[::2]",
    "np.arange(10, dtype='<i4')[::-1]",
    "np.arange(6, dtype='<f8').reshape(2, 3).T",
    "np.asfortranarray(np.arange(6, dtype='<i2').reshape(2, 3))",
    "np.broadcast_to(np.arange(3, dtype='<i4'), (2, 3))",
    "np.arange(24, dtype='u1').reshape(2, 3, 4)[:, 1]",
    "np.arange(4, dtype='<i4').reshape(1, 4)",
    "np.arange(4, dtype='<i4').reshape(4, 1).T",
)
NOT_ARRAYS = (
    "np.zeros(2, '<c16')",
    "np.zeros(2, 'M8[D]')",
    "np.zeros(2, '>i4')",
    "np.zeros(2, object)",
    "np.zeros(2, np.dtype([('a', 'i1'), ('b', '<i4')]))",
    "{'a': 1}",
    "None",
)
CONTAINERS = (
    "{'a': ARRAY}",
    "[ARRAY]",
    "(1, ARRAY)",
    "{'b': ARRAY, 'a': 1}",
    "{'a': [ARRAY, ARRAY]}",
    "[{'x': ARRAY, 'y': 'é'}, {'x': ARRAY, 'y': 'z'}]",
    "{'n': None, 'z': {'d': ARRAY}, 'c': [1, 2.5, True]}",
    "[[], {}, ARRAY, '']",
)
INSIDE = (
    "np.arange(3, dtype='<i4')",
    "np.arange(6, dtype='<f8').reshape(2, 3).T",
    "np.zeros((0, 2), 'u1')",
    "np.array(5, '<i8')",
    "b'raw'",
    "b''",
    "np.ones(2, np.dtype([('x', 'i1'), ('y', '<f4')], align=True))",
    "np.ones(1, np.dtype([('x', '<i2'), ('y', '<f4', (2,))], align=True))[0]",
)


def cases() -> list[tuple[str, str]]:
    """All vectors: cell type and the expression of the value."""
    arrays = [
        f"np.arange(int(np.prod({shape}))).reshape({shape}).astype('{dtype}')"
        for dtype, shape in itertools.product(DTYPES, SHAPES)
    ]
    inside = [
        container.replace("ARRAY", array)
        for container, array in itertools.product(CONTAINERS, INSIDE)
    ]
    table: list[tuple[tuple[str, ...], tuple[str, ...] | list[str]]] = [
        (JSON_TYPES, JSON_VALUES),
        (("plain", "mixed"), LOSSY_JSON_VALUES),
        (("deepcell", "folder"), ("{'a/b': 'ab' * 32, 'A': 'cd' * 32}",)),
        (("text", "str"), TEXTS),
        (TEXT_TYPES, CODE),
        (("int", "float", "bool"), NUMBERS),
        (("bytes",), BYTES),
        (("binary",), arrays),
        (("mixed",), arrays[::3]),
        (("binary", "mixed", "bytes"), STRUCTS),
        (("binary", "mixed"), LAYOUTS),
        (("binary", "mixed"), NOT_ARRAYS),
        (("binary", "mixed", "text"), ("b'abc'", "5", "[1, 2]", "[1.5, 2]", "'word'")),
        (("mixed",), inside),
    ]
    return [
        (celltype, expression)
        for types, expressions in table
        for expression, celltype in itertools.product(expressions, types)
    ]
