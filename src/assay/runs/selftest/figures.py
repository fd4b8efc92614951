"""Figures of the self-test: counts with bounds, each against its target."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, floor, isnan, nan
from typing import Any

from assay.kernel.contracts import State
from assay.runs.run_artifacts import to_jsonable
from assay.runs.selftest.simulations import (
    CONTROL,
    DRIFT,
    EDGE,
    LEAKS,
    NO_EDGE,
    SEARCH,
    SEARCH_EDGE,
    STATISTICS,
    STRENGTH,
    TRAINERS,
    Repetition,
)
from assay.validate import Thresholds

CONFIDENCE = 0.95  # of each bound, one-sided
LEAST_POWER = 0.80  # the bound that the rate must keep
SURPRISE = 0.01  # a count contradicts a rate if one as large is rarer than this
LEAST_FOUND = 0.80  # share of searches that must find an edge
STUDIED_POWER = 0.95  # share of the power of a Šidák test
HEAVY = 2.0  # times the error that heavy tails and trades with far levels may show
LEAST_NAIVE, MOST_DEFLATED = 0.10, 0.05  # shares of the control's markets on which ``edge`` passes
FEW = 30  # below so many markets a share that is off tells nothing


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
    def document(self) -> dict[str, object]:
        """Plain and JSON-able; ``rate`` beside its ``n``."""
        return dict(to_jsonable(asdict(self) | {"rate": self.count / self.n}))

    @property
    def text(self) -> str:
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


def figures(result: Sequence[Repetition], *, tried: int) -> list[Figure]:
    """The table of the self-test, as far as these repetitions go. tried: rules on each market."""
    kinds = (NO_EDGE, EDGE, CONTROL, DRIFT, SEARCH, SEARCH_EDGE)
    by = {kind: [each for each in result if each.kind == kind] for kind in kinds}
    trainers = [each for each in result if each.kind in TRAINERS]
    suite = whole_suite([each.suite for each in result if each.kind == LEAKS])
    every = [
        *(_false(by[NO_EDGE], tried) if by[NO_EDGE] else []),
        *([_power(by[EDGE])] if by[EDGE] else []),
        *(_drift(by[DRIFT]) if by[DRIFT] else []),
        *([_searched(by[SEARCH])] if by[SEARCH] else []),
        *([_finds(by[SEARCH_EDGE])] if by[SEARCH_EDGE] else []),
        *_studied([each.suite for each in result if each.kind == STATISTICS]),
        *(_control(by[CONTROL]) if by[CONTROL] else []),
        *([_trainers(trainers)] if trainers else []),
        *(_leaks(suite) if suite else []),
    ]
    markets = [each for kind in (NO_EDGE, EDGE, CONTROL, DRIFT) for each in by[kind]]
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


def whole_suite(parts: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The parts of the suite of leaks as one: numbers are added, names follow each other."""
    whole: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            whole[name] = whole[name] + value if name in whole else value
    return whole


def harmonic(n: int) -> float:
    """1 + 1/2 + … + 1/n: how many errors of one judgement those make who judge after each of n looks."""
    return sum(1.0 / k for k in range(1, n + 1))


def _false(result: Sequence[Repetition], tried: int) -> list[Figure]:
    """GOLD in either reading is an error; and so is GOLD of any that was tried, when it was judged."""
    error = Thresholds().error
    return [
        _error("false_promotion", "No edge: the best of 20, judged with all, is GOLD", result, error),
        _rate(
            "any_promotion", "No edge: any of 20 was GOLD when it was judged", [each.any_gold for each in result],
            _at_error(error * harmonic(tried)), error * harmonic(tried), not_contradicted(error * harmonic(tried)),
        ),
    ]  # fmt: skip


def _error(name: str, title: str, result: Sequence[Repetition], error: float) -> Figure:
    wrong = ["GOLD" in (each.verdict, each.chosen_outcome) for each in result]
    return _rate(name, title, wrong, _at_error(error), error, not_contradicted(error))


def _at_error(error: float) -> str:
    return f"no contradiction to {error:.1%}"


def _drift(result: Sequence[Repetition]) -> list[Figure]:
    """Markets that rise or fall steadily: holding earns, and nobody knows anything."""
    error = Thresholds().error
    learnt = [each.ensemble == "GOLD" for each in result if each.ensemble]
    return [
        _error("drift", "Drift, no skill: the best of 20 rules is GOLD", result, error),
        *([
            _rate(
                "drift_ensemble", "Drift, no skill: an ensemble is GOLD", learnt, _at_error(error), error,
                not_contradicted(error),
            )
        ] if learnt else []),
    ]  # fmt: skip


def _searched(result: Sequence[Repetition]) -> Figure:
    return _error("search", "No edge: a first walk-forward search is GOLD", result, Thresholds().error)


def _finds(result: Sequence[Repetition]) -> Figure:
    gold = [each.verdict == "GOLD" for each in result]
    title = f"Power of a first search: GOLD on ic {STRENGTH[SEARCH_EDGE]:g}"
    return _rate("search_power", title, gold, f"{LEAST_FOUND:.0%} or more", LEAST_FOUND, at_least(LEAST_FOUND))


