"""Tables and views of the DuckDB candle store."""

VERSION = 1

TABLES = """
CREATE TABLE IF NOT EXISTS assay_store (version INTEGER NOT NULL);
INSERT INTO assay_store SELECT 1 WHERE NOT EXISTS (FROM assay_store);
CREATE TABLE IF NOT EXISTS candles (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, timeframe VARCHAR NOT NULL, timestamp BIGINT NOT NULL,
    open DOUBLE NOT NULL, high DOUBLE NOT NULL, low DOUBLE NOT NULL, close DOUBLE NOT NULL,
    volume DOUBLE, quote_volume DOUBLE, trade_count DOUBLE, extra MAP(VARCHAR, DOUBLE),
    source VARCHAR NOT NULL, revision INTEGER NOT NULL, ingested_at BIGINT NOT NULL,
    PRIMARY KEY (exchange, symbol, timeframe, timestamp));
CREATE TABLE IF NOT EXISTS candle_revisions (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, timeframe VARCHAR NOT NULL, timestamp BIGINT NOT NULL,
    open DOUBLE NOT NULL, high DOUBLE NOT NULL, low DOUBLE NOT NULL, close DOUBLE NOT NULL,
    volume DOUBLE, quote_volume DOUBLE, trade_count DOUBLE, extra MAP(VARCHAR, DOUBLE),
    source VARCHAR NOT NULL, revision INTEGER NOT NULL, ingested_at BIGINT NOT NULL, replaced_at BIGINT NOT NULL,
    PRIMARY KEY (exchange, symbol, timeframe, timestamp, revision));
CREATE TABLE IF NOT EXISTS series (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, name VARCHAR NOT NULL,
    value_time BIGINT NOT NULL, known_at BIGINT NOT NULL, value DOUBLE,
    PRIMARY KEY (exchange, symbol, name, known_at, value_time));
CREATE TABLE IF NOT EXISTS covered (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, timeframe VARCHAR NOT NULL,
    start_ms BIGINT NOT NULL, end_ms BIGINT NOT NULL);
CREATE OR REPLACE VIEW market_data_enhanced AS
    SELECT exchange, symbol, timestamp, timeframe, open, high, low, close, volume, quote_volume, trade_count
    FROM candles;
"""

BASE_VIEW = """
CREATE OR REPLACE VIEW market_data AS
    SELECT exchange, symbol, timestamp, open, high, low, close, volume, quote_volume, trade_count
    FROM candles WHERE timeframe = '{timeframe}';
"""

_VALUES = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "extra")

INSERT = f"""
INSERT INTO candles (exchange, symbol, timeframe, timestamp, {", ".join(_VALUES)}, source, revision, ingested_at)
SELECT exchange, symbol, timeframe, timestamp, {", ".join(_VALUES)}, $source, 0, $now FROM incoming
"""

KEEP_REPLACED = """
INSERT INTO candle_revisions
SELECT c.*, $now FROM candles c JOIN incoming i USING (exchange, symbol, timeframe, timestamp)
"""

REVISE = f"""
INSERT INTO candles (exchange, symbol, timeframe, timestamp, {", ".join(_VALUES)}, source, revision, ingested_at)
SELECT exchange, symbol, timeframe, timestamp, {", ".join(_VALUES)}, $source, 0, $now FROM incoming
ON CONFLICT DO UPDATE SET {", ".join(f"{v} = excluded.{v}" for v in _VALUES)},
    source = excluded.source, revision = candles.revision + 1, ingested_at = excluded.ingested_at
"""

PUT_SERIES = """
INSERT INTO series SELECT exchange, symbol, name, value_time, known_at, value FROM incoming
ON CONFLICT DO UPDATE SET value = excluded.value
"""

ONE = "exchange = $exchange AND symbol = $symbol AND timeframe = $timeframe"
MARKET = "exchange = $exchange AND symbol = $symbol"
