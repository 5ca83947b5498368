"""The script that measures the structure sees what it is to see; that its bounds hold is a step of the checks."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "house.py"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, looking at an empty package."""
    spec = importlib.util.spec_from_file_location("house_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    return module


def sources(house: ModuleType, files: dict[str, str]) -> list[object]:
    for name, text in files.items():
        path: Path = house.PACKAGE / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")
    found: list[object] = house.read_sources(house.PACKAGE)
    return found


CIRCLES = [
    ({"a.py": "from . import b", "b.py": "from .a import x\nx = 1"}, (1, 1, 1)),
    ({"a.py": "import llmsdk.b", "b.py": "def f():\n    from llmsdk.a import x"}, (0, 1, 1)),
    (
        {
            "a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .c.d import X",
            "c/d.py": "from ..a import y",
        },
        (0, 0, 1),
    ),
    ({"a.py": "from .b import x", "b.py": "from .c import x", "c.py": "import json"}, (0, 0, 0)),
    ({"a.py": "from .p import x", "p/__init__.py": "from .q import x", "p/q.py": "from ..a import y"}, (1, 1, 1)),
]


@pytest.mark.parametrize("files, found", CIRCLES)
def test_circles_are_seen(house: ModuleType, files: dict[str, str], found: tuple[int, int, int]) -> None:
    edges = house.import_edges(sources(house, files))
    kinds = (("eager",), ("eager", "lazy"), ("eager", "lazy", "typing"))
    assert tuple(len(house.circles(house.joined(edges, *kind))) for kind in kinds) == found


def test_imports_are_counted_by_kind(house: ModuleType) -> None:
    text = "from . import b\ndef f():\n    from .b import x, y\n    from .c import z\n    import json"
    edges = house.import_edges(sources(house, {"a.py": text, "b.py": "", "c.py": ""}))
    assert (edges["eager"]["a"], edges["lazy"]["a"], edges["typing"]["a"]) == ({"b"}, {"b", "c"}, set())


def test_comments_code_and_docstrings_are_told_apart(house: ModuleType) -> None:
    text = '"""Doc\n\nmore."""\n\n# why\nX = 1  # and why\n\n\n'
    text += 'def f():\n    """Doc."""\n    return """text\n# no comment"""\n'
    (source,) = sources(house, {"a.py": text})
    assert dict(house.lines_of(source)) == {"lines": 12, "code": 4, "comments": 2, "files": 1}


def test_long_functions_are_named(house: ModuleType) -> None:
    body = "    x = 1\n"
    text = (
        "def fits():\n" + body * 49 + "def long():\n" + body * 50 + 'def doc():\n    """' + "\n" * 60 + '"""\n' + body
    )
    assert house.long_functions(sources(house, {"a.py": text})) == ["a:51 long (51)"]


def test_repeated_lines_are_counted(house: ModuleType) -> None:
    shared = "".join(f"x{number} = {number}\n" for number in range(12))
    files = {"a.py": shared + "y = 1\n", "b.py": "z = 1\n" + shared, "c.py": "".join(f"c{n} = 0\n" for n in range(14))}
    assert house.repeated_share(sources(house, files)) == pytest.approx(100 * 24 / 40)
