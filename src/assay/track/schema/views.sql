CREATE VIEW experiment_summary AS SELECT e.id, e.name, e.experiment_type, e.status, e.start_time, e.end_time, e.duration_seconds, (SELECT COUNT(*) FROM models m WHERE m.experiment_id = e.id AND m.deleted_at IS NULL) AS num_checkpoints,
  (SELECT MAX(m.val_metric) FROM models m WHERE m.experiment_id = e.id AND m.is_best) AS best_val_metric, (SELECT MAX(m.test_metric) FROM models m WHERE m.experiment_id = e.id AND m.is_best) AS best_test_metric, e.tags, e.notes
  FROM experiments e WHERE e.deleted_at IS NULL ORDER BY e.start_time DESC, e.id DESC;
CREATE VIEW best_models AS SELECT m.*, e.name AS experiment_name, e.experiment_type FROM models m JOIN experiments e ON e.id = m.experiment_id WHERE m.is_best AND m.deleted_at IS NULL ORDER BY m.val_metric IS NULL, m.val_metric DESC, m.id;
CREATE VIEW ml_training_jobs AS SELECT id, job_id, strategy_type, symbol, CASE status WHEN 'dead' THEN 'failed' ELSE status END AS status, created_at, started_at, completed_at, error_message, data_points AS training_data_points,
  CAST(ROUND(duration_seconds) AS INTEGER) AS training_duration_seconds, accuracy AS model_accuracy, model_path, metadata FROM jobs WHERE kind IN ('train', 'search');
CREATE VIEW ml_model_registry AS SELECT m.id, m.model_id, m.strategy_type, m.symbol, m.checkpoint_path AS model_path, m.created_at, m.last_used_at, m.performance_metrics,
  EXISTS (SELECT 1 FROM aliases a WHERE a.model_id = m.id AND a.alias = 'champion') AS is_active FROM models m WHERE m.strategy_type IS NOT NULL AND m.deleted_at IS NULL;
CREATE VIEW ml_training_metrics AS SELECT id, timestamp, metric_name, metric_value, symbol, strategy_type, metadata FROM service_metrics;
CREATE VIEW training_jobs AS SELECT job_id AS id, CASE status WHEN 'queued' THEN 'pending' WHEN 'dead' THEN 'failed' WHEN 'skipped' THEN 'cancelled' ELSE status END AS status,
  strategy_type AS strategy_id, symbol AS pair, exchange, timeframe, optimizer AS optimization_method, 100 * progress AS progress, started_at, completed_at, configuration_id AS result_config_id, error_message,
  job_id, strategy_type AS strategy_name, symbol, regime, optimizer, current_iteration AS current_episode, total_iterations AS total_episodes,
  current_reward, current_loss, stage AS current_stage, created_at AS submitted_at, created_at, duration_seconds, best_score, spec, created_by, metadata FROM jobs WHERE kind IN ('train', 'search');
CREATE VIEW training_progress AS SELECT job_id, 100 * progress AS percentage, stage AS current_step, CASE stage WHEN 'training' THEN 2 WHEN 'evaluating' THEN 3 WHEN 'saving' THEN 4 ELSE 1 END AS step_number, 4 AS total_steps,
  progress_details AS step_details, started_at, progress_at AS updated_at, current_iteration, total_iterations, best_score, current_score,
  progress_details->'best_params' AS best_params, status IN ('completed', 'failed', 'cancelled', 'skipped', 'dead') AS is_complete, error_message FROM jobs WHERE kind IN ('train', 'search');
CREATE VIEW training_logs AS SELECT l.id, j.job_id, l.timestamp, l.message, 100 * l.progress AS progress, l.log_level, l.timestamp AS created_at FROM job_logs l JOIN jobs j ON j.id = l.job_id;
CREATE VIEW pattern_training_results AS SELECT id, strategy_name AS pattern_name, symbol, params AS training_parameters, win_rate AS success_rate, sharpe_annual AS sharpe_ratio,
  max_drawdown, total_trades, duration_seconds AS training_duration FROM trials WHERE learner = 'ppo' AND state = 'complete';
CREATE VIEW strategy_training_results AS SELECT id, strategy_name, exchange, symbol, timeframe, params AS parameters, metrics AS performance_metrics, created_at FROM trials WHERE learner <> 'ppo' AND state = 'complete';
CREATE VIEW backtest_results AS SELECT id, strategy_name AS pattern_name, symbol, entry_time, entry_price, exit_time, exit_price, 100 * return_net AS pnl_percentage, side AS trade_type, exit_time AS created_at FROM trades;
CREATE VIEW training_runs AS SELECT e.run_id, e.id AS experiment_id, e.name AS run_name, COALESCE(e.metadata->>'model_type', b.architecture_type, e.experiment_type) AS model_type,
  t.start_date AS train_start, t.end_date AS train_end, t.num_samples AS train_samples, v.num_samples AS val_samples, s.num_samples AS test_samples,
  s.start_date AS test_start, s.end_date AS test_end, t.feature_columns AS features_used, t.target_columns AS target_variable,
  CAST(b.performance_metrics->>'accuracy' AS DOUBLE PRECISION) AS final_accuracy, CAST(b.performance_metrics->>'loss' AS DOUBLE PRECISION) AS final_loss,
  CAST(b.performance_metrics->>'f1' AS DOUBLE PRECISION) AS final_f1, CAST(b.performance_metrics->>'auc' AS DOUBLE PRECISION) AS final_auc, e.status, e.start_time, e.end_time, e.duration_seconds, e.git_commit AS git_commit_hash
  FROM experiments e LEFT JOIN models b ON b.experiment_id = e.id AND b.is_best LEFT JOIN datasets t ON t.id = (SELECT MIN(dataset_id) FROM experiment_datasets x WHERE x.experiment_id = e.id AND x.usage_type = 'train')
  LEFT JOIN datasets v ON v.id = (SELECT MIN(dataset_id) FROM experiment_datasets x WHERE x.experiment_id = e.id AND x.usage_type = 'val')
  LEFT JOIN datasets s ON s.id = (SELECT MIN(dataset_id) FROM experiment_datasets x WHERE x.experiment_id = e.id AND x.usage_type = 'test') WHERE e.deleted_at IS NULL;
