"""Content codings are undone in bounded pieces, at any cut; corrupt and cut bodies are our own error."""

import gzip
import importlib
import random
import sys
import tracemalloc
import types
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk.utils import codings
from llmsdk.utils.codings import PIECE_BYTES, CodingError, accepted_codings, make_decoder

TEXT = b'{"answer": "' + bytes(random.Random(3).choices(b"abcdefgh ", k=30_000)) + b'"}'


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}


def decode(coding, *chunks):
    decoder = make_decoder(coding)
    out = b""
    for chunk in chunks:
        for piece in decoder.decode(chunk):
            assert piece
            out += piece
    for piece in decoder.flush():
        out += piece
    assert decoder.is_complete
    return out


def every(wire, size):
    return [wire[at : at + size] for at in range(0, len(wire), size)]


# --------------------------------------------- stand-ins for the optional packages


class FakeBrotli:
    """A `Decompressor` with the interface of Brotli 1.2, over zlib."""

    class Decompressor:
        def __init__(self):
            self._inner = zlib.decompressobj()
            self._full = False

        def process(self, data, output_buffer_limit=None):
            if self._inner.eof or (self._full and data):
                raise RuntimeError("brotli: decoder process called with data when more output is due")
            piece = self._inner.decompress(self._inner.unconsumed_tail + data, output_buffer_limit + 100)
            self._full = len(piece) == output_buffer_limit + 100
            if self._inner.unused_data:
                raise RuntimeError("excess data")
            return piece

        def is_finished(self):
            return self._inner.eof

        def can_accept_more_data(self):
            return not self._full


class OldBrotli:
    """Before 1.2 there is no bound on what a call gives."""

    class Decompressor:
        def process(self, data):
            raise AssertionError("unbounded")


class FakeZstd:
    """The interface of Python 3.14's compression.zstd, over zlib."""

    class DecompressionParameter:
        window_log_max = 100

    class ZstdDecompressor:
        def __init__(self, options):
            assert options == {100: 23}
            self._inner = zlib.decompressobj()
            self.needs_input = True

        def decompress(self, data, max_length):
            piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
            self.needs_input = len(piece) < max_length and not self._inner.unconsumed_tail
            return piece

        @property
        def eof(self):
            return self._inner.eof

        @property
        def unused_data(self):
            return self._inner.unused_data


class FakeZstandard:
    """The interface of python-zstandard, over zlib."""

    class ZstdDecompressor:
        def __init__(self, max_window_size):
            assert max_window_size == 8 << 20

        def decompressobj(self):
            inner = zlib.decompressobj()

            class Wrapper:
                eof = property(lambda _: inner.eof)
                unused_data = property(lambda _: inner.unused_data)

                def decompress(self, data):
                    assert len(data) <= 8
                    return inner.decompress(data)

            return Wrapper()


FAKES = {
    "brotli": ("br", FakeBrotli),
    "brotlicffi": ("br", FakeBrotli),
    "compression.zstd": ("zstd", FakeZstd),
    "backports.zstd": ("zstd", FakeZstd),
    "zstandard": ("zstd", FakeZstandard),
}


@pytest.fixture(autouse=True)
def fresh_cache():
    accepted_codings.cache_clear()
    yield
    accepted_codings.cache_clear()


@pytest.fixture
def installed(monkeypatch):
    """Say which optional packages there are: a mapping of name to stand-in."""

    def install(**modules):
        found = {name.replace("__", "."): module for name, module in modules.items()}
        accepted_codings.cache_clear()
        monkeypatch.setattr(codings, "_import_if_found", found.get)

    install()
    return install


@pytest.fixture(params=FAKES)
def fake_coding(request, installed):
    coding, module = FAKES[request.param]
    installed(**{request.param.replace(".", "__"): module})
    return coding


# ----------------------------------------------------------------- the codings


@pytest.mark.parametrize("coding", [None, "", "identity", " Identity ", "identity, identity", ","])
def test_identity_costs_nothing(coding):
    decoder = make_decoder(coding)
    data = b"data"
    (piece,) = decoder.decode(data)
    assert piece is data
    assert list(decoder.decode(b"")) == []
    assert list(decoder.flush()) == []
    assert decoder.is_complete


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 10**6])
@pytest.mark.parametrize("coding", [*PACKERS, "GZIP", " gzip ", "identity, gzip,"])
def test_whole_body_at_any_cut(coding, size):
    wire = PACKERS.get(coding, gzip.compress)(TEXT)
    assert decode(coding, *every(wire, size)) == TEXT


