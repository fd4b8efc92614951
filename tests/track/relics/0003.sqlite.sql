BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE aliases (
	strategy_type TEXT NOT NULL,
	exchange TEXT NOT NULL,
	symbol TEXT NOT NULL,
	timeframe TEXT NOT NULL,
	alias TEXT NOT NULL,
	model_id INTEGER NOT NULL,
	version INTEGER DEFAULT 1 NOT NULL,
	changed_by TEXT DEFAULT '' NOT NULL,
	changed_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT pk_aliases PRIMARY KEY (strategy_type, exchange, symbol, timeframe, alias),
	CHECK (alias IN ('champion', 'challenger', 'previous')),
	CHECK (changed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_aliases_model_id FOREIGN KEY(model_id) REFERENCES models (id) ON DELETE RESTRICT
);
INSERT INTO "aliases" VALUES('rules','binance','BTC/USDT','1h','champion',1,1,'','2026-11-30T18:55:13.045Z');
CREATE TABLE api_keys (
	key_id TEXT NOT NULL,
	secret_sha256 TEXT NOT NULL,
	scopes TEXT DEFAULT '[]' NOT NULL,
	expires_at TEXT,
	revoked_at TEXT,
	last_used_at TEXT,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT pk_api_keys PRIMARY KEY (key_id),
	CHECK (length(secret_sha256) = 64),
	CHECK (scopes IS NULL OR json_valid(scopes)),
	CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (revoked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (last_used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z')
);
INSERT INTO "api_keys" VALUES('key','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','[]',NULL,NULL,NULL,'2026-11-30T18:55:13.045Z');
CREATE TABLE artifacts (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	experiment_id INTEGER NOT NULL,
	model_id INTEGER,
	artifact_type TEXT NOT NULL,
	artifact_path TEXT NOT NULL,
	artifact_name TEXT NOT NULL,
	file_size_mb REAL,
	sha256 TEXT,
	description TEXT DEFAULT '' NOT NULL,
	metadata TEXT DEFAULT '{}' NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CHECK (file_size_mb BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (length(sha256) = 64),
	CHECK (metadata IS NULL OR json_valid(metadata)),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_artifacts_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE,
	CONSTRAINT fk_artifacts_model_id FOREIGN KEY(model_id) REFERENCES models (id) ON DELETE CASCADE
);
INSERT INTO "artifacts" VALUES(1,1,NULL,'log','log.txt','log.txt',NULL,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','','{}','2026-11-30T18:55:13.024Z');
CREATE TABLE datasets (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL,
	version TEXT DEFAULT '' NOT NULL,
	split_type TEXT DEFAULT '' NOT NULL,
	revision INTEGER DEFAULT 1 NOT NULL,
	dataset_type TEXT DEFAULT 'timeseries' NOT NULL,
	exchange TEXT,
	symbol TEXT,
	timeframe TEXT,
	data_path TEXT,
	data_hash TEXT,
	num_samples INTEGER,
	start_date TEXT,
	end_date TEXT,
	feature_columns TEXT DEFAULT '[]' NOT NULL,
	target_columns TEXT DEFAULT '[]' NOT NULL,
	metadata TEXT DEFAULT '{}' NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT uq_datasets_name_version_split_type_revision UNIQUE (name, version, split_type, revision),
	CHECK (start_date <= end_date),
	CHECK (split_type IN ('', 'train', 'val', 'test', 'train_val')),
	CHECK (length(data_hash) = 64),
	CHECK (feature_columns IS NULL OR json_valid(feature_columns)),
	CHECK (target_columns IS NULL OR json_valid(target_columns)),
	CHECK (metadata IS NULL OR json_valid(metadata)),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z')
);
INSERT INTO "datasets" VALUES(1,'BTC','1','train',1,'timeseries',NULL,NULL,NULL,NULL,NULL,9,NULL,NULL,'[]','[]','{}','2026-11-30T18:55:13.020Z');
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	timestamp TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	subject TEXT NOT NULL,
	details TEXT DEFAULT '{}' NOT NULL,
	CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (details IS NULL OR json_valid(details))
);
INSERT INTO "events" VALUES(1,'2026-11-30T18:55:13.045Z','me','promote','model:1','{}');
CREATE TABLE experiment_datasets (
	experiment_id INTEGER NOT NULL,
	dataset_id INTEGER NOT NULL,
	usage_type TEXT NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT pk_experiment_datasets PRIMARY KEY (experiment_id, dataset_id, usage_type),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_experiment_datasets_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE,
	CONSTRAINT fk_experiment_datasets_dataset_id FOREIGN KEY(dataset_id) REFERENCES datasets (id) ON DELETE RESTRICT
);
INSERT INTO "experiment_datasets" VALUES(1,1,'train','2026-11-30T18:55:13.022Z');
CREATE TABLE experiments (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	run_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT DEFAULT '' NOT NULL,
	experiment_type TEXT DEFAULT 'rl' NOT NULL,
	status TEXT DEFAULT 'running' NOT NULL,
	git_commit TEXT,
	git_branch TEXT,
	python_version TEXT,
	git_dirty INTEGER,
	git_diff_hash TEXT,
	lock_hash TEXT,
	spec_hash TEXT,
	data_digest TEXT,
	environment TEXT DEFAULT '{}' NOT NULL,
	random_seed INTEGER,
	spec TEXT,
	start_time TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	end_time TEXT,
	heartbeat_at TEXT,
	deleted_at TEXT,
	duration_seconds REAL,
	tags TEXT DEFAULT '[]' NOT NULL,
	notes TEXT,
	metadata TEXT DEFAULT '{}' NOT NULL,
	parent_id INTEGER,
	reproduces_id INTEGER,
	owner TEXT,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT uq_experiments_run_id UNIQUE (run_id),
	CHECK (end_time >= start_time),
	CHECK (length(name) BETWEEN 1 AND 200),
	CHECK (status IN ('running', 'completed', 'failed', 'stopped', 'crashed')),
	CHECK (git_dirty IN (0,1)),
	CHECK (length(git_diff_hash) = 64),
	CHECK (length(lock_hash) = 64),
	CHECK (length(spec_hash) = 64),
	CHECK (length(data_digest) = 64),
	CHECK (environment IS NULL OR json_valid(environment)),
	CHECK (random_seed >= 0 AND random_seed < 4294967296),
	CHECK (spec IS NULL OR json_valid(spec)),
	CHECK (start_time GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (end_time GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (heartbeat_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (deleted_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (duration_seconds BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (tags IS NULL OR json_valid(tags)),
	CHECK (metadata IS NULL OR json_valid(metadata)),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_experiments_parent_id FOREIGN KEY(parent_id) REFERENCES experiments (id) ON DELETE RESTRICT,
	CONSTRAINT fk_experiments_reproduces_id FOREIGN KEY(reproduces_id) REFERENCES experiments (id) ON DELETE RESTRICT
);
INSERT INTO "experiments" VALUES(1,'395f0b1b-7399-4c4c-85cd-7234651e0eae','a release ago','','rules','completed',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}',NULL,'{"fast":3}','2026-11-30T18:55:13.009Z','2026-11-30T18:55:13.049Z','2026-11-30T18:55:13.009Z',NULL,0.04,'["relic"]',NULL,'{}',NULL,NULL,'a-host/1/1/12345678-1234-4234-8234-123456789012','2026-11-30T18:55:13.009Z','2026-11-30T18:55:13.049Z');
CREATE TABLE hyperparameters (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	experiment_id INTEGER NOT NULL,
	model_id INTEGER,
	param_name TEXT NOT NULL,
	param_value TEXT NOT NULL,
	param_type TEXT DEFAULT 'str' NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CHECK (param_type IN ('float', 'int', 'str', 'bool', 'json', 'none')),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_hyperparameters_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE,
	CONSTRAINT fk_hyperparameters_model_id FOREIGN KEY(model_id) REFERENCES models (id) ON DELETE CASCADE
);
INSERT INTO "hyperparameters" VALUES(1,1,NULL,'fast','3','int','2026-11-30T18:55:13.014Z');
INSERT INTO "hyperparameters" VALUES(2,1,NULL,'gamma','0.99','float','2026-11-30T18:55:13.014Z');
INSERT INTO "hyperparameters" VALUES(3,1,NULL,'deep','{"a":[1,null]}','json','2026-11-30T18:55:13.014Z');
CREATE TABLE job_attempts (
	job_id INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	token INTEGER NOT NULL,
	owner TEXT NOT NULL,
	started_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	ended_at TEXT,
	outcome TEXT,
	exit_code INTEGER,
	exit_signal INTEGER,
	rss_peak_mb REAL,
	error_code TEXT,
	error_message TEXT,
	CONSTRAINT pk_job_attempts PRIMARY KEY (job_id, attempt),
	CHECK (started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (ended_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (outcome IN ('completed', 'failed', 'cancelled', 'skipped', 'timeout', 'stalled', 'oom', 'signal', 'lost', 'preempted')),
	CHECK (rss_peak_mb BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CONSTRAINT fk_job_attempts_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "job_attempts" VALUES(1,1,1,'me','2026-01-02T03:04:05.678Z',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE job_logs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	job_id INTEGER NOT NULL,
	attempt INTEGER DEFAULT 0 NOT NULL,
	timestamp TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	log_level TEXT DEFAULT 'info' NOT NULL,
	message TEXT NOT NULL,
	progress REAL,
	CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (log_level IN ('info', 'success', 'error', 'warning', 'progress')),
	CHECK (progress BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (progress BETWEEN 0 AND 1),
	CONSTRAINT fk_job_logs_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "job_logs" VALUES(1,1,0,'2026-01-02T03:04:05.678Z','info','begun',NULL);
CREATE TABLE job_slots (
	slot_no INTEGER NOT NULL,
	job_id INTEGER,
	CONSTRAINT pk_job_slots PRIMARY KEY (slot_no),
	CONSTRAINT uq_job_slots_job_id UNIQUE (job_id),
	CHECK (slot_no BETWEEN 0 AND 63),
	CONSTRAINT fk_job_slots_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE SET NULL
);
INSERT INTO "job_slots" VALUES(0,1);
INSERT INTO "job_slots" VALUES(1,NULL);
INSERT INTO "job_slots" VALUES(2,NULL);
INSERT INTO "job_slots" VALUES(3,NULL);
INSERT INTO "job_slots" VALUES(4,NULL);
INSERT INTO "job_slots" VALUES(5,NULL);
INSERT INTO "job_slots" VALUES(6,NULL);
INSERT INTO "job_slots" VALUES(7,NULL);
INSERT INTO "job_slots" VALUES(8,NULL);
INSERT INTO "job_slots" VALUES(9,NULL);
INSERT INTO "job_slots" VALUES(10,NULL);
INSERT INTO "job_slots" VALUES(11,NULL);
INSERT INTO "job_slots" VALUES(12,NULL);
INSERT INTO "job_slots" VALUES(13,NULL);
INSERT INTO "job_slots" VALUES(14,NULL);
INSERT INTO "job_slots" VALUES(15,NULL);
INSERT INTO "job_slots" VALUES(16,NULL);
INSERT INTO "job_slots" VALUES(17,NULL);
INSERT INTO "job_slots" VALUES(18,NULL);
INSERT INTO "job_slots" VALUES(19,NULL);
INSERT INTO "job_slots" VALUES(20,NULL);
INSERT INTO "job_slots" VALUES(21,NULL);
INSERT INTO "job_slots" VALUES(22,NULL);
INSERT INTO "job_slots" VALUES(23,NULL);
INSERT INTO "job_slots" VALUES(24,NULL);
INSERT INTO "job_slots" VALUES(25,NULL);
INSERT INTO "job_slots" VALUES(26,NULL);
INSERT INTO "job_slots" VALUES(27,NULL);
INSERT INTO "job_slots" VALUES(28,NULL);
INSERT INTO "job_slots" VALUES(29,NULL);
INSERT INTO "job_slots" VALUES(30,NULL);
INSERT INTO "job_slots" VALUES(31,NULL);
INSERT INTO "job_slots" VALUES(32,NULL);
INSERT INTO "job_slots" VALUES(33,NULL);
INSERT INTO "job_slots" VALUES(34,NULL);
INSERT INTO "job_slots" VALUES(35,NULL);
INSERT INTO "job_slots" VALUES(36,NULL);
INSERT INTO "job_slots" VALUES(37,NULL);
INSERT INTO "job_slots" VALUES(38,NULL);
INSERT INTO "job_slots" VALUES(39,NULL);
INSERT INTO "job_slots" VALUES(40,NULL);
INSERT INTO "job_slots" VALUES(41,NULL);
INSERT INTO "job_slots" VALUES(42,NULL);
INSERT INTO "job_slots" VALUES(43,NULL);
INSERT INTO "job_slots" VALUES(44,NULL);
INSERT INTO "job_slots" VALUES(45,NULL);
INSERT INTO "job_slots" VALUES(46,NULL);
INSERT INTO "job_slots" VALUES(47,NULL);
INSERT INTO "job_slots" VALUES(48,NULL);
INSERT INTO "job_slots" VALUES(49,NULL);
INSERT INTO "job_slots" VALUES(50,NULL);
INSERT INTO "job_slots" VALUES(51,NULL);
INSERT INTO "job_slots" VALUES(52,NULL);
INSERT INTO "job_slots" VALUES(53,NULL);
INSERT INTO "job_slots" VALUES(54,NULL);
INSERT INTO "job_slots" VALUES(55,NULL);
INSERT INTO "job_slots" VALUES(56,NULL);
INSERT INTO "job_slots" VALUES(57,NULL);
INSERT INTO "job_slots" VALUES(58,NULL);
INSERT INTO "job_slots" VALUES(59,NULL);
INSERT INTO "job_slots" VALUES(60,NULL);
INSERT INTO "job_slots" VALUES(61,NULL);
INSERT INTO "job_slots" VALUES(62,NULL);
INSERT INTO "job_slots" VALUES(63,NULL);
CREATE TABLE jobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	job_id TEXT NOT NULL,
	kind TEXT DEFAULT 'train' NOT NULL,
	spec TEXT NOT NULL,
	spec_hash TEXT NOT NULL,
	idempotency_key TEXT,
	concurrency_key TEXT,
	request_hash TEXT,
	strategy_type TEXT DEFAULT '' NOT NULL,
	symbol TEXT DEFAULT '' NOT NULL,
	exchange TEXT DEFAULT '' NOT NULL,
	timeframe TEXT DEFAULT '' NOT NULL,
	regime TEXT DEFAULT '' NOT NULL,
	optimizer TEXT DEFAULT '' NOT NULL,
	"trigger" TEXT DEFAULT 'api' NOT NULL,
	status TEXT DEFAULT 'queued' NOT NULL,
	priority INTEGER DEFAULT 0 NOT NULL,
	attempt INTEGER DEFAULT 0 NOT NULL,
	token INTEGER DEFAULT 0 NOT NULL,
	max_attempts INTEGER DEFAULT 3 NOT NULL,
	run_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	started_at TEXT,
	completed_at TEXT,
	lease_until TEXT,
	progress_at TEXT,
	cancel_requested_at TEXT,
	fire_at TEXT,
	owner TEXT,
	progress REAL DEFAULT 0 NOT NULL,
	stage TEXT DEFAULT '' NOT NULL,
	timeout_seconds INTEGER,
	current_iteration INTEGER,
	total_iterations INTEGER,
	data_points INTEGER,
	best_score REAL,
	current_score REAL,
	current_reward REAL,
	current_loss REAL,
	duration_seconds REAL,
	accuracy REAL,
	progress_details TEXT DEFAULT '{}' NOT NULL,
	metadata TEXT DEFAULT '{}' NOT NULL,
	model_path TEXT,
	error_code TEXT,
	error_message TEXT,
	error_trace TEXT,
	experiment_id INTEGER,
	configuration_id INTEGER,
	schedule_id TEXT,
	created_by TEXT DEFAULT '' NOT NULL,
	CONSTRAINT uq_jobs_job_id UNIQUE (job_id),
	CONSTRAINT uq_jobs_idempotency_key UNIQUE (idempotency_key),
	CHECK (length(idempotency_key) <= 200),
	CHECK (status <> 'running' OR (owner IS NOT NULL AND lease_until IS NOT NULL)),
	CHECK (started_at >= created_at),
	CHECK (completed_at >= started_at),
	CHECK (spec IS NULL OR json_valid(spec)),
	CHECK (length(spec_hash) = 64),
	CHECK (length(request_hash) = 64),
	CHECK (trigger IN ('schedule', 'api', 'cli', 'dashboard', 'tick')),
	CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled', 'skipped', 'dead')),
	CHECK (priority BETWEEN -100 AND 100),
	CHECK (run_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (completed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (lease_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (progress_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (cancel_requested_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (fire_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (progress BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (progress BETWEEN 0 AND 1),
	CHECK (best_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (current_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (current_reward BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (current_loss BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (duration_seconds BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (accuracy BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (accuracy BETWEEN 0 AND 1),
	CHECK (progress_details IS NULL OR json_valid(progress_details)),
	CHECK (metadata IS NULL OR json_valid(metadata)),
	CONSTRAINT fk_jobs_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE SET NULL,
	CONSTRAINT fk_jobs_configuration_id FOREIGN KEY(configuration_id) REFERENCES trained_configurations (id) ON DELETE SET NULL,
	CONSTRAINT fk_jobs_schedule_id FOREIGN KEY(schedule_id) REFERENCES schedules (schedule_id) ON DELETE SET NULL
);
INSERT INTO "jobs" VALUES(1,'job','train','{}','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',NULL,NULL,NULL,'','','','','','','api','completed',0,0,0,3,'2026-11-30T18:55:13.044Z','2026-11-30T18:55:13.044Z',NULL,'2999-01-01T00:00:00.000Z',NULL,NULL,NULL,NULL,NULL,0.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}','{}',NULL,NULL,NULL,NULL,1,NULL,NULL,'');
CREATE TABLE metrics (
	id INTEGER NOT NULL,
	experiment_id INTEGER NOT NULL,
	model_id INTEGER,
	metric_name TEXT NOT NULL,
	metric_type TEXT DEFAULT 'scalar' NOT NULL,
	episode INTEGER,
	step INTEGER,
	epoch INTEGER,
	value REAL,
	non_finite TEXT,
	value_json TEXT,
	metadata TEXT,
	split TEXT DEFAULT 'train' NOT NULL,
	phase TEXT DEFAULT 'training' NOT NULL,
	timestamp TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT pk_metrics PRIMARY KEY (id),
	CHECK ((value IS NULL) = (non_finite IS NOT NULL) OR (value IS NULL AND value_json IS NOT NULL)),
	CHECK (length(metric_name) BETWEEN 1 AND 200),
	CHECK (metric_type IN ('scalar', 'distribution', 'image', 'text')),
	CHECK (value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (non_finite IN ('nan', 'inf', '-inf')),
	CHECK (value_json IS NULL OR json_valid(value_json)),
	CHECK (metadata IS NULL OR json_valid(metadata)),
	CHECK (phase IN ('training', 'evaluation', 'inference')),
	CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE,
	CONSTRAINT fk_metrics_model_id FOREIGN KEY(model_id) REFERENCES models (id) ON DELETE SET NULL
);
INSERT INTO "metrics" VALUES(1,1,NULL,'loss','scalar',NULL,1,NULL,1.5,NULL,NULL,NULL,'train','training','2026-11-30T18:55:13.015Z');
INSERT INTO "metrics" VALUES(2,1,NULL,'nothing','scalar',NULL,1,NULL,NULL,'nan',NULL,NULL,'train','training','2026-11-30T18:55:13.015Z');
CREATE TABLE models (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	model_id TEXT NOT NULL,
	experiment_id INTEGER NOT NULL,
	job_id INTEGER,
	name TEXT NOT NULL,
	version TEXT DEFAULT '1' NOT NULL,
	strategy_type TEXT,
	exchange TEXT,
	symbol TEXT,
	timeframe TEXT,
	architecture_type TEXT,
	state_dim INTEGER,
	action_dim INTEGER,
	checkpoint_path TEXT NOT NULL,
	checkpoint_size_mb REAL,
	manifest_sha256 TEXT,
	content_sha256 TEXT,
	signature_key_id TEXT,
	format TEXT,
	integrity TEXT DEFAULT 'unverified' NOT NULL,
	audit_status TEXT DEFAULT 'pending' NOT NULL,
	lifecycle_stage TEXT,
	verdict TEXT,
	episode_num INTEGER,
	global_step INTEGER,
	train_metric REAL,
	val_metric REAL,
	test_metric REAL,
	is_best INTEGER DEFAULT false NOT NULL,
	hyperparameters TEXT DEFAULT '{}' NOT NULL,
	performance_metrics TEXT DEFAULT '{}' NOT NULL,
	metadata TEXT DEFAULT '{}' NOT NULL,
	parent_id INTEGER,
	verified_at TEXT,
	last_used_at TEXT,
	deleting_at TEXT,
	deleted_at TEXT,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT uq_models_model_id UNIQUE (model_id),
	CONSTRAINT uq_models_job_id_symbol UNIQUE (job_id, symbol),
	CHECK (checkpoint_size_mb BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (length(manifest_sha256) = 64),
	CHECK (length(content_sha256) = 64),
	CHECK (integrity IN ('unverified', 'verified', 'missing', 'corrupt')),
	CHECK (audit_status IN ('pending', 'passed', 'failed')),
	CHECK (lifecycle_stage IN ('DISCOVERY', 'VALIDATION', 'MATURE', 'DECAY', 'PAPER')),
	CHECK (verdict IS NULL OR json_valid(verdict)),
	CHECK (train_metric BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (val_metric BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (test_metric BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (is_best IN (0,1)),
	CHECK (hyperparameters IS NULL OR json_valid(hyperparameters)),
	CHECK (performance_metrics IS NULL OR json_valid(performance_metrics)),
	CHECK (metadata IS NULL OR json_valid(metadata)),
	CHECK (verified_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (last_used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (deleting_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (deleted_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE RESTRICT,
	CONSTRAINT fk_models_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE SET NULL,
	CONSTRAINT fk_models_parent_id FOREIGN KEY(parent_id) REFERENCES models (id) ON DELETE RESTRICT
);
INSERT INTO "models" VALUES(1,'rules_BTC~2FUSDT_20261130_185513_56887ed7',1,NULL,'model_exp1_1','1','rules',NULL,'BTC/USDT',NULL,NULL,NULL,NULL,'m.pkl',NULL,NULL,NULL,NULL,NULL,'unverified','pending',NULL,NULL,NULL,NULL,NULL,1.0,NULL,1,'{}','{}','{}',NULL,NULL,NULL,NULL,NULL,'2026-11-30T18:55:13.025Z');
CREATE TABLE outbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	topic TEXT NOT NULL,
	dedup_key TEXT NOT NULL,
	payload TEXT NOT NULL,
	attempts INTEGER DEFAULT 0 NOT NULL,
	next_attempt_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	done_at TEXT,
	last_error TEXT,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT uq_outbox_topic_dedup_key UNIQUE (topic, dedup_key),
	CHECK (payload IS NULL OR json_valid(payload)),
	CHECK (next_attempt_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (done_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z')
);
INSERT INTO "outbox" VALUES(1,'mlflow','1','{}',0,'2026-11-30T18:55:13.045Z',NULL,NULL,'2026-11-30T18:55:13.045Z');
CREATE TABLE schedule_runs (
	schedule_id TEXT NOT NULL,
	fire_at TEXT NOT NULL,
	outcome TEXT NOT NULL,
	job_id INTEGER,
	reason TEXT DEFAULT '' NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT pk_schedule_runs PRIMARY KEY (schedule_id, fire_at),
	CHECK (fire_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (outcome IN ('submitted', 'skipped:coalesced', 'skipped:overlap', 'skipped:misfire')),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_schedule_runs_schedule_id FOREIGN KEY(schedule_id) REFERENCES schedules (schedule_id) ON DELETE CASCADE,
	CONSTRAINT fk_schedule_runs_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE SET NULL
);
INSERT INTO "schedule_runs" VALUES('nightly','2026-01-02T03:04:05.678Z','submitted',NULL,'','2026-11-30T18:55:13.045Z');
CREATE TABLE schedules (
	schedule_id TEXT NOT NULL,
	cron TEXT NOT NULL,
	timezone TEXT DEFAULT 'UTC' NOT NULL,
	spec TEXT NOT NULL,
	misfire TEXT DEFAULT 'coalesce' NOT NULL,
	overlap TEXT DEFAULT 'skip' NOT NULL,
	misfire_grace_seconds INTEGER DEFAULT 21600 NOT NULL,
	enabled INTEGER DEFAULT true NOT NULL,
	source TEXT DEFAULT 'api' NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT pk_schedules PRIMARY KEY (schedule_id),
	CHECK (spec IS NULL OR json_valid(spec)),
	CHECK (misfire IN ('coalesce', 'skip', 'all')),
	CHECK (overlap IN ('skip', 'queue')),
	CHECK (enabled IN (0,1)),
	CHECK (source IN ('env', 'api')),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z')
);
INSERT INTO "schedules" VALUES('nightly','0 2 * * *','UTC','{}','coalesce','skip',21600,1,'api','2026-11-30T18:55:13.045Z','2026-11-30T18:55:13.045Z');
CREATE TABLE service_metrics (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	timestamp TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	metric_name TEXT NOT NULL,
	metric_value REAL,
	symbol TEXT,
	strategy_type TEXT,
	metadata TEXT DEFAULT '{}' NOT NULL,
	CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (metric_value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (metadata IS NULL OR json_valid(metadata))
);
INSERT INTO "service_metrics" VALUES(1,'2026-11-30T18:55:13.045Z','queue',3.5,NULL,NULL,'{}');
CREATE TABLE trades (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	experiment_id INTEGER NOT NULL,
	model_id INTEGER,
	configuration_id INTEGER,
	fold INTEGER,
	strategy_name TEXT NOT NULL,
	exchange TEXT NOT NULL,
	symbol TEXT NOT NULL,
	timeframe TEXT NOT NULL,
	side TEXT NOT NULL,
	exit_reason TEXT NOT NULL,
	entry_time TEXT NOT NULL,
	exit_time TEXT NOT NULL,
	entry_price REAL NOT NULL,
	exit_price REAL NOT NULL,
	quantity REAL NOT NULL,
	pnl REAL NOT NULL,
	fees REAL NOT NULL,
	slippage_cost REAL NOT NULL,
	return_gross REAL NOT NULL,
	return_net REAL NOT NULL,
	bars_held INTEGER NOT NULL,
	CHECK (exit_time >= entry_time),
	CHECK (side IN ('LONG', 'SHORT')),
	CHECK (exit_reason IN ('TP', 'SL', 'MAX_HOLD', 'SIGNAL', 'END_OF_DATA')),
	CHECK (entry_time GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (exit_time GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (entry_price BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (entry_price > 0),
	CHECK (exit_price BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (exit_price > 0),
	CHECK (quantity BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (quantity > 0),
	CHECK (pnl BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (fees BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (slippage_cost BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (return_gross BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (return_net BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (bars_held >= 0),
	CONSTRAINT fk_trades_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE,
	CONSTRAINT fk_trades_model_id FOREIGN KEY(model_id) REFERENCES models (id) ON DELETE SET NULL,
	CONSTRAINT fk_trades_configuration_id FOREIGN KEY(configuration_id) REFERENCES trained_configurations (id) ON DELETE SET NULL
);
INSERT INTO "trades" VALUES(1,1,NULL,NULL,NULL,'crossover','binance','BTC/USDT','1h','LONG','TP','1970-01-01T01:00:00.000Z','1970-01-01T02:00:00.000Z',100.0,110.0,0.5,4.9,0.1,0.0,0.1,0.098,1);
CREATE TABLE trained_configurations (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	strategy_name TEXT NOT NULL,
	exchange TEXT NOT NULL,
	pair TEXT NOT NULL,
	timeframe TEXT NOT NULL,
	regime TEXT DEFAULT 'sideways' NOT NULL,
	status TEXT GENERATED ALWAYS AS (lifecycle_stage) STORED,
	is_active INTEGER DEFAULT false NOT NULL,
	parameters_json TEXT DEFAULT '{}' NOT NULL,
	gross_win_rate REAL,
	avg_win REAL,
	avg_loss REAL,
	net_profit REAL,
	sample_size INTEGER,
	exchange_fees REAL,
	est_slippage REAL,
	actual_slippage REAL,
	sharpe_ratio REAL,
	calmar_ratio REAL,
	sortino_ratio REAL,
	p_value REAL,
	z_score REAL,
	monte_carlo_var REAL,
	stability_score REAL,
	drawdown_duration INTEGER,
	trade_clustering REAL,
	rolling_30d_sharpe REAL,
	lifetime_sharpe_ratio REAL,
	fill_rate REAL,
	partial_fill_rate REAL,
	time_to_fill_ms INTEGER,
	slippage_vs_mid_bps REAL,
	adverse_selection_score REAL,
	post_trade_drift_1m REAL,
	post_trade_drift_5m REAL,
	rejection_rate REAL,
	regime_classification TEXT,
	alternative_data_signals TEXT,
	adversarial_score REAL,
	trap_probability REAL,
	smart_money_alignment REAL,
	kelly_fraction REAL,
	correlation_adjusted_weight REAL,
	regime_adjusted_size REAL,
	max_position_size REAL,
	current_allocation REAL,
	var_95 REAL,
	cvar_95 REAL,
	avg_spread_bps REAL,
	book_depth_ratio REAL,
	book_imbalance REAL,
	tick_size_impact REAL,
	maker_rebate REAL,
	taker_fee REAL,
	level2_depth_score REAL,
	microstructure_noise REAL,
	months_since_discovery INTEGER,
	performance_degradation REAL,
	degradation_velocity REAL,
	death_signals TEXT,
	death_signal_count INTEGER DEFAULT 0 NOT NULL,
	resurrection_score REAL,
	model_version TEXT,
	discovery_date TEXT,
	engine_hash TEXT,
	runtime_env TEXT,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	last_activated_at TEXT,
	last_deactivated_at TEXT,
	lifecycle_stage TEXT DEFAULT 'DISCOVERY' NOT NULL,
	config_id TEXT NOT NULL,
	metadata_json TEXT,
	data_filter_config TEXT,
	config_json TEXT,
	verdict TEXT,
	confidence_score REAL,
	net_profit_pct REAL,
	total_trades INTEGER,
	job_id INTEGER,
	experiment_id INTEGER,
	model_id INTEGER,
	trial_id INTEGER,
	CONSTRAINT uq_trained_configurations_config_id UNIQUE (config_id),
	CHECK (timeframe IN ('1m', '5m', '15m', '30m', '1h', '4h', '1d', '1w')),
	CHECK (regime IN ('bull', 'bear', 'sideways', 'volatile')),
	CHECK (is_active IN (0,1)),
	CHECK (parameters_json IS NULL OR json_valid(parameters_json)),
	CHECK (gross_win_rate BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (gross_win_rate BETWEEN 0 AND 1),
	CHECK (avg_win BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (avg_loss BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (avg_loss <= 0),
	CHECK (net_profit BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (exchange_fees BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (est_slippage BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (actual_slippage BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (sharpe_ratio BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (calmar_ratio BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (sortino_ratio BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (p_value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (p_value BETWEEN 0 AND 1),
	CHECK (z_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (monte_carlo_var BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (stability_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (stability_score BETWEEN 0 AND 1),
	CHECK (trade_clustering BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (trade_clustering BETWEEN 0 AND 1),
	CHECK (rolling_30d_sharpe BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (lifetime_sharpe_ratio BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (fill_rate BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (fill_rate BETWEEN 0 AND 1),
	CHECK (partial_fill_rate BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (partial_fill_rate BETWEEN 0 AND 1),
	CHECK (slippage_vs_mid_bps BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (adverse_selection_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (adverse_selection_score BETWEEN 0 AND 1),
	CHECK (post_trade_drift_1m BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (post_trade_drift_5m BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (rejection_rate BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (rejection_rate BETWEEN 0 AND 1),
	CHECK (regime_classification IS NULL OR json_valid(regime_classification)),
	CHECK (alternative_data_signals IS NULL OR json_valid(alternative_data_signals)),
	CHECK (adversarial_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (adversarial_score BETWEEN 0 AND 1),
	CHECK (trap_probability BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (trap_probability BETWEEN 0 AND 1),
	CHECK (smart_money_alignment BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (smart_money_alignment BETWEEN 0 AND 1),
	CHECK (kelly_fraction BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (correlation_adjusted_weight BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (regime_adjusted_size BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (max_position_size BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (current_allocation BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (var_95 BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (cvar_95 BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (avg_spread_bps BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (book_depth_ratio BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (book_imbalance BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (book_imbalance BETWEEN -1 AND 1),
	CHECK (tick_size_impact BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (maker_rebate BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (taker_fee BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (level2_depth_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (microstructure_noise BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (performance_degradation BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (degradation_velocity BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (death_signals IS NULL OR json_valid(death_signals)),
	CHECK (resurrection_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (resurrection_score BETWEEN 0 AND 1),
	CHECK (discovery_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (last_activated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (last_deactivated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (lifecycle_stage IN ('DISCOVERY', 'VALIDATION', 'MATURE', 'DECAY', 'PAPER')),
	CHECK (metadata_json IS NULL OR json_valid(metadata_json)),
	CHECK (data_filter_config IS NULL OR json_valid(data_filter_config)),
	CHECK (config_json IS NULL OR json_valid(config_json)),
	CHECK (verdict IS NULL OR json_valid(verdict)),
	CHECK (confidence_score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (confidence_score BETWEEN 0 AND 1),
	CHECK (net_profit_pct BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CONSTRAINT fk_trained_configurations_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE RESTRICT,
	CONSTRAINT fk_trained_configurations_model_id FOREIGN KEY(model_id) REFERENCES models (id) ON DELETE RESTRICT,
	CONSTRAINT fk_trained_configurations_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE RESTRICT
);
INSERT INTO "trained_configurations" VALUES(1,'sma_cross','binance','BTC/USDT','1h','sideways',0,'{}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'2026-11-30T18:55:13.045Z','2026-11-30T18:55:13.045Z',NULL,NULL,'DISCOVERY','STRATEGY_V3_20260102_030405_abcdef',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,1);
CREATE TABLE trial_heads (
	market_key TEXT NOT NULL,
	seq INTEGER NOT NULL,
	n_configs INTEGER NOT NULL,
	row_hash TEXT NOT NULL,
	CONSTRAINT pk_trial_heads PRIMARY KEY (market_key),
	CHECK (seq >= 1),
	CHECK (n_configs >= 1),
	CHECK (length(row_hash) = 64)
);
INSERT INTO "trial_heads" VALUES('binance|BTC/USDT|1h',3,3,'77cf27d69dacfdebfee86ac5cf8e32626124773be69e0ab9cef5247ab35fc2bf');
INSERT INTO "trial_heads" VALUES('binance|ETH/USDT|1h',1,40,'6cef8cc3aae739b492ae9582ea78d887c718f41048cc0364208561d18945130f');
CREATE TABLE trials (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	market_key TEXT NOT NULL,
	seq INTEGER NOT NULL,
	experiment_id INTEGER,
	learner TEXT NOT NULL,
	strategy_name TEXT NOT NULL,
	exchange TEXT NOT NULL,
	symbol TEXT NOT NULL,
	timeframe TEXT NOT NULL,
	tuning_method TEXT DEFAULT 'none' NOT NULL,
	params TEXT NOT NULL,
	config_hash TEXT NOT NULL,
	data_digest TEXT,
	returns_sha256 TEXT,
	window_start TEXT,
	window_end TEXT,
	state TEXT NOT NULL,
	objective TEXT NOT NULL,
	score REAL,
	n_obs INTEGER,
	total_trades INTEGER,
	seed INTEGER,
	sharpe REAL,
	sharpe_annual REAL,
	skew REAL,
	kurtosis REAL,
	win_rate REAL,
	max_drawdown REAL,
	net_return REAL,
	metrics TEXT DEFAULT '{}' NOT NULL,
	duration_seconds REAL,
	n_configs INTEGER DEFAULT 1 NOT NULL,
	block_sha256 TEXT,
	prev_hash TEXT NOT NULL,
	row_hash TEXT NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT uq_trials_market_key_seq UNIQUE (market_key, seq),
	CONSTRAINT uq_trials_row_hash UNIQUE (row_hash),
	CHECK (tuning_method IN ('none', 'grid', 'random', 'bayesian', 'sweep', 'manual')),
	CHECK (params IS NULL OR json_valid(params)),
	CHECK (length(config_hash) = 64),
	CHECK (length(data_digest) = 64),
	CHECK (length(returns_sha256) = 64),
	CHECK (window_start GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (window_end GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (state IN ('complete', 'pruned', 'failed')),
	CHECK (score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (sharpe BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (sharpe_annual BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (skew BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (kurtosis BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (win_rate BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (max_drawdown BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (net_return BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (metrics IS NULL OR json_valid(metrics)),
	CHECK (duration_seconds BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (n_configs >= 1),
	CHECK (length(block_sha256) = 64),
	CHECK (length(prev_hash) = 64),
	CHECK (length(row_hash) = 64),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CONSTRAINT fk_trials_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE RESTRICT
);
INSERT INTO "trials" VALUES(1,'binance|BTC/USDT|1h',1,1,'rules','crossover','binance','BTC/USDT','1h','none','{"fast":3,"slow":2.5}','8e01f17852f478de2fceb07daa7db2ef9c9723aa70a8247d766c0041a4701e3b','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','508882c418c5c0cbad342a60b7beae0cbd83fcac5bcbe7ce435e56f3c06fe62b','1970-01-01T00:00:00.000Z','1970-01-01T02:00:00.000Z','complete','sharpe',0.1,3,0,0,0.1,NULL,NULL,NULL,NULL,NULL,NULL,'{"sharpe":0.1,"skew":null}',0.0,1,NULL,'0000000000000000000000000000000000000000000000000000000000000000','efc35d15c99f965c09e912678d9d72f0a423e016ff91acc7632d01192b84693c','2026-11-30T18:55:13.034Z');
INSERT INTO "trials" VALUES(2,'binance|BTC/USDT|1h',2,1,'rules','crossover','binance','BTC/USDT','1h','none','{"fast":3,"slow":2.5}','8e01f17852f478de2fceb07daa7db2ef9c9723aa70a8247d766c0041a4701e3b','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','508882c418c5c0cbad342a60b7beae0cbd83fcac5bcbe7ce435e56f3c06fe62b','1970-01-01T00:00:00.000Z','1970-01-01T02:00:00.000Z','complete','sharpe',0.1,3,0,1,0.1,NULL,NULL,NULL,NULL,NULL,NULL,'{"sharpe":0.1,"skew":null}',0.0,1,NULL,'efc35d15c99f965c09e912678d9d72f0a423e016ff91acc7632d01192b84693c','3b63b2515f974627994663f1f90debb2256b6e005bab9f6c375c4fe6f6e939c7','2026-11-30T18:55:13.038Z');
INSERT INTO "trials" VALUES(3,'binance|BTC/USDT|1h',3,1,'rules','crossover','binance','BTC/USDT','1h','none','{"fast":3,"slow":2.5}','8e01f17852f478de2fceb07daa7db2ef9c9723aa70a8247d766c0041a4701e3b','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','508882c418c5c0cbad342a60b7beae0cbd83fcac5bcbe7ce435e56f3c06fe62b','1970-01-01T00:00:00.000Z','1970-01-01T02:00:00.000Z','complete','sharpe',0.1,3,0,2,0.1,NULL,NULL,NULL,NULL,NULL,NULL,'{"sharpe":0.1,"skew":null}',0.0,1,NULL,'3b63b2515f974627994663f1f90debb2256b6e005bab9f6c375c4fe6f6e939c7','77cf27d69dacfdebfee86ac5cf8e32626124773be69e0ab9cef5247ab35fc2bf','2026-11-30T18:55:13.040Z');
INSERT INTO "trials" VALUES(4,'binance|ETH/USDT|1h',1,1,'rules','crossover','binance','ETH/USDT','1h','none','{"fast":3,"slow":2.5}','8e01f17852f478de2fceb07daa7db2ef9c9723aa70a8247d766c0041a4701e3b','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','508882c418c5c0cbad342a60b7beae0cbd83fcac5bcbe7ce435e56f3c06fe62b','1970-01-01T00:00:00.000Z','1970-01-01T02:00:00.000Z','complete','sharpe',0.1,3,0,7,0.1,NULL,NULL,NULL,NULL,NULL,NULL,'{"sharpe":0.1,"skew":null}',0.0,40,NULL,'0000000000000000000000000000000000000000000000000000000000000000','6cef8cc3aae739b492ae9582ea78d887c718f41048cc0364208561d18945130f','2026-11-30T18:55:13.043Z');
CREATE INDEX ix_experiments_parent_id ON experiments (parent_id);
CREATE INDEX ix_experiments_spec_hash ON experiments (spec_hash);
CREATE INDEX ix_experiments_reproduces_id ON experiments (reproduces_id);
CREATE INDEX ix_datasets_data_hash ON datasets (data_hash);
CREATE INDEX ix_job_logs_job_id_id ON job_logs (job_id, id);
CREATE INDEX ix_outbox_waiting ON outbox (next_attempt_at) WHERE done_at IS NULL;
CREATE INDEX ix_service_metrics_metric_name_timestamp ON service_metrics (metric_name, timestamp);
CREATE INDEX ix_events_subject ON events (subject);
CREATE INDEX ix_models_architecture_type ON models (architecture_type);
CREATE INDEX ix_models_strategy_type_exchange_symbol_timeframe ON models (strategy_type, exchange, symbol, timeframe);
CREATE UNIQUE INDEX uq_models_best ON models (experiment_id) WHERE is_best;
CREATE INDEX ix_models_experiment_id ON models (experiment_id);
CREATE INDEX ix_trials_market_key_config_hash ON trials (market_key, config_hash);
CREATE INDEX ix_trials_experiment_id ON trials (experiment_id);
CREATE INDEX ix_trials_market_key_id ON trials (market_key, id);
CREATE INDEX ix_experiment_datasets_dataset_id ON experiment_datasets (dataset_id);
CREATE INDEX ix_aliases_model_id ON aliases (model_id);
CREATE INDEX ix_trained_configurations_lifecycle_stage_months_since_discovery ON trained_configurations (lifecycle_stage, months_since_discovery);
CREATE INDEX ix_trained_configurations_model_id ON trained_configurations (model_id);
CREATE INDEX ix_trained_configurations_strategy_name ON trained_configurations (strategy_name);
CREATE INDEX ix_trained_configurations_job_id ON trained_configurations (job_id);
CREATE INDEX ix_trained_configurations_lifecycle_stage ON trained_configurations (lifecycle_stage);
CREATE INDEX ix_trained_configurations_is_active ON trained_configurations (is_active) WHERE is_active;
CREATE INDEX ix_trained_configurations_exchange_pair_timeframe ON trained_configurations (exchange, pair, timeframe);
CREATE INDEX ix_trained_configurations_worth ON trained_configurations (net_profit DESC, sharpe_ratio DESC);
CREATE INDEX ix_trained_configurations_experiment_id ON trained_configurations (experiment_id);
CREATE INDEX ix_trained_configurations_exchange ON trained_configurations (exchange);
CREATE INDEX ix_trained_configurations_pair ON trained_configurations (pair);
CREATE UNIQUE INDEX uq_hyperparameters_param_name ON hyperparameters (experiment_id, COALESCE(model_id,0), param_name);
CREATE INDEX ix_artifacts_experiment_id ON artifacts (experiment_id);
CREATE INDEX ix_trades_experiment_id ON trades (experiment_id);
CREATE INDEX ix_trades_strategy_name_symbol ON trades (strategy_name, symbol);
CREATE INDEX ix_trades_configuration_id ON trades (configuration_id);
CREATE INDEX ix_jobs_status_priority_run_at ON jobs (status, priority, run_at);
CREATE INDEX ix_jobs_spec_hash ON jobs (spec_hash);
CREATE INDEX ix_jobs_symbol ON jobs (symbol);
CREATE INDEX ix_jobs_created_at ON jobs (created_at);
CREATE UNIQUE INDEX uq_jobs_active_concurrency_key ON jobs (concurrency_key) WHERE status IN ('queued', 'running');
CREATE TRIGGER trials_no_update BEFORE UPDATE ON trials BEGIN SELECT RAISE(ABORT, 'trials is append-only: a trial that was counted stays counted'); END;
CREATE TRIGGER trials_no_delete BEFORE DELETE ON trials BEGIN SELECT RAISE(ABORT, 'trials is append-only: a trial that was counted stays counted'); END;
CREATE TRIGGER trials_next BEFORE INSERT ON trials WHEN NOT (NEW.seq = 1 + COALESCE((SELECT seq FROM trial_heads h WHERE h.market_key = NEW.market_key), 0)
AND NEW.prev_hash = COALESCE((SELECT row_hash FROM trial_heads h WHERE h.market_key = NEW.market_key), '0000000000000000000000000000000000000000000000000000000000000000'))
BEGIN SELECT RAISE(ABORT, 'trials is append-only: this is not the next row of its chain'); END;
CREATE TRIGGER trials_head AFTER INSERT ON trials
BEGIN INSERT INTO trial_heads (market_key, seq, n_configs, row_hash)
VALUES (NEW.market_key, NEW.seq, NEW.n_configs, NEW.row_hash) ON CONFLICT (market_key) DO UPDATE SET
seq = excluded.seq, n_configs = trial_heads.n_configs + excluded.n_configs, row_hash = excluded.row_hash; END;
CREATE TRIGGER trial_heads_grow BEFORE UPDATE ON trial_heads WHEN NOT (NEW.market_key = OLD.market_key AND NEW.seq = OLD.seq + 1 AND NEW.n_configs > OLD.n_configs)
BEGIN SELECT RAISE(ABORT, 'trials is append-only: a chain has the end that was counted'); END;
CREATE TRIGGER trial_heads_stay BEFORE DELETE ON trial_heads BEGIN SELECT RAISE(ABORT, 'trials is append-only: a chain has the end that was counted'); END;
CREATE INDEX ix_metrics_series ON metrics (experiment_id, metric_name, step, episode, epoch, id, split, metric_type, value)
;
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
  FROM trials t LEFT JOIN experiments e ON e.id = t.experiment_id UNION ALL SELECT NULL, e.run_id, json_group_object(h.param_name, h.param_value), NULL, NULL, 'none', MIN(h.created_at)
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('experiments',1);
INSERT INTO "sqlite_sequence" VALUES('hyperparameters',3);
INSERT INTO "sqlite_sequence" VALUES('datasets',1);
INSERT INTO "sqlite_sequence" VALUES('artifacts',1);
INSERT INTO "sqlite_sequence" VALUES('models',1);
INSERT INTO "sqlite_sequence" VALUES('trades',1);
INSERT INTO "sqlite_sequence" VALUES('trials',4);
INSERT INTO "sqlite_sequence" VALUES('jobs',1);
INSERT INTO "sqlite_sequence" VALUES('job_logs',1);
INSERT INTO "sqlite_sequence" VALUES('outbox',1);
INSERT INTO "sqlite_sequence" VALUES('service_metrics',1);
INSERT INTO "sqlite_sequence" VALUES('events',1);
INSERT INTO "sqlite_sequence" VALUES('trained_configurations',1);
COMMIT;
