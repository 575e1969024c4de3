"""What a release is made of: checks of the repository, builds, and trials of what was built."""
