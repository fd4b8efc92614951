"""Files that try to harm whoever loads them as a model.

Each would make the folder `canary` if something in it ran, or eat memory, or be taken for a model that it is not.
"""

import gzip
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from assay.kernel.errors import ArtifactError

Reader = Callable[[bytes], object]
HARMLESS = "a harmless global"


def not_refused(reader: Reader, canary: Path) -> dict[str, str]:
    """What a reader does wrong with each hostile file, by the file's name; empty for a reader that refuses them all.

    reader: takes a file's bytes; must raise ArtifactError. canary: a path where nothing is.
    """
    wrong: dict[str, str] = {}
    for name, data in hostile_files(canary).items():
        try:
            wrong[name] = f"accepted as {str(reader(data))[:80]}"
        except ArtifactError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever a reader lets out is what is looked for
            wrong[name] = f"raised {type(error).__name__}: {error}"[:120]
        if canary.exists():
            wrong[name] = "ran"
            canary.rmdir()
    return wrong


def hostile_files(canary: Path) -> dict[str, bytes]:
    """Over 40 hostile files by what they try."""
    return pickles(canary) | odd_pickles() | other_formats(canary)


def pickles(canary: Path) -> dict[str, bytes]:
    """Pickles that would run something, opcode by opcode."""
    path = str(canary)
    short = b"\x8c" + bytes([len(path)]) + path.encode()
    line = b"V" + path.encode() + b"\n"
    ran = b"\x8c\x02os\x8c\x05mkdir\x93" + short + b"\x85R"  # os.mkdir(path), protocol 4
    return {
        "GLOBAL and REDUCE, protocol 0": b"cos\nmkdir\n(" + line + b"tR.",
        "GLOBAL and REDUCE, protocol 2": b"\x80\x02cos\nmkdir\n(" + line + b"tR.",
        "GLOBAL in protocol 4": b"\x80\x04cos\nmkdir\n" + short + b"\x85R.",
        "STACK_GLOBAL and REDUCE": b"\x80\x04" + ran + b".",
        "protocol 5": b"\x80\x05" + ran + b".",
        "no PROTO": ran + b".",
        "INST": b"(" + line + b"ios\nmkdir\n.",
        "OBJ": b"\x80\x02(cos\nmkdir\n" + line + b"o.",
        "NEWOBJ": b"\x80\x04cpathlib\nPath\n" + short + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04\x8c\x08builtins\x8c\x09bytearray\x93)}\x92.",
        "BUILD": b"\x80\x04}}b.",
        "EXT1": b"\x80\x04\x82\x01.",
        "EXT2": b"\x80\x04\x83\x01\x01.",
        "EXT4": b"\x80\x04\x84\x01\x00\x00\x00.",
        "PERSID": b"Pcanary\n.",
        "BINPERSID": b"\x80\x04\x8c\x06canaryQ.",
        "eval": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
        "in model_state": _envelope(b"}\x8c\x08ensemble" + ran + b"s"),
        "as model_state": _envelope(ran),
        "as a key": _envelope(b"}" + ran + b"C\x00s"),
        HARMLESS: _envelope(b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R"),
        "behind a whole file": _envelope(b"}") + b"\x80\x04" + ran + b".",
        "VecNormalize.pkl": b"\x80\x04\x8c\x18stable_baselines3.common\x8c\x0cVecNormalize\x93.",
        "torch, old format": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02ctorch\n_utils\n.",
    }


def odd_pickles() -> dict[str, bytes]:
    """Pickles of wrong shape: too deep, too large, too long, or not what they say."""
    return {
        "nothing": b"",
        "text": b"my model",
        "only a head": b"\x80\x04",
        "50,000 dicts": b"\x80\x04" + b"}" * 50_000 + b".",
        "50,000 marks": b"\x80\x04" + b"(" * 50_000 + b".",
        "bytes of 2^62": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
        "text of 2^32": b"\x80\x04X\xff\xff\xff\xff.",
        "a frame of 2^63": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f.",
        "an integer of 100,000 digits": b"\x80\x04I" + b"9" * 100_000 + b"\n.",
        "a long of 2^31 bytes": b"\x80\x04\x8b\xff\xff\xff\x7f.",
        "an unknown opcode": b"\x80\x04\xff.",
        "a buffer from outside": b"\x80\x05\x97.",
        "a memo that is not there": b"\x80\x04h\xff.",
        "itself": _envelope(b"}\x94\x8c\x01ah\x00s"),
        "a key twice": _envelope(b"}(\x8c\x01aC\x00\x8c\x01aC\x00u"),
        "a list": _envelope(b"]"),
        "a number as a part": _envelope(b"}\x8c\x01aK\x01s"),
        "text as a part": _envelope(b"}\x8c\x01a\x8c\x01as"),
        "bytes that are no text": _envelope(b"}\x8c\x02\xff\xfeC\x00s"),
        "nothing but STOP": b"\x80\x04.",
        "a fifth key": _envelope(b"}\x8c\x05extra\x8c\x01a"),
        "truncated": _envelope(b"}\x8c\x08ensembleB\x00\x10\x00\x00abc"),
    }


def other_formats(canary: Path) -> dict[str, bytes]:
    """Files of other tools, each with something inside that would run, or unpack to gigabytes."""
    harm = pickles(canary)["GLOBAL and REDUCE, protocol 2"]
    objects = io.BytesIO()
    np.save(objects, np.array([_Runs(str(canary))], dtype=object), allow_pickle=True)
    sb3 = {"data": json.dumps({"policy_class": {":type:": "x", ":serialized:": "gASV"}}).encode(), "policy.pth": harm}
    return {
        "torch": zip_file({"archive/data.pkl": harm, "archive/version": b"3\n"}),
        "Stable-Baselines3": zip_file(sb3),
        "npz of objects": zip_file({"a.npy": objects.getvalue()}),
        "npy of objects": objects.getvalue(),
        "joblib": gzip.compress(harm),
        "zip bomb": zip_file({"a": b"\0" * 20_000_000}, compressed=True),
        "zip that climbs": zip_file({"../../canary": b"x"}),
        "gzip bomb": gzip.compress(b"\0" * 20_000_000),
        "HDF5": b"\x89HDF\r\n\x1a\n" + b"\0" * 64,
        "JSON 100,000 deep": b"[" * 100_000,
        "YAML": f"!!python/object/apply:os.mkdir ['{canary}']\n".encode(),
        "a script": f"import os\nos.mkdir({str(canary)!r})\n".encode(),
    }


def zip_file(members: Mapping[str, bytes], *, compressed: bool = False) -> bytes:
    """A zip archive of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, archive.compression)
    return out.getvalue()


class _Runs:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.canary,)


def _envelope(state: bytes) -> bytes:
    """A whole model file but for what stands where its parts should."""
    head = {"strategy_type": "rules", "symbol": "BTC/USDT", "timestamp": "20240101_000000"}
    texts = b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for pair in head.items() for t in pair)
    return b"\x80\x04}(" + texts + b"\x8c\x0bmodel_state" + state + b"u."
