"""The one error a request can end in, in OpenAI's shape."""

from __future__ import annotations

from http import HTTPStatus


class RequestError(Exception):
    """A request that cannot be served.

    `param` names the field at fault, `code` is a stable word for programs, `allow` lists a 405's methods.
    """

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        """Keep the parts apart: the body and the headers are made from them."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.allow = allow

    def body(self) -> dict[str, object]:
        """Return `{"error": {"message", "type", "param", "code"}}`."""
        kind = "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def out_of_range(param: str, message: str) -> RequestError:
    """Return a 400: the field has the right type, its value is not acceptable."""
    return RequestError(HTTPStatus.BAD_REQUEST, message, param=param, code="invalid_value")


def wrong_type(param: str, message: str) -> RequestError:
    """Return a 422: the field is missing or of a wrong type."""
    return RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, message, param=param, code="invalid_type")
