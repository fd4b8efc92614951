"""Text of others, spelt out so that a terminal only shows it."""

from unicodedata import category

_CONTROL = ("Cc", "Cf", "Zl", "Zp")  # controls, marks that turn or hide text, other ends of a line


def escape_control(text: str) -> str:
    r"""The text with what would move a terminal's cursor, colour or turn its text spelt out; new lines and tabs stay.

    >>> print(escape_control("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    if text.isprintable():
        return text
    document = (c if c in "\n\t" or category(c) not in _CONTROL else c.encode("unicode_escape").decode() for c in text)
    return "".join(document)
