"""Decisions to fills to trades to equity to metrics."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.simulate.engine import simulate as simulate
    from assay.simulate.metrics import START_CAPITAL as START_CAPITAL
    from assay.simulate.metrics import account_metrics as account_metrics
    from assay.simulate.metrics import metrics_by_regime as metrics_by_regime
    from assay.simulate.metrics import performance_metrics as performance_metrics
    from assay.simulate.metrics import return_metrics as return_metrics
    from assay.simulate.metrics import trade_metrics as trade_metrics
    from assay.simulate.performance import Moments as Moments
    from assay.simulate.performance import annual_return as annual_return
    from assay.simulate.performance import annual_volatility as annual_volatility
    from assay.simulate.performance import calmar_ratio as calmar_ratio
    from assay.simulate.performance import expectancy as expectancy
    from assay.simulate.performance import expectancy_ratio as expectancy_ratio
    from assay.simulate.performance import max_drawdown as max_drawdown
    from assay.simulate.performance import moments as moments
    from assay.simulate.performance import omega_ratio as omega_ratio
    from assay.simulate.performance import profit_factor as profit_factor
    from assay.simulate.performance import sharpe_ratio as sharpe_ratio
    from assay.simulate.performance import sortino_ratio as sortino_ratio
    from assay.simulate.performance import turnover as turnover
    from assay.simulate.performance import ulcer_index as ulcer_index
    from assay.simulate.performance import win_rate as win_rate
    from assay.simulate.prepare import EXIT_REASONS as EXIT_REASONS
    from assay.simulate.prepare import as_contiguous as as_contiguous
    from assay.simulate.result import BacktestResult as BacktestResult
    from assay.simulate.result import Trades as Trades
    from assay.simulate.result import combine_in_sequence as combine_in_sequence
    from assay.simulate.result import combine_instruments as combine_instruments
    from assay.simulate.sweep.api import SweepResult as SweepResult
    from assay.simulate.sweep.api import sweep_picks as sweep_picks
    from assay.simulate.sweep.api import sweep_product as sweep_product
    from assay.simulate.sweep.replay_scalar import Rows as Rows
    from assay.simulate.sweep.scheduler import Lazy as Lazy
    from assay.simulate.sweep.scheduler import compute_setup as compute_setup
    from assay.simulate.sweep.simd import LANES as LANES
    from assay.simulate.sweep.simd import broadcast as broadcast
    from assay.simulate.sweep.simd import lane_mask as lane_mask
    from assay.simulate.sweep.simd import lane_maximum as lane_maximum
    from assay.simulate.sweep.simd import load_lanes as load_lanes
    from assay.simulate.sweep.simd import lowest_bit as lowest_bit
    from assay.simulate.sweep.sweep_inputs import Candidates as Candidates
    from assay.simulate.sweep.sweep_inputs import Exits as Exits
    from assay.simulate.sweep.sweep_inputs import Side as Side
    from assay.simulate.sweep.sweep_inputs import States as States
    from assay.simulate.sweep.sweep_inputs import candidate_rows as candidate_rows

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "engine": ("simulate",),
        "metrics": (
            "START_CAPITAL", "account_metrics", "metrics_by_regime", "performance_metrics",
            "return_metrics", "trade_metrics"
        ),
        "performance": (
            "Moments", "annual_return", "annual_volatility", "calmar_ratio", "expectancy",
            "expectancy_ratio", "max_drawdown", "moments", "omega_ratio", "profit_factor",
            "sharpe_ratio", "sortino_ratio", "turnover", "ulcer_index", "win_rate"
        ),
        "prepare": ("EXIT_REASONS", "as_contiguous"),
        "result": ("BacktestResult", "Trades", "combine_in_sequence", "combine_instruments"),
        "sweep.api": ("SweepResult", "sweep_picks", "sweep_product"),
        "sweep.replay_scalar": ("Rows",),
        "sweep.scheduler": ("Lazy", "compute_setup"),
        "sweep.simd": ("LANES", "broadcast", "lane_mask", "lane_maximum", "load_lanes", "lowest_bit"),
        "sweep.sweep_inputs": ("Candidates", "Exits", "Side", "States", "candidate_rows"),
    },
)  # fmt: skip
