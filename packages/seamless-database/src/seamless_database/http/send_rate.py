"""How fast a client takes its answers, as far as a look at the connection now and then can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Progress:
    """The progress of the answers of one connection.

    Parameters
    ----------
    patience
        seconds in which a client may take nothing
    pace
        bytes a second that it has to take of an answer after that time
    """

    def __init__(self, now: float, patience: float, pace: int) -> None:
        self._patience = patience
        self._pace = pace
        #: bytes that wait to be sent
        self.unsent = 0
        #: when the client was last seen to have taken something, or to have taken everything
        self.moved_at = now
        # of the answer that is being made: the request, since when, its size, and what is left
        self._request: RequestResponseCycle | None = None
        self._since, self._size, self._left = now, 0, 0

    def note(self, now: float, unsent: int, request: RequestResponseCycle | None) -> None:
        """Note how much is unsent now, and which request is being answered."""
        if request is not None and (request.response_complete or not request.response_started):
            request = None
        left = 0 if request is None else request.expected_content_length + unsent
        if not unsent or (unsent, left) != (self.unsent, self._left):
            self.moved_at = now
        if request is not self._request:
            self._request, self._since, self._size = request, now, left
        self.unsent, self._left = unsent, left

    def is_too_slow(self, now: float) -> bool:
        """Tell whether the client has taken nothing for too long, or too little of an answer."""
        if now - self.moved_at > self._patience:
            return True
        if self._request is None:
            return False
        return self._size - self._left < (now - self._since - self._patience) * self._pace
