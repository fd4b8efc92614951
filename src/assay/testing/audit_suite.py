"""Every planted leak and every attack against the audit, and every sound pipeline that must raise no alarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.testing.pipeline_attacks import attacks
from assay.testing.planted import clean, planted
from assay.validate.audit import Questions

CUT_SHORT = Questions(cuts=1, warm_ups=0, refits=1, replays=0, recomputed=0)
"""What an audit has asked when a clock stops it after one question of each old kind."""


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What the audit said of each.

    leaks:  name, probe, and what was said of it; empty where it was missed.   attacks: the same, without a probe.
    clean:  by sound pipeline the alarms, which must be none.   questions: asked of the sound ones.
    missed_when_cut: the attacks on pipelines that an audit misses which a clock cut short before its replay: the
            control. cut: how many of these there are.
    """

    leaks: Sequence[tuple[str, str, str]]
    attacks: Sequence[tuple[str, str]]
    clean: Mapping[str, Sequence[str]]
    questions: int
    cut: int = 0
    missed_when_cut: Sequence[str] = ()

    @property
    def missed(self) -> list[str]:
        """Names of leaks and attacks that were not found."""
        return [name for name, _, text in self.leaks if not text] + [name for name, text in self.attacks if not text]

    @property
    def alarmed(self) -> list[str]:
        """Names of sound pipelines that raised an alarm."""
        return [name for name, texts in self.clean.items() if texts]

    @property
    def passed(self) -> bool:
        """Everything was found and nothing sound raised an alarm."""
        return not self.missed and not self.alarmed

    @property
    def document(self) -> dict[str, Any]:
        """Plain and JSON-able, as ``assay audit --planted`` prints it."""
        found = sum(bool(text) for _, _, text in self.leaks)
        return {
            "leaks": [{"name": n, "probe": probe, "found": text} for n, probe, text in self.leaks],
            "planted": len(self.leaks), "found": found, "recall": found / len(self.leaks),
            "attacks": [{"name": name, "found": text} for name, text in self.attacks],
            "attacks_planted": len(self.attacks), "attacks_found": sum(bool(text) for _, text in self.attacks),
            "clean": {name: list(texts) for name, texts in self.clean.items()}, "audited_clean": len(self.clean),
            "false_alarms": len(self.alarmed), "questions": self.questions, "passed": self.passed,
        }  # fmt: skip


def run_audit_suite() -> SuiteResult:
    """Audit all of them. Cost: about a minute on one core."""
    leaks = []
    for each in planted():
        texts = [v.text for v in each.report().violations if (v.probe, v.name) == (each.probe, each.blamed)]
        leaks.append((each.name, each.probe, "".join(texts[:1])))
    planned = attacks()
    caught = [(each.name, "".join(v.text for v in each.report().violations[:1])) for each in planned]
    sound: dict[str, list[str]] = {}
    questions = 0
    for name, report in clean():
        sound[name] = [v.text for v in report.violations]
        questions += sum(report.checks.values())
    missed = [each.name for each in planned if each.report(CUT_SHORT).passed]
    return SuiteResult(leaks, caught, sound, questions, len(planned), missed)
