"""The public surface of the two packages as data: collecting it, comparing it, naming it."""
