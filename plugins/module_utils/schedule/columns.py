# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values of the weighers over the hosts left, a column for each, and the weight that a host has among them."""

from __future__ import annotations

from heapq import heapify, heappop, heappush


class Column:
    """The values of one weigher over the hosts left: how often each occurs, the least and the greatest."""

    def __init__(self, least: float | None, counts: dict[float, int]):
        self.least = least
        self.counts = counts
        self.heaps: tuple[list[float], list[float]] | None = None

    def add(self, value: float) -> None:
        """Count the value of a host that is left now."""
        count = self.counts.get(value, 0)
        self.counts[value] = count + 1
        if not count and self.heaps:
            heappush(self.heaps[0], value)
            heappush(self.heaps[1], -value)

    def remove(self, value: float) -> None:
        """Forget the value of a host that is not left any more."""
        if self.counts[value] == 1:
            del self.counts[value]
        else:
            self.counts[value] -= 1

    def ends(self) -> tuple[float, float]:
        """The least and the greatest value; what has left the heaps' tops is dropped."""
        if self.heaps is None:
            self.heaps = (list(self.counts), [-value for value in self.counts])
            heapify(self.heaps[0])
            heapify(self.heaps[1])
        low, high = self.heaps
        while low[0] not in self.counts:
            heappop(low)
        while -high[0] not in self.counts:
            heappop(high)
        return low[0], -high[0]

    def bounds(self) -> tuple[float, float]:
        """What becomes 0, and the spread up to what becomes 1."""
        if not self.counts:
            return 0.0, 0.0
        low, high = self.ends()
        low = low if self.least is None else self.least
        return low, high - low


def lay(value: float, bounds: tuple[float, float]) -> float:
    """A value between these bounds, on 0..1."""
    low, spread = bounds
    return (value - low) / spread if spread else 0.0


def weigh(entry: tuple, bounds: list[tuple[int, float, float]]) -> float:
    """The weight of an entry as rank() adds it up, in the same order; what is the same for all hosts adds nothing."""
    values, multipliers = entry
    total = 0.0
    for index, low, spread in bounds:
        total += multipliers[index] * ((values[index] - low) / spread)
    return total


def differing(bounds: list[tuple[float, float]]) -> list[tuple[int, float, float]]:
    """The bounds of the weighers whose values differ, with their index."""
    return [(index, low, spread) for index, (low, spread) in enumerate(bounds) if spread]
