#!/usr/bin/env bash
# Makes the three homes: bash make.sh CHECKOUT PYTHON FOLDER
# CHECKOUT is a clean checkout of the commit whose files are wanted, PYTHON an interpreter that has its dependencies.
# Homes of a commit of before are never made again: that they are old is what they are good for.
set -euo pipefail
checkout=$(realpath "$1") python=$(realpath -s "$2") here=$(dirname "$(realpath "$0")")
export PYTHONPATH="$checkout/src"
unset ASSAY_HOME ASSAY_RECORD_URL ASSAY_WORKERS ASSAY_AUDIT
mkdir -p "$3" && cd "$3"
cp "$here/my_features.py" "$here/my_dip.py" .
# Names of the machine (kernel and host) are no part of an asset.
assay() {
    "$python" -c '
import platform, socket
platform.platform = lambda *_, **__: "Linux"
socket.gethostname = platform.node = lambda: "host"
from assay.cli.main import run
run()' "$@"
}
market="-e test -s GOLD/USDT:USDT -t 1h"
"$python" - <<'P'
import polars as pl

from assay.market.sources.synthetic import synthetic

bars = synthetic(bars=1500, seed=3, ic=0.2, symbol="GOLD/USDT:USDT")
columns = ("timestamp", "open", "high", "low", "close", "volume")
pl.DataFrame({name: getattr(bars, name) for name in columns}).write_csv("gold.csv")
P
for home in ensemble rules own_strategy; do assay import gold.csv $market --home $home; done

assay train ensemble $market --features mini5 --features-file my_features.py --train-bars 500 --test-bars 300 \
    --set trees=20 --set forest_trees=10 --home ensemble --json > ensemble.json

assay optimize sma_cross $market --method grid --space fast=5:20:4 --space slow=30,60,90 --min-trades 3 \
    --walk-forward 20/10/1 --home rules --json > rules.json
assay models promote 1 --by ann --override "an asset of the tests" --home rules
assay config activate "$("$python" -c 'import json; print(json.load(open("rules.json"))["config_id"])')" --home rules

assay optimize $market --strategy-file my_dip.py --method random --trials 20 --min-trades 1 \
    --home own_strategy --json > own_strategy.json
assay backtest $market --strategy-file my_dip.py --set w=12 --home own_strategy --json > own_strategy_backtest.json

for home in ensemble rules own_strategy; do
    rm -f $home/candles.duckdb.lock $home/candles.duckdb.holder
    tar --sort=name --owner=0 --group=0 --numeric-owner -C $home -cf - . | xz -9e > $home.tar.xz
done
ls -l ./*.tar.xz
