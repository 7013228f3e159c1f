"""What the documentation says is what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from rebook_infra import reference

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "made"), [("asyncapi.yaml", reference.asyncapi), ("settings.md", reference.settings)]
)
def test_the_reference_is_what_the_code_says(name, made):
    assert (DOCS / name).read_text() == made(), f"docs/{name} is behind the code: run `make docs`"
