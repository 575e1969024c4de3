"""A typed client for people and tools: the same methods, blocking or for an event loop.

A miss is None. A rejected request raises the error of `errors` that the server raised. No
response, or one that a seamless-database does not send, is a `ClientError`. Before its first
request, a client checks the protocol of the server, so that it neither sends data to another kind
of server nor trusts its responses. A client never repeats a request that may have reached the
server; what the server rejects as a whole, such as a list, it may send in parts.

A checksum may be given as 64 hexadecimal digits, as 32 bytes, or as an object with a method
`hex()`, such as `seamless.Checksum`; what is returned are 64 lower-case hexadecimal digits.
`get_transformations` and `get_buffer_infos` take any number of checksums, 10,000 in a request; they
return a dict in which misses are absent. If the server does not support lists, they send one
request for each checksum.
"""

from __future__ import annotations

from seamless_database.client.clients import TIMEOUT, AsyncDatabaseClient, DatabaseClient

__all__ = ["TIMEOUT", "AsyncDatabaseClient", "DatabaseClient"]
