"""The command `seamless-database-admin`: what the owner of a file may want to do with it.

One file for each sub-command, and beside them what several of them stand on. The server imports
nothing from here.
"""
