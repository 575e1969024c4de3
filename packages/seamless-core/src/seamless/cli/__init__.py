"""The commands, each in a file or folder of its own; `command` has what they share.

Modules that a command imports at its start set `TYPE_CHECKING = False` instead of importing
`typing`, and use `os.path` instead of `pathlib`: both imports would slow every start.
"""
