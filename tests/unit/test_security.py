"""What the sources themselves prove: the table in docs/security.md, and what scripts never do."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "services" / "booking-query" / "booking_query" / "static"


def test_every_test_that_the_security_table_names_exists():
    named = re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", (ROOT / "docs" / "security.md").read_text())
    assert named
    sources = {file: (ROOT / "tests" / file).read_text() for file, _ in named}
    missing = [f"{file}::{test}" for file, test in named if f"\ndef {test}(" not in sources[file]]
    assert missing == []


def test_scripts_write_no_markup_run_no_text_and_keep_nothing():
    sources = {script.name: script.read_text() for script in SCRIPTS.glob("*.js")}
    assert sources
    never = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|Function\(|localStorage|sessionStorage"
    assert {name: found for name, source in sources.items() if (found := re.findall(never, source))} == {}
