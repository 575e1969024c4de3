"""Make FORMATS.md, the page of byte formats, from the code itself."""
