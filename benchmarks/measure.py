# SPDX-License-Identifier: Apache-2.0
"""Times engines against each other in one process, round by round.

Machines drift: other work comes and goes, clocks rise and fall. So the engines take turns, a ratio
is taken inside each round, and the median of the ratios is given with an interval that holds
whatever the noise looks like.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.engines import Session
from benchmarks.zoo.registry import Feeds


@dataclass(frozen=True)
class Effort:
    """How long to measure. `pause` lets the spinning threads of the engine before fall asleep."""

    rounds: int = 9
    turn_seconds: float = 0.15
    turn_runs: int = 3
    warm_up_seconds: float = 0.3
    pause: float = 0.02


@dataclass
class Series:
    """The median seconds of one engine's turn in each round."""

    turns: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.turns)


def one_turn(session: Session, feeds: Feeds, effort: Effort) -> float:
    """The median of as many runs as fill the turn, after one that does not count."""
    session.run(feeds)
    times: list[float] = []
    end = time.perf_counter() + effort.turn_seconds
    while len(times) < effort.turn_runs or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(feeds)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def warm_up(session: Session, feeds: Feeds, effort: Effort) -> None:
    end = time.perf_counter() + effort.warm_up_seconds
    runs = 0
    while runs < 3 or time.perf_counter() < end:
        session.run(feeds)
        runs += 1


def take_turns(sessions: dict[str, Session], feeds: Feeds, effort: Effort) -> dict[str, Series]:
    """Every engine once a round; the one that starts changes from round to round."""
    series = {name: Series() for name in sessions}
    for name in sessions:
        warm_up(sessions[name], feeds, effort)
    order = list(sessions)
    for _ in range(effort.rounds):
        for name in order:
            time.sleep(effort.pause)
            series[name].turns.append(one_turn(sessions[name], feeds, effort))
        order.append(order.pop(0))
    return series


@dataclass(frozen=True)
class Ratio:
    """The median of a ratio over the rounds, and its 95 % interval."""

    median: float
    low: float
    high: float


def ratio(ours: Series, base: Series) -> Ratio:
    """Our time over the base's, round by round: below 1 we are faster."""
    ratios = sorted(a / b for a, b in zip(ours.turns, base.turns, strict=True))
    low, high = median_interval(ratios)
    return Ratio(statistics.median(ratios), low, high)


def median_interval(ordered: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The narrowest symmetric pair of order statistics that holds the true median with the given
    confidence, whatever the distribution; with few values, the smallest and the largest."""
    count = len(ordered)
    if count == 0:
        raise ValueError("an interval of no values")
    best = 0
    for k in range(1, count // 2 + 1):
        # Both tails: fewer than k of the values fall on one side of the true median.
        outside = 2.0 * sum(math.comb(count, i) for i in range(k)) / 2.0**count
        if 1.0 - outside < confidence:
            break
        best = k - 1
    return ordered[best], ordered[count - 1 - best]
