"""Two processes that search the same at once write one journal; killed, they are gone on with to the same answer."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ArtifactError
from assay.validate.search.journal import SearchJournal
from assay.validate.search.sampler import ProposedBatch, Session
from tests.validate.sessions import WHOLE, begun, driven, judged


class Process:
    """A session that takes one step at a time: it asks for the next batch, or tells of the next point."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.number = 0
        self.open: list[ProposedBatch] = []

    def step(self) -> None:
        if not self.open:
            self.open = self.session.ask()
        while self.open:
            each = self.open.pop(0)
            self.number += 1
            if each.row is None:
                self.session.tell(judged(self.number - 1, each.point))
                return


@given(turns=st.lists(st.sampled_from("abc"), max_size=150))
@settings(max_examples=6, deadline=None)
def test_any_order_of_their_lines_goes_on_to_the_same_answer(
    turns: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal = tmp_path_factory.mktemp("shared") / "j"
    running: dict[str, Process] = {}
    for name in turns:
        if name == "c":  # one of them begins again
            running.pop("a", None)
            continue
        running.setdefault(name, Process(begun(journal))).step()
    rows, fresh = driven(begun(journal))
    assert repr(rows) == repr(WHOLE)
    known, none = driven(begun(journal))
    assert repr(known) == repr(WHOLE) and none == 0 and fresh >= len(WHOLE) - len(turns)


def test_the_first_count_of_the_ledger_is_the_one(tmp_path: Path) -> None:
    one, two = begun(tmp_path / "j"), begun(tmp_path / "j")
    assert (one.pin_count(7), two.pin_count(9), begun(tmp_path / "j").pin_count(11)) == (7, 9, 7)


def test_a_batch_that_asks_otherwise_is_damage(tmp_path: Path) -> None:
    kept = SearchJournal.open(tmp_path / "j", "one")
    kept.record_batch(0, [[1], [2]])
    kept.record_batch(0, [[1], [3]])
    with pytest.raises(ArtifactError, match="j:3 asks in batch 0 for other points than before"):
        SearchJournal.open(tmp_path / "j", "one")
