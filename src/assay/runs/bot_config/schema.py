"""The published schema of the V3 document, and documents held to it."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry, Resource

from assay.kernel.errors import ArtifactError, ConfigError, did_you_mean, printable

VERSION = "3.0.0"
FILE = f"configuration-{VERSION}.schema.json"


@cache
def configuration_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one configuration; ``$defs.bundle`` is that of several."""
    text = (files(__package__) / FILE).read_text(encoding="utf-8")
    return dict(json.loads(text))


def check_document(document: dict[str, object]) -> dict[str, object]:
    """The same document, a configuration or a bundle, if it keeps to the schema.

    Raises ConfigError ``CONFIG_DOCUMENT`` with the path of the first key that is wrong, missing or unknown.
    """
    fault = _fault(document)
    if fault is not None:
        path, text, hint = fault
        raise ConfigError(f"configuration, {path}: {text}", code="CONFIG_DOCUMENT", hint=hint, field=path)
    return document


def parse_configuration(text: str) -> dict[str, object]:
    """The configuration or bundle that a JSON text holds.

    Raises ArtifactError: ``ARTIFACT_VERSION`` for a document of another version, else ``ARTIFACT_CORRUPT`` with the
    path of the first key that is wrong, or with line and column where the text is no JSON.
    """
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"configuration is no JSON: {error}", code="ARTIFACT_CORRUPT") from error
    result = document.get("version") if isinstance(document, dict) else None
    if isinstance(document, dict) and result is not None and result != VERSION:
        raise ArtifactError(
            f"configuration has version {printable(result)}, this Assay reads {VERSION}", code="ARTIFACT_VERSION"
        )
    return check_stored(document)


def check_stored(document: Any, name: str = "") -> dict[str, Any]:
    """A document that was kept, if it keeps to the schema; else ArtifactError as `parse_configuration`. name: its id,
    for the text.
    """
    fault = _fault(document)
    if fault is not None:
        path, text, hint = fault
        raise ArtifactError(
            f"configuration {name}, {path}: {text}".replace(" ,", ","), code="ARTIFACT_CORRUPT", hint=hint, field=path
        )
    return dict(document)


def bundle(configurations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``{version, pair, pattern, configurations}`` of documents of one pair and one strategy.

    Raises ConfigError ``CONFIG_BUNDLE`` for none, and for different pairs or strategies, naming them.
    """
    pairs = sorted({c["context"]["pair"] for c in configurations})
    patterns = sorted({c["strategy"] for c in configurations})
    if len(pairs) != 1 or len(patterns) != 1:
        raise ConfigError(
            f"a bundle is of one pair and one strategy, these {len(configurations)} configurations are of "
            f"{', '.join(pairs) or 'none'} and {', '.join(patterns) or 'none'}",
            code="CONFIG_BUNDLE",
            hint="Export them one by one, or those of one pair and strategy.",
        )
    return check_document(
        {"version": VERSION, "pair": pairs[0], "pattern": patterns[0], "configurations": [*map(dict, configurations)]}
    )


@cache
def _validator(*, several: bool) -> Draft202012Validator:
    whole = configuration_schema()
    if not several:
        return Draft202012Validator(whole)
    available: Registry[Any] = Registry().with_resource(whole["$id"], Resource.from_contents(whole))
    return Draft202012Validator({"$ref": f"{whole['$id']}#/$defs/bundle"}, registry=available)


def _fault(document: Any) -> tuple[str, str, str] | None:
    """Path, what is wrong there and a hint; None for a sound document."""
    several = isinstance(document, Mapping) and "configurations" in document
    error = best_match(_validator(several=several).iter_errors(document))
    if error is not None:
        return _fault_text(error)
    each = document["configurations"] if several else [document]
    for i, one in enumerate(each):
        stage = one["lifecycle"]["current_stage"]
        if one["status"] != stage:
            where = f"configurations[{i}].status" if several else "status"
            return where, f"is {one['status']}, lifecycle.current_stage is {stage}; they are the same", ""
    return None


def _fault_text(error: ValidationError) -> tuple[str, str, str]:
    result: Any = error.instance
    request: Any = error.validator_value
    path = error.json_path.removeprefix("$").removeprefix(".")
    if error.validator == "additionalProperties" and isinstance(error.schema, dict):
        available = error.schema.get("properties", {})
        unknown = next(iter(sorted(set(result) - set(available))), "")
        if unknown:
            return _under(path, unknown), "is no key of this document", did_you_mean(unknown, available)
    if error.validator == "required":
        missing = next(name for name in request if name not in result)
        return _under(path, missing), "is missing", ""
    if error.validator == "const":
        return path, f"is {printable(result)}, must be {printable(request)}", ""
    return path or "the document", f"is {printable(result)}: {_rule(error)}", ""


def _rule(error: ValidationError) -> str:
    value = error.validator_value
    listed = ", ".join("null" if v is None else str(v) for v in value) if isinstance(value, list) else str(value)
    words = {"type": f"must be {listed.replace(', ', ' or ')}", "enum": f"must be one of {listed}"}
    return words.get(str(error.validator), f"breaks {error.validator} {listed}")


def _under(path: str, name: str) -> str:
    shown_name = printable(name)[1:-1]
    return f"{path}.{shown_name}" if path else shown_name


def _no_number(label: str) -> Any:
    raise ValueError(f"{label} is no JSON number")
