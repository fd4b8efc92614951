"""The V3 configuration document of a search: what a bot runs, with the evidence behind it and its row."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, printable
from assay.kernel.spec import canonical
from assay.kernel.timeframe import iso
from assay.runs.bot_config import numbers
from assay.runs.bot_config.numbers import ensemble, most_frequent
from assay.runs.bot_config.schema import VERSION, check_document
from assay.runs.run_artifacts import VERDICT, RunArtifacts, to_jsonable
from assay.validate import (
    STAGES,
    Placement,
    circuit_breakers,
    confidence_score,
    place_stage,
    thresholds_from_document,
    windows_stability,
)

UNKNOWN_EXECUTION = (
    "fill_rate", "partial_fill_rate", "time_to_fill_ms", "slippage_vs_mid_bps", "adverse_selection_score",
    "post_trade_drift_1m", "post_trade_drift_5m", "rejection_rate",
)  # fmt: skip
_ADVERSARIAL = (
    "adversarial_score", "trap_probability", "smart_money_alignment", "similar_patterns_detected",
    "competitor_activity_level", "unusual_mm_behavior", "spoofing_detected",
)  # fmt: skip
_DEATH_SIGNALS = (
    "volume_profile_changed", "new_algo_detected", "correlation_spike", "sharpe_below_50pct", "unusual_fill_pattern",
    "regime_break",
)  # fmt: skip


def execution_metrics(costs: Mapping[str, object]) -> dict[str, object]:
    """Null until fills exist; what was assumed stands beside them under its own name."""
    assumed = {"fee": costs["fee"], "slippage_bps": costs["slippage_bps"]}
    return dict.fromkeys(UNKNOWN_EXECUTION) | {"assumed": assumed}


def alternative_data_signals(funding_rate: float | None) -> dict[str, object]:
    """Null but for the newest funding rate, where a series of it is stored."""
    return {
        "order_flow_imbalance": None,
        "options_flow": dict.fromkeys(("put_call_ratio", "gamma_exposure", "dealer_positioning")),
        "funding_rate": funding_rate,
        "perpetual_basis": None,
        "social_sentiment": None,
    }


def adversarial_analysis() -> dict[str, object]:
    """Null until it is measured."""
    return dict.fromkeys(_ADVERSARIAL)


def pattern_health(correlations: Mapping[str, float]) -> dict[str, object]:
    """As at discovery: what monitoring computes on new bars is null, so no death signal is on."""
    return {
        "months_since_discovery": 0,
        "performance_degradation": None,
        "degradation_velocity": None,
        "death_signals": dict.fromkeys(_DEATH_SIGNALS),
        "death_signal_count": 0,
        "resurrection_score": None,
        "correlation_to_other_patterns": dict(correlations),
    }


def lifecycle(placed: Placement, confidence: float, moment: str) -> dict[str, object]:
    """Stage, what it allows, and every rule with value and limit."""
    return {
        "current_stage": placed.stage,
        "eligible_for": placed.eligible_for,
        "approved_by": None,
        "max_allocation_pct": placed.max_allocation_pct,
        "position_multiplier": placed.position_multiplier,
        "confidence_score": confidence,
        "last_updated": moment,
        "reasons": [asdict(reason) for reason in placed.reasons],
    }


def validation(document: Mapping[str, Any]) -> dict[str, object]:
    """Means over the test windows and what they say of overfitting; empty where nothing was held back."""
    windows = windows_stability(document["windows"])
    if not windows.windows:
        return {}
    result = document["overfit"]
    return {
        "method": "split" if document["walk_forward"] == "split" else "walk_forward",
        "mode": document["mode"],
        "total_windows": windows.windows,
        "test_sharpe_ratio": windows.test_sharpe,
        "test_win_rate": windows.test_win_rate,
        "test_net_profit_pct": 100.0 * windows.test_net_profit,
        "train_sharpe_std": result["train_sharpe_std"],
        "overfitting_detected": result["detected"],
        "overfitting_reasons": list(result["reasons"]),
        "stability_score": result["stability_score"],
        "verdict": result["verdict"],
        "audit_passed": _audit(document["reasons"]),
    }


def _audit(reasons: list[Mapping[str, Any]]) -> bool | None:
    """Whether the causality audit passed; None where it was not run."""
    states = {r["check"]: r["state"] for r in reasons}
    return {"PASS": True, "FAIL": False}.get(states.get("audit", ""))


TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w")
_SAME_NAME = {
    "performance": ("avg_win", "avg_loss", "exchange_fees", "est_slippage", "actual_slippage", "sample_size"),
    "statistical_validation": (
        "sharpe_ratio", "calmar_ratio", "sortino_ratio", "p_value", "z_score", "monte_carlo_var", "stability_score",
        "drawdown_duration", "trade_clustering", "rolling_30d_sharpe", "lifetime_sharpe_ratio",
    ),
    "execution_metrics": UNKNOWN_EXECUTION,
    "adversarial_analysis": ("adversarial_score", "trap_probability", "smart_money_alignment"),
    "risk_allocation": (
        "kelly_fraction", "correlation_adjusted_weight", "regime_adjusted_size", "max_position_size",
        "current_allocation", "var_95", "cvar_95",
    ),
    "market_microstructure": (
        "avg_spread_bps", "book_depth_ratio", "book_imbalance", "tick_size_impact", "maker_rebate", "taker_fee",
        "level2_depth_score", "microstructure_noise",
    ),
    "pattern_health": (
        "months_since_discovery", "performance_degradation", "degradation_velocity", "death_signals",
        "death_signal_count", "resurrection_score",
    ),
    "metadata": ("model_version", "discovery_date", "engine_hash", "runtime_env", "data_filter_config"),
    "lifecycle": ("confidence_score",),
}  # fmt: skip


def row_of(document: Mapping[str, Any], verdict: Mapping[str, object]) -> dict[str, object]:
    """Every column that the document decides; row ids and the clock of activations are left to the record.

    The column ``regime`` cannot be empty: it keeps its default where the document knows no regime.
    """
    context, performance = document["context"], document["performance"]
    net = performance["NET_PROFIT"]
    row = {name: document[block][name] for block, names in _SAME_NAME.items() for name in names}
    row |= {
        "strategy_name": document["strategy"],
        "exchange": context["exchange"],
        "pair": context["pair"],
        "timeframe": context["timeframe"],
        "parameters_json": document["parameters"],
        "gross_win_rate": performance["gross_WR"],
        "net_profit": net,
        "net_profit_pct": None if net is None else net / 100.0,
        "total_trades": performance["sample_size"],
        "regime_classification": document["ensemble_regime_classification"],
        "alternative_data_signals": document["alternative_data_signals"],
        "created_at": document["createdAt"],
        "updated_at": document["lifecycle"]["last_updated"],
        "lifecycle_stage": document["status"],
        "config_id": document["configId"],
        "metadata_json": document["metadata"],
        "config_json": dict(document),
        "verdict": dict(verdict),
    }
    return row if context["regime"] is None else row | {"regime": context["regime"]}


_NAMESPACE = uuid.UUID("6f0e5f0c-3f0b-5b54-9d0e-9a9a3b0c7d11")  # of configuration ids; any constant would do


@dataclass(frozen=True, slots=True, eq=False)
class Configured:
    """A configuration as a document and as a row.

    document: valid under ``configuration-3.0.0.schema.json``.   row: columns of ``trained_configurations``, for
    ``record.configurations.add``; ``config_json`` in it is the document.
    """

    document: dict[str, Any]
    row: dict[str, Any]

    @property
    def config_id(self) -> str:
        """``{STRATEGY}_V3_{YYYYMMDD}_{HHMMSS}_{6 hex}``."""
        return str(self.document["configId"])

    @property
    def stage(self) -> str:
        """The stage that it begins in."""
        return str(self.document["status"])


def configure(
    evidence: RunArtifacts,
    bars: Bars,
    *,
    run_id: str,
    created: int,
    engine_hash: str,
    experiment_id: int | None = None,
    model_id: int | None = None,
    trial_id: int | None = None,
    job: tuple[int, str] | None = None,
    others: Mapping[str, pl.DataFrame] | None = None,
) -> Configured:
    """The configuration that a parameter search came to. Pure: equal inputs give equal documents, ids included.

    evidence:      of a run of ``kind`` optimize; ``config_id`` in its document is not read, ``stage`` is the gate's.
    bars:          all candles of its one instrument, as the run read them.
    run_id:        the run's text id.   created: UTC ms.   engine_hash: 64 hex, see `engine_hash`.
    experiment_id, model_id, trial_id: row ids for the columns.   job: row id and text id of the job, if one ran it.
    others:        ``account`` tables of other configurations by their id, to correlate returns with.

    Raises ConfigError ``CONFIG_SYMBOL`` unless the run has one instrument and these are its bars, ``CONFIG_TIMEFRAME``
    for a length of bar that the table does not keep, ``CONFIG_PARAMETER`` where the newest window found no parameters,
    ``CONFIG_METRIC`` for a metric that is not there. Cost: O(n), mostly the regimes of the bars.
    """
    result = evidence.document
    _demand_one_market(result, bars)
    n = numbers.numbers(evidence)
    placed, moment, regime = _placed(result, n), iso(created), _regime(evidence, bars, judged=n.judged)
    context = _context(bars, regime, filtered=result["regime_filter"] is not None)
    name = config_id(result["strategy"], context, result["best_parameters"], run_id, created)
    document = {
        "id": str(uuid.uuid5(_NAMESPACE, name)),
        "configId": name,
        "version": VERSION,
        "strategy": result["strategy"],
        "status": placed.stage,
        "createdAt": moment,
        "metadata": _metadata(result, run_id, moment, engine_hash, regime, job),
        "context": context,
        "parameters": dict(result["best_parameters"]),
    }
    whole = check_document(to_jsonable(document | _chapters(evidence, bars, n, placed, moment, others or {})))
    ids = {"experiment_id": experiment_id, "model_id": model_id, "trial_id": trial_id, "job_id": job and job[0]}
    return Configured(whole, row_of(whole, _verdict(result)) | ids)


def config_id(
    strategy: str, context: Mapping[str, object], parameters: Mapping[str, object], run_id: str, created: int
) -> str:
    """``{STRATEGY}_V3_{YYYYMMDD}_{HHMMSS}_{6 hex}``: UTC of `created` (ms), and the start of a hash over the rest."""
    text = canonical(
        {"strategy": strategy, "context": dict(context), "parameters": to_jsonable(parameters), "run_id": run_id}
    )
    moment = datetime.fromtimestamp(created // 1000, UTC)
    return f"{strategy.upper()}_V3_{moment:%Y%m%d_%H%M%S}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def engine_hash() -> str:
    """SHA-256 (hex) over the package's sources and the installed distributions: what decided the numbers."""
    from assay.runs.provenance import code_digest
    from assay.track import lock_hash

    return hashlib.sha256(f"{code_digest()}\n{lock_hash()}".encode()).hexdigest()