CREATE VIEW model_checkpoints AS SELECT m.model_id AS checkpoint_id, e.run_id, m.checkpoint_path AS model_uri, CAST(NULL AS TEXT) AS model_binary, m.format AS model_format, m.episode_num,
  m.global_step, m.performance_metrics AS metrics, m.is_best, COALESCE((SELECT MIN(a.alias) FROM aliases a WHERE a.model_id = m.id), 'registered') AS deployment_status,
  m.created_at FROM models m JOIN experiments e ON e.id = m.experiment_id WHERE m.deleted_at IS NULL;
CREATE VIEW agent_versions AS SELECT m.model_id AS version_id, e.run_id, m.architecture_type AS agent_type, m.version, m.state_dim, m.action_dim, m.episode_num,
  CAST(m.performance_metrics->>'mean_reward' AS DOUBLE PRECISION) AS mean_reward, CAST(m.performance_metrics->>'sharpe_annual' AS DOUBLE PRECISION) AS sharpe_ratio, CAST(m.performance_metrics->>'net_return' AS DOUBLE PRECISION) AS total_return,
  COALESCE((SELECT MIN(a.alias) FROM aliases a WHERE a.model_id = m.id), 'registered') AS deployment_status, m.created_at FROM models m JOIN experiments e ON e.id = m.experiment_id WHERE e.experiment_type = 'rl' AND m.deleted_at IS NULL;
CREATE VIEW hyperparameters_log AS SELECT CAST(t.id AS TEXT) AS trial_id, e.run_id, t.params AS hyperparameters, t.score AS objective_value, t.metrics AS scores, t.tuning_method, t.created_at
  FROM trials t LEFT JOIN experiments e ON e.id = t.experiment_id UNION ALL SELECT NULL, e.run_id, {JSON_OBJECT_AGG}(h.param_name, h.param_value), NULL, NULL, 'none', MIN(h.created_at)
  FROM hyperparameters h JOIN experiments e ON e.id = h.experiment_id GROUP BY e.run_id;
CREATE VIEW training_metrics AS SELECT e.run_id, COALESCE(m.step, m.epoch, m.episode) AS iteration_number, MAX(CASE WHEN m.metric_name = 'train_loss' OR (m.metric_name = 'loss' AND m.split = 'train') THEN m.value END) AS train_loss,
  MAX(CASE WHEN m.metric_name = 'val_loss' OR (m.metric_name = 'loss' AND m.split = 'val') THEN m.value END) AS val_loss,
  MAX(CASE WHEN m.metric_name = 'train_accuracy' OR (m.metric_name = 'accuracy' AND m.split = 'train') THEN m.value END) AS train_accuracy,
  MAX(CASE WHEN m.metric_name = 'val_accuracy' OR (m.metric_name = 'accuracy' AND m.split = 'val') THEN m.value END) AS val_accuracy, MAX(CASE WHEN m.metric_name = 'learning_rate' THEN m.value END) AS learning_rate,
  MAX(CASE WHEN m.metric_name = 'gradient_norm' THEN m.value END) AS gradient_norm, MAX(CASE WHEN m.metric_name = 'iteration_duration_ms' THEN m.value END) AS iteration_duration_ms
  FROM metrics m JOIN experiments e ON e.id = m.experiment_id WHERE COALESCE(m.step, m.epoch, m.episode) IS NOT NULL GROUP BY e.run_id, COALESCE(m.step, m.epoch, m.episode);
CREATE VIEW reward_history AS SELECT e.run_id, m.episode AS episode_number, m.step AS timestep_number, MAX(CASE WHEN m.metric_name = 'step_reward' THEN m.value END) AS step_reward,
  MAX(CASE WHEN m.metric_name = 'cumulative_reward' THEN m.value END) AS episode_cumulative_reward, MAX(CASE WHEN m.metric_name IN ('train_reward', 'episode_reward') THEN m.value END) AS episode_final_reward,
  MAX(CASE WHEN m.metric_name IN ('sharpe', 'train_sharpe') THEN m.value END) AS sharpe_ratio, MAX(CASE WHEN m.metric_name = 'policy_loss' THEN m.value END) AS policy_loss, MAX(CASE WHEN m.metric_name = 'value_loss' THEN m.value END) AS value_loss
  FROM metrics m JOIN experiments e ON e.id = m.experiment_id WHERE m.episode IS NOT NULL GROUP BY e.run_id, m.episode, m.step;
