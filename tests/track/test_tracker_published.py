"""The tracking API's published examples, unchanged, each in an empty folder."""

import contextlib
import io
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from assay.track.tracker import shared as sharing

PUBLISHED = Path(__file__).with_name("published")
_LOOP = "import random\nepisode_return = total_reward = avg_policy_loss = avg_value_loss = 0.5\n"
_QUICK = _LOOP + "import numpy\nval_sharpe, best_sharpe = numpy.float64(1.2), numpy.float64(1.0)\n"
_AGENT = """
from datetime import datetime
from types import SimpleNamespace as Thing
import numpy
symbol, start_date, end_date, num_episodes, save_freq = "BTC-USD", "2023-01-01", "2023-12-31", 20, 5
agent = Thing(lr=3e-4, gamma=0.99, eps_clip=0.2, k_epochs=4)
env = Thing(market_data=[0] * 365, observation_space=Thing(shape=(43,)), action_space=Thing(n=numpy.int64(3)))
checkpoint_path, final_return, best_return, episode_reward, episode_steps = "models/a.pth", 0.2, 0.1, 1.5, 364
metrics = {"policy_loss": numpy.float32(0.1), "value_loss": 0.2, "entropy": float("nan")}
"""
_OPEN = "from ml_persistence import ExperimentTracker, ModelRegistry\n"
_BEGUN = _OPEN + "tracker = ExperimentTracker()\ntracker.start_experiment('custom')\nepisode = 3\n"


def text(name: str) -> str:
    return (PUBLISHED / f"{name}.txt").read_text(encoding="utf-8")


def python(folder: Path, code: str) -> str:
    """What a program of its own prints, in this process for speed; it ends as at the interpreter's end."""
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "published", "exec"), {"__name__": "__main__"})
        finally:
            sharing._at_exit()
            sharing._opened.clear()
    return printed.getvalue()


def shell(folder: Path, code: str) -> str:
    return ran(["bash", "-euc", code], folder)


