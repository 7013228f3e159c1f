"""Made-up customers with names as they are: some of them everybody's, most of them few people's."""

from __future__ import annotations

import random
import unicodedata
from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from faker.providers.person import de_DE, en_GB, en_US, es_ES, fr_FR, pl_PL

if TYPE_CHECKING:
    from collections.abc import Iterable

    Shares = Mapping[str, float] | Iterable[str]  # of each name, or all alike

_COUNTRIES = (de_DE, en_GB, en_US, es_ES, fr_FR)  # and Poland, whose last names are kept elsewhere


class _Names:
    """Names, each as often as it is given or inherited."""

    def __init__(self, of_countries: Iterable[Shares]) -> None:
        shares: dict[str, float] = {}
        for found in of_countries:
            known = found if isinstance(found, Mapping) else dict.fromkeys(found, 1.0)
            whole = sum(known.values())
            for name, share in known.items():
                shares[name] = shares.get(name, 0.0) + share / whole
        self._names = list(shares)
        self._until = list(accumulate(shares.values()))

    def __getitem__(self, part: float) -> str:
        """The name at a part of all of them, from 0 to 1."""
        return self._names[bisect(self._until, part * self._until[-1])]


_FIRST = _Names(country.Provider.first_names for country in (*_COUNTRIES, pl_PL))
_LAST = _Names([*(country.Provider.last_names for country in _COUNTRIES), pl_PL.Provider.unisex_last_names])


def person(number: int) -> dict[str, str]:
    """The customer of that number, always the same; many share a name, few an address."""
    chance = random.Random(number)
    first, last = _FIRST[chance.random()], _LAST[chance.random()]
    plain = unicodedata.normalize("NFKD", f"{first}.{last}").encode("ascii", "ignore").decode()
    local = f"{plain}{number % 100}".lower().replace(" ", "")
    return {"name": f"{first} {last}", "email": f"{local}@example.org", "timezone": "Europe/London"}
