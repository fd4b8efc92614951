"""How often the gate was right: counts with their bounds, each against what it must reach."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, floor, isnan, nan
from typing import Any, Literal

from assay.runs.evidence import jsonable
from assay.runs.selftest.repetitions import CONTROL, EDGE, LEAKS, NO_EDGE, STRENGTH, TRAINERS, Repetition

CONFIDENCE = 0.95  # of each bound, one-sided
MOST_FALSE, LEAST_POWER = 0.05, 0.80  # the bounds that the rates must keep
LEAST_NAIVE, MOST_DEFLATED = 0.10, 0.05  # shares of the control's markets on which ``edge`` passes
FEW = 30  # below so many markets a share that is off tells nothing

State = Literal["PASS", "FAIL", "UNKNOWN"]


@dataclass(frozen=True, slots=True)
class Figure:
    """`count` of `n`, with the one-sided Clopper-Pearson bounds of the rate that they are drawn from (else NaN).

    name: for programs.   title: what is counted.   needs: what it must reach.   limit: the same as a rate.
    state: UNKNOWN where n is so small that no count would show it.
    """

    name: str
    title: str
    count: int
    n: int
    low: float
    high: float
    needs: str
    limit: float
    state: State

    @property
    def document(self) -> dict[str, Any]:
        """Plain and JSON-able; ``rate`` beside its ``n``."""
        return dict(jsonable(asdict(self) | {"rate": self.count / self.n}))

    @property
    def told(self) -> str:
        """The count with its n; of a rate its bounds as well."""
        counted = f"{self.count} of {self.n}"
        return counted if isnan(self.low) else f"{counted} ({self.low:.1%} to {self.high:.1%})"


def bounds(count: int, n: int) -> tuple[float, float]:
    """Lower and upper bound of a rate, each at `CONFIDENCE`.

    Source: Clopper & Pearson 1934, "The Use of Confidence or Fiducial Limits", Biometrika 26(4).
    """
    from scipy.stats import binomtest

    low = binomtest(count, n, alternative="greater").proportion_ci(CONFIDENCE, "exact").low
    high = binomtest(count, n, alternative="less").proportion_ci(CONFIDENCE, "exact").high
    return float(low), float(high)


def figures(found: Sequence[Repetition], *, tried: int) -> list[Figure]:
    """The table of the self-test, as far as these repetitions go. tried: rules on each market."""
    by = {kind: [each for each in found if each.kind == kind] for kind in (NO_EDGE, EDGE, CONTROL)}
    trainers = [each for each in found if each.kind in TRAINERS]
    suites = [each.suite for each in found if each.kind == LEAKS and each.suite]
    every = [
        *([_false(by[NO_EDGE])] if by[NO_EDGE] else []),
        *([_power(by[EDGE])] if by[EDGE] else []),
        *(_control(by[CONTROL]) if by[CONTROL] else []),
        *([_trainers(trainers)] if trainers else []),
        *(_leaks(suites[0]) if suites else []),
    ]
    markets = [each for kind in by.values() for each in kind]
    return [*every, *([_counted(markets, tried)] if markets else [])]


def _rate(
    name: str, title: str, flags: Sequence[bool], needs: str, limit: float, state: Callable[[int, int], State]
) -> Figure:
    """Of repetitions that are draws: the rate has bounds."""
    count, n = sum(flags), len(flags)
    low, high = bounds(count, n)
    return Figure(name, title, count, n, low, high, needs, limit, state(count, n))


def _every(name: str, title: str, count: int, n: int, *, wanted: int) -> Figure:
    """Of things that were chosen, not drawn: all or none of them, and no bounds."""
    needs = "none" if wanted == 0 else "all"
    return Figure(name, title, count, n, nan, nan, needs, float(wanted > 0), "PASS" if count == wanted else "FAIL")


def _false(found: Sequence[Repetition]) -> Figure:
    """GOLD in either reading is an error."""
    wrong = ["GOLD" in (each.verdict, each.told) for each in found]
    return _rate(
        "false_promotion", "False promotions: GOLD without an edge", wrong, f"upper bound below {MOST_FALSE:.0%}",
        MOST_FALSE, shown_below(MOST_FALSE),
    )  # fmt: skip


def _power(found: Sequence[Repetition]) -> Figure:
    """GOLD in both readings is a success."""
    right = [each.verdict == each.told == "GOLD" for each in found]
    return _rate(
        "power", f"Power: GOLD on an edge of ic {STRENGTH[EDGE]:g}", right,
        f"lower bound {LEAST_POWER:.0%} or more", LEAST_POWER, shown_above(LEAST_POWER),
    )  # fmt: skip


def _control(found: Sequence[Repetition]) -> list[Figure]:
    naive = [each.naive_edge == "PASS" for each in found]
    deflated = [each.edge == "PASS" for each in found]
    return [
        _rate(
            "control", "Control: edge passes, one trial counted", naive,
            f"{LEAST_NAIVE:.0%} or more", LEAST_NAIVE, _at_least,
        ),
        _rate(
            "deflated", "Control: edge passes, all trials counted", deflated, f"{MOST_DEFLATED:.0%} or less",
            MOST_DEFLATED, _at_most,
        ),
    ]  # fmt: skip


def _at_least(count: int, n: int) -> State:
    return "PASS" if count >= ceil(LEAST_NAIVE * n) else "FAIL" if n >= FEW else "UNKNOWN"


def _at_most(count: int, n: int) -> State:
    return "PASS" if count <= floor(MOST_DEFLATED * n) else "FAIL" if n >= FEW else "UNKNOWN"


def _trainers(found: Sequence[Repetition]) -> Figure:
    gold = sum(each.verdict == "GOLD" for each in found)
    title = f"Trainers: GOLD on an edge of ic {STRENGTH[TRAINERS[0]]:g}"
    return _every("trainers", title, gold, len(found), wanted=len(found))


def _leaks(suite: Mapping[str, Any]) -> list[Figure]:
    planted = int(suite["planted"])
    return [
        _every("leaks", "Planted leaks that were found", int(suite["found"]), planted, wanted=planted),
        *_attacks(suite),
        _every("alarms", "False alarms of the audit", int(suite["alarms"]), int(suite["clean"]), wanted=0),
    ]


def _attacks(suite: Mapping[str, Any]) -> list[Figure]:
    planted = int(suite.get("attacks", 0))
    title = "Attacks on the audit that were found"
    return [_every("attacks", title, int(suite["attacks_found"]), planted, wanted=planted)] if planted else []


def _counted(found: Sequence[Repetition], tried: int) -> Figure:
    whole = sum(each.trials == tried for each in found)
    return _every("ledger", f"Ledgers that count {tried} trials", whole, len(found), wanted=len(found))


def shown_below(limit: float) -> Callable[[int, int], State]:
    """PASS where the upper bound lies below `limit`; UNKNOWN where none of n would not show that either."""

    def state(count: int, n: int) -> State:
        if bounds(count, n)[1] < limit:
            return "PASS"
        return "FAIL" if bounds(0, n)[1] < limit else "UNKNOWN" if bounds(count, n)[0] < limit else "FAIL"

    return state


def shown_above(limit: float) -> Callable[[int, int], State]:
    """PASS where the lower bound reaches `limit`; UNKNOWN where all of n would not show that either."""

    def state(count: int, n: int) -> State:
        if bounds(count, n)[0] >= limit:
            return "PASS"
        return "FAIL" if bounds(n, n)[0] >= limit else "UNKNOWN" if bounds(count, n)[1] >= limit else "FAIL"

    return state
