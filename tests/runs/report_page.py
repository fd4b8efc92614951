"""What tests read off a page: its words, a chapter, the cells of a table."""

import re

from .test_report import read


def words_of(html: str) -> str:
    return " ".join(" ".join(read(html).words).split())


def chapter(html: str, anchor: str) -> str:
    return html.split(f'<section id="{anchor}">')[1].split("</section>")[0]


def rows_of(html: str, anchor: str, title: str) -> list[list[str]]:
    """Cells of a table by its title, without the head."""
    body = chapter(html, anchor).split(f"<h3>{title}</h3>")[1].split("<tbody>")[1].split("</tbody>")[0]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")[:-1]]
