"""Every planted leak and every attack against the audit, and every sound pipeline that must raise no alarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from assay.testing.attack_catalogue import ATTACKS, HONEST, OwnFile, is_right, outcomes
from assay.testing.audit_study import clean, planted_pipelines
from assay.testing.pipeline_attacks import attacks
from assay.validate import Questions

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
    def document(self) -> dict[str, object]:
        """Plain and JSON-able, as ``assay audit --planted`` prints it."""
        result = sum(bool(text) for _, _, text in self.leaks)
        return {
            "leaks": [{"name": n, "probe": probe, "found": text} for n, probe, text in self.leaks],
            "planted": len(self.leaks), "found": result, "recall": result / len(self.leaks) if self.leaks else None,
            "attacks": [{"name": name, "found": text} for name, text in self.attacks],
            "attacks_planted": len(self.attacks), "attacks_found": sum(bool(text) for _, text in self.attacks),
            "clean": {name: list(texts) for name, texts in self.clean.items()}, "audited_clean": len(self.clean),
            "false_alarms": len(self.alarmed), "questions": self.questions, "passed": self.passed,
        }  # fmt: skip

    def __add__(self, other: "SuiteResult") -> "SuiteResult":
        """Both, one after the other."""
        return SuiteResult(
            (*self.leaks, *other.leaks), (*self.attacks, *other.attacks), {**self.clean, **other.clean},
            self.questions + other.questions, self.cut + other.cut, (*self.missed_when_cut, *other.missed_when_cut),
        )  # fmt: skip


PARTS = 5
"""Into so many parts the suite is cut for those who run them side by side."""


def run_audit_suite(part: int | None = None) -> SuiteResult:
    """Audit all of them, or one part of `PARTS`, from 0. Cost: about a minute on one core for each part."""
    if part is None:
        return reduce(add, (run_audit_suite(each) for each in range(PARTS)))
    return _pipelines() if part == 0 else _own_files((*ATTACKS, *HONEST)[part - 1 :: PARTS - 1])


def _pipelines() -> SuiteResult:
    leaks = []
    for each in planted_pipelines():
        texts = [v.text for v in each.report().violations if (v.probe, v.name) == (each.probe, each.blamed)]
        leaks.append((each.name, each.probe, "".join(texts[:1])))
    against = attacks()
    caught = [(each.name, "".join(v.text for v in each.report().violations[:1])) for each in against]
    sound: dict[str, list[str]] = {}
    questions = 0
    for name, report in clean():
        sound[name] = [v.text for v in report.violations]
        questions += sum(report.checks.values())
    missed = [each.name for each in against if each.report(CUT_SHORT).passed]
    return SuiteResult(leaks, caught, sound, questions, len(against), missed)


def _own_files(files: Sequence[OwnFile]) -> SuiteResult:
    caught: list[tuple[str, str]] = []
    sound: dict[str, list[str]] = {}
    questions = 0
    for file, result in outcomes(files):
        texts = [each.text for each in result.violations]
        if file.begins:
            caught.append((f"own file {file.name}", texts[0] if is_right(file, result) and texts else ""))
        else:
            sound[f"own file {file.name}"] = texts
            questions += sum(result.checks.values())
    return SuiteResult((), caught, sound, questions)
