"""Writes the golden files anew: ``python -m tests.golden.regenerate [SUBJECT …]``, from the root of the repository.

No test does this. What a changed line breaks for users is said in the commit that changes it.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.golden.collect import SUBJECTS, made_home, text_of

FOLDER = Path(__file__).parent


def main(subjects: list[str]) -> None:
    unknown = sorted(set(subjects) - set(SUBJECTS))
    if unknown:
        raise SystemExit(f"no subject {unknown[0]}; there are {', '.join(SUBJECTS)}")
    with TemporaryDirectory() as folder:
        made = made_home(Path(folder))
        for subject in subjects or SUBJECTS:
            (FOLDER / f"{subject}.json").write_text(text_of(subject, made), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
