"""Numbers with their nouns, as messages write them."""


def amount(count: float | None, noun: str, plural: str = "") -> str:
    """A count with its noun: whole numbers without a decimal, others with one; `plural` where it is not noun + s.

    An undefined count is a dash.

    >>> amount(1, "trial"), amount(1.02, "trial"), amount(2.46, "trial"), amount(1200, "trial")
    ('1 trial', '1 trial', '2.5 trials', '1,200 trials')
    >>> amount(2, "look by now", "looks by now")
    '2 looks by now'
    """
    written = "–" if count is None or count != count else f"{count:,.1f}".removesuffix(".0")
    return f"{written} {noun if written == '1' else plural or noun + 's'}"
