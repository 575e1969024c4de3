"""The byte format of `mixed`: `.npy`, JSON, or a container of both; see `format`."""
