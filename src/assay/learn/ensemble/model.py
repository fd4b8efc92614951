"""A fitted ensemble: its members, forecasts and sizes; written to files and read back."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ArtifactError, DataError, printable
from assay.kernel.panel import Panel, Window
from assay.kernel.seeding import integer
from assay.kernel.spec import SizingChoice, canonical
from assay.learn.ensemble.boosting import LightGBM, XGBoost
from assay.learn.ensemble.calibrate import Calibration
from assay.learn.ensemble.model_checks import demand_tree
from assay.learn.ensemble.preprocessing import Columns, Learning, Matrix, Member
from assay.learn.sizing import Sizing, sizing_rule

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier


__all__ = ["FITS", "READS", "Forest", "Learning", "LightGBM", "Member", "XGBoost"]


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Breiman 2001, "Random Forests", Machine Learning 45(1)."""

    name: ClassVar[str] = "random_forest"
    forest: "RandomForestClassifier"
    n_classes: int

    @classmethod
    def fit(cls, learning: Learning) -> "Forest":
        """Grow the trees; the validation rows are not looked at."""
        from sklearn.ensemble import RandomForestClassifier

        p = learning.params
        forest = RandomForestClassifier(
            n_estimators=p.forest_trees,
            max_depth=p.forest_depth,
            min_samples_leaf=p.min_leaf,
            max_features="sqrt",
            max_samples=min(1.0, p.row_share),
            n_jobs=p.num_threads,
            random_state=integer(learning.seed, cls.name),
        )
        learning.tick()
        forest.fit(learning.x, learning.y, sample_weight=learning.weight)
        # Votes are summed in the order in which threads end, so that only growing may use several.
        return cls(forest.set_params(n_jobs=1), learning.n_classes)

    def vote(self, x: Matrix) -> FloatArray:
        """See `Member`; a class that the forest never saw gets 0. The bits of ``forest.predict_proba``, without the
        jobs that it makes of every tree: these cost more than the trees on a short panel.
        """
        rows = np.ascontiguousarray(x, np.float32)
        total = np.zeros((len(x), len(self.forest.classes_)))
        for tree in self.forest.estimators_:
            total += tree.tree_.predict(rows)[:, : total.shape[1]]
        out = np.zeros((len(x), self.n_classes))
        out[:, self.forest.classes_] = total / len(self.forest.estimators_)
        return out

    def importance(self) -> FloatArray:
        """See `Member`; mean decrease in impurity."""
        return np.asarray(self.forest.feature_importances_, np.float64)

    def write(self, folder: Path) -> None:
        """See `Member`."""

        write_forest(self.forest, folder / f"{self.name}.skops")

    @classmethod
    def read(cls, folder: Path, *, columns: int, n_classes: int) -> "Forest":
        """Inverse of `write`."""

        return cls(read_forest(folder / f"{cls.name}.skops", columns=columns, n_classes=n_classes), n_classes)


FITS: dict[str, Callable[[Learning], Member]] = {
    Forest.name: Forest.fit,
    XGBoost.name: XGBoost.fit,
    LightGBM.name: LightGBM.fit,
}


class _Read(Protocol):
    def __call__(self, folder: Path, *, columns: int, n_classes: int) -> Member: ...


READS: dict[str, _Read] = {Forest.name: Forest.read, XGBoost.name: XGBoost.read, LightGBM.name: LightGBM.read}


