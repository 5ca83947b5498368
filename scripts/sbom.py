"""Write the CycloneDX bill of materials of what users get: the runtime dependencies in an environment of their own."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "dist" / "llmsdk.cdx.json"


def main() -> None:
    """Describe the environment of the interpreter given as argument, and add the version that the source states."""
    OUTPUT.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.argv[1]]
    options = ["--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible"]
    subprocess.run([*command, *options, "--output-file", str(OUTPUT)], cwd=ROOT, check=True)
    # pyproject.toml leaves the version to the source, so the tool cannot know it.
    version = re.search(r'__version__ = "(.+)"', (ROOT / "src/llmsdk/_version.py").read_text(encoding="utf-8"))
    if version is None:
        sys.exit("src/llmsdk/_version.py states no version")
    document = json.loads(OUTPUT.read_text(encoding="utf-8"))
    document["metadata"]["component"]["version"] = version[1]
    OUTPUT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(OUTPUT.relative_to(ROOT))


if __name__ == "__main__":
    main()
