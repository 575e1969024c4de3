"""The mutation run: mutants, the tests that reach them, and their trials."""
