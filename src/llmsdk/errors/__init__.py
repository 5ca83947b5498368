"""Every error that llmsdk raises; `SDKError` is the root. `NoResponseError` is another name of `APIConnectionError`.

Imports nothing of the package, and every package may import it. Start reading at `base.py`; `status.py` has a class for
each status, whose statement is its registration.
"""

from .answers import (
    AnswerError,
    IncompleteOutputError,
    MaxRoundsError,
    ParseError,
    Problem,
    RefusalError,
    ToolCallError,
)
from .base import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BatchError,
    CassetteError,
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

# Its name in SDKs that a generator wrote, so that their `except` clauses stay as they are.
NoResponseError = APIConnectionError

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AnswerError",
    "Attempt",
    "AuthenticationError",
    "BadGatewayError",
    "BadRequestError",
    "BatchError",
    "CassetteError",
    "ConfigurationError",
    "ConflictError",
    "DeadlineExceededError",
    "GatewayTimeoutError",
    "IncompleteOutputError",
    "InternalServerError",
    "Limit",
    "MaxRoundsError",
    "NoResponseError",
    "NotFoundError",
    "ParseError",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "Problem",
    "RateLimit",
    "RateLimitError",
    "RefusalError",
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
    "ToolCallError",
    "UnprocessableEntityError",
    "UnsupportedOperationError",
    "UnsupportedParameterError",
]
