"""Write what type checkers read of lazy packages, and the ids of the servers; `--check` names what is stale.

- `models/names.py` and `models/__init__.pyi`, from the modules beside them;
- `resources/attributes.py`, from the classes beside it;
- `providers/ids.py` and `providers/__init__.pyi`, from the files of the servers;
- `providers/parameters.py`, from the operations;
- lines of parameters in the docstrings of `sdk.py`, `options.py` and `resources/*.py`, from fields of the TypedDicts.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from llmsdk import models, options, providers, resources, sdk
from llmsdk.providers.spec import Provider
from llmsdk.resources.base import MappedResource, Resource
from llmsdk.resources.operations import all_operations

sys.path.insert(0, str(Path(__file__).resolve().parent))  # a test runs this file from elsewhere

from descriptions import with_arguments, with_options

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "llmsdk"
NOTE = '"""{}, written by scripts/stubs.py: change it there."""'

# What `server_idx` counts; servers that came later follow by the alphabet.
FIRST = ("together", "writer", "writer_v1", "r9s", "openai", "local")


def servers() -> dict[str, Provider]:
    """Find the files that hold a provider, in the order of `server_idx`."""
    found: dict[str, Provider] = {}
    for module in pkgutil.iter_modules(providers.__path__):
        provider = getattr(import_module(f"llmsdk.providers.{module.name}"), "PROVIDER", None)
        if provider is not None:
            if provider.name != module.name:
                raise SystemExit(f"providers/{module.name}.py: its PROVIDER is named {provider.name!r}")
            found[module.name] = provider
    return {name: found[name] for name in (*FIRST, *(name for name in sorted(found) if name not in FIRST))}


# Of the models' public classes and documented aliases all are exported but these, which annotate our own code.
INNER = {"ChatCommonParams", "ChatFormParams", "ChatInputParams", "CheckedFile", "ContentParam"}
INNER |= {"EmbeddingInput", "ToolCallItem"}


def model_names() -> dict[str, list[str]]:
    """Find the classes and the aliases with a docstring that the modules of models define."""
    found: dict[str, list[str]] = {}
    for module in (one for one in pkgutil.iter_modules(models.__path__) if not one.name.startswith("_")):
        body = ast.parse((PACKAGE / "models" / f"{module.name}.py").read_text(encoding="utf-8")).body
        names = [node.name for node in body if isinstance(node, ast.ClassDef)]
        for node, below in pairwise(body):
            match node, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str())):
                    names.append(name)
                case _:
                    pass
        public = sorted(name for name in names if not name.startswith("_") and name not in INNER)
        if public:
            found[module.name] = public
    return found


def models_table() -> str:
    """Write which module has which public names."""
    lines = [NOTE.format("The public names of the models by module"), "", "NAMES = {"]
    for module, names in model_names().items():
        first, *rest = textwrap.wrap(" ".join(names), 100, drop_whitespace=False)
        lines += [f'    "{module}": "{first}"', *(f'    "{line}"' for line in rest)]
        lines[-1] += ","
    return "\n".join([*lines, "}", ""])


def models_stub() -> str:
    """Write the import of every public name under its own name, which is how a stub exports it."""
    lines = [NOTE.format("The names of `llmsdk.models`"), ""]
    for module, names in model_names().items():
        lines += [f"from .{module} import {name} as {name}" for name in names]
    return "\n".join([*lines, ""])


def providers_stub() -> str:
    """The same of the providers; the constant of each is its id in capitals."""
    lines = [NOTE.format("The names of `llmsdk.providers`"), ""]
    for module, names in vars(providers)["_NAMES"].items():
        lines += [f"from .{module} import {name} as {name}" for name in names.split()]
    lines += ["", *(f"{name.upper()}: Provider" for name in servers())]
    return "\n".join([*lines, ""])


def ids() -> str:
    """Write the ids, as a type and as values, and those of the three servers that have a part of their own."""
    known = servers()
    parts = {
        "DEFAULT": (FIRST[0], "Where neither a server nor a URL is given."),
        "FOR_URLS": (_only(known, "speaks_for_urls"), "Where a URL is given without a server."),
        "EMBEDDED": (_only(known, "embedded"), "What the SDK starts by itself."),
    }
    lines = [NOTE.format("The ids of the servers"), "", "from typing import Literal, get_args", ""]
    lines += ["ServerId = Literal[", *(f'    "{name}",' for name in known), "]"]
    lines += ['"""Ids in the order of `server_idx`; each is the name of a module beside this one."""', ""]
    lines += ["IDS: tuple[ServerId, ...] = get_args(ServerId)", ""]
    for part, (name, text) in parts.items():
        lines += [f'{part}: ServerId = "{name}"', f'"""{text}"""', ""]
    return "\n".join(lines)


def parameters() -> str:
    """Write the parameters of each operation, for the check of a provider: it cannot import the operations."""
    lines = [NOTE.format("The parameters of each operation"), "", "PARAMETERS: dict[str, str] = {"]
    for name, operation in sorted(all_operations().items()):
        texts = textwrap.wrap(" ".join(sorted(operation.parameters)), 100)
        lines += [f'    "{name}": """', *(f"        {text}" for text in texts), '    """,']
    return "\n".join([*lines, "}", ""])


def _only(known: dict[str, Provider], flag: str) -> str:
    (name,) = (name for name, provider in known.items() if getattr(provider, flag))
    return name


def resource_classes() -> dict[str, type[Resource]]:
    """Find the classes of resources by their module, which names them on the SDK object."""
    found: dict[str, type[Resource]] = {}
    for module in pkgutil.iter_modules(resources.__path__):
        home = import_module(f"llmsdk.resources.{module.name}")
        for kind in vars(home).values():
            if inspect.isclass(kind) and issubclass(kind, Resource) and kind.__module__ == home.__name__:
                found[module.name] = kind
    return {name: kind for name, kind in found.items() if kind not in (Resource, MappedResource)}


def attributes() -> str:
    """Write a property for each resource, which imports its module when it is first used."""
    found = resource_classes()
    lines = [NOTE.format("What hangs on the SDK object"), "", "from __future__ import annotations", ""]
    lines += ["from typing import TYPE_CHECKING", ""]
    lines += ["from ..utils.forks import once", "from .base import Resources, loaded", "", "if TYPE_CHECKING:"]
    lines += [f"    from .{name} import {kind.__name__}" for name, kind in found.items()]
    lines += ["", "", "class Attributes(Resources):", '    """The resources, each imported when it is first used."""']
    for name, kind in found.items():
        text = (inspect.getdoc(kind) or "").splitlines()[0]
        lines += ["", "    @once", f"    def {name}(self) -> {kind.__name__}:", f'        """{text}"""']
        lines += [
            f'        made: {kind.__name__} = loaded(".{name}", "{kind.__name__}")(self._runner)',
            "        return made",
        ]
    return "\n".join([*lines, ""])


FILES: dict[str, Callable[[], str]] = {
    "models/names.py": models_table,
    "models/__init__.pyi": models_stub,
    "resources/attributes.py": attributes,
    "providers/ids.py": ids,
    "providers/parameters.py": parameters,
    "providers/__init__.pyi": providers_stub,
    "options.py": partial(with_options, options),
    "sdk.py": partial(with_arguments, sdk),
    **{
        f"resources/{one.name}.py": partial(with_arguments, import_module(f"llmsdk.resources.{one.name}"))
        for one in pkgutil.iter_modules(resources.__path__)
        if not one.ispkg and one.name != "attributes"
    },
}


def main() -> int:
    """Write, or with `--check` only look."""
    stale = [name for name, write in FILES.items() if _read(PACKAGE / name) != write()]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"src/llmsdk/{name} is stale; run: make docs")
        return 1 if stale else 0
    for name in stale:
        (PACKAGE / name).write_text(FILES[name](), encoding="utf-8")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
