"""The one loop: fit on the past, decide on what comes next, trade at the next open, pay all costs."""

from assay.kernel.contracts import NullReport
from assay.kernel.spec import TrainSpec
from assay.learn import EnsembleParams, EnsembleTrainer
from assay.market import synthetic
from assay.runs import load_history
from assay.runs.evaluation import evaluate_walk, evidence_of
from assay.validate import WalkForward, evaluate_gate, walk_forward

spec = TrainSpec(exchange="synthetic", symbols=("GOLD/USDT:USDT",), timeframe="1h", features="classic12")
past = load_history(spec, [synthetic(bars=4_000, seed=7, ic=0.2, symbol="GOLD/USDT:USDT")])
trainer = EnsembleTrainer(EnsembleParams(members=("lightgbm",), trees=100))

outcomes = list(
    walk_forward(trainer, past.panel, WalkForward(1_200, 600), costs=spec.costs, seed=1, report=NullReport())
)
found = evaluate_walk(outcomes, past, spec.costs, seed=1)
for fold in found.folds:
    print(fold["test_from"][:10], f"net {fold['metrics']['net_profit']:+.1%}", f"AUC {fold['metrics']['auc']:.3f}")

word = evaluate_gate(evidence_of(found, past, n_trials=1, counted=True))
print(word.verdict, "-", "; ".join(f"{r.check} {r.state}" for r in word.reasons))
