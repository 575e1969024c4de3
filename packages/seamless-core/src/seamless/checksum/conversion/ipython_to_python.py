"""Converts IPython code to Python code: magics and shell escapes become function calls.

Code that is valid Python stays unchanged. Other code is translated by IPython, which is not a
dependency of this package.
"""

from __future__ import annotations

from importlib import import_module

from seamless.checksum.celltypes import codec_of


def ipython_to_python(content: bytes) -> bytes:
    """Convert an IPython buffer to a Python buffer.

    Raises
    ------
    ValueError
        When the code is neither Python nor IPython, or IPython is needed but not installed.
    """
    python = codec_of("python")
    try:
        python.check(content)
    except ValueError:
        content = python.to_bytes(_transformed(codec_of("ipython").from_bytes(content)))
        python.check(content)
    return content


def _transformed(source: str) -> str:
    try:
        transformer = import_module("IPython.core.inputtransformer2")
    except ImportError:
        raise ValueError(
            "the code has IPython's own syntax, which only IPython can translate: "
            "install the package ipython"
        ) from None
    code: str = transformer.TransformerManager().transform_cell(source)
    return code
