"""Compare runs: the differences of two, the metrics of several."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.kernel.errors import ConfigError, printable
from assay.kernel.suggestions import did_you_mean
from assay.runs.context import Context
from assay.runs.document_differences import leaves
from assay.runs.provenance import provenance_differences, surroundings
from assay.runs.run_artifacts import to_jsonable

MOST = 100
_SHOWN = 8


def diff_runs(one: int | str, other: int | str, context: Context) -> dict[str, Any]:
    """What differs between two runs: ``equal``, and of ``spec data code environment metrics`` a list of
    ``{what, a, b}`` each; ``"absent"`` or None where one side has no such thing.

    Raises StoreError ``STORE_NOT_FOUND``.
    """
    rows = [context.record.experiments.get(run) for run in (one, other)]
    around = [surroundings(row) for row in rows]
    result: dict[str, list[dict[str, Any]]] = {
        "spec": list(_parting(*(row["spec"] or {} for row in rows))),
        "data": list(_parting(*(_data(row, context) for row in rows))),
        "code": [],
        "environment": [],
        "metrics": list(_parting(*(_metrics(row["id"], context) for row in rows))),
    }
    for each in provenance_differences(*around):
        part = "code" if each["what"] in ("commit", "diff", "sources") else "environment"
        result[part].append({"what": each["what"], "a": to_jsonable(each["was"]), "b": to_jsonable(each["now"])})
    return {
        **{side: _named(row) for side, row in zip("ab", rows, strict=True)},
        "equal": not any(result.values()),
        **result,
    }


def compare_runs(runs: Sequence[int | str], context: Context, *, metrics: Sequence[str] = ()) -> dict[str, Any]:
    """``{runs, metrics}``: what was measured out of sample, a value a run under each metric; None where undefined.

    metrics: only these, in this order; by default all that any run has. Raises StoreError ``STORE_NOT_FOUND``,
    ConfigError ``CONFIG_FIELD`` for a metric that no run has, with the nearest name, or for more than 100 runs.
    """
    if not 1 <= len(runs) <= MOST:
        raise ConfigError(f"{len(runs)} runs are given, 1 to {MOST} can be compared", field="runs")
    rows = [context.record.experiments.get(run) for run in runs]
    values = [_metrics(row["id"], context) for row in rows]
    available = sorted({name for each in values for name in each})
    for name in metrics:
        if name not in available:
            near = did_you_mean(name, available) or f"they have {_some(available)}"
            raise ConfigError(f"none of these runs has a metric {printable(name)}; {near}", field="metric", hint=near)
    wanted = list(dict.fromkeys(metrics)) or available
    return {
        "runs": [_named(row) for row in rows],
        "metrics": {name: [each.get(name) for each in values] for name in wanted},
    }


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return (", ".join(names[:_SHOWN]) or "none at all") + (f" and {rest} more; --json has all" if rest > 0 else "")


def _parting(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for place, a, b in leaves(one, other):
        if a != b:
            yield {"what": place, "a": a, "b": b}


def _data(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    linked = context.record.datasets.of_run(row["id"])
    result = {f"{each['name']} ({each['usage_type']})": _dataset(each) for each in linked}
    return {"digest": row["data_digest"]} | result


def _dataset(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"snapshot": row["data_hash"], "bars": row["num_samples"]}


def _metrics(run: int, context: Context) -> dict[str, Any]:
    return dict(to_jsonable(context.record.metrics.last(run, split="test")))


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"experiment_id": row["id"], "run_id": row["run_id"], "name": row["name"], "status": row["status"]}
