"""What one call reserves of its budgets: how much that may be, and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import APIStatusError, BudgetExceededError, ConfigurationError, RequestValidationError
from ..utils.shapes import is_list
from .budget import NOTHING, Amount, Budget, units
from .counts import Counts, counts_of, stated_cost
from .effects import Flow, Sleep
from .prices import Price, Prices, price_of
from .request.large import Body
from .request.multipart import Form

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Limits
    from .operation import Operation
    from .state import CallState

# Of a picture, what it takes is known to its server alone; what more it takes is counted when the reply says so.
_PICTURE_TOKENS = 4096
_TOOLS_TOKENS = 512  # of the text that servers write around tools; Anthropic's documentation has 346
_PICTURE = re.compile(rb'"(?:data:image/[^"]*|https?://[^"\s]*)"|"(?:iVBORw0KGgo|/9j/|UklGR|R0lGOD)[^"]*"')
_OUTPUT = re.compile(rb'"max_?(?:completion|output|new)?_?tokens(?:_to_sample)?":([0-9]{1,15})', re.IGNORECASE)
_BOUNDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_UNKNOWN = (408, 504, 522, 524)  # a proxy stopped waiting for a server that may have worked on
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.5  # between two looks at a budget whose rest is held by others

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the budgets of a call have to know of it, before it is sent.

    Attributes:
        output_tokens: Most that each choice may generate.
        choices: How many there may be.
        price: None where no budget bounds the cost.
        is_work: Whether a model works, as far as can be told; else a call takes a request alone.
    """

    budgets: tuple[Budget, ...]
    output_tokens: int
    price: Price | None
    choices: int = 1
    has_tools: bool = False
    is_work: bool = True

    def needed(self, body: Body | Form | None) -> Amount:
        """Give the most that an attempt may take."""
        if not self.is_work:
            return Amount(requests=1)
        prompt = _prompt_tokens(body) + self.has_tools * _TOOLS_TOKENS
        output = self.choices * max(self.output_tokens, _asked_for(body))
        cost = 0.0 if self.price is None else self.price.most(prompt, output)
        return Amount(units(cost), prompt + output, 1)

    def hold(
        self, body: Body | Form | None, limits: Limits, state: CallState, clock: Callable[[], float]
    ) -> Flow[None]:
        """Reserve for the first attempt; a row of a map waits while calls under way hold what it needs.

        Raises:
            BudgetExceededError: It would pass a bound.
        """
        if state.held is not None:
            state.held.lose()  # an earlier server, whose reply was none
        until, wait = clock() + limits.timeout_s, _FIRST_WAIT_S
        if limits.deadline_s is not None:
            until = min(until, state.started + limits.deadline_s)
        while True:
            try:
                state.held = Reservation(self, body, len(state.attempts))
            except BudgetExceededError as exc:
                if not (state.waits_for_budget and exc.may_fit_later) or clock() + wait >= until:
                    raise
            else:
                return
            yield Sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    def hold_again(self, body: Body | Form | None, state: CallState, error: Exception) -> None:
        """Reserve for a further attempt; where there is no room for it, the failure before it stands."""
        try:
            state.held = Reservation(self, body, len(state.attempts))
        except BudgetExceededError as exc:
            error.add_note(f"not tried again: {exc}")
            raise error from error.__cause__

    def accounted(self, flow: Flow[T], state: CallState) -> Flow[T]:
        """Run the flow of a call: whatever it raises, nothing stays reserved."""
        try:
            return (yield from flow)
        except BaseException as exc:
            if state.held is not None:
                state.held.fail(exc, state)
            raise


def terms_of(
    budgets: Sequence[Budget],
    prices: Prices | None,
    operation: Operation,
    server: str,
    params: Mapping[str, Any],
) -> Terms | None:
    """Find out what a call may take; None where it costs nothing, as a list does.

    Raises:
        RequestValidationError: Nothing bounds what it may generate.
        ConfigurationError: A budget bounds the cost, and the model has no price.
    """
    if not operation.is_paid:
        return None
    model = params.get("model")
    if operation.own is not None and not isinstance(model, str):
        return Terms(tuple(budgets), 0, None, is_work=False)
    output, choices = 0, 1
    if any(one.cost is not None or one.tokens is not None for one in budgets):
        output, choices = _output_tokens(budgets, operation, params), _choices(params)
    price = None
    if any(one.cost is not None for one in budgets):
        price = price_of(prices, server, str(model or ""))
        if price is None:
            raise ConfigurationError(
                f"prices: server {server!r} has no price for the model of this call, and its budget bounds the cost; "
                "pass SDK(prices={model: Price(...)})"
            )
    return Terms(tuple(budgets), output, price, choices, has_tools=bool(params.get("tools")))


