"""Release one of the two packages: check the repository, build, try out what was built."""
