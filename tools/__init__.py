"""Tools of the repository: `dev.py` is the one command, each folder is one of its tasks."""
