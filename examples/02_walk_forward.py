"""The one loop: fit on the past, decide on what comes next, trade at the next open, pay all costs."""

from assay.kernel.contracts import Silent
from assay.kernel.spec import TrainSpec
from assay.learn.ensemble.params import EnsembleParams
from assay.learn.ensemble.trainer import EnsembleTrainer
from assay.market.sources.synthetic import synthetic
from assay.runs.evaluation import evidence_of, judged
from assay.runs.training_history import history
from assay.validate._walk_forward import walk
from assay.validate.gate import judge
from assay.validate.splits import WalkForward

spec = TrainSpec(exchange="synthetic", symbols=("GOLD/USDT:USDT",), timeframe="1h", features="classic12")
past = history(spec, [synthetic(bars=4_000, seed=7, ic=0.2, symbol="GOLD/USDT:USDT")])
trainer = EnsembleTrainer(EnsembleParams(members=("lightgbm",), trees=100))

outcomes = list(walk(trainer, past.panel, WalkForward(1_200, 600), costs=spec.costs, seed=1, report=Silent()))
found = judged(outcomes, past, spec.costs, seed=1)
for fold in found.folds:
    print(fold["test_from"][:10], f"net {fold['metrics']['net_profit']:+.1%}", f"AUC {fold['metrics']['auc']:.3f}")

word = judge(evidence_of(found, past, n_trials=1, counted=True))
print(word.word, "-", "; ".join(f"{r.check} {r.state}" for r in word.reasons))