def _demand_one_market(result: Mapping[str, Any], bars: Bars) -> None:
    own, spec = bars.instrument, result["spec"]
    request = (spec["exchange"], list(spec["symbols"]), spec["timeframe"])
    if request != (own.exchange, [own.symbol], own.timeframe):
        raise ConfigError(
            f"a configuration is of one market: the run searched {spec['exchange']} {', '.join(spec['symbols'])} "
            f"{spec['timeframe']}, the bars are of {own}",
            code="CONFIG_SYMBOL",
        )
    if own.timeframe not in TIMEFRAMES:
        raise ConfigError(
            f"a configuration trades bars of {', '.join(TIMEFRAMES)}, not of {printable(own.timeframe)}",
            code="CONFIG_TIMEFRAME",
        )
    if not result["best_parameters"]:
        raise ConfigError(
            "the newest window found no valid trial, so there are no parameters to configure",
            code="CONFIG_PARAMETER",
            hint="Widen the space, ask for more trials or fewer trades.",
        )


def _placed(result: Mapping[str, Any], n: numbers.Numbers) -> Placement:
    """The stage that it begins in; what nobody judged is not proven."""
    limits = thresholds_from_document(result.get("thresholds", {}))
    return place_stage(
        result["verdict"] if n.judged else "UNPROVEN", n.metrics, result["overfit"]["verdict"],
        mature_trades=limits.mature_trades, mature_sharpe=limits.mature_annual_sharpe,
    )  # fmt: skip


