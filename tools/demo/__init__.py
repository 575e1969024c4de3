"""The demonstration: a computation cache at work on real files."""