@pytest.mark.parametrize("size", [1, 3, 10**6])
@pytest.mark.parametrize("body", [b"", b"x", TEXT])
def test_raw_deflate(body, size):
    assert decode("deflate", *every(raw_deflate(body), size)) == body
    stored = b"\x01" + len(TEXT).to_bytes(2, "little") + (len(TEXT) ^ 0xFFFF).to_bytes(2, "little") + TEXT
    assert decode("deflate", *every(stored, size)) == TEXT


@pytest.mark.parametrize("size", [1, 11, 10**6])
@pytest.mark.parametrize("level", range(10))
def test_every_level_of_zlib_is_told_from_a_raw_stream(level, size):
    assert decode("deflate", *every(zlib.compress(TEXT, level), size)) == TEXT


@pytest.mark.parametrize("size", [1, 5, 10**6])
def test_gzip_members_and_padding(size):
    wire = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two") + b"\0" * 100
    assert decode("gzip", *every(wire, size)) == b"one two"
    padded = gzip.compress(b"one ") + b"\0" * 3 + gzip.compress(b"two")
    assert decode("gzip", *every(padded, size)) == b"one two"


def test_many_members():
    assert decode("gzip", gzip.compress(b"x") * 3000) == b"x" * 3000


@pytest.mark.parametrize("size", [1, 5, 10**6])
def test_optional_codings(fake_coding, size):
    assert decode(fake_coding, *every(zlib.compress(TEXT), size)) == TEXT
    assert decode(fake_coding.upper(), *every(zlib.compress(b"a" * 500_000), size)) == b"a" * 500_000
    assert decode(fake_coding) == b""
    assert fake_coding in accepted_codings()


@pytest.mark.parametrize("size", [1, 50, 10**6])
def test_zstd_frames(installed, size):
    for name in ("compression__zstd", "zstandard"):
        installed(**{name: FAKES[name.replace("__", ".")][1]})
        assert decode("zstd", *every(zlib.compress(b"one ") + zlib.compress(b"two"), size)) == b"one two"


def test_stacked_codings_are_undone_in_reverse():
    wire = zlib.compress(gzip.compress(TEXT))
    assert decode("gzip, deflate", wire) == TEXT
    assert decode("gzip , identity,deflate", *every(wire, 9)) == TEXT
    with pytest.raises(CodingError):
        decode("deflate, gzip", wire)
    with pytest.raises(CodingError, match="gzip body is cut off"):
        decode("gzip, deflate", zlib.compress(gzip.compress(TEXT)[:-4]))
    decoder = make_decoder("gzip, deflate")
    assert b"".join(decoder.decode(wire[:-2])) == TEXT
    assert not decoder.is_complete


def test_too_many_codings():
    assert (
        decode("identity, gzip, gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"x")))))
        == b"x"
    )
    with pytest.raises(CodingError, match="names 5 codings; expected at most 4"):
        make_decoder("gzip," * 5)


@pytest.mark.parametrize("coding", ["compress", "gzip, foo", "gzip;q=1", "x" * 500, "a\r\nb"])
def test_unknown_coding_is_named(coding):
    with pytest.raises(
        CodingError, match=r"^content-encoding '.*' cannot be decoded; expected gzip, deflate"
    ) as caught:
        make_decoder(coding)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 150
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_coding_without_its_package(installed, coding):
    with pytest.raises(CodingError, match=f"^content-encoding '{coding}' cannot be decoded; expected gzip, deflate$"):
        make_decoder(coding)


# -------------------------------------------------------- corrupt and cut bodies


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_a_cut_body_is_an_error(pack):
    coding = "gzip" if pack is gzip.compress else "deflate"
    wire = pack(b"some text, some more text")
    for cut in range(1, len(wire)):
        decoder = make_decoder(coding)
        got = b"".join(decoder.decode(wire[:cut]))
        assert b"some text, some more text".startswith(got)
        assert not decoder.is_complete
        with pytest.raises(CodingError, match=f"^the {coding} body is cut off$"):
            decoder.flush()


def test_a_cut_member_is_an_error():
    with pytest.raises(CodingError, match="cut off"):
        decode("gzip", gzip.compress(b"one") + b"\x1f")


def test_an_empty_body_is_whole():
    for coding in PACKERS:
        assert decode(coding) == decode(coding, b"", b"") == b""


def test_corrupt_bodies():
    wire = bytearray(gzip.compress(TEXT))
    for at in (0, 2, len(wire) // 2, len(wire) - 6, len(wire) - 1):
        broken = bytearray(wire)
        broken[at] ^= 0xFF
        with pytest.raises(CodingError) as caught:
            decode("gzip", bytes(broken))
        assert not isinstance(caught.value, zlib.error)
    with pytest.raises(CodingError, match=r"^the gzip body is corrupt$") as caught:
        decode("gzip", b"plain text")
    assert isinstance(caught.value.__cause__, zlib.error)
    with pytest.raises(CodingError, match=r"^the deflate body is corrupt$"):
        decode("deflate", b"\x78\x9cnonsense")
    with pytest.raises(CodingError, match=r"^the gzip body is corrupt$"):
        decode("gzip", gzip.compress(b"x") + b"tail")


def test_nothing_may_follow_a_single_stream(installed):
    for wire in (zlib.compress(b"x"), raw_deflate(b"x")):
        assert decode("deflate", wire, b"\0\0", b"\0") == b"x"
        with pytest.raises(CodingError, match=r"^the deflate body goes on after its end$"):
            decode("deflate", wire + b"more")
        with pytest.raises(CodingError, match=r"^the deflate body goes on after its end$"):
            decode("deflate", wire, b"more")
    installed(brotli=FakeBrotli)
    with pytest.raises(CodingError, match=r"^the br body goes on after its end$"):
        decode("br", zlib.compress(b"x"), b"more")


def test_corrupt_optional_bodies(fake_coding):
    with pytest.raises(CodingError, match=f"^the {fake_coding} body is corrupt$"):
        decode(fake_coding, b"nonsense, nothing else")
    with pytest.raises(CodingError, match=f"^the {fake_coding} body is cut off$"):
        decode(fake_coding, zlib.compress(TEXT)[:-1])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["gzip", "deflate", "gzip, deflate"]), st.lists(st.binary(max_size=60), max_size=5), st.booleans()
)
def test_any_bytes_decode_or_raise_our_error(coding, chunks, genuine):
    decoder = make_decoder(coding)
    try:
        if genuine:
            chunks = [gzip.compress(b"text")[:11], *chunks]
        for chunk in chunks:
            list(decoder.decode(chunk))
        decoder.flush()
    except CodingError as error:
        assert str(error).startswith("the ")  # noqa: PT017 - some of these bodies are fine
    else:
        assert decoder.is_complete


