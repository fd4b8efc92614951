"""Collect several problems of one input and report them together."""

from dataclasses import dataclass, field

from assay.kernel.errors import DataError

_IMPORTANCE = (
    "DATA_SCHEMA",
    "DATA_EMPTY",
    "DATA_TIME_UNIT",
    "DATA_TZ",
    "DATA_TIME",
    "DATA_NUMBER",
    "DATA_FUTURE",
    "DATA_CONFLICT",
    "DATA_OFF_GRID",
    "DATA_NAN",
    "DATA_PRICE",
    "DATA_OHLC",
    "DATA_JUMP",
    "DATA_VOLUME",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: stable word, what and where, what to do, values."""

    code: str
    text: str
    hint: str = ""
    facts: dict[str, object] = field(default_factory=dict)


class Faults:
    """Collects what is wrong with one input; nothing is raised before all of it has been looked at."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Fault] = []
        self._context: dict[str, object] = {}

    def add(self, code: str, text: str, *, hint: str = "", **facts: object) -> None:
        """Note a fault; its text starts with the name of the source."""
        self.problems.append(Fault(code, f"{self.source}: {text}", hint, facts))

    def refuse(self, **more: object) -> None:
        """Raise one DataError for all faults, if there are any.

        Its code is that of the most important fault; `facts["faults"]` holds code and text of each, `more` stands
        beside it.
        """
        if not self.problems:
            return
        ordered = sorted(self.problems, key=lambda f: _rank(f.code))
        first = ordered[0]
        text = first.text if len(ordered) == 1 else _listed(ordered)
        hints = dict.fromkeys(f.hint for f in ordered if f.hint)
        document = [{"code": f.code, "text": f.text, **f.facts} for f in ordered]
        facts = {"source": self.source, **first.facts, "faults": document, **self._context, **more}
        raise DataError(text, code=first.code, hint=" ".join(hints), **facts)

    def adopt(self, error: DataError) -> None:
        """Take over the faults of an error that `refuse` raised elsewhere, or the error itself as one."""
        document = error.facts.get("faults")
        if "quality" in error.facts:
            self._context.setdefault("quality", error.facts["quality"])
        for fault in document if isinstance(document, list) else [{"code": error.code, "text": error.message}]:
            facts = {key: value for key, value in fault.items() if key not in ("code", "text")}
            self.problems.append(Fault(fault["code"], fault["text"], error.hint, facts))


def _rank(code: str) -> int:
    return _IMPORTANCE.index(code) if code in _IMPORTANCE else len(_IMPORTANCE)


def _listed(faults: list[Fault]) -> str:
    return "\n".join([f"{len(faults)} faults", *(f"- {f.code}: {f.text}" for f in faults)])
