"""Damage by chance: a flipped bit is always found, and no mutation of any file does more than be refused."""

import json
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from assay.kernel.errors import ArtifactError
from assay.kernel.spec import canonical
from assay.track.loading import check_files
from assay.track.loading.formats import read_verified
from assay.track.loading.sandbox import LoadingSandbox
from assay.track.model_files.manifest import Keys, demand_signature, parse_manifest, signature_bytes
from assay.track.model_files.pkl_envelope import Envelope, parse
from tests.track.models import Published, published

OFFSETS = 200


def flips(data: bytes, draw: random.Random) -> list[bytes]:
    """The bytes with one bit flipped, at 200 offsets."""
    out = []
    for place in sorted(draw.randrange(8 * len(data)) for _ in range(OFFSETS)):
        one = bytearray(data)
        one[place // 8] ^= 1 << place % 8
        out.append(bytes(one))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tiny", "rules"])
def test_one_flipped_bit_of_any_file_is_found(kind: str, tmp_path: Path) -> None:
    kept = published(kind).copied(tmp_path / "home")
    draw, count = random.Random(1), 0
    for path in [kept.file, *sorted(kept.folder.iterdir())]:
        whole = path.read_bytes()
        for flipped in flips(whole, draw):
            path.write_bytes(flipped)
            with pytest.raises(ArtifactError) as told:
                check_files(kept.row, kept.places)
            found, expected = sha256(flipped).hexdigest(), sha256(whole).hexdigest()
            assert told.value.code == "ARTIFACT_CORRUPT"
            assert all(word in told.value.message for word in (str(path), found, expected)), told.value
            count += 1
        path.write_bytes(whole)
    check_files(kept.row, kept.places)
    print(f"{count} flipped bits in the files of {kind}, {count} found")


def mutated(data: bytes, draw: random.Random) -> bytes:
    """One to four changes: a byte, a stretch cut, doubled, moved or made of one byte, or an odd number put in."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at, long = draw.randrange(len(out) + 1), draw.choice((1, 2, 4, 8, 64))
        out[at : at + long] = draw.choice(
            (
                draw.randbytes(long),
                b"",
                out[at : at + long] * 2,
                out[draw.randrange(len(out) + 1) :][:long],
                draw.choice((b"\x00", b"\xff", b"[", b"{", b'"', b"9")) * long,
                draw.choice((b"1e400", b"NaN", b"-1", b"18446744073709551616", b"../", b"null", b"\xff\xff\xff\x7f")),
            )
        )
    return bytes(out)


def outcome(act: Callable[[], object]) -> str:
    """The code of the refusal, or ``accepted``; anything else that is raised fails the test."""
    try:
        act()
    except ArtifactError as error:
        assert error.code.startswith("ARTIFACT_")
        return error.code
    return "accepted"


@pytest.mark.slow
def test_mutations_of_what_is_parsed_in_this_process() -> None:
    """Envelope, manifest and signature: no hash stands before these parsers here."""
    draw, kept = random.Random(2), published("rules")
    keys = Keys("a", {"a": b"k" * 32})
    envelope, manifest = kept.file.read_bytes(), (kept.folder / "manifest.json").read_bytes()
    files = {"file": ("rules/x.pkl", envelope), "manifest": ("x/manifest.json", manifest)}
    signature = signature_bytes(keys, **files)
    doors: list[tuple[int, bytes, Callable[[bytes], object]]] = [
        (2_500, envelope, lambda data: parse(data, "x")),
        (1_500, manifest, lambda data: parse_manifest(data, "x")),
        (500, signature, lambda data: demand_signature(data, keys, **files, where="x")),
    ]
    count: dict[str, int] = {}
    for times, whole, act in doors:
        for _ in range(times):
            data = mutated(whole, draw)
            found = outcome(lambda act=act, data=data: act(data))
            count[found] = count.get(found, 0) + 1
    print(f"{sum(count.values())} mutations: {count}")
    assert sum(count.values()) == 4_500
    assert count["accepted"] < 2_000  # bytes of parts and probes may change and stay bytes: their hashes hold them


def forged(parts: dict[str, bytes], name: str, data: bytes) -> dict[str, bytes]:
    """With the changed part, and the model's own list of hashes made to fit it, as a forger would."""
    parts = parts | {name: data}
    main = "ensemble.json" if "ensemble.json" in parts else "rules.json"
    try:
        document = json.loads(parts[main])
        document.pop("digest", None)
        if "files" in document:
            document["files"] = {n: sha256(parts[n]).hexdigest() for n in sorted(document["files"])}
        document["digest"] = sha256(canonical(document).encode()).hexdigest()
        return parts | {main: canonical(document).encode()}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return parts


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "times"), [("rules", 250), ("tiny", 250)])
def test_mutations_of_parts_end_in_a_code_and_the_parent_lives(kind: str, times: int) -> None:
    draw, kept = random.Random(3), published(kind)
    bytes_ = read_verified(kept.row, kept.places)
    count: dict[str, int] = {}
    died = 0
    with LoadingSandbox() as child:
        for _ in range(times):
            name = draw.choice(sorted(bytes_.parts))
            parts = forged(dict(bytes_.parts), name, mutated(bytes_.parts[name], draw))
            try:
                child.prove(
                    parts, bytes_.manifest["self_test"], kind=kept.row["format"], where="the model", strategy=None
                )
                found = "accepted"  # it answers its probes alike: the change touched nothing that decides there
            except ArtifactError as error:
                found = error.code
                died += "ended" in error.message
            count[found] = count.get(found, 0) + 1
    print(f"{times} forged parts of {kind}: {count}; the child died {died} times")
    assert sum(count.values()) == times
    assert all(code == "accepted" or code.startswith("ARTIFACT_") for code in count)
    assert count["ARTIFACT_CORRUPT"] > times // 4


def test_a_mutation_is_a_mutation() -> None:
    draw, whole = random.Random(4), parsed_whole()
    changed = sum(mutated(whole, draw) != whole for _ in range(200))
    assert changed > 190


def parsed_whole() -> bytes:
    kept: Published = published("rules")
    whole = kept.file.read_bytes()
    assert isinstance(parse(whole, "x"), Envelope)
    return whole