# ------------------------------------------------------------- bombs and streams


def peak_of_first_pieces(coding, wire, most):
    decoder = make_decoder(coding)
    got = 0
    tracemalloc.start()
    try:
        for piece in decoder.decode(wire):
            assert len(piece) <= PIECE_BYTES
            got += len(piece)
            if got > most:
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got <= most + PIECE_BYTES
    return peak


@pytest.mark.parametrize(
    "coding, pack", [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]
)
def test_a_bomb_is_stopped_at_the_bound(coding, pack):
    wire = pack(bytes(50_000_000))
    assert peak_of_first_pieces(coding, wire, 1_000_000) < 500_000


def test_a_bomb_in_a_bomb_is_stopped_at_the_bound():
    wire = gzip.compress(gzip.compress(gzip.compress(bytes(100_000_000))))
    assert len(wire) < 5_000
    assert peak_of_first_pieces("gzip, gzip, gzip", wire, 1_000_000) < 1_000_000


def test_an_optional_bomb_is_stopped_at_the_bound(fake_coding):
    assert peak_of_first_pieces(fake_coding, zlib.compress(bytes(5_000_000)), 100_000) < 500_000


def test_output_that_fills_a_piece_exactly():
    for size in (PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES):
        for coding, pack in PACKERS.items():
            assert decode(coding, pack(bytes(size))) == bytes(size)


@pytest.mark.parametrize("wbits, coding", [(31, "gzip"), (15, "deflate"), (-15, "deflate")])
def test_each_flushed_block_is_out_at_once(wbits, coding):
    packer = zlib.compressobj(wbits=wbits)
    decoder = make_decoder(coding)
    for number in range(20):
        event = b"data: %d" % number * (1 + number * 1000) + b"\n\n"
        assert b"".join(decoder.decode(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH))) == event
        assert not decoder.is_complete
    assert list(decoder.decode(packer.flush())) == []
    assert decoder.is_complete


def test_each_flushed_block_of_an_optional_coding_is_out_at_once(fake_coding):
    packer = zlib.compressobj()
    decoder = make_decoder(fake_coding)
    for number in range(20):
        event = b"data: %d" % number * (1 + number * 1000) + b"\n\n"
        assert b"".join(decoder.decode(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH))) == event


# ------------------------------------------------------- what can be decoded here


def test_accepted_codings(installed):
    assert accepted_codings() == "gzip, deflate"
    installed(brotli=FakeBrotli, zstandard=FakeZstandard)
    assert accepted_codings() == "gzip, deflate, br, zstd"
    codings._import_if_found = None  # cached: nobody looks again
    assert accepted_codings() == "gzip, deflate, br, zstd"


def test_a_brotli_without_a_bound_is_not_used(installed):
    installed(brotli=OldBrotli)
    assert accepted_codings() == "gzip, deflate"
    installed(brotli=OldBrotli, brotlicffi=FakeBrotli)
    assert accepted_codings() == "gzip, deflate, br"
    assert decode("br", zlib.compress(b"x")) == b"x"


