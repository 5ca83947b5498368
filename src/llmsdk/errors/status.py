"""One class per status: a class statement here is all that a new one needs."""

from __future__ import annotations

from .base import APIStatusError


class BadRequestError(APIStatusError, status=400):
    """400: the request is invalid."""


class AuthenticationError(APIStatusError, status=401):
    """401: the API key is missing or wrong; `key_origin` says where it came from, such as an environment variable."""

    key_origin: str | None = None

    def _facts(self) -> list[str]:
        # First: it is what most of these are cured by.
        return [*([self.key_origin] if self.key_origin else []), *super()._facts()]


class PaymentRequiredError(APIStatusError, status=402):
    """402: the account's credit or spending limit is used up."""


class PermissionDeniedError(APIStatusError, status=403):
    """403: the key isn't allowed to do this; Together also sends it if the input is too long."""


class NotFoundError(APIStatusError, status=404):
    """404: no such model or path."""


class RequestTimeoutError(APIStatusError, status=408):
    """408: the server gave up waiting for the request."""


class ConflictError(APIStatusError, status=409):
    """409: the request conflicts with the state of a resource."""


class PayloadTooLargeError(APIStatusError, status=413):
    """413: the request body is larger than the server accepts."""


class UnprocessableEntityError(APIStatusError, status=422):
    """422: the request is well formed, but its values are invalid."""


class RateLimitError(APIStatusError, status=429):
    """429: too many requests or tokens, or a used-up balance; `retry_after_s` says how long to wait where known."""


class InternalServerError(APIStatusError, status=500):
    """500: the server failed."""


class BadGatewayError(APIStatusError, status=502):
    """502: a gateway received no valid reply from the server behind it."""


class ServiceUnavailableError(APIStatusError, status=503):
    """503: the server is overloaded or down."""


class GatewayTimeoutError(APIStatusError, status=504):
    """504: a gateway waited too long for the server behind it."""


class SDKDefaultError(APIStatusError):
    """Any other status, and error objects with a code that isn't a status."""


# Statuses of proxies and of servers of one kind, such as 529, have no class of their own.
def class_for(status: int) -> type[APIStatusError]:
    """Find the error class of a status."""
    return APIStatusError.statuses.get(status, SDKDefaultError)
