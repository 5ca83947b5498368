"""Every error that llmsdk raises; `SDKError` is the root.

`NoResponseError` is another name of `APIConnectionError`, as generated SDKs have it.
"""

from .base import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    DeadlineExceededError,
    RemoteError,
    RequestValidationError,
    ResponseValidationError,
    SDKError,
    StreamInterruptedError,
    StreamTimeoutError,
    UnsupportedOperationError,
    UnsupportedParameterError,
)
from .meta import Attempt, Limit, RateLimit, ReplyMeta
from .status import (
    AuthenticationError,
    BadGatewayError,
    BadRequestError,
    ConflictError,
    GatewayTimeoutError,
    InternalServerError,
    NotFoundError,
    PayloadTooLargeError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    SDKDefaultError,
    ServiceUnavailableError,
    UnprocessableEntityError,
)

NoResponseError = APIConnectionError

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "Attempt",
    "AuthenticationError",
    "BadGatewayError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "DeadlineExceededError",
    "GatewayTimeoutError",
    "InternalServerError",
    "Limit",
    "NoResponseError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RateLimit",
    "RateLimitError",
    "RemoteError",
    "ReplyMeta",
    "RequestTimeoutError",
    "RequestValidationError",
    "ResponseValidationError",
    "SDKDefaultError",
    "SDKError",
    "ServiceUnavailableError",
    "StreamInterruptedError",
    "StreamTimeoutError",
    "UnprocessableEntityError",
    "UnsupportedOperationError",
    "UnsupportedParameterError",
]
