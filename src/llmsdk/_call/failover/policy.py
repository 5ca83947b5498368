"""Failover: which servers a call may go on to, by which model names, and after which failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import ConfigurationError
from ...providers.ids import ServerId
from ...providers.registry import find_provider, is_known
from ...providers.spec import Provider
from ...utils.shapes import described, guessed, is_mapping, quoted

# Not 409: a conflict is about what one server holds, of which another knows nothing.
DEFAULT_ON: tuple[int | str, ...] = ("connection", "timeout", 408, 429, "5XX")
"""No connection or a broken one, no answer in time, a server that is busy, and one that fails."""

NEVER = frozenset({400, 401, 403, 404, 422})
"""What is wrong with a request or a key at one server must be mended, not hidden behind another."""

_ACCEPTED = 'expected "connection", "timeout", "5XX" or statuses from 400 to 599'


class Failover:
    """Servers that are tried in order, each after the one before has failed for good.

    A call goes on to the next server after the retries of its own policy, never once an event of a stream has been
    handed out, and not past its `deadline_ms`. The request is written anew in each server's dialect; what one of them
    does not support is refused before anything is sent. A server that answers with `Retry-After` is left out for that
    time by all calls of the SDK, unless all of them are.

    Args:
        servers: Server ids or `Provider` constants, the first choice first.
        models: The model's name at each server; or, where calls use several models, a mapping from the name in the
            call to that server's. The first server may be left out: it gets the name in the call. Without a map all
            servers get that.
        on: Failures to go on after: "connection", "timeout", statuses, "5XX". Never 400, 401, 403, 404 and 422.

    Raises:
        ConfigurationError: An unknown server, a hole in `models`, or a failure that cannot be gone on after.
    """

    __slots__ = ("models", "on", "servers", "statuses")

    def __init__(
        self,
        servers: Iterable[ServerId | Provider],
        *,
        models: Mapping[str, str | Mapping[str, str]] | None = None,
        on: Iterable[int | str] = DEFAULT_ON,
    ) -> None:
        self.servers = _servers(servers)
        self.models = _models(models, [provider.name for provider in self.servers])
        self.on = _listed(on, "on")
        self.statuses = _statuses(self.on)

    def model_at(self, server: str, model: Any) -> Any:
        """Return a model's name at a server.

        Raises:
            ConfigurationError: The map has no name for it.
        """
        entry = self.models.get(server)
        if entry is None or isinstance(entry, str):
            return model if entry is None else entry
        if model in entry:
            return entry[model]
        hint = guessed(str(model), entry)
        raise ConfigurationError(
            f"failover: models[{server!r}] has no name for model {str(model)[:80]!r}; add it, or leave that server out"
            + (hint and f"; {hint}")
        )

    def __repr__(self) -> str:
        return f"Failover({[provider.name for provider in self.servers]}, models={self.models}, on={self.on})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Failover):
            return NotImplemented
        return (self.servers, self.models, self.statuses) == (other.servers, other.models, other.statuses)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and the maps inside can change

    def __reduce__(self) -> tuple[Any, ...]:
        # Known servers travel by id: a constant is the same one at the other end.
        servers = [_as_given(provider) for provider in self.servers]
        return _make, (servers, self.models, self.on)


def checked_failover(value: Any) -> Failover | None:
    """Check the failover of an SDK or a call.

    Raises:
        ConfigurationError: It is not a `Failover`.
    """
    if value is None or isinstance(value, Failover):
        return value
    raise ConfigurationError(f"failover: must be a Failover or None, got {type(value).__name__}")


def _make(servers: list[Any], models: Mapping[str, Any], on: tuple[int | str, ...]) -> Failover:
    return Failover(servers, models=models, on=on)


def _as_given(provider: Provider) -> str | Provider:
    return provider.name if is_known(provider) else provider


def _listed(given: Any, name: str) -> tuple[Any, ...]:
    if isinstance(given, str | bytes) or is_mapping(given) or not hasattr(given, "__iter__"):
        raise ConfigurationError(f"failover: {name} must be a list, got {type(given).__name__}")
    return tuple(given)


def _servers(given: Any) -> tuple[Provider, ...]:
    found: dict[str, Provider] = {}
    for server in _listed(given, "servers"):
        try:
            provider = find_provider(server)
        except ConfigurationError as exc:
            raise ConfigurationError(f"failover: {exc}") from None
        if provider is None:
            raise ConfigurationError("failover: servers must be ids or Provider constants, got NoneType")
        name = provider.name
        if name in found:
            raise ConfigurationError(f"failover: server {name!r} is listed twice; use a unique name for each")
        found[name] = provider
    if not found:
        raise ConfigurationError("failover: servers is empty; list the first choice and those to go on to")
    return tuple(found.values())


def _models(given: Any, servers: list[str]) -> Mapping[str, str | Mapping[str, str]]:
    if given is None:
        return {}
    if not is_mapping(given):
        raise ConfigurationError(f"failover: models must be a mapping of server ids, got {type(given).__name__}")
    keys: Iterable[Any] = given
    models = {key.name if isinstance(key, Provider) else key: given[key] for key in keys}
    for name, entry in models.items():
        if name not in servers:
            raise ConfigurationError(f"failover: models names {quoted(name)}, which is not one of {', '.join(servers)}")
        names = [*entry, *entry.values()] if is_mapping(entry) else [entry]
        if not all(isinstance(one, str) and one for one in names):
            raise ConfigurationError(
                f"failover: models[{name!r}] must be a model's name, or a mapping of names to that server's names"
            )
    hole = next((name for name in servers[1:] if models and name not in models), None)
    if hole is not None:
        raise ConfigurationError(
            f"failover: models has no entry for server {hole!r}; add the model's name there, or leave models out to "
            "use the same name everywhere"
        )
    return models


def _statuses(on: Iterable[Any]) -> frozenset[int | str]:
    found: set[int | str] = set()
    for item in on:
        if not isinstance(item, str | int):
            raise ConfigurationError(f"failover: on has {described(item)}; {_ACCEPTED}")
        if item in ("connection", "timeout"):
            found.add(item)
        elif item == "5XX":
            found.update(range(500, 600))
        elif type(item) is int and 400 <= item <= 599 and item not in NEVER:
            found.add(item)
        elif item in NEVER:
            raise ConfigurationError(
                f"failover: on must not have {item}: another server would hide what is to be mended"
            )
        else:
            raise ConfigurationError(f"failover: on has {quoted(item)}; {_ACCEPTED}")
    return frozenset(found)