def ran(command: list[str], folder: Path) -> str:
    path = os.pathsep.join((str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "ml_experiments.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quick start has run once."""
    folder = tmp_path_factory.mktemp("published")
    python(folder, _QUICK + text("quick_start.py"))
    return folder


def test_quick_start(trained: Path) -> None:
    assert rows(trained, "SELECT COUNT(*), COUNT(DISTINCT episode), COUNT(DISTINCT metric_name) FROM metrics") == [
        (400, 100, 4)
    ]
    models = rows(trained, "SELECT name, version, is_best, integrity, state_dim FROM models ORDER BY id")
    assert models == [(f"ppo_exp1_ep{n}", "1", int(n == 90), "missing", 43) for n in range(0, 100, 10)]
    (run,) = rows(trained, "SELECT id, status, notes, random_seed, tags, experiment_type FROM experiments")
    assert run == (1, "completed", "Training completed successfully", 42, '["rl","bitcoin","ppo"]', "rl")
    assert rows(trained, "SELECT param_name, param_value, param_type FROM hyperparameters ORDER BY param_name") == [
        ("batch_size", "128", "int"),
        ("gamma", "0.99", "float"),
        ("hidden_dim", "256", "int"),
        ("learning_rate", "0.0003", "float"),
    ]
    linked = "SELECT name, num_samples, usage_type FROM datasets JOIN experiment_datasets ON dataset_id = id"
    assert rows(trained, linked) == [("BTC-USD-Daily", 365, "train")]


def test_rl_integration_and_models_without_a_validation_metric(tmp_path: Path) -> None:
    printed_is_no_python = text("rl_integration.py").replace("def train(...):", "def train():")
    python(tmp_path, _AGENT + printed_is_no_python + "\ntrain()\n")
    told = "SELECT metric_name, COUNT(*), COUNT(value) FROM metrics GROUP BY 1 ORDER BY 1"
    assert rows(tmp_path, told) == [
        ("entropy", 20, 0),
        ("episode_length", 20, 20),
        ("policy_loss", 20, 20),
        ("train_return", 20, 20),
        ("train_reward", 20, 20),
        ("value_loss", 20, 20),
    ]
    assert rows(tmp_path, "SELECT DISTINCT non_finite FROM metrics WHERE metric_name = 'entropy'") == [("nan",)]
    assert rows(tmp_path, "SELECT SUM(is_best), COUNT(*), COUNT(val_metric), MAX(action_dim) FROM models") == [
        (1, 4, 0, 3)
    ]
    printed = python(tmp_path, _OPEN + text("best.py"))
    assert printed.splitlines() == ["Best checkpoint: models/a.pth", "Val metric: nan", "4: ppo_exp1_ep15 - nan"]


def test_listing_and_querying(trained: Path) -> None:
    printed = python(trained, _OPEN + text("list.py"))
    assert printed.splitlines() == ["1: PPO Bitcoin Trading v1", "  Status: completed", "  Best metric: 1.2"]
    assert shell(trained, text("query.sh")) == "1: PPO Bitcoin Trading v1 - completed\n"


def test_comparing(tmp_path: Path) -> None:
    python(
        tmp_path,
        _OPEN
        + "t = ExperimentTracker()\n"
        + "for k in range(3):\n"
        + "    t.start_experiment(f'run {k}')\n"
        + "    for v in range(k + 1):\n"
        + "        t.log_metric('val_sharpe', v, split='val' if k else 'train')\n",
    )
    assert python(tmp_path, text("compare.py")).splitlines() == [
        "Experiment 1: Mean=nan, Max=nan",
        "Experiment 2: Mean=0.5000, Max=1.0000",
        "Experiment 3: Mean=1.0000, Max=2.0000",
    ]


def test_best_models(trained: Path) -> None:
    printed = python(trained, _OPEN + text("best.py")).splitlines()
    assert printed == ["Best checkpoint: models/checkpoint_ep90.pth", "Val metric: 1.2", "10: ppo_exp1_ep90 - 1.2000"]


def test_custom_metrics_and_regimes(tmp_path: Path) -> None:
    returns = "returns = {'bull': 0.1, 'bear': -0.2, 'sideways': 0.0}\n"
    check = """
from ml_persistence import MLDatabase
(row,) = MLDatabase().execute_query("SELECT * FROM metrics WHERE metric_name = ?", ("action_distribution",))
assert row["value_json"] == {"hold": 0.5, "buy": 0.3, "sell": 0.2} and row["value"] == 0.0
assert (row["metric_type"], row["episode"]) == ("distribution", 3)
"""
    python(tmp_path, _BEGUN + returns + text("custom.py") + text("regimes.py") + check)
    assert rows(tmp_path, "SELECT metric_name, value, metadata FROM metrics ORDER BY id")[1:] == [
        ("return_bull", 0.1, '{"regime":"bull"}'),
        ("return_bear", -0.2, '{"regime":"bear"}'),
        ("return_sideways", 0.0, '{"regime":"sideways"}'),
    ]
    assert rows(tmp_path, "SELECT status FROM experiments") == [("stopped",)]


def test_several_assets(tmp_path: Path) -> None:
    check = """
found = tracker.list_experiments(tags=["multi-asset"])
assert [row["name"] for row in found] == ["PPO_SOL-USD", "PPO_ETH-USD", "PPO_BTC-USD"], found
assert tracker.get_experiment(1)["metadata"] == {"asset": "BTC-USD"} and exp_id == 3
assert {row["status"] for row in found} == {"running"}
"""
    python(tmp_path, _OPEN + "tracker = ExperimentTracker()\n" + text("assets.py") + check)


def test_the_database_is_made_and_made_again(tmp_path: Path) -> None:
    first = shell(tmp_path, text("init.sh"))
    assert first.startswith("ml_experiments.db: schema ") and shell(tmp_path, text("init.sh")) == first
    assert rows(tmp_path, "SELECT COUNT(*) FROM experiment_summary") == [(0,)]


def test_maintenance(trained: Path) -> None:
    python(trained, text("export.py"))
    header, line = (trained / "experiments.csv").read_text().splitlines()
    assert header.startswith("id,name,experiment_type,status,") and line.startswith("1,PPO Bitcoin Trading v1,rl,")
    (trained / "bin").mkdir()
    stand_in = trained / "bin" / "sqlite3"  # the tool's own command line is not everywhere
    stand_in.write_text(f"#!{sys.executable}\nimport sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute(sys.argv[2])\n")
    stand_in.chmod(0o755)
    shell(trained, text("vacuum.sh"))
    shell(trained, text("backup.sh"))
    assert len(list(trained.glob("ml_experiments_backup_*.db"))) == 1
    assert rows(trained, "SELECT COUNT(*) FROM metrics") == [(400,)]
