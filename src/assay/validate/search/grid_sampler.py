"""Every point of a grid."""

import logging
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

from assay.kernel.errors import ConfigError, printable
from assay.validate.search.sampler import TRIALS, Streamed
from assay.validate.search.space import Space

log = logging.getLogger(__name__)
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Grid:
    """The whole product, in declared order, last name fastest; floats by their step, or by `points` values (5).

    max_points: how many points may be judged; None is 1,000,000. More than 10,000 are logged as a warning.
    Points that break a constraint are left out, but count for these limits, which are checked before a point is built.
    """

    name: ClassVar[Literal["grid"]] = "grid"
    max_points: int | None = None

    def __post_init__(self) -> None:
        most = self.max_points
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise ConfigError(
                f"max_points is {printable(most)}, must be an integer >= 1", code="CONFIG_SPACE", field="max_points"
            )

    def count_points(self, space: Space, trials: int) -> int:
        """See `Method`: the product of the grid; `trials` does not bound it."""
        sizes = space.grid_sizes()
        count, most = prod(sizes.values()), self.max_points or TRIALS
        arithmetic = " × ".join(f"{size} {name}" for name, size in sizes.items())
        if count > most:
            raise ConfigError(
                f"the grid has {short(count)} points ({arithmetic}), more than {short(most)}; "
                "use random, fewer points, or max_points",
                code="CONFIG_SPACE",
                hint="search it with method random",
                points=count,
            )
        if count > _MANY:
            log.warning("the grid has %s points (%s); random or bayesian need fewer", short(count), arithmetic)
        return count

    def start(self, space: Space, *, trials: int, batch: int, seed: int, identity: str) -> Streamed:
        """See `Method`. Raises ConfigError ``CONFIG_SPACE`` where no point satisfies the constraints."""
        points = space.grid()
        if next(points, None) is None:
            raise space.refusal(prod(space.grid_sizes().values()))
        return Streamed(space.grid(), batch)


def short(count: int) -> str:
    """A count as people say it.

    >>> short(1_200_000_000_000), short(1_000_000), short(12_345)
    ('1.2e12', '1e6', '12,345')
    """
    if count < 1_000_000:
        return f"{count:,}"
    mantissa, _, exponent = f"{count:.2e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"
