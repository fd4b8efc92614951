CREATE TABLE trial_heads (
	market_key TEXT NOT NULL,
	seq INTEGER NOT NULL,
	n_configs INTEGER NOT NULL,
	row_hash TEXT NOT NULL,
	CONSTRAINT pk_trial_heads PRIMARY KEY (market_key),
	CHECK (seq >= 1),
	CHECK (n_configs >= 1),
	CHECK (length(row_hash) = 64)
)
;
INSERT INTO trial_heads (market_key, seq, n_configs, row_hash)
SELECT market_key, seq, (SELECT SUM(c.n_configs) FROM trials c WHERE c.market_key = t.market_key), row_hash
FROM trials t WHERE seq = (SELECT MAX(l.seq) FROM trials l WHERE l.market_key = t.market_key)
;
CREATE TRIGGER trials_next BEFORE INSERT ON trials WHEN NOT (NEW.seq = 1 + COALESCE((SELECT seq FROM trial_heads h WHERE h.market_key = NEW.market_key), 0)
AND NEW.prev_hash = COALESCE((SELECT row_hash FROM trial_heads h WHERE h.market_key = NEW.market_key), '0000000000000000000000000000000000000000000000000000000000000000'))
BEGIN SELECT RAISE(ABORT, 'trials is append-only: this is not the next row of its chain'); END
;
CREATE TRIGGER trials_head AFTER INSERT ON trials
BEGIN INSERT INTO trial_heads (market_key, seq, n_configs, row_hash)
VALUES (NEW.market_key, NEW.seq, NEW.n_configs, NEW.row_hash) ON CONFLICT (market_key) DO UPDATE SET
seq = excluded.seq, n_configs = trial_heads.n_configs + excluded.n_configs, row_hash = excluded.row_hash; END
;
CREATE TRIGGER trial_heads_grow BEFORE UPDATE ON trial_heads WHEN NOT (NEW.market_key = OLD.market_key AND NEW.seq = OLD.seq + 1 AND NEW.n_configs > OLD.n_configs)
BEGIN SELECT RAISE(ABORT, 'trials is append-only: a chain has the end that was counted'); END
;
CREATE TRIGGER trial_heads_stay BEFORE DELETE ON trial_heads BEGIN SELECT RAISE(ABORT, 'trials is append-only: a chain has the end that was counted'); END
