"""Make and check the golden vectors of seamless-core."""
