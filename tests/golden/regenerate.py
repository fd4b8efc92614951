"""Writes the golden files anew: ``python -m tests.golden.regenerate [SUBJECT …]``, from the root of the repository.

No test does this. What a changed line breaks for users is said in the commit that changes it.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.golden.collect import OF_A_HOME, OF_SOURCES, made_home, text_of

FOLDER = Path(__file__).parent


def main(subjects: list[str]) -> None:
    known = {*OF_SOURCES, *OF_A_HOME}
    unknown = sorted(set(subjects) - known)
    if unknown:
        raise SystemExit(f"no subject {unknown[0]}; there are {', '.join(sorted(known))}")
    wanted = sorted(subjects or known)
    with TemporaryDirectory() as folder:
        made = made_home(Path(folder)) if set(wanted) & set(OF_A_HOME) else None
        for subject in wanted:
            (FOLDER / f"{subject}.json").write_text(text_of(subject, made), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
