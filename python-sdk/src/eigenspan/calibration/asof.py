"""Which snapshot was in force when a job executed. No I/O and no clock: an index in, an answer out.

The order of keys is: the calibration id that the span carries; else the greatest valid_from <= t_exec; else nothing.
A snapshot holds in the half-open interval [valid_from, valid_to), where valid_to is the next snapshot's valid_from.
Never the newest, never the nearest after: what was not known to hold is not attached. A match is confirmed once the
provider was asked at or after t_exec, or a later snapshot is known: before that a newer one may have applied.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from eigenspan.calibration.attributes import MatchKind, StatusSample
from eigenspan.calibration.backends import RESELLERS, Series, provider_of, series_of
from eigenspan.calibration.instants import format_ns
from eigenspan.calibration.summary import Summary

KINDS: Final[tuple[MatchKind, ...]] = ("none", "as_of", "id", "as_of_unconfirmed")  # codes of Matches.kind
UNKNOWN: Final = -1  # a backend name that belongs to no series
AMBIGUOUS: Final = -2  # a backend name that several providers use, without a provider
_AS_OF, _UNCONFIRMED = (np.uint8(KINDS.index(kind)) for kind in ("as_of", "as_of_unconfirmed"))
_FOREVER: Final = 2**63 - 1
_CACHE_LIMIT: Final = 4096  # names come from senders: remember a bounded number of them


class Match(msgspec.Struct, frozen=True):
    """The snapshot in force, by which key it was found, and in words why this one or none."""

    snapshot: Summary | None
    kind: MatchKind
    reason: str


class Matches(NamedTuple):
    """Answers for columns: `row` indexes AsOfIndex.summaries (-1: none), `kind` indexes KINDS."""

    row: npt.NDArray[np.int32]
    kind: npt.NDArray[np.uint8]


class Observed(msgspec.Struct, frozen=True):
    """A snapshot's summary under the backend name by which it was published."""

    name: str
    summary: Summary


