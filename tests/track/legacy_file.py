"""A synthetic ``experiments.db`` of the old program, with all that such files are known to hold."""

import sqlite3
import struct
from pathlib import Path
from typing import Any

from assay.track.migrate.legacy import COLUMNS

_SCHEMA = """
CREATE TABLE experiments (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, description TEXT, start_time TIMESTAMP,
    end_time TIMESTAMP, status TEXT, state_dim INTEGER, action_dim INTEGER, learning_rate REAL, gamma REAL,
    train_start_date TEXT, train_end_date TEXT, test_start_date TEXT, test_end_date TEXT, best_test_sharpe REAL,
    best_test_return REAL, final_episode INTEGER, early_stopped BOOLEAN, notes TEXT, created_at TIMESTAMP);
CREATE TABLE episodes (id INTEGER PRIMARY KEY AUTOINCREMENT, experiment_id INTEGER, episode_num INTEGER,
    train_return REAL, train_reward REAL, episode_length INTEGER, test_return REAL, test_sharpe REAL,
    is_best_model BOOLEAN, avg_policy_loss REAL, avg_value_loss REAL, timestamp TIMESTAMP,
    UNIQUE (experiment_id, episode_num));
CREATE TABLE regime_analysis (id INTEGER PRIMARY KEY AUTOINCREMENT, experiment_id INTEGER, analysis_date TEXT,
    final_value REAL, total_return REAL, total_steps INTEGER, bull_steps INTEGER, bear_steps INTEGER,
    neutral_steps INTEGER, bull_buy_prob REAL, bear_buy_prob REAL, neutral_buy_prob REAL, buy_prob_difference REAL);
CREATE TABLE hyperparameters (id INTEGER PRIMARY KEY AUTOINCREMENT, experiment_id INTEGER, param_name TEXT,
    param_value TEXT);
"""


def raw(number: int) -> bytes:
    """What sqlite3 kept of a numpy int64 that was bound as it was."""
    return struct.pack("<q", number)


def put(held: sqlite3.Connection, table: str, **values: Any) -> None:
    assert set(values) <= set(COLUMNS[table].split())
    marks = ", ".join("?" * len(values))
    held.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))


def reference(path: Path) -> Path:
    """1 experiment, 75 episodes, test values at every 15th, no regime rows, action_dim as a BLOB."""
    held = sqlite3.connect(path)
    held.executescript(_SCHEMA)
    put(
        held, "experiments", id=1, name="PPO Bitcoin", description="first", start_time="2024-03-01 10:00:00",
        end_time="2024-03-01 12:30:00.250", status="completed", state_dim=43, action_dim=raw(3), learning_rate=3e-4,
        gamma=0.99, train_start_date="2023-01-01", train_end_date="2023-12-31", test_start_date="2024-01-01",
        test_end_date="2024-02-29", best_test_sharpe=1.25, best_test_return=0.3, final_episode=raw(74),
        early_stopped=1, notes="fine", created_at="2024-03-01T10:00:00",
    )  # fmt: skip
    for number in range(75):
        tested = number % 15 == 14
        put(
            held, "episodes", experiment_id=1, episode_num=raw(number) if number == 7 else number,
            train_return=0.01 * number, train_reward=float(number), episode_length=raw(100 + number),
            test_return=0.1 + 0.01 * number if tested else None,
            test_sharpe=(0.0 if number == 29 else 0.5 + 0.01 * number) if tested else None,
            is_best_model=int(number in (14, 29, 74)), avg_policy_loss=None if number == 0 else 1 / number,
            avg_value_loss=2.0, timestamp=f"2024-03-01 10:{number // 60:02d}:{number % 60:02d}",
        )  # fmt: skip
    for name, value in (("gamma", "0.95"), ("layers", "[64, 64]"), ("seed", raw(42)), ("act", "relu"), ("on", "True")):
        put(held, "hyperparameters", experiment_id=1, param_name=name, param_value=value)
    held.commit()
    held.close()
    return path


def awkward(path: Path) -> Path:
    """Beside the reference: a run that never ended, one of nothing, regimes, orphans, settings told twice."""
    reference(path)
    held = sqlite3.connect(path)
    put(
        held, "experiments", id=5, name="x" * 300, status="running", start_time="2024-04-01T00:00:00+02:00",
        train_start_date="2024-02-01", train_end_date="2024-01-01", learning_rate=float("inf"),
    )  # fmt: skip
    put(held, "experiments", id=6, status="done", created_at="2024-05-01", start_time=None, end_time="2024-04-30")
    put(held, "experiments", id=7, name="PPO Bitcoin", status="failed", start_time="2024-05-02 00:00:00",
        train_start_date="2023-01-01", train_end_date="2023-12-31")  # fmt: skip
    put(held, "episodes", experiment_id=5, episode_num=0, train_return=9e999, timestamp="2024-04-01T05:00:00Z")
    put(held, "episodes", experiment_id=5, episode_num=1, train_return=1.0, timestamp=None)
    put(held, "episodes", experiment_id=99, episode_num=0, train_return=1.0, timestamp="2024-04-01 05:00:00")
    shares = {"bull_buy_prob": 0.7, "bear_buy_prob": 0.2, "neutral_buy_prob": 0.1}
    for difference in (0.5, 0.9):
        put(
            held, "regime_analysis", experiment_id=1, analysis_date="2024-03-02 00:00:00", final_value=10_500.0,
            total_return=0.05, total_steps=raw(60), bull_steps=30, bear_steps=20, neutral_steps=None,
            buy_prob_difference=difference, **shares,
        )  # fmt: skip
    put(held, "hyperparameters", experiment_id=1, param_name="act", param_value="tanh")
    put(held, "hyperparameters", experiment_id=98, param_name="lost", param_value="1")
    held.commit()
    held.close()
    return path
