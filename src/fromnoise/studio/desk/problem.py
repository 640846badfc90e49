"""What goes wrong in answering a request: the one exception that every part of the studio may raise."""

from __future__ import annotations

from fromnoise.ground.errors import UserError


class Problem(Exception):
    """What goes wrong in answering a request.

    Args:
        status: of HTTP.
        message: what is wrong and what to do, in one sentence.
        param: the name of the field that is wrong.
        code: a word for programs; by default the status's.
        retry: seconds after which to try again.
    """

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None, retry: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.retry = status, message, param, code, retry


def problem_of(error: UserError, status: int = 400, param: str | None = None, code: str | None = None) -> Problem:
    """What a person can put right, as a problem.

    Args:
        error: says what is wrong.
        status, code: as of a problem.
        param: the field that is wrong, where the error does not say.
    """
    return Problem(status, error.message, error.field or param, code)