def _studied(suites: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """The statistics alone: the error at every number of looks, and the power beside that of a Šidák test."""
    result = []
    for each in suites:
        if "plain" in each:
            result += _rising(each)
            continue
        name, n = f"{each['kind']}_{each['looks']}", int(each["markets"])
        what = f"{each['kind'].replace('_', ' ')}, {each['looks']:,} looks"
        limit = float(each["error"]) * (1.0 if each["kind"] == "normal" else HEAVY)
        wanted = STUDIED_POWER * float(each["bound"])
        wrong, right = int(each["wrong"]), int(each["right"])
        low, high = bounds(wrong, n)
        result.append(
            Figure(
                f"error_{name}", f"Statistics, {what}: error", wrong, n, low, high, f"{limit:.0%} within its bound",
                limit, "PASS" if low <= limit else "FAIL",
            )
        )  # fmt: skip
        low, high = bounds(right, n)
        result.append(
            Figure(
                f"power_{name}", f"Statistics, {what}: power", right, n, low, high, f"{wanted:.0%} within its bound",
                wanted, "PASS" if high >= wanted else "FAIL",
            )
        )  # fmt: skip
    return result


def _power(result: Sequence[Repetition]) -> Figure:
    """GOLD in both readings is a success."""
    right = [each.verdict == each.chosen_outcome == "GOLD" for each in result]
    return _rate(
        "power", f"Power: GOLD on an edge of ic {STRENGTH[EDGE]:g}", right,
        f"lower bound {LEAST_POWER:.0%} or more", LEAST_POWER, pass_above(LEAST_POWER),
    )  # fmt: skip


def _rising(suite: Mapping[str, Any]) -> list[Figure]:
    """Rules without skill in a market that rises: what their returns say, and what is left beyond holding."""
    n, limit = int(suite["rules"]), float(suite["error"])
    plain, active = int(suite["plain"]), int(suite["active"])
    return [
        Figure(
            "control_plain", "Control: rising market, holding taken for skill", plain, n, *bounds(plain, n),
            f"{LEAST_NAIVE:.0%} or more", LEAST_NAIVE, at_least(LEAST_NAIVE)(plain, n),
        ),
        Figure(
            "rising", "The same rules, beyond holding", active, n, *bounds(active, n), _at_error(limit), limit,
            not_contradicted(limit)(active, n),
        ),
    ]  # fmt: skip


def _control(result: Sequence[Repetition]) -> list[Figure]:
    naive = [each.naive_edge == "PASS" for each in result]
    deflated = [each.edge == "PASS" for each in result]
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
    return at_least(LEAST_NAIVE)(count, n)


def at_least(share: float) -> Callable[[int, int], State]:
    """PASS for this share of all; UNKNOWN for less than that of a few."""

    def state(count: int, n: int) -> State:
        return "PASS" if count >= ceil(share * n) else "FAIL" if n >= FEW else "UNKNOWN"

    return state


def not_contradicted(rate: float) -> Callable[[int, int], State]:
    """PASS unless a count as large is rarer than `SURPRISE` at this rate (exact binomial test)."""

    def state(count: int, n: int) -> State:
        from scipy.stats import binom

        return "PASS" if float(binom.sf(count - 1, n, rate)) >= SURPRISE else "FAIL"

    return state


def _at_most(count: int, n: int) -> State:
    return "PASS" if count <= floor(MOST_DEFLATED * n) else "FAIL" if n >= FEW else "UNKNOWN"


def _trainers(result: Sequence[Repetition]) -> Figure:
    gold = sum(each.verdict == "GOLD" for each in result)
    title = f"Trainers: GOLD on an edge of ic {STRENGTH[TRAINERS[0]]:g}"
    return _every("trainers", title, gold, len(result), wanted=len(result))


def _leaks(suite: Mapping[str, Any]) -> list[Figure]:
    planted = int(suite["planted"])
    return [
        _every("leaks", "Planted leaks that were found", int(suite["found"]), planted, wanted=planted),
        *_attacks(suite),
        _every("alarms", "False alarms of the audit", int(suite["alarms"]), int(suite["clean"]), wanted=0),
    ]


def _attacks(suite: Mapping[str, Any]) -> list[Figure]:
    planted = int(suite.get("attacks", 0))
    if not planted:
        return []
    cut, missed = int(suite["cut_short"]), int(suite["cut_short_missed"])
    return [
        _every("attacks", "Attacks on the audit that were found", int(suite["attacks_found"]), planted, wanted=planted),
        Figure(
            "control_audit", "Control: attacks missed by an audit that a clock cut short", missed, cut, nan, nan,
            "some", 0.0, "PASS" if missed else "FAIL",
        ),
    ]  # fmt: skip


def _counted(result: Sequence[Repetition], tried: int) -> Figure:
    whole = sum(each.trials == tried for each in result)
    return _every("ledger", f"Ledgers that count {tried} trials", whole, len(result), wanted=len(result))


def pass_above(limit: float) -> Callable[[int, int], State]:
    """PASS where the lower bound reaches `limit`; UNKNOWN where all of n would not show that either."""

    def state(count: int, n: int) -> State:
        if bounds(count, n)[0] >= limit:
            return "PASS"
        return "FAIL" if bounds(n, n)[0] >= limit else "UNKNOWN" if bounds(count, n)[1] >= limit else "FAIL"

    return state
