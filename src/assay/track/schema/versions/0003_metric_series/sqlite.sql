DROP INDEX ix_metrics_experiment_id_metric_name_split
;
CREATE INDEX ix_metrics_series ON metrics (experiment_id, metric_name, step, episode, epoch, id, split, metric_type, value)