class AsOfIndex:
    """All snapshots of all backends in memory, ready to be asked; immutable once built.

    Consecutive observations with the same content are one snapshot, valid from the first. Of several documents for one
    instant the fuller one holds (ties by version), whatever the order in which they arrived. A fake backend has a
    series of its own; before its first snapshot the snapshots of the machine that it replays apply. `polls` says by
    provider and backend when the provider was last asked with success.
    """

    def __init__(
        self,
        observed: Iterable[Observed],
        statuses: Iterable[StatusSample] = (),
        aliases: Mapping[tuple[str, str], str] | None = None,
        polls: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self.summaries: list[Summary] = []
        self._aliases = {(provider_of(p), a.strip().lower()): b for (p, a), b in (aliases or {}).items()}
        self._codes: dict[Series, int] = {}
        self._rows: list[tuple[list[int], list[int]]] = []  # by series code: valid_from_ns, row
        self._by_id: dict[tuple[int, str], int] = {}
        self._by_bare_id: dict[str, int] = {}
        self._last_seen_ns: list[int] = []  # by series code: the last instant at which a snapshot was published
        self._build(observed)
        self._columns()
        self._providers = sorted({series.provider for series in self._codes})
        self._resolved: dict[tuple[str | None, str | None], int] = {}
        self._follow(statuses, polls or {})

    def followed(self, statuses: Iterable[StatusSample], polls: Mapping[tuple[str, str], int]) -> AsOfIndex:
        """The same snapshots with other statuses and polls, which come far more often."""
        other = copy.copy(self)
        other._follow(statuses, polls)  # noqa: SLF001
        return other

    def _follow(self, statuses: Iterable[StatusSample], polls: Mapping[tuple[str, str], int]) -> None:
        self._polled: dict[Series, int] = {}
        for (provider, backend), polled_ns in polls.items():
            series = self._series(provider, backend)
            self._polled[series] = max(polled_ns, self._polled.get(series, 0))
        confirmed = [
            max(seen_ns, self._polled.get(series, 0))
            for series, seen_ns in zip(self._codes, self._last_seen_ns, strict=True)
        ]
        self._confirmed_to = np.array([*confirmed, 0, 0], dtype=np.int64)  # until then nothing newer can turn up
        self._statuses: dict[tuple[str, str], tuple[list[int], list[StatusSample]]] = {}
        for sample in sorted(statuses, key=lambda s: s.observed_at_ns):
            series = self._series(sample.provider, sample.backend)
            times, samples = self._statuses.setdefault((series.provider, series.name), ([], []))
            times.append(sample.observed_at_ns)
            samples.append(sample)

    def _build(self, observed: Iterable[Observed]) -> None:
        groups: dict[Series, list[Summary]] = defaultdict(list)
        for seen in observed:
            groups[self._series(seen.summary.provider, seen.name)].append(seen.summary)
        for series in sorted(groups):
            listed = groups[series]
            if series.simulated:
                first = min(summary.valid_from_ns for summary in listed)
                real = groups.get(series._replace(simulated=False), [])
                listed = listed + [summary for summary in real if summary.valid_from_ns < first]
            self._add(series, listed)

    def _add(self, series: Series, listed: list[Summary]) -> None:
        code = self._codes.setdefault(series, len(self._codes))
        runs: list[Summary] = []
        last_of_instant = {s.valid_from_ns: s for s in sorted(listed, key=_precedence)}
        for summary in last_of_instant.values():
            if not runs or runs[-1].version != summary.version:
                runs.append(summary)
        times: list[int] = []
        rows: list[int] = []
        for i, summary in enumerate(runs):
            valid_to = runs[i + 1].valid_from_ns if i + 1 < len(runs) else None
            times.append(summary.valid_from_ns)
            rows.append(len(self.summaries))
            self.summaries.append(msgspec.structs.replace(summary, valid_to_ns=valid_to))
        self._rows.append((times, rows))
        self._last_seen_ns.append(_FOREVER if series.simulated else max(last_of_instant))
        held = {self.summaries[row].valid_from_ns: row for row in rows}
        for summary in sorted(listed, key=_precedence):
            if summary.calibration_id is None:
                continue
            row = held.get(summary.valid_from_ns, UNKNOWN)
            if row == UNKNOWN or self.summaries[row].calibration_id != summary.calibration_id:
                row = len(self.summaries)  # known by its id only
                self.summaries.append(summary)
            self._by_id[code, summary.calibration_id] = row
            bare = self._by_bare_id.get(summary.calibration_id)
            same = bare is None or (bare >= 0 and self.summaries[bare].version == summary.version)
            self._by_bare_id[summary.calibration_id] = row if same else AMBIGUOUS

    def _columns(self) -> None:
        """By series code; UNKNOWN and AMBIGUOUS, as indexes, mean the last two entries, where nothing matches."""
        self._times = [np.array(times, dtype=np.int64) for times, _ in self._rows]
        self._first_row = np.array([rows[0] - 1 for _, rows in self._rows] + [0, 0], dtype=np.int32)
        self._earliest_ns = np.array(
            [max(times[0], 1) for times, _ in self._rows] + [_FOREVER, _FOREVER], dtype=np.int64
        )

    def _series(self, provider: str, backend: str) -> Series:
        provider = provider_of(provider)
        target = self._aliases.get((provider, backend.strip().lower()), backend)
        return series_of(provider, target)

    @property
    def backends(self) -> list[Series]:
        """Every series that has a snapshot."""
        return sorted(self._codes)

    def timeline(self, provider: str | None, backend: str) -> list[Summary]:
        """All snapshots of one backend in the order of their validity."""
        code = self.series_code(provider, backend)
        return [self.summaries[row] for row in self._rows[code][1]] if code >= 0 else []

    def polled_ns(self, provider: str | None, backend: str | None) -> int | None:
        """When the provider was last asked for this backend with success; None where nobody asks."""
        code = self.series_code(provider, backend)
        return self._polled.get(list(self._codes)[code]) if code >= 0 else None

    def series_code(self, provider: str | None, backend: str | None) -> int:
        """The number of a backend's series for `match_codes`; UNKNOWN or AMBIGUOUS where there is none."""
        key = (provider, backend)
        code = self._resolved.get(key)
        if code is None:
            code = self._resolve(provider, backend)
            if len(self._resolved) >= _CACHE_LIMIT:
                self._resolved.clear()
            self._resolved[key] = code
        return code

    def _resolve(self, provider: str | None, backend: str | None) -> int:
        if not backend:
            return UNKNOWN
        found = {
            code
            for candidate in _candidates(provider, self._providers)
            if (code := self._lookup(self._series(candidate, backend))) is not None
        }
        if len(found) > 1:
            return AMBIGUOUS
        return found.pop() if found else UNKNOWN

    def _lookup(self, series: Series) -> int | None:
        return self._codes.get(series, self._codes.get(series._replace(simulated=False)))

    def match(
        self,
        provider: str | None,
        backend: str | None,
        t_exec_ns: int | None,
        calibration_id: str | None = None,
        *,
        simulator: bool = False,
    ) -> Match:
        """The snapshot in force on `backend` at `t_exec_ns` (None, <= 0 or beyond 63 bits: unknown).

        An id names a snapshot of that backend or, without a backend, the only content stored under it. A simulator
        replays what is known of its machine: nothing newer can turn up for it.
        """
        code = self.series_code(provider, backend)
        unknown_id = ""
        if calibration_id:
            row = self._row_by_id(code, backend, calibration_id)
            if row >= 0:
                return Match(self.summaries[row], "id", f"calibration id {calibration_id}")
            unknown_id = f"calibration id {calibration_id} is not stored; "
        if code < 0:
            why = "several providers have" if code == AMBIGUOUS else "no snapshot of"
            return Match(None, "none", f"{unknown_id}{why} {provider or 'any provider'}/{backend or '?'}")
        if t_exec_ns is None or not 0 < t_exec_ns < 2**63:
            return Match(None, "none", f"{unknown_id}the execution time is unknown")
        times, rows = self._rows[code]
        at = bisect_right(times, t_exec_ns) - 1
        if at < 0:
            return Match(None, "none", f"{unknown_id}the first snapshot is of {format_ns(times[0])}")
        found = self.summaries[rows[at]]
        if simulator or t_exec_ns <= self._confirmed_to[code]:
            return Match(found, "as_of", f"{unknown_id}in force at the execution time")
        return Match(found, "as_of_unconfirmed", f"{unknown_id}the provider was not asked since the execution time")

    def changed_between(self, provider: str | None, backend: str | None, start_ns: int, end_ns: int) -> bool:
        """Whether another snapshot than that of `start_ns` came into force until `end_ns`."""
        code = self.series_code(provider, backend)
        if code < 0:
            return False
        times, _ = self._rows[code]
        return 0 < bisect_right(times, start_ns) < bisect_right(times, end_ns)

    def _row_by_id(self, code: int, backend: str | None, calibration_id: str) -> int:
        if backend:
            return self._by_id.get((code, calibration_id), UNKNOWN)
        return self._by_bare_id.get(calibration_id, UNKNOWN)

    def match_many(
        self,
        providers: Sequence[str | None],
        backends: Sequence[str | None],
        t_exec_ns: npt.ArrayLike,
        calibration_ids: Sequence[str | None] | None = None,
    ) -> Matches:
        """`match` for columns: row i of the answer is match(providers[i], backends[i], t_exec_ns[i], ids[i])."""
        resolve = self.series_code
        codes = np.fromiter(map(resolve, providers, backends), dtype=np.int64, count=len(backends))
        matches = self.match_codes(codes, t_exec_ns)
        for i, calibration_id in enumerate(calibration_ids or ()):
            if calibration_id:
                row = self._row_by_id(int(codes[i]), backends[i], calibration_id)
                if row >= 0:
                    matches.row[i] = row
                    matches.kind[i] = KINDS.index("id")
        return matches

    def match_codes(self, codes: npt.ArrayLike, t_exec_ns: npt.ArrayLike) -> Matches:
        """The as-of join alone, for columns of `series_code` numbers and instants."""
        code = np.asarray(codes, dtype=np.int64)
        t = np.asarray(t_exec_ns, dtype=np.int64)
        row = np.zeros(code.shape, dtype=np.int32)
        if not code.size:
            return Matches(row, row.astype(np.uint8))
        order = np.argsort(code.astype(np.int16 if len(self._rows) < 2**15 else np.int64), kind="stable")
        present, starts = np.unique(code[order], return_index=True)
        for series, members in zip(present, np.split(order, starts[1:]), strict=True):
            if series >= 0:
                row[members] = np.searchsorted(self._times[series], t[members], side="right")
        row += self._first_row[code]
        row[t < self._earliest_ns[code]] = UNKNOWN
        kind = np.where(t <= self._confirmed_to[code], _AS_OF, _UNCONFIRMED)
        kind[row < 0] = 0
        return Matches(row, kind)

    def status(self, provider: str | None, backend: str | None, t_exec_ns: int | None) -> StatusSample | None:
        """The last status sample at or before `t_exec_ns`; a sample taken later says nothing about the run."""
        if not backend or t_exec_ns is None or not self._statuses:
            return None
        found = [
            (times, samples)
            for candidate in _candidates(provider, sorted({p for p, _ in self._statuses}))
            if (series := self._series(candidate, backend))
            and not series.simulated
            and (kept := self._statuses.get((series.provider, series.name)))
            for times, samples in [kept]
        ]
        if len(found) != 1:
            return None
        times, samples = found[0]
        at = bisect_right(times, t_exec_ns) - 1
        return samples[at] if at >= 0 else None

    def statuses(self, provider: str, backend: str) -> list[StatusSample]:
        """Every status sample that is kept of a backend, oldest first."""
        series = self._series(provider, backend)
        return list(self._statuses.get((series.provider, series.name), ((), ()))[1])

    def newest_statuses(self) -> list[StatusSample]:
        """The last status sample of every backend that has one."""
        return [samples[-1] for _, samples in self._statuses.values()]


def _candidates(provider: str | None, known: list[str]) -> list[str]:
    """Whose backend a name may be: the provider's, or anybody's where none is named or only who sold the time."""
    return [provider] if provider and provider_of(provider) not in RESELLERS else known


def _precedence(summary: Summary) -> tuple[int, int, str, str, str]:
    """A total order, so that nothing depends on the order of arrival; the last one of an instant holds."""
    return (
        summary.valid_from_ns,
        summary.completeness(),
        summary.version,
        summary.calibration_id or "",
        summary.backend,
    )