_FILE = "ensemble.json"


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleModel:
    """Weighted vote of the members, calibrated, sized. Implements `assay.kernel.contracts.Model`.

    classes: the values of the target, increasing.   side: +1 if the largest class speaks for being long.
    short:   may it sell short.   votes: weight by member, sums to 1.
    """

    members: Mapping[str, Member]
    votes: Mapping[str, float]
    columns: Columns
    calibration: Calibration
    classes: tuple[float, ...]
    side: int
    short: bool
    sizing: Sizing
    sizing_name: str

    @property
    def lookback(self) -> int:
        """Rows of candles that the sizing needs; what the features need is the feature table's to say."""
        return self.sizing.lookback

    def forecast(self, panel: Panel) -> dict[str, FloatArray]:
        """Probabilities by symbol, ``(n, n_classes)`` in the order of `classes`; NaN where a row has no feature at all.

        Raises DataError ``DATA_FEATURES`` naming missing and extra columns; another order is put right by name.
        """
        return {symbol: self._forecast(window) for symbol, window in panel}

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        """See `Model`."""
        return {
            symbol: self.size(probabilities, window)
            for (symbol, window), probabilities in zip(panel, self.forecast(panel).values(), strict=True)
        }

    def score(self, probabilities: FloatArray) -> FloatArray:
        """``(n,)`` in [-1, 1]: what speaks for long less what speaks for short.

        Signed classes: probability of the positive less that of the negative ones. A yes-or-no target speaks for one
        side only: twice the probability of yes, less 1, and never below 0. That "no" is likely is no reason to be
        on the other side.
        """
        classes = np.asarray(self.classes)
        if classes.min() < 0:
            return self.side * (probabilities @ np.sign(classes))
        return self.side * np.maximum(2.0 * probabilities[:, -1] - 1.0, 0.0)

    def size(self, probabilities: FloatArray, window: Window) -> Decisions:
        """See `Forecaster`."""
        made = self.sizing.decide(self.score(probabilities), window.bars, short=self.short)
        made.target[: self.lookback] = 0.0
        return made

    def importance(self) -> dict[str, float]:
        """Share of each used column in the members' gain, weighted by their votes; 0 for the columns left out."""
        total = sum((self.votes[n] * m.importance() for n, m in self.members.items()), np.zeros(len(self.columns.kept)))
        out = dict.fromkeys(self.columns.names, 0.0)
        return out | {self.columns.names[i]: float(v) for i, v in zip(self.columns.kept, total, strict=True)}

    def save(self, folder: Path) -> None:
        """Write ``ensemble.json`` and one file a member (LightGBM text, XGBoost UBJ, skops)."""
        for member in self.members.values():
            member.write(folder)
        document: dict[str, object] = {
            "format_version": 1,
            "files": {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())},
            "members": list(self.members),  # in the order in which their votes are summed
            "votes": dict(self.votes),
            "columns": self.columns.as_dict(),
            "calibration": self.calibration.as_dict(),
            "classes": list(self.classes),
            "side": self.side,
            "short": self.short,
            "sizing": {"name": self.sizing_name, "params": asdict(self.sizing)},  # type: ignore[call-overload]
        }
        document["digest"] = _digest(document)
        (folder / _FILE).write_text(canonical(document) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "EnsembleModel":
        """Read what `save` wrote; it decides alike, bit for bit.

        Raises ArtifactError ``ARTIFACT_CORRUPT``, ``ARTIFACT_VERSION``, ``ARTIFACT_FORBIDDEN_TYPE``.
        """
        document = _document(folder / _FILE)
        try:
            _demand_files(folder, document)
            columns = Columns.from_dict(document["columns"])
            classes = tuple(float(c) for c in document["classes"])
            choice = SizingChoice(name=document["sizing"]["name"], params=document["sizing"]["params"])
            members = {
                name: READS[name](folder, columns=len(columns.kept), n_classes=len(classes))
                for name in document["members"]
            }
            _demand_document(document, columns, members)
            return cls(
                members, document["votes"], columns, Calibration.from_dict(document["calibration"]), classes,
                int(document["side"]), bool(document["short"]), sizing_rule(choice), choice.name,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OSError) as error:
            raise ArtifactError(f"{_FILE} is damaged: {error!r}", code="ARTIFACT_CORRUPT") from error

    def _forecast(self, window: Window) -> FloatArray:
        x = window.features[:, _order(window.names, self.columns.names, str(window.bars.instrument))]
        prepared = self.columns.apply(x)
        votes = sum(
            (self.votes[name] * member.vote(prepared) for name, member in self.members.items()),
            np.zeros((len(x), len(self.classes))),
        )
        out = self.calibration.apply(votes)
        out[~np.isfinite(x).any(axis=1)] = np.nan
        return out


def _order(have: tuple[str, ...], want: tuple[str, ...], where: str) -> list[int] | slice:
    if have == want:
        return slice(None)
    missing, extra = sorted(set(want) - set(have)), sorted(set(have) - set(want))
    if missing or extra:
        raise DataError(
            f"{where}: features do not match the model: missing {missing[:8] or 'none'}, extra {extra[:8] or 'none'}",
            code="DATA_FEATURES",
            missing=missing,
            extra=extra,
        )
    return [have.index(name) for name in want]


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path.name} cannot be read: {error}", code="ARTIFACT_CORRUPT") from error
    if not isinstance(document, dict) or document.get("format_version") != 1:
        raise ArtifactError(f"{path.name} is not of format version 1", code="ARTIFACT_VERSION")
    message = document.pop("digest", None)
    if message != _digest(document):
        raise ArtifactError(
            f"{path.name} says it has hash {printable(message)}, it has {_digest(document)}", code="ARTIFACT_CORRUPT"
        )
    return document


