"""Statistics by which a record is judged.

Time is axis 0: ``(n,)`` gives a number, ``(n, k)`` gives ``(k,)``, one value a configuration. Returns are simple, net
and per bar; Sharpe ratios are per bar unless a name says otherwise; kurtosis is non-excess. Undefined is NaN, never an
infinity and never 0 instead; misuse is ConfigError. What is random takes a seed, and gives the same bytes for it.
"""

from assay.simulate import (
    Moments,
    annual_return,
    annual_volatility,
    calmar_ratio,
    expectancy,
    expectancy_ratio,
    max_drawdown,
    moments,
    omega_ratio,
    profit_factor,
    sharpe_ratio,
    sortino_ratio,
    turnover,
    ulcer_index,
    win_rate,
)
from assay.validate.statistics.bootstrap import (
    Superiority,
    bootstrap_interval,
    reality_check,
    step_m,
    superior_predictive_ability,
)
from assay.validate.statistics.forecasts import (
    Calibration,
    brier_score,
    calibration_table,
    expected_calibration_error,
    ic_summary,
    information_coefficient,
    rank_information_coefficient,
)
from assay.validate.statistics.overfitting import (
    Haircut,
    Overfitting,
    effective_number_of_trials,
    haircut_sharpe,
    probability_of_backtest_overfitting,
)
from assay.validate.statistics.sharpe import (
    bars_for_error,
    best_of_many_p_value,
    deflated_sharpe_ratio,
    expected_max_sharpe,
    harmonic,
    lo_annual_sharpe,
    lo_factor,
    min_backtest_length_years,
    min_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_p_value,
    sharpe_that_passes,
)

__all__ = [
    "Calibration", "Haircut", "Moments", "Overfitting", "Superiority", "annual_return", "annual_volatility",
    "bars_for_error", "best_of_many_p_value", "bootstrap_interval", "brier_score", "calibration_table",
    "calmar_ratio", "deflated_sharpe_ratio", "effective_number_of_trials", "expectancy", "expectancy_ratio",
    "expected_calibration_error", "expected_max_sharpe", "haircut_sharpe", "harmonic", "ic_summary",
    "information_coefficient", "lo_annual_sharpe", "lo_factor", "max_drawdown", "min_backtest_length_years",
    "min_track_record_length", "moments", "omega_ratio", "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting", "profit_factor", "rank_information_coefficient", "reality_check",
    "sharpe_p_value", "sharpe_ratio", "sharpe_that_passes", "sortino_ratio", "step_m", "superior_predictive_ability",
    "turnover", "ulcer_index", "win_rate",
]  # fmt: skip
