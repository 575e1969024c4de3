"""Checksums, codecs of the cell types, conversions between them, and properties of buffers."""