def _output_tokens(budgets: Sequence[Budget], operation: Operation, params: Mapping[str, Any]) -> int:
    named = max((params[name] for name in _BOUNDS if _is_count(params.get(name))), default=None)
    if named is None:
        if operation.own is None and "max_tokens" not in operation.parameters:
            return 0  # vectors, ranks, pictures: no text is generated
        named = next((one.output_tokens for one in budgets if one.output_tokens is not None), None)
    if named is None:
        raise RequestValidationError(
            "max_tokens: a call under a budget needs it, or nobody could say what it may cost; "
            "Budget(output_tokens=...) sets it for the reservation of all calls without",
            param="max_tokens",
        )
    return int(named)


def _choices(params: Mapping[str, Any]) -> int:
    choices: int = max([1, *(params[name] for name in ("n", "best_of") if _is_count(params.get(name)))])
    prompt: Any = params.get("prompt")
    prompts = len(prompt) if is_list(prompt) and not all(map(_is_count, prompt)) else 1
    return choices * max(1, prompts)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _prompt_tokens(body: Body | Form | None) -> int:
    """Bound the tokens of a prompt: a token is at least a byte of the body, whose JSON stands for the template."""
    if body is None:
        return 0
    if isinstance(body, Form):
        texts = [str(value).encode() for value in body.fields.values() if value is not None]
        return sum(map(len, texts)) + _PICTURE_TOKENS * len(body.files)
    if not isinstance(body, bytes):
        return _PICTURE_TOKENS  # a file, read while it is sent
    pictures, length = 0, len(body)
    for found in _PICTURE.finditer(body):
        length -= found.end() - found.start()
        pictures += 1
    return length + pictures * _PICTURE_TOKENS


def _asked_for(body: Body | Form | None) -> int:
    """Find the bounds of the output that a body has, wherever it has them: `extra_body` may put one anywhere."""
    found = _OUTPUT.findall(body) if isinstance(body, bytes) else ()
    return max(map(int, found), default=0)


class Reservation:
    """What one attempt holds of its budgets, until it is settled, once; one that is dropped counts as spent.

    Args:
        made: Attempts of the call before it.
    """

    __slots__ = ("_amount", "_budgets", "_made", "_price")

    def __init__(self, terms: Terms, body: Body | Form | None, made: int) -> None:
        self._amount = amount = terms.needed(body)
        self._price = terms.price
        self._made = made
        self._budgets: tuple[Budget, ...] = ()
        for budget in terms.budgets:
            try:
                budget.reserve(amount)
            except BaseException:
                self._settle(NOTHING)
                raise
            self._budgets += (budget,)

    def pay(self, usage: Any) -> None:
        """Pay what a reply states; all that is held where it states nothing."""
        counts = counts_of(usage)
        stated = None if usage is None else stated_cost(usage)
        if counts is None and stated is None:
            self.lose()
            return
        cost = self._cost(counts) if stated is None else units(stated)
        tokens = self._amount.tokens if counts is None else max(counts.total, counts.prompt + counts.completion)
        self._settle(Amount(cost, tokens, 1))

    def fail(self, error: BaseException, state: CallState) -> None:
        """Pay for an attempt that brought no reply.

        Nobody charges for what was not sent, or for a request that was refused. What a connection that broke has cost,
        nobody knows: the server may have done all the work.
        """
        attempts = state.attempts[self._made :]
        if (not attempts and isinstance(error, Exception)) or (attempts and attempts[-1].error == "connect"):
            self._settle(NOTHING)
        elif isinstance(error, APIStatusError) and error.status_code >= 300 and error.status_code not in _UNKNOWN:
            self._settle(Amount(0, 0, 1))
        else:
            self.lose()

    def lose(self) -> None:
        """Pay all that is held."""
        self._settle(self._amount)

    def _settle(self, spent: Amount) -> None:
        budgets, self._budgets = self._budgets, ()
        for budget in budgets:
            budget.settle(self._amount, spent)

    def _cost(self, counts: Counts | None) -> int:
        if self._price is None or counts is None:
            return self._amount.cost
        return units(
            self._price.of(
                counts.prompt,
                counts.cached,
                counts.completion,
                cache_write_tokens=counts.written,
                reasoning_tokens=counts.reasoning,
            )
        )

    def __del__(self) -> None:
        if getattr(self, "_budgets", ()):
            self.lose()
