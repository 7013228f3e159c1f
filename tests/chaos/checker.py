"""Decides whether what is there is what the history implies.

The rules know the product's promises, and nothing of how it keeps them: they fold events themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos import rules_copies, rules_letters, rules_reminders, rules_store
from chaos.case import Case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.case import Verdict
    from chaos.history import Call
    from chaos.nemesis import Happened
    from chaos.seen import Seen

_RULEBOOKS = (rules_store.RULES, rules_copies.RULES, rules_letters.RULES, rules_reminders.RULES)


def check(calls: Sequence[Call], seen: Seen, happened: Sequence[Happened] = ()) -> list[Verdict]:
    """Every rule's verdict: the store's rules first, then those of the copies and of the letters."""
    case = Case(calls, seen, happened)
    return [verdict for rules in _RULEBOOKS for verdict in rules.verdicts(case)]
