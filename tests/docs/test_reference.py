"""What the reference lists is what the sources have."""

import re
from pathlib import Path
from typing import get_args

import pytest

from assay.kernel.errors import ConfigError
from assay.market.data_filter import VERDICTS
from assay.runs.rule_search import RuleSearch
from assay.runs.specs import PRESETS, SPLIT, optimize_spec
from assay.validate.search.objective import ObjectiveName
from assay.validate.search.sampler import Random

ROOT = Path(__file__).resolve().parents[2]
ERRORS = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
STRATEGIES = (ROOT / "docs/reference/strategies.md").read_text(encoding="utf-8")
_CODE = r"(?:DATA|CONFIG|LEAK|ARTIFACT|STORE|TRAIN)(?:_[A-Z]+)+"


def codes_of_the_sources() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    return {code for text in texts for code in re.findall(rf'"({_CODE})"', text)}


def test_the_page_lists_every_code_and_no_other() -> None:
    listed = set(re.findall(rf"`({_CODE})`", ERRORS))
    assert listed == codes_of_the_sources()


def test_no_code_is_put_together_where_this_page_cannot_see_it() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    built = [found for text in texts for found in re.findall(r'code=f"([^"]*)"', text)]
    assert not built


_ROWS = re.findall(r"^\| `(\S+)` \| `(CONFIG_\w+)` \| (.*?) \|$", STRATEGIES, re.MULTILINE)
_READ = re.findall(r"^\| `(\w+=\S+)` \| (?!`)", STRATEGIES, re.MULTILINE)


def searched_rule(text: str) -> RuleSearch:
    rule = "liquidity_sweep" if text.startswith(("pierce", "max_")) else "sma_cross"
    spec = optimize_spec(rule, "mine", "A/USDT:USDT", "1h", {}, [text], "split", file=None, bars=None, seed=1)
    found = RuleSearch(spec)
    Random().start(found.space, trials=1, batch=1, seed=0, identity="").ask()
    return found


@pytest.mark.parametrize(("text", "code", "answer"), _ROWS, ids=[row[0] for row in _ROWS])
def test_a_space_that_cannot_be_searched_is_answered_as_the_page_says(text: str, code: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)) as refused:
        searched_rule(text)
    assert refused.value.code == code


@pytest.mark.parametrize("text", _READ)
def test_a_space_of_the_page_can_be_searched(text: str) -> None:
    assert list(searched_rule(text).space.dimensions) == [text.partition("=")[0]]


def test_the_page_names_every_objective_and_preset() -> None:
    assert set(get_args(ObjectiveName)) <= set(re.findall(r"^\| `(\w+)` \|", STRATEGIES, re.MULTILINE))
    assert {SPLIT, *PRESETS} <= set(re.findall(r"`(\w+)`", STRATEGIES.partition("### Windows")[2]))
    assert set(VERDICTS) == set(re.findall(r"^\| `(\w+)` \| [^|]* \| (?:yes|no) \|$", STRATEGIES, re.MULTILINE))
