"""Change the core in small ways, one at a time, and see whether its tests notice: mutation testing by mutmut.

Which code is changed, and the tests that are run, are in pyproject.toml. A run takes the better part of an hour; one
that was stopped goes on where it was, and only what has changed since is tried again.
"""

import argparse
import fnmatch
import re
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# It makes a whole copy of the package in mutants/, and keeps what it found there.
MUTMUT = Path(sys.executable).with_name("mutmut")
LEAST = 95.0
"""Percentage of the mutants that the tests must notice."""
MOST_MEMORY = 4 << 30
"""Bytes that one process may ask for."""
_STOPPED = 124


class Equal(NamedTuple):
    """Mutants that nobody could notice: `change` is found in the lines of the difference."""

    where: str
    change: str
    why: str


EQUAL = (
    Equal("*", r"^\+.*\b(de|en)code\((.*, )?\"UTF-(8|16)\"", "names of codings have no case"),
    Equal(
        "*.decode.x__decoded*",
        r"CHARSET|XXutf-8XX|else \"UTF-8\"|\"XXXX\"",
        "no such coding; UTF-8 is the second choice",
    ),
    Equal("*.decode.x__masked_document*", r"and False else json", "a copy says the same"),
    Equal("*.decode.x_without_secrets*", r"\(secrets\) or True", "without a secret nothing is masked"),
    Equal("*.decode.x__masked_to_end*", r"len\(form\)( \+ 1)?, _MIN", "a whole one is masked already"),
    Equal("*.decode.x_stated_error*", r"\(status\) or True", "what is no status has no class of its own"),
    Equal("*.reading.x_decode_reply*", r"getattr\(reply, content, \)", "every reply has the field of its result"),
    Equal("*", r"^\+.*headers\.get\(\"[A-Z-]+\"", "names of headers have no case"),
    Equal("*", r"^\+.*headers\.get\(\"location\", (None)?\)", "an absent Location and an empty one lead nowhere"),
    Equal("*.events.x__place*", r"include_input", "spares the work; only the place is read"),
    Equal("*.validate.x_check_values*", r"include_(context|url)", "spares the work; only place and kind are read"),
    Equal("*.reading.x__problem*", r"include_(context|input|url)", "spares the work; only place and kind are read"),
    Equal("*", r"^\+.*(kept|dropped) = None", "a flag that is only asked whether it is set"),
    Equal("*.retries.x__statuses*", r"399 <= item|item <= 600|item < 601|\"XXXX\"", "the pattern below decides anyway"),
    Equal("*.retries.xǁRetryBudgetǁ*", r"now >= self._last|_tokens > self._full", "the same tokens, by another way"),
    Equal("*.paging.x_paged*", r"XXXX", "neither names a next page"),
    Equal("*.dialect.x__check_route*", r"\"XXXX\"|copy, None", "only looked at for braces; only the paths are tried"),
    Equal("*.encode.x_encode__mutmut_[12]", r"unsupported", "whatever is no other way is an error"),
    Equal("*.plain.x_check_scalar*", r"_first_misfit\(value, None\)", "the place of a scalar is known, and not read"),
    Equal("*.plain.x_plain*", r"list and kind is tuple|type\(None\) is not str", "the longer way ends alike"),
    Equal("*.plain.x__plain_dict*", r"type\(None\) is not str", "the longer way ends alike"),
    Equal("*.events.*_looked_through*", r"and False", "maps again what had nothing to map"),
    Equal(
        "*.dialect.x__check_service*", r"XXXX|XXauth|AUTH", "only looked at for braces; any name of a header will do"
    ),
    Equal("*.encode.x__json*", r"to_json\(wire, \)", "infinities were refused before"),
    Equal("*.encode.x__form*", r"\[:\+1\]", "names of our own are names; others have one step before them"),
    Equal("*.encode.x__culprit*", r"misfit\(None\)", "never reached: what is written part by part is written whole"),
    Equal("*.fetch.x_fetch__*", r"or True else SDKDefaultError", "no status below 400 has a class of its own"),
    Equal("*.flow.x__attempt*", r"is not None or key is not None", "there is a key exactly where there is a source"),
    Equal("*.flow.x__attempt*", r"X-LLMSDK", "names of headers have no case"),
    Equal("*.error_bodies.x_status_of*", r"kind or \"XXXX\"", "no kind has such a name"),
    Equal("*.error_bodies.x__message*", r"is MISSING\) and False", "what is missing has no text either"),
    Equal("*.flow.x__status_failed*", r"\"reason_phrase\", None\) or", "what follows makes it a text"),
    Equal(
        "*.flow.*",
        r"retryable=None|Failed\(.*, None\)(, countdown|$)",
        "a flag that is only asked whether it is set",
    ),
    Equal("*.events.*feed__*", r"or True else (self\._validate|\(raw,\))", "the longer way ends alike"),
    Equal("*.events.*feed__*", r"= parse\(None\)", "the second look reads what the first could not"),
    Equal("*.events.*_parsed*", r"_validate\(None\)|or dict, None\)", "the second look reads what the first could not"),
    Equal("*.events.*__init__*", r"\"content-type\", \"XXXX\"\)", "no content type is no stream's"),
    Equal("*.events.*_sniffed*", r"\"content-type\", \"XXXX\"\)", "no content type is no JSON's"),
    Equal("*.encode.x_encode__*", r"extras\.query or \"XXXX\"", "four characters are never the longest part"),
    Equal("*.secrecy.x_forget_locals*", r"\"__name__\", \"XXXX\"\)", "no package has such a name"),
    Equal("*.events.*_synthesized*", r"\"content-type\", (None)?\)", "an absent one reads like an empty one"),
    Equal("*.events.*__init__*", r"BodyReader\(coding, None\)", "it keeps nothing: what it decodes is counted here"),
    Equal("*.events.*__init__*", r"_complaint: Any = \"\"", "a flag that is only asked whether it is set"),
    Equal("*", r"ensure_ascii=None", "as false as False"),
    Equal("*.validate.x_check_names*", r"known, \)|n=2", "only the nearest is told"),
    Equal("*.sse.*_feed_slowly*", r"rfind\(blank, (None)?\)", "what is found before the start leaves nothing between"),
    Equal("*.sse.*_feed_slowly*", r"end >= 1|end > 0|end - len|start <= len\(chunk\)", "the longer way ends alike"),
    Equal("*.sse.*__init__*", r"_(fresh|after_cr) = None", "a flag that is only asked whether it is set"),
    Equal("*.sse.*", r"_after_cr = (b\"\", False, )?True", "an empty line in front of the first says nothing"),
    Equal("*.sse.*_take_line*", r"line\[:7\]|case _", "no field has such a name"),
    Equal("*.sse.*_take_line*", r"XX0XX|DIGITS \+ 2", "digits alone, and more of them than count"),
    Equal("*.flow.x__address*", r"^\+.*re\.split", "only what is before the first mark is taken"),
)