def _digest(document: Mapping[str, object]) -> str:
    return sha256(canonical(document).encode()).hexdigest()


def _demand_files(folder: Path, document: Mapping[str, Any]) -> None:
    for name, message in document["files"].items():
        result = sha256((folder / Path(name).name).read_bytes()).hexdigest()
        if result != message:
            raise ArtifactError(f"{name} has hash {result}, {_FILE} says {printable(message)}", code="ARTIFACT_CORRUPT")


def _demand_document(document: Mapping[str, Any], columns: Columns, members: Mapping[str, Member]) -> None:
    """Raise ValueError for a part that would fail, or mislead, only when the model decides."""
    classes, votes = document["classes"], document["votes"]
    numbers = np.stack([columns.fill, columns.centre, columns.spread])
    stored = np.asarray(columns.kept)
    sound = {
        "columns": numbers.shape == (3, stored.size) and np.isfinite(numbers).all() and (columns.spread > 0).all(),
        "kept": stored.size > 0
        and stored.dtype.kind == "i"
        and stored.min() >= 0
        and stored.max() < len(columns.names),
        "classes": len(classes) >= 2 and bool((np.diff(classes) > 0).all()),
        "votes": set(votes) == set(members) and np.isclose(sum(votes.values()), 1.0) and min(votes.values()) >= 0,
        "side": document["side"] in (-1, 1),
    }
    wrong = [part for part, good in sound.items() if not good]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} cannot be")
    probe = columns.apply(np.zeros((1, len(columns.names))))
    for name, member in members.items():
        vote = member.vote(probe)
        if vote.shape != (1, len(classes)) or not np.isclose(vote.sum(), 1.0, atol=1e-5):
            raise ValueError(f"{name} does not vote for {len(classes)} classes")
    Calibration.from_dict(document["calibration"]).check(len(classes))


TRUSTED = ("sklearn.tree._tree.Tree",)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LARGEST = 512 * 1024 * 1024


def write_forest(forest: "RandomForestClassifier", path: Path) -> None:
    """Write the forest; equal forests give equal bytes in any process."""
    import skops.io

    path.write_bytes(_canonical(skops.io.dumps(forest)))


