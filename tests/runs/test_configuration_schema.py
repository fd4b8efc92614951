"""The V3 document as it is read: what its schema refuses, and where it says so."""

import copy
import json
import re
from typing import Any

import pytest

from assay.kernel.errors import ArtifactError, ConfigError
from assay.kernel.spec import canonical
from assay.runs.bot_config.schema import bundle, check_document, check_stored, parse_configuration

from .configured import configured, golden
from .report_evidence import SYMBOL

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return configured().document


def test_what_is_written_is_read_again(document: Document) -> None:
    for text in (canonical(document), json.dumps(document, indent=2)):
        assert parse_configuration(text) == document
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def paths(value: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every object of a document."""
    if not isinstance(value, dict):
        return []
    return [at, *(p for k, v in value.items() for p in paths(v, (*at, k)))]


def inside(document: Document, path: tuple[str, ...]) -> Document:
    for key in path:
        document = document[key]
    return document


OPEN = {"parameters", "data_filter_config", "optimal_market_conditions", "correlation_to_other_patterns"}
PATHS = [p for p in paths(golden().document) if not OPEN & set(p)]


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_an_unknown_key_is_refused_everywhere_but_where_they_are_a_strategys_own(path: tuple[str, ...]) -> None:
    broken = copy.deepcopy(golden().document)
    inside(broken, path)["surprise"] = 1
    if path in (("alternative_data_signals",), ("adversarial_analysis",)):
        assert check_document(broken) == broken
        return
    where = ".".join((*path, "surprise"))
    with pytest.raises(ConfigError, match=re.escape(f"{where}: is no key")) as told:
        check_document(broken)
    assert told.value.code == "CONFIG_DOCUMENT" and told.value.facts["field"] == where


KEYS = [(*p, k) for p in PATHS for k in inside(golden().document, p)]


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_a_missing_key_is_refused(path: tuple[str, ...]) -> None:
    broken = copy.deepcopy(golden().document)
    del inside(broken, path[:-1])[path[-1]]
    with pytest.raises(ConfigError, match=re.escape(f"{'.'.join(path)}: is missing")):
        check_document(broken)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("performance", "gross_WR"), 55.0, "performance.gross_WR: is 55.0: breaks maximum 1"),
        (("performance", "avg_loss"), 1.0, "performance.avg_loss"),
        (("performance", "NET_PROFIT"), "much", "performance.NET_PROFIT: is 'much': must be number or null"),
        (("context", "timeframe"), "7m", "context.timeframe: is '7m': must be one of 1m, 5m"),
        (("context", "regime"), "calm", "context.regime"),
        (("lifecycle", "current_stage"), "GREAT", "lifecycle.current_stage"),
        (("status",), "MATURE", "status: is MATURE, lifecycle.current_stage is VALIDATION"),
        (("metadata", "engine_hash"), "e", "metadata.engine_hash"),
        (("parameters",), {}, "parameters"),
        (("parameters", "x"), [1], "parameters.x"),
        (("version",), "2.0.0", "version: is '2.0.0', must be '3.0.0'"),
        (("createdAt",), "yesterday", "createdAt"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(path: tuple[str, ...], value: Any, text: str) -> None:
    broken = copy.deepcopy(golden().document)
    inside(broken, path[:-1])[path[-1]] = value
    with pytest.raises(ConfigError, match=re.escape(text)):
        check_document(broken)


def test_an_unknown_key_gets_the_nearest_name() -> None:
    broken = copy.deepcopy(golden().document)
    broken["performance"]["avg_wins"] = 1.0
    with pytest.raises(ConfigError) as told:
        check_document(broken)
    assert told.value.hint.startswith("did you mean avg_win")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{", "ARTIFACT_CORRUPT", "no JSON"),
        ('{"version": NaN}', "ARTIFACT_CORRUPT", "NaN is no JSON number"),
        ("[]", "ARTIFACT_CORRUPT", "must be object"),
        ("[" * 100_000, "ARTIFACT_CORRUPT", "no JSON"),
        ('{"version": "4.0.0"}', "ARTIFACT_VERSION", "version '4.0.0', this Assay reads 3.0.0"),
        ('{"version": "3.0.0"}', "ARTIFACT_CORRUPT", "is missing"),
    ],
)
def test_a_file_that_is_no_configuration(text: str, code: str, said: str) -> None:
    with pytest.raises(ArtifactError, match=re.escape(said)) as told:
        parse_configuration(text)
    assert told.value.code == code


def test_a_bundle_of_one_pair_and_strategy() -> None:
    both = [configured().document, golden("b").document]
    found = bundle(both)
    assert list(found) == ["version", "pair", "pattern", "configurations"]
    assert (found["pair"], found["pattern"], found["configurations"]) == (SYMBOL, "liquidity_sweep", both)
    assert parse_configuration(canonical(found)) == found == check_stored(found)
    broken = copy.deepcopy(found)
    broken["configurations"][1]["performance"]["surprise"] = 1
    with pytest.raises(ConfigError, match=re.escape("configurations[1].performance.surprise: is no key")):
        check_document(broken)
    broken = copy.deepcopy(found)
    broken["configurations"][1]["status"] = "PAPER"
    with pytest.raises(ConfigError, match=re.escape("configurations[1].status: is PAPER")):
        check_document(broken)
    other = configured(strategy="htf_sweep").document
    for several in ([both[0], other], []):
        with pytest.raises(ConfigError, match="one pair and one strategy") as told:
            bundle(several)
        assert told.value.code == "CONFIG_BUNDLE"
