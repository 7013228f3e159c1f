"""The W3C's checker of HTML, CSS and SVG (the Nu Html Checker), fetched once by npm and run by Java."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from servers.kafka import java_version
from servers.programs import lacking

VERSION = "26.9.27"
_JAR = Path.home() / ".cache" / "rebook" / f"vnu-{VERSION}.jar"
_JAR_IN_PACKAGE = "package/build/dist/vnu.jar"
_JAVA_MIN = 17


def errors(*paths: Path) -> list[str]:
    """What the checker has against these files, a line each."""
    _require()
    wishes = ("--errors-only", "--format", "json", "--also-check-css", "--also-check-svg")
    run = subprocess.run(
        ["java", "-jar", str(_JAR), *wishes, *paths], capture_output=True, text=True, check=False
    )
    found = json.loads(run.stderr)["messages"]
    return [f"{Path(each['url']).name}:{each.get('lastLine', '?')}: {each['message']}" for each in found]


def _require() -> None:
    """Have the checker here; where this machine cannot, skip the test, or fail it where nothing may be skipped."""
    missing = [] if java_version() >= _JAVA_MIN else [f"Java {_JAVA_MIN}"]
    missing += [] if _JAR.exists() or shutil.which("npm") else ["npm"]
    if missing:
        lacking(f"the HTML checker needs {' and '.join(missing)}")
    if not _JAR.exists():
        _fetch()


def _fetch() -> None:
    """Take the jar out of its npm package into the cache, whole or not at all."""
    _JAR.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_JAR.parent) as scratch:
        pack = ["npm", "pack", "--silent", f"vnu-jar@{VERSION}", "--pack-destination", scratch]
        subprocess.run(pack, check=True, capture_output=True, cwd=scratch)
        [package] = Path(scratch).glob("*.tgz")
        with tarfile.open(fileobj=io.BytesIO(package.read_bytes())) as content:
            jar = content.extractfile(_JAR_IN_PACKAGE)
            assert jar, f"{package.name} has no {_JAR_IN_PACKAGE}"
            new = Path(scratch) / "vnu.jar"
            new.write_bytes(jar.read())
        new.rename(_JAR)
