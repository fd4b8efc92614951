"""Records as older releases left them, as SQL text; `make` writes those of the schema that this program has."""

from pathlib import Path

FOLDER = Path(__file__).parent
VERSIONS = sorted({path.name.split(".")[0] for path in FOLDER.glob("*.sql")})


def relic(version: str, dialect: str) -> str:
    return (FOLDER / f"{version}.{dialect}.sql").read_text(encoding="utf-8")
