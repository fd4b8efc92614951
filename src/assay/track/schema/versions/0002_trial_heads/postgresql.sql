CREATE TABLE trial_heads (
	market_key TEXT NOT NULL,
	seq BIGINT NOT NULL,
	n_configs BIGINT NOT NULL,
	row_hash CHAR(64) NOT NULL,
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
CREATE FUNCTION trials_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF NOT (NEW.seq = 1 + COALESCE((SELECT seq FROM trial_heads h WHERE h.market_key = NEW.market_key), 0)
AND NEW.prev_hash = COALESCE((SELECT row_hash FROM trial_heads h WHERE h.market_key = NEW.market_key), '0000000000000000000000000000000000000000000000000000000000000000')) THEN
RAISE EXCEPTION 'trials is append-only: this is not the next row of its chain' USING ERRCODE = '25006'; END IF;
INSERT INTO trial_heads (market_key, seq, n_configs, row_hash)
VALUES (NEW.market_key, NEW.seq, NEW.n_configs, NEW.row_hash) ON CONFLICT (market_key) DO UPDATE SET
seq = excluded.seq, n_configs = trial_heads.n_configs + excluded.n_configs, row_hash = excluded.row_hash;
RETURN NULL; END $$
;
CREATE TRIGGER trials_head AFTER INSERT ON trials FOR EACH ROW EXECUTE FUNCTION trials_head()
;
CREATE FUNCTION trial_heads_grow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF TG_OP = 'UPDATE' AND NEW.market_key = OLD.market_key AND NEW.seq = OLD.seq + 1 AND NEW.n_configs > OLD.n_configs THEN RETURN NEW; END IF;
RAISE EXCEPTION 'trials is append-only: a chain has the end that was counted' USING ERRCODE = '25006'; END $$
;
CREATE TRIGGER trial_heads_grow BEFORE UPDATE OR DELETE ON trial_heads FOR EACH ROW EXECUTE FUNCTION trial_heads_grow()
;
CREATE TRIGGER trial_heads_no_truncate BEFORE TRUNCATE ON trial_heads FOR EACH STATEMENT EXECUTE FUNCTION trial_heads_grow()
