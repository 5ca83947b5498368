"""URLs: made from parts that stay data, and checked before anything is sent to them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlencode, urljoin, urlsplit

from .shapes import described, is_unicode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Address, IPv6Address

# Compiled by `re` where they are first used: most URLs need no more than a look at ASCII.
_PLACEHOLDER = r"\{([A-Za-z_][A-Za-z0-9_]*)\}"
_BAD_CHARACTER = r"[\x80-\xa0\u2028\u2029\u3000\ud800-\udfff]"
_NOT_IN_HOST = frozenset('/?#@:[]<>"`{}|^%\\')
_LABEL_ENDS = "[.\u3002\uff0e\uff61]"  # RFC 3490, 3.1
_LONGEST_NUMBER = 1024  # bits of a number in a path
_LONGEST_LABEL, _LONGEST_HOST = 63, 253  # RFC 1035, 2.3.4, without the length bytes at both ends
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_TARGET = 1 << 15  # clients refuse URLs of twice that length with errors of their own
_LONGEST_SHOWN = 500


def quote_segment(value: str) -> str:
    """Encode a value so that it stays one path segment, whatever it holds.

    Source: RFC 3986, 2.3 and 5.2.4: "." and ".." would be taken out of the path, so their dots are encoded.
    """
    if value in (".", ".."):
        return value.replace(".", "%2E")
    return quote(value, safe="~")


@lru_cache(maxsize=256)
def placeholders(template: str) -> tuple[str, ...]:
    """Name the `{placeholders}` of a template, each once, in order."""
    return tuple(dict.fromkeys(re.findall(_PLACEHOLDER, template)))


def path_text(value: object) -> str:
    """Write a value that goes into a path.

    Raises:
        ValueError: One line, without the name of the value: nothing that has a place in a path.
    """
    if isinstance(value, str):
        text = str.__str__(value)
        if text and is_unicode(text):
            return text
        raise ValueError(
            f"must not be empty and of valid Unicode, got {'str with a lone surrogate' if text else 'an empty str'}"
        )
    if isinstance(value, bool) or not isinstance(value, int) or value.bit_length() > _LONGEST_NUMBER:
        raise ValueError(f"must be a string or an integer, got {described(value)}")
    return int.__repr__(value)


def fill_path(template: str, values: Mapping[str, str]) -> str:
    """Put encoded values into the `{placeholders}` of a path.

    Raises:
        ValueError: A value is missing, is not a str, or is empty.
    """

    def segment(found: re.Match[str]) -> str:
        value: object = values.get(found[1])
        if not isinstance(value, str):
            came = "nothing" if value is None else type(value).__name__
            raise ValueError(f"{found[1]}: got {came}; expected a str for the path {template}")
        if not value:
            raise ValueError(f"{found[1]}: got an empty str; expected a non-empty one for the path {template}")
        return quote_segment(value)

    return re.sub(_PLACEHOLDER, segment, template)


def join(base: str, path: str, query: Mapping[str, object] | None = None) -> str:
    """Append a path and a query to a base URL.

    Args:
        base: Its path and query are kept, the query ahead of the new one.
        path: Encoded already; may have a query of its own.
        query: Values are str, numbers, bools (as true and false), None (left out), or lists of these (repeated).
    """
    address, _, base_query = base.partition("?")
    path, _, path_query = path.partition("?")
    if path:
        address = f"{address.rstrip('/')}/{path.lstrip('/')}"
    parts = [part for part in (base_query, path_query, _encode_query(query)) if part]
    return f"{address}?{'&'.join(parts)}" if parts else address


def _encode_query(query: Mapping[str, object] | None) -> str:
    if not query:
        return ""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        items = cast("Iterable[object]", value) if isinstance(value, (list, tuple)) else (value,)
        # Booleans as JSON writes them, which every server reads; Python's own are capitalized.
        texts = (str(item).lower() if isinstance(item, bool) else str(item) for item in items if item is not None)
        pairs += [(name, text) for text in texts]
    return urlencode(pairs, quote_via=quote, encoding="utf-8")


def check_base_url(url: object, field: str = "url") -> str:
    """Check that a URL can be the base of requests.

    Args:
        field: Whose value it is, for the message.

    Returns:
        The URL as given.

    Raises:
        ValueError: One line that says what is wrong, and never shows credentials.
    """
    fault = _fault_of(url)
    if fault is not None:
        raise ValueError(f"{field}: got {fault}")
    return cast("str", url)


def _fault_of(url: object) -> str | None:
    """Describe what is wrong with a base URL and what is accepted; None where nothing is."""
    if not isinstance(url, str):
        return f"{described(url)}; expected a str"
    if not url:
        return "an empty str; expected a URL such as 'https://host/v1'"
    if _has_bad_character(url):
        return "a str with a blank, backslash, control character or lone surrogate; expected a URL without"
    bad_host = "a str with a bad host or port; expected a host, and a port of 1 to 65535"
    try:
        parts = urlsplit(url)
        # Said first: every later message may show the URL.
        if "@" in parts.netloc:
            return "a str with credentials; expected a URL without, the key goes to api_key"
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return bad_host
    if parts.scheme not in _DEFAULT_PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        return "a str without http:// or https://; expected a URL such as 'https://host/v1'"
    if not host:
        return "a str without a host; expected a URL such as 'https://host/v1'"
    is_bracketed = "[" in parts.netloc
    if port == 0 or not (_is_ipv6(host, parts.netloc) if is_bracketed else _is_host(host)):
        return bad_host
    if not (is_bracketed or _is_name(host)):
        return "a str with a bad host; expected labels of 1 to 63 characters between dots, 253 in all"
    if "#" in url:
        return "a str with a fragment; expected a URL without '#'"
    return None


def _has_bad_character(url: str) -> bool:
    if url.isascii():
        return not url.isprintable() or " " in url or "\\" in url
    return re.search(_BAD_CHARACTER, url) is not None or _has_bad_character(url.encode("ascii", "ignore").decode())


def _is_ipv6(host: str, netloc: str) -> bool:
    from ipaddress import AddressValueError, IPv6Address

    try:
        IPv6Address(host)  # not by `address_of`, which takes out an IPv4 address that is inside
    except AddressValueError:
        return False
    # urlsplit overlooks what else stands beside the brackets, and clients raise errors of their own.
    return re.fullmatch(r"\[[^][]*\](:[0-9]*)?", netloc) is not None


def _is_host(host: str) -> bool:
    return not _NOT_IN_HOST.intersection(host) and not any(map(str.isspace, host))


def _is_name(host: str) -> bool:
    """Recognize what a resolver takes as a name: it measures labels in the form that the wire has."""
    parts = re.split(_LABEL_ENDS, host)
    labels = [part if part.isascii() else f"xn--{part.encode('punycode').decode()}" for part in parts]
    if labels[-1] == "":
        labels.pop()  # the dot at the end of a full name
    return all(0 < len(label) <= _LONGEST_LABEL for label in labels) and len(".".join(labels)) <= _LONGEST_HOST


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL, in lower case and with the default port filled in.

    Raises:
        ValueError: The URL has no such parts.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        raise ValueError("url: got a str with a bad host or port; expected an absolute URL") from None
    if port is None:
        port = _DEFAULT_PORTS.get(scheme)
    if not host or port is None:
        raise ValueError("url: got a str without scheme or host; expected an absolute URL")
    return scheme, host, port


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a host is this machine: localhost, a name below it, 127.0.0.0/8 or ::1, with or without brackets."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = address_of(host)
    return address is not None and address.is_loopback


def is_private(host_ip: str) -> bool:
    """Whether an IP address is anything but a public host: private, loopback, link-local (where clouds serve their
    metadata), shared (CGNAT), reserved, multicast, or an IPv6 form that wraps such an IPv4 address.

    What is not an address at all counts as private: only a public address may be trusted to be one.
    """
    address = address_of(host_ip)
    return address is None or not address.is_global or address.is_multicast or address.is_reserved


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Read an IP address, with or without brackets; an IPv4 address inside an IPv6 one is taken out."""
    from ipaddress import IPv6Address, ip_address  # not for names, which most hosts are

    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return _unwrapped(address) if isinstance(address, IPv6Address) else address


def _unwrapped(address: IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address inside a mapped, 6to4, Teredo or NAT64 one: that is the host which will be reached."""
    from ipaddress import IPv4Address

    number = int(address)
    nat64 = IPv4Address(number & 0xFFFF_FFFF) if number >> 32 == 0x0064_FF9B << 64 else None  # RFC 6052, 2.1
    teredo = address.teredo[1] if address.teredo is not None else None  # behind the server comes the client
    return address.ipv4_mapped or address.sixtofour or teredo or nat64 or address


def same_origin_target(url: str, location: str) -> str | None:
    """Read a Location header; None where it leads to another origin, or nowhere."""
    try:
        target = urljoin(url, location)
        is_ours = bool(location) and len(target) <= _LONGEST_TARGET and origin(target) == origin(url)
        return target if is_ours else None
    except ValueError:
        return None


@lru_cache(maxsize=256)
def shown_origin(url: str) -> str:
    """Show scheme and host of a URL, without credentials; "" where it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}"[:_LONGEST_SHOWN] if host else ""


def shown_address(url: str) -> str:
    """Show a URL without credentials, query and fragment."""
    start = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"^([^/]*//)[^/]*@", r"\1", start)[:_LONGEST_SHOWN]
