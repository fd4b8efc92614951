"""The acceptance rows of the schema that no other file holds, on both databases, empty and filled."""

import sqlite3

import pandas as pd
import pytest

from assay.kernel.errors import StoreError
from assay.testing.store_contract import a_trial
from assay.track.maintenance.upgrade import purge
from assay.track.schema.column_types import RECORD
from assay.track.schema.triggers import views
from assay.track.tracking_store import TrackingStore
from tests.track.relics.make import fill
from tests.track.test_schema import PUBLISHED

NAMES = (
    "experiments", "models", "datasets", "metrics", "hyperparameters",
    "artifacts", "experiment_datasets", "experiment_summary", "best_models", "ml_training_jobs",
    "ml_model_registry", "ml_training_metrics", "training_jobs", "trained_configurations", "pattern_training_results",
    "strategy_training_results", "backtest_results", "training_progress", "training_logs", "training_runs",
    "model_checkpoints", "agent_versions", "hyperparameters_log", "training_metrics", "reward_history",
)  # fmt: skip
# Names and order, as published; of the wide ones, how they begin.
BEGINS = {
    "experiment_summary": "id name experiment_type status start_time end_time duration_seconds num_checkpoints "
    "best_val_metric best_test_metric tags notes",
    "ml_training_jobs": "id job_id strategy_type symbol status created_at started_at completed_at error_message "
    "training_data_points training_duration_seconds model_accuracy model_path metadata",
    "ml_model_registry": "id model_id strategy_type symbol model_path created_at last_used_at performance_metrics "
    "is_active",
    "ml_training_metrics": "id timestamp metric_name metric_value symbol strategy_type metadata",
    "training_jobs": "id status strategy_id pair exchange timeframe optimization_method progress started_at "
    "completed_at result_config_id error_message job_id strategy_name symbol regime optimizer current_episode "
    "total_episodes current_reward current_loss current_stage submitted_at created_at duration_seconds best_score spec "
    "created_by metadata",
    "training_progress": "job_id percentage current_step step_number total_steps step_details started_at updated_at "
    "current_iteration total_iterations best_score current_score best_params is_complete error_message",
    "training_logs": "id job_id timestamp message progress log_level created_at",
    "pattern_training_results": "id pattern_name symbol training_parameters success_rate sharpe_ratio max_drawdown "
    "total_trades training_duration",
    "strategy_training_results": "id strategy_name exchange symbol timeframe parameters performance_metrics created_at",
    "backtest_results": "id pattern_name symbol entry_time entry_price exit_time exit_price pnl_percentage trade_type "
    "created_at",
    "training_runs": "run_id experiment_id run_name model_type train_start train_end train_samples val_samples "
    "test_samples test_start test_end features_used target_variable final_accuracy final_loss final_f1 final_auc "
    "status start_time end_time duration_seconds git_commit_hash",
    "model_checkpoints": "checkpoint_id run_id model_uri model_binary model_format episode_num global_step metrics "
    "is_best deployment_status created_at",
    "agent_versions": "version_id run_id agent_type version state_dim action_dim episode_num mean_reward sharpe_ratio "
    "total_return deployment_status created_at",
    "hyperparameters_log": "trial_id run_id hyperparameters objective_value scores tuning_method created_at",
    "training_metrics": "run_id iteration_number train_loss val_loss train_accuracy val_accuracy learning_rate "
    "gradient_norm iteration_duration_ms",
    "reward_history": "run_id episode_number timestep_number step_reward episode_cumulative_reward "
    "episode_final_reward sharpe_ratio policy_loss value_loss",
    "experiments": "id run_id name description experiment_type status",
    "models": "id model_id experiment_id job_id name version strategy_type exchange symbol timeframe",
    "trained_configurations": "id strategy_name exchange pair timeframe regime status is_active parameters_json "
    "gross_win_rate avg_win avg_loss net_profit sample_size",
}


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_the_published_names_have_their_columns_in_order(record: TrackingStore, filled: bool) -> None:
    if filled:
        fill(record)
    with record.database.read() as connection:
        for name in NAMES:
            columns = list(connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 3").keys())
            wanted = BEGINS.get(name, "id" if name != "experiment_datasets" else "experiment_id").split()
            assert columns[: len(wanted)] == wanted, name
        for query in PUBLISHED:
            connection.exec_driver_sql(query).fetchall()
    assert set(NAMES) <= set(RECORD.tables) | {name for name, _ in views(record.database.dialect)}


def test_no_view_takes_a_row(record: TrackingStore) -> None:
    fill(record)
    taken = []
    for name, _ in views(record.database.dialect):
        with record.database.read() as connection:
            column = next(iter(connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 0").keys()))
        for statement in (
            f"INSERT INTO {name} ({column}) VALUES (NULL)",
            f"UPDATE {name} SET {column} = NULL",
            f"DELETE FROM {name}",
        ):
            try:
                with record.database.write() as connection:
                    changed = connection.exec_driver_sql(statement).rowcount
            except Exception as error:  # noqa: BLE001 - each database has its own
                assert "view" in str(error) or "read only" in str(error), error
            else:  # PostgreSQL's trigger fires for each row: of none there is nothing to refuse
                taken.append((name, statement, changed))
    assert [one for one in taken if one[2]] == []
    assert all("INSERT" not in statement for _, statement, _ in taken)


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_other_tools_read_and_tidy_the_file(record: TrackingStore, place: str) -> None:
    fill(record)
    held = sqlite3.connect(place)
    frame = pd.read_sql_query("SELECT * FROM experiment_summary", held)
    held.execute("VACUUM;")
    held.close()
    assert list(frame.columns)[:4] == ["id", "name", "experiment_type", "status"] and len(frame) == 1
    record.database.quick_check()
    assert record.ledger.check() == 4


def test_a_run_is_purged_only_when_nothing_counts_on_it(record: TrackingStore) -> None:
    fill(record)
    with pytest.raises(StoreError, match=r"trials.*models|models.*trials") as told:
        purge(record, 1)
    assert told.value.code == "STORE_CONFLICT"
    run = record.experiments.start("in vain", "rules").id
    with pytest.raises(StoreError, match="running"):
        purge(record, run)
    child = record.experiments.start("child", "rules", parent_id=run).id
    record.metrics.log(child, {"a": 1.0})
    record.hyperparameters.log(child, {"a": 1})
    record.datasets.link(child, 1, "train")
    for ended in (run, child):
        record.experiments.finish(ended)
    with pytest.raises(StoreError, match=f"runs {child}"):
        purge(record, run)
    purge(record, child)
    purge(record, run)
    assert [row["id"] for row in record.experiments.recent()] == [1]
    assert record.ledger.check() == 4 and record.metrics.read(child) == []
    assert record.experiments.start("another", "rules").id == child + 1  # no id is used twice
    counted = record.experiments.start("counted", "rules").id
    record.ledger.append(a_trial(seed=50), counted)
    record.experiments.finish(counted)
    with pytest.raises(StoreError, match="trials"):
        purge(record, counted)
    with pytest.raises(StoreError) as told:
        purge(record, 999)
    assert told.value.code == "STORE_NOT_FOUND"