def test_packages_are_found_by_import(monkeypatch):
    assert codings._import_if_found("zlib") is zlib
    assert codings._import_if_found("no_such_package_here") is None
    assert codings._import_if_found("no_such_package_here.inner") is None
    broken = types.ModuleType("broken_package_here")
    broken.__spec__ = None
    monkeypatch.setitem(sys.modules, "broken_package_here", broken)
    assert codings._import_if_found("broken_package_here") is None


# -------------------------------------------------------------- the real packages


def test_real_brotli():
    if "br" not in accepted_codings():
        pytest.skip("no brotli >= 1.2 here")
    try:
        import brotli
    except ImportError:
        import brotlicffi as brotli
    wire = brotli.compress(TEXT)
    for size in (1, 100, 10**6):
        assert decode("br", *every(wire, size)) == TEXT
    for cut in (1, len(wire) // 2, len(wire) - 1):
        with pytest.raises(CodingError, match="cut off"):
            decode("br", wire[:cut])
    with pytest.raises(CodingError):
        decode("br", b"\xff" * 100)
    for size in (1, 10**6):
        with pytest.raises(CodingError):
            decode("br", *every(wire + b"more", size))
    assert peak_of_first_pieces("br", brotli.compress(bytes(50_000_000)), 1_000_000) < 500_000
    packer, decoder = brotli.Compressor(), make_decoder("br")
    for number in range(10):
        event = b"data: %d\n\n" % number
        assert b"".join(decoder.decode(packer.process(event) + packer.flush())) == event


ZSTD = {
    "compression.zstd": lambda module, data: module.compress(data),
    "backports.zstd": lambda module, data: module.compress(data),
    "zstandard": lambda module, data: module.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("name", ZSTD)
def test_real_zstd(name, monkeypatch):
    module = codings._import_if_found(name)
    if module is None:
        pytest.skip(f"no {name} here")
    monkeypatch.setattr(codings, "_import_if_found", {name: module}.get)
    wire = ZSTD[name](module, TEXT)
    for size in (1, 100, 10**6):
        assert decode("zstd", *every(wire, size)) == TEXT
        assert decode("zstd", *every(wire + wire, size)) == TEXT + TEXT
    for cut in (1, len(wire) // 2, len(wire) - 1):
        with pytest.raises(CodingError, match="cut off"):
            decode("zstd", wire[:cut])
    with pytest.raises(CodingError, match="corrupt"):
        decode("zstd", b"plain text, not zstd")
    assert peak_of_first_pieces("zstd", ZSTD[name](module, bytes(50_000_000)), 1_000_000) < 1_500_000


# ----------------------------------------------------------- the real packages


BROTLI = ["brotli", "brotlicffi"]
BODY = b'{"a": "' + bytes(random.Random(7).choices(b"abcdefgh ", k=300_000)) + b'"}'


@pytest.mark.parametrize("name", BROTLI)
@pytest.mark.parametrize("size", [1, 7, 1000, 16_384, 1 << 20])
def test_brotli_bodies_are_whole_at_any_cut(name, size):
    module = importlib.import_module(name)
    for body in (b"{}", BODY):
        wire = module.compress(body)
        engine = codings._Brotli(module)
        pieces = [piece for chunk in every(wire, size) for piece in engine.decode(chunk)]
        assert b"".join(pieces) == body
        assert max(map(len, pieces)) <= PIECE_BYTES
        assert engine.is_finished


@pytest.mark.parametrize("name", BROTLI)
def test_what_brotli_has_flushed_is_there_at_once(name):
    module = importlib.import_module(name)
    packer, engine, got = module.Compressor(), codings._Brotli(module), b""
    for end in range(50_000, len(BODY), 50_000):
        got += b"".join(engine.decode(packer.process(BODY[end - 50_000 : end]) + packer.flush()))
        assert got == BODY[:end]


@pytest.mark.parametrize("name", BROTLI)
def test_a_brotli_bomb_comes_in_bounded_pieces(name):
    module = importlib.import_module(name)
    engine, size = codings._Brotli(module), 0
    for piece in engine.decode(module.compress(bytes(20_000_000))):
        assert len(piece) <= PIECE_BYTES
        size += len(piece)
    assert size == 20_000_000


@pytest.mark.parametrize("coding", accepted_codings().split(", "))
def test_every_accepted_coding_cuts_off_and_ends(coding):
    packers = {"br": lambda data: importlib.import_module("brotli").compress(data), "zstd": zstandard.compress}
    wire = {**PACKERS, **packers}[coding](BODY)
    assert decode(coding, wire) == decode(coding, *every(wire, 999)) == BODY
    with pytest.raises(CodingError, match="cut off"):
        decode(coding, wire[:-20])