def _context(bars: Bars, regime: str | None, *, filtered: bool) -> dict[str, object]:
    market = bars.instrument
    return {
        "pair": market.symbol,
        "exchange": market.exchange,
        "timeframe": market.timeframe,
        "regime": regime,
        "regime_filter": filtered,
    }


def _chapters(
    evidence: RunArtifacts, bars: Bars, n: numbers.Numbers, placed: Placement, moment: str,
    others: Mapping[str, pl.DataFrame],
) -> dict[str, object]:  # fmt: skip
    """What the document says beside whose it is: how good it was, and how it may be run."""
    result, steady = evidence.document, evidence.document["overfit"]["stability_score"]
    costs = result["spec"]["costs"]
    return {
        "performance": numbers.performance(n),
        "statistical_validation": numbers.statistical_validation(n, steady if n.judged else None),
        "execution_metrics": execution_metrics(costs),
        "ensemble_regime_classification": ensemble(bars),
        "alternative_data_signals": alternative_data_signals(_funding(bars)),
        "adversarial_analysis": adversarial_analysis(),
        "risk_allocation": numbers.risk_allocation(n, STAGES[placed.stage].base),
        "market_microstructure": numbers.microstructure(bars, evidence.account["timestamp"], costs["fee"]),
        "pattern_health": pattern_health(numbers.correlations(evidence.account, others if n.judged else {})),
        "lifecycle": lifecycle(placed, confidence_score(n.metrics, steady), moment),
        "circuit_breakers": circuit_breakers(placed.stage),
        "validation": validation(result),
        "meta_learning_outputs": _meta_learning(result, judged=n.judged),
    }


