"""What a job costs, by a price table in a file, and what an answer costs that succeeded.

    currency = "USD"                # ISO 4217, for every price that names none

    [[price]]
    provider = "ionq"
    backend = "Aria*"               # a pattern as shells have it; every backend if left out
    per_task = 0.30
    per_shot = 0.03
    charge_failed = false           # whether failed and cancelled jobs are paid for too; true if left out
    source = "the provider's price page, 2026-11-01"

`per_second` is of execution. The first price that fits counts. The file is TOML, named by `eigenspan.setup(prices=...)` or by the
variable EIGENSPAN_PRICES.
"""

from __future__ import annotations

import logging
import os
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path

from eigenspan.semconv import attributes as q

_LOG = logging.getLogger(__name__)


class PriceError(ValueError):
    """A price table that cannot be used; the text says which entry and why."""


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount and its parts by what is paid for; `source` says whether a provider named it or we computed it."""

    currency: str
    parts: Mapping[str, float]
    source: str = q.QuantumCostSource.ESTIMATE.value

    @property
    def amount(self) -> float:
        """The sum of the parts."""
        return sum(self.parts.values())

    @property
    def type(self) -> str:
        """What most of it is paid for."""
        return max(self.parts, key=lambda part: self.parts[part])


@dataclass(frozen=True, slots=True)
class Price:
    """One entry of a table: amounts in `currency`."""

    provider: str
    currency: str
    backend: str = "*"
    per_task: float = 0.0
    per_shot: float = 0.0
    per_second: float = 0.0
    charge_failed: bool = True
    source: str = ""

    def cost(self, *, shots: int, execution_s: float, failed: bool) -> Cost:
        """What a job costs that asked for so many shots in all and ran so long."""
        if failed and not self.charge_failed:
            return Cost(self.currency, {q.QuantumCostType.TASK.value: 0.0})
        parts = {
            q.QuantumCostType.TASK.value: self.per_task,
            q.QuantumCostType.SHOT.value: self.per_shot * shots,
            q.QuantumCostType.TIME.value: self.per_second * execution_s,
        }
        return Cost(self.currency, {part: amount for part, amount in parts.items() if amount} or {"task": 0.0})


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices in the order of their file."""

    prices: tuple[Price, ...] = ()

    @classmethod
    def read(cls, path: str | Path) -> PriceTable:
        """The table in a file. Raises PriceError where it is not one."""
        try:
            with open(path, "rb") as file:
                document = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise PriceError(f"{path} is not a price table: {error}") from error
        return cls(
            tuple(_price(document, entry, f"{path}, price {n}") for n, entry in enumerate(_entries(document), 1))
        )

    def find(self, provider: str, backend: str) -> Price | None:
        """The first price for a backend."""
        fits = (p for p in self.prices if p.provider == provider and fnmatchcase(backend, p.backend))
        return next(fits, None)


def _entries(document: Mapping[str, object]) -> list[object]:
    found = document.get("price", [])
    return found if isinstance(found, list) else [found]


def _price(document: Mapping[str, object], entry: object, where: str) -> Price:
    if not isinstance(entry, dict):
        raise PriceError(f"{where}: write it as [[price]]")
    known = {f.name for f in fields(Price)}
    if unknown := sorted(entry.keys() - known):
        raise PriceError(f"{where}: {unknown[0]!r} is not known; valid are {', '.join(sorted(known))}")
    given = {"currency": document.get("currency"), **entry}
    for name in ("provider", "currency"):
        if not isinstance(given.get(name), str):
            raise PriceError(f"{where}: {name} is missing or no text")
    for name in ("per_task", "per_shot", "per_second"):
        amount = given.get(name, 0.0)
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < float("inf"):
            raise PriceError(f"{where}: {name} must be a number that is not negative")
    return Price(**given)


WORKFLOW_LIMIT = 1000


@dataclass
class Ledger:
    """What workflows have spent in this process, and how often they succeeded. Every attempt counts, failed ones too.

    Names may come with requests: past `WORKFLOW_LIMIT` the workflows that came first are forgotten.
    """

    _spent: dict[tuple[str, str], float] = field(default_factory=dict)
    _successes: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, workflow: str, cost: Cost) -> None:
        """Count a cost."""
        key = (workflow, cost.currency)
        with self._lock:
            self._spent[key] = self._spent.get(key, 0.0) + cost.amount
            if len(self._spent) > WORKFLOW_LIMIT:
                del self._spent[next(iter(self._spent))]

    def succeed(self, workflow: str) -> None:
        """Count a success, as the workflow itself declares it."""
        with self._lock:
            self._successes[workflow] = self._successes.get(workflow, 0) + 1
            if len(self._successes) > WORKFLOW_LIMIT:
                del self._successes[next(iter(self._successes))]

    def per_success(self, workflow: str, currency: str) -> float | None:
        """Spend since the process began over successes since then; None before the first success."""
        with self._lock:
            count = self._successes.get(workflow, 0)
            return self._spent.get((workflow, currency), 0.0) / count if count else None


ledger = Ledger()
_table: PriceTable | None = None


def use(table: PriceTable | str | Path | None) -> None:
    """Take prices from this table or file; None leaves it to the environment."""
    global _table  # noqa: PLW0603
    _table = PriceTable.read(table) if isinstance(table, str | Path) else table


def prices() -> PriceTable:
    """The table in use; a file named by the environment that is none is said once and not used."""
    global _table  # noqa: PLW0603
    if _table is None:
        path = os.environ.get("EIGENSPAN_PRICES")
        try:
            _table = PriceTable.read(path) if path else PriceTable()
        except PriceError as error:
            _LOG.warning("no costs are computed: %s", error)
            _table = PriceTable()
    return _table