def read_forest(path: Path, *, columns: int, n_classes: int) -> "RandomForestClassifier":
    """Read a forest over `columns` features that votes for classes in ``0..n_classes-1``.

    Raises ArtifactError: ``ARTIFACT_FORBIDDEN_TYPE`` (a type outside our list), ``ARTIFACT_TOO_LARGE``,
    ``ARTIFACT_CORRUPT`` (not a forest, or a tree that points outside itself).
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    if path.stat().st_size > _LARGEST:
        raise ArtifactError(f"{path.name} is larger than {_LARGEST:,} bytes", code="ARTIFACT_TOO_LARGE")
    data = path.read_bytes()
    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
        if unknown:
            raise ArtifactError(f"{path.name} holds type {unknown[0]}", code="ARTIFACT_FORBIDDEN_TYPE", types=unknown)
        forest = skops.io.loads(data, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise ArtifactError(f"{path.name}: {error}", code="ARTIFACT_FORBIDDEN_TYPE") from error
    except ArtifactError:
        raise
    except Exception as error:  # a hostile zip raises whatever its parts meet; no part is used then
        raise ArtifactError(f"{path.name} is not a forest: {error!r}"[:300], code="ARTIFACT_CORRUPT") from error
    try:
        _check(forest, path.name, columns, n_classes)
    except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise ArtifactError(f"{path.name} is damaged: {error!r}"[:300], code="ARTIFACT_CORRUPT") from error
    return forest


def _check(forest: object, name: str, columns: int, n_classes: int) -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree._tree import Tree

    if not isinstance(forest, RandomForestClassifier) or getattr(forest, "n_features_in_", None) != columns:
        raise ArtifactError(f"{name} is no forest over {columns} features", code="ARTIFACT_CORRUPT")
    classes = np.asarray(forest.classes_)
    available = classes.dtype.kind == "i" and classes.size == forest.n_classes_ and (np.diff(classes) > 0).all()
    if not (available and classes.size and classes[0] >= 0 and classes[-1] < n_classes and forest.n_outputs_ == 1):
        raise ArtifactError(f"{name} votes for other classes", code="ARTIFACT_CORRUPT")
    if not forest.estimators_:
        raise ArtifactError(f"{name} holds no tree", code="ARTIFACT_CORRUPT")
    for number, member in enumerate(forest.estimators_):
        tree: Any = member.tree_ if isinstance(member, DecisionTreeClassifier) else None
        # node_count is believed by everything that reads the arrays, so it comes first.
        if type(tree) is not Tree or tree.node_count != tree.capacity or tree.max_n_classes != classes.size:
            raise ArtifactError(f"{name}: tree {number} is damaged", code="ARTIFACT_CORRUPT", tree=number)
        if member.n_classes_ != classes.size or member.n_outputs_ != 1 or member.n_features_in_ != columns:
            raise ArtifactError(f"{name}: tree {number} is of another forest", code="ARTIFACT_CORRUPT", tree=number)
        demand_tree(
            tree.children_left, tree.children_right, tree.feature, tree.value.sum(axis=(1, 2)), columns,
            where=f"{name}: tree {number}",
        )  # fmt: skip


def _canonical(data: bytes) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(data))
    numbers: dict[str, str] = {}
    schema = _renumbered(json.loads(source.read("schema.json")), numbers)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for old in sorted(
            (n for n in source.namelist() if n != "schema.json"), key=lambda n: int(numbers[Path(n).stem])
        ):
            target.writestr(zipfile.ZipInfo(numbers[Path(old).stem] + Path(old).suffix, _EPOCH), source.read(old))
        target.writestr(zipfile.ZipInfo("schema.json", _EPOCH), json.dumps(schema, separators=(",", ":")))
    return out.getvalue()


def _renumbered(part: Any, numbers: dict[str, str]) -> object:
    """The schema with every address replaced by its order of appearance; depth first, in document order."""
    if isinstance(part, list):
        return [_renumbered(p, numbers) for p in part]
    if not isinstance(part, dict):
        return part
    return {key: _number(key, value, numbers) for key, value in part.items()}


def _number(key: str, value: Any, numbers: dict[str, str]) -> object:
    if key == "__id__":
        return int(numbers.setdefault(str(value), str(len(numbers) + 1)))
    if key == "file":
        stem, suffix = Path(value).stem, Path(value).suffix
        return numbers.setdefault(stem, str(len(numbers) + 1)) + suffix
    return _renumbered(value, numbers)
