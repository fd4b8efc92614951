ALTER TABLE trials ADD COLUMN identity TEXT
	CHECK (length(identity) = 64)
;
ALTER TABLE trials ADD COLUMN recipe TEXT
	CHECK (length(recipe) = 64)
;
ALTER TABLE trials ADD COLUMN active_sha256 TEXT
	CHECK (length(active_sha256) = 64)
;
ALTER TABLE trials ADD COLUMN intervals TEXT
	CHECK (intervals IS NULL OR json_valid(intervals))
;
ALTER TABLE trials ADD COLUMN mean_exposure TEXT
	CHECK (mean_exposure IS NULL OR json_valid(mean_exposure))
;
CREATE TABLE ledger_chain (
	chain_id TEXT NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT pk_ledger_chain PRIMARY KEY (chain_id),
	CHECK (length(chain_id) = 32),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z')
)
;
CREATE TABLE ledger_epochs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	market_key TEXT NOT NULL,
	seq INTEGER NOT NULL,
	missing_rows INTEGER NOT NULL,
	missing_configs INTEGER NOT NULL,
	highest_id INTEGER NOT NULL,
	row_hash TEXT NOT NULL,
	reason TEXT NOT NULL,
	accepted_by TEXT NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CHECK (seq >= 0),
	CHECK (missing_rows >= 0),
	CHECK (missing_configs >= 0),
	CHECK (highest_id >= 0),
	CHECK (length(row_hash) = 64),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z')
)
;
CREATE INDEX ix_ledger_epochs_market_key_id ON ledger_epochs (market_key, id)
;
CREATE TABLE market_fingerprints (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	market_key TEXT NOT NULL,
	candles_digest TEXT NOT NULL,
	first_at TEXT NOT NULL,
	last_at TEXT NOT NULL,
	n_bars INTEGER NOT NULL,
	zero_share REAL NOT NULL,
	days TEXT NOT NULL,
	hours TEXT NOT NULL,
	bars TEXT NOT NULL,
	created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')) NOT NULL,
	CONSTRAINT uq_market_fingerprints_market_key_candles_digest UNIQUE (market_key, candles_digest),
	CHECK (length(candles_digest) = 64),
	CHECK (first_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (last_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (n_bars >= 1),
	CHECK (zero_share BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
	CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'),
	CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z')
)
;
CREATE TRIGGER ledger_chain_no_update BEFORE UPDATE ON ledger_chain BEGIN SELECT RAISE(ABORT, 'what the trial ledger rests on is append-only: nothing of it is changed or deleted'); END
;
CREATE TRIGGER ledger_chain_no_delete BEFORE DELETE ON ledger_chain BEGIN SELECT RAISE(ABORT, 'what the trial ledger rests on is append-only: nothing of it is changed or deleted'); END
;
CREATE TRIGGER ledger_epochs_no_update BEFORE UPDATE ON ledger_epochs BEGIN SELECT RAISE(ABORT, 'what the trial ledger rests on is append-only: nothing of it is changed or deleted'); END
;
CREATE TRIGGER ledger_epochs_no_delete BEFORE DELETE ON ledger_epochs BEGIN SELECT RAISE(ABORT, 'what the trial ledger rests on is append-only: nothing of it is changed or deleted'); END
;
CREATE TRIGGER market_fingerprints_no_delete BEFORE DELETE ON market_fingerprints BEGIN SELECT RAISE(ABORT, 'what the trial ledger rests on is append-only: nothing of it is changed or deleted'); END
;
CREATE TRIGGER market_fingerprints_grow BEFORE UPDATE ON market_fingerprints WHEN NOT (NEW.market_key = OLD.market_key AND NEW.first_at <= OLD.first_at AND NEW.last_at >= OLD.last_at)
BEGIN SELECT RAISE(ABORT, 'what the trial ledger rests on is append-only: nothing of it is changed or deleted'); END
;
INSERT INTO ledger_chain (chain_id) VALUES (lower(hex(randomblob(16))))
