"""The three commands, one a file; `command` is the frame around them."""
