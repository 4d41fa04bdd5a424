# SPDX-License-Identifier: Apache-2.0
"""The one exception of the package."""

from __future__ import annotations

from planish import _planish


class Error(Exception):
    """What every failing public call raises.

    ``code`` is one word of the table in docs/errors.md, ``node`` names the node of the model that is
    at fault and ``hint`` says what to do; either may be None.
    """

    def __init__(
        self,
        message: str,
        code: str = "invalid_argument",
        node: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.node = node
        self.hint = hint

    def __str__(self) -> str:
        text = str(self.args[0])
        return f"{text} ({self.hint})" if self.hint else text

    def __reduce__(self) -> tuple[type[Error], tuple[str, str, str | None, str | None]]:
        return Error, (str(self.args[0]), self.code, self.node, self.hint)


_planish.set_error_class(Error)


def text(value: object, what: str) -> str:
    """The value if it is a string that UTF-8 can hold, else an Error."""
    if not isinstance(value, str):
        raise Error(f"{what}: expected a string, got {type(value).__name__}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Error(f"{what}: {value!r} is not valid UTF-8") from None
    if "\0" in value:
        raise Error(f"{what}: {value!r} holds a zero byte")
    return value
