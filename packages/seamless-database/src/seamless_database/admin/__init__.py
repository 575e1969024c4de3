"""The command `seamless-database-admin`: check, copy, merge, prune … databases.

`commands` has one module for each sub-command, `access` opens the databases, and the modules
here do the work of several commands. The server imports nothing from this package.
"""