def run(only: list[str], minutes: float) -> int:
    """Run what has not been run before; 0 if every chosen mutant was tried."""
    # A mutant may ask for memory without end; the limit is passed on to every process below.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    command = (str(MUTMUT), "run", "--max-children", "1", *only)
    try:
        done = subprocess.run(command, cwd=ROOT, check=False, stdin=subprocess.DEVNULL, timeout=minutes * 60)
    except subprocess.TimeoutExpired:
        print(f"\nstopped after {minutes:g} minutes; the next run goes on from here")
        return _STOPPED
    return done.returncode


def mutmut(*arguments: str) -> str:
    """Ask mutmut for what it has found."""
    command = (str(MUTMUT), *arguments)
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def results() -> dict[str, str]:
    """Read what became of each mutant."""
    found = re.findall(r"^\s*(\S+): (.+)$", mutmut("results", "--all", "true"), re.MULTILINE)
    return {name: outcome for name, outcome in found if outcome != "not checked"}


def explained(name: str, lines: list[str]) -> str | None:
    """Say why nobody could notice a mutant; None where there is no such reason."""
    for equal in EQUAL:
        if fnmatch.fnmatch(name, equal.where) and any(re.search(equal.change, line) for line in lines):
            return equal.why
    return None


def report(outcomes: dict[str, str]) -> int:
    """Print a table of the modules, and each mutant that came through unexplained; 1 if there are too many."""
    table: dict[str, Counter[str]] = {}
    open_ones: list[str] = []
    for name, outcome in sorted(outcomes.items()):
        module, column = name.rsplit(".", 1)[0].removeprefix("llmsdk."), outcome
        if outcome in ("survived", "no tests"):
            shown = mutmut("show", name).splitlines()
            lines = [line for line in shown if re.match(r"[+-](?![+-]{2} )", line)]
            why = explained(name, lines)
            column = "equal" if why else "survived"
            if not why:
                open_ones += [f"{name}: {outcome}", *(f"    {line}" for line in lines)]
        table.setdefault(module, Counter())[column] += 1
    columns = ("killed", "timeout", "survived", "equal")
    print(f"\n{'module':22}" + "".join(f"{column:>10}" for column in (*columns, "noticed")))
    whole: Counter[str] = Counter()
    for module, counts in [*sorted(table.items()), ("all", whole)]:
        noticed = counts["killed"] + counts["timeout"]
        share = 100.0 * noticed / (sum(counts.values()) or 1)
        print(f"{module:22}" + "".join(f"{counts[column]:>10}" for column in columns) + f"{share:>8.1f} %")
        if counts is not whole:
            whole += counts
    print("\n".join(["", *open_ones]))
    return 0 if whole and 100.0 * (whole["killed"] + whole["timeout"]) / sum(whole.values()) >= LEAST else 1


def main() -> int:
    """Run, then report; exit 1 where too few were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="names of mutants, such as 'llmsdk._call.flow.*'; all without")
    parser.add_argument("--minutes", type=float, default=90.0, help="stop after this time")
    parser.add_argument("--report", action="store_true", help="run nothing, and report what was found before")
    given = parser.parse_args()
    code = 0 if given.report else run(given.only, given.minutes)
    if code not in (0, _STOPPED):
        return code
    chosen = {
        name: outcome
        for name, outcome in results().items()
        if not given.only or any(fnmatch.fnmatch(name, pattern) for pattern in given.only)
    }
    return max(report(chosen), min(code, 1))


if __name__ == "__main__":
    sys.exit(main())
