"""What is personal in the data of an event, and the same data without it."""

from __future__ import annotations

from typing import Any

_TYPED = ("notes", "reason", "recipient")


def blanked(data: dict[str, Any]) -> dict[str, Any]:
    """Everything but who the customer is, what was typed, and whom a letter went to; the customer's zone stays."""
    blank: dict[str, Any] = {name: "" for name in _TYPED if name in data}
    if "customer" in data:
        customer = data["customer"]
        blank["customer"] = {**customer, "name": "", "email": ""} if isinstance(customer, dict) else ""
    return {**data, **blank}
