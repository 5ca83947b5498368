"""What is secret: the names that say so, values that nothing shows, and masks for texts that may repeat them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit, urlunsplit

from ..errors import ConfigurationError

MASK = "***"

# Texts, which `re` compiles when the first name is asked about: most programs never ask.
_NAMES = (
    r"auth(?!or(?!i[sz]))"  # authorization and oauth, but neither author nor authority
    r"|cookie|secret|passw|passphrase|credential|signature|assertion|jwt"
    # Written without a separator, `key` needs a word in front of it: monkeys and portkeys are none.
    r"|(api|access|account|admin|app|client|functions?|master|private|session|shared|signing|subscription|user)[-_]?key"
    r"|(^|[-_.])(bearer|dpop|key|otp|pass|pwd|sig)($|[-_.])|token($|[-_.])"
    r"|^code$"  # how Azure Functions name their key in a query
)
# Names of the field that look like the above and hold what is no secret: counts, cursors, and names of cached things.
_OTHER_NAMES = (
    r"^(www|proxy)-authenticate$|rate-?limit"
    r"|(cache|idempotency|partition|surrogate)[-_]?key$|(continuation|max|next|page|stop)[-_]?token$"
    r"|token[-_](count|limit|type|usage)"
)
_MIN_SECRET = 4  # shorter values occur by chance, and masking them would garble the text
_MIN_PART = 8  # of a part of a value that is masked by itself: a cookie's `theme=dark` is no secret


def is_secret_name(name: object) -> bool:
    """Recognize the name of a header, URL parameter or query parameter whose value is secret.

    The one verdict for previews, cassettes, error texts, logs, pickles and the command line.
    """
    if not isinstance(name, str):  # a caller's mapping, not checked yet
        return False
    name = name.lower()
    return re.search(_NAMES, name) is not None and re.search(_OTHER_NAMES, name) is None


def shown_url(url: str, url_params: Mapping[str, Any] | None = None) -> str:
    """Write a URL without its user and password, and without the values of secret names in its query and path.

    Args:
        url_params: What has been filled into its path.
    """
    if url_params:
        inside = Secrets()
        inside.learn({}, url_params, "")
        url = masked(url, inside)
    if "?" not in url and "@" not in url:
        return url
    parts = urlsplit(url)
    # Pairs are cut by hand: what is not secret stays as it was written, percent signs and all.
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    query = "&".join(
        f"{name}={MASK}" if sign and is_secret_name(unquote_plus(name)) else f"{name}{sign}{value}"
        for name, sign, value in pairs
    )
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))


class Secret:
    """A value that no repr, traceback with locals, log or pickle shows; its copies in this process are itself.

    Args:
        value: A key, or an option that holds one, such as a mapping of headers.
        name: Whose value it is, for the refusal to pickle it.
    """

    __slots__ = ("_name", "_value", "masks")

    def __init__(self, value: Any, name: str = "api_key") -> None:
        self._value = value
        self._name = name
        self.masks: frozenset[str] | None = None

    def reveal(self) -> Any:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: Any) -> Secret:
        return self

    def __reduce__(self) -> Any:
        if self._name == "api_key":
            raise ConfigurationError(
                "api_key: a literal key cannot be pickled; leave api_key out and set the environment variable, or pass "
                "a function that can be pickled by its name"
            )
        raise ConfigurationError(
            f"{self._name}: is secret and cannot be pickled; leave it out and add it where the SDK is used"
        )


def revealed(value: Any) -> Any:
    """Return the value inside a Secret, and anything else as it is."""
    return value.reveal() if isinstance(value, Secret) else value


_NONE: frozenset[str] = frozenset()  # one for all: as most calls use none, and each would take 216 bytes


class Secrets:
    """The secrets that a call has used, to be masked wherever a server repeats them.

    What they look like in a text is worked out when the first text is to be masked, and once for all texts.
    """

    __slots__ = ("_keys", "_masks", "_unread", "_values")

    def __init__(self) -> None:
        self._keys: list[Secret] = []
        self._values = _NONE
        self._unread: list[tuple[Mapping[str, str], Mapping[str, Any], str]] = []
        self._masks: tuple[str, ...] | None = None

    def add(self, key: Secret) -> None:
        """Learn a key, and what follows a scheme in it."""
        self._keys.append(key)
        self._masks = None

    def learn(self, headers: Mapping[str, str], url_params: Mapping[str, Any], url: str) -> None:
        """Learn the values, whole and by their parts, of the names that say that they are secret."""
        self._unread.append((headers, url_params, url))
        self._masks = None

    @property
    def masks(self) -> tuple[str, ...]:
        """Every form in which a secret may stand in a text, in the order in which to mask them."""
        if self._masks is None:
            self._read()
            for key in self._keys:
                if key.masks is None:  # a key serves many calls: its forms stay with it
                    key.masks = frozenset[str]().union(*map(_forms, _with_rest(key.reveal())))
            self._masks = _in_order([*(key.masks or () for key in self._keys), *map(_forms, self._values)])
        return self._masks

    def _read(self) -> None:
        while self._unread:
            headers, url_params, url = self._unread.pop()
            for name, value in (*headers.items(), *url_params.items(), *parse_qsl(url.partition("?")[2])):
                if is_secret_name(name):
                    text = str(value)
                    self._values |= {text, *(part for part in re.split(r"[\s;,=]+", text) if len(part) >= _MIN_PART)}
                    if name in headers and ";" not in text:  # no list of cookies: a scheme, and a key of any length
                        self._values |= _with_rest(text)

    def __iter__(self) -> Iterator[str]:
        self._read()
        return iter(self._values.union(*(_with_rest(key.reveal()) for key in self._keys)))

    def __repr__(self) -> str:
        return f"<{len(self._keys) + len(self._values)} secrets>"


def _with_rest(key: str) -> set[str]:
    return {key, key.rpartition(" ")[2]}


def _forms(secret: str) -> frozenset[str]:
    """Write a secret in every form in which it may stand in a text: percent-encoded, in base64, escaped for JSON."""
    if len(secret) < _MIN_SECRET:
        return frozenset()
    import base64

    raw = secret.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    quoted |= {re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in quoted}
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    escaped |= {form.replace("/", "\\/") for form in escaped}
    # Without its padding the base64 form is also found inside longer text.
    return frozenset({secret, *quoted, *escaped, *encoded, *(form.rstrip("=") for form in encoded)})


def _in_order(forms: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Put the longest first: a secret that holds another one would leave its rest behind."""
    return tuple(sorted({form for some in forms for form in some}, key=len, reverse=True))


def masks_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """List the forms in which secrets may stand in a text, made already where they are those of a call."""
    return secrets.masks if isinstance(secrets, Secrets) else _in_order(map(_forms, secrets))


def masked(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in a text, in whatever form it stands there.

    Args:
        text: What is about to be shown.
        secrets: Those of at least 4 characters are masked.
    """
    for mask in secrets.masks if isinstance(secrets, Secrets) else masks_of(secrets):
        if mask in text:
            text = text.replace(mask, MASK)
    return text


def masked_each(texts: Iterable[str | None], secrets: Iterable[str]) -> list[str | None]:
    """Replace every secret in some texts, of which some may be absent."""
    return [text and masked(text, secrets) for text in texts]
