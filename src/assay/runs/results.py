"""Types of what a completed run stores."""

from typing import TypedDict


class FoldRow(TypedDict):
    """One fold of a walk, as stored in ``folds`` of ``run.json``.

    Times are bar opens in ISO 8601, the first and the last of each span.   seconds: of fit and decisions.
    left_out: why the fold was not judged, None for a judged one; `metrics` of one left out are empty. Undefined
    metrics are NaN in a run at work and None once stored.
    """

    number: int
    train_from: str
    train_to: str
    test_from: str
    test_to: str
    train_rows: int
    test_rows: int
    seconds: float | None
    left_out: str | None
    metrics: dict[str, float]