def _regime(evidence: RunArtifacts, bars: Bars, *, judged: bool) -> str | None:
    """The regime that entries are confined to; without such a filter the most frequent one out of sample."""
    wanted = evidence.document["regime_filter"]
    if wanted is not None:
        return str(wanted)
    return most_frequent(bars, evidence.account["timestamp"].to_numpy()) if judged else None


def _metadata(
    result: Mapping[str, Any], run_id: str, moment: str, engine: str, regime: str | None, job: tuple[int, str] | None
) -> dict[str, object]:
    spec, environment = result["spec"], result["environment"]
    return {
        "model_version": VERSION,
        "discovery_date": moment,
        "engine_hash": engine,
        "runtime_env": f"Python {environment['python']} on {environment['platform']}",
        "optimizer": result["method"],
        "seed": spec["seed"],
        "regime": regime,
        "job_id": None if job is None else job[1],
        "run_id": run_id,
        "spec_hash": result["spec_hash"],
        "data_digest": result["data_digest"],
        "data_filter_config": spec["filter"] or {},
        "n_trials": result["n_trials"],
    }


def _funding(bars: Bars) -> float | None:
    series = bars.joined.get("funding_rate")
    return None if series is None or not len(series.value) else float(series.value[-1])


def _meta_learning(result: Mapping[str, Any], *, judged: bool) -> dict[str, object]:
    return {
        "pattern_failure_predictors": [],
        "optimal_market_conditions": dict(result["by_regime"]) if judged else {},
        "edge_expiration_estimate": None,
        "recommended_alternatives": [],
    }


def _verdict(result: Mapping[str, object]) -> dict[str, object]:
    return {"word": result["verdict"]} | {key: result[key] for key in VERDICT if key in result}
