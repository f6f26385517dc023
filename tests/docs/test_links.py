"""Links on the pages lead somewhere in a clone."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.pages import ROOT, name_of, pages, prose

PICTURES = sorted((ROOT / "docs").rglob("*.svg"))


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_resolve(page: Path) -> None:
    """To files, and to headings in them; addresses elsewhere are not asked."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    broken = [
        target
        for target in targets
        if not re.match(r"[a-z]+:", target) and not resolves(page, target)
    ]
    assert not broken


def resolves(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    if not found.exists() or not found.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(found)


def anchors(page: Path) -> set[str]:
    """What headings are called in links, as GitHub spells it."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def test_every_page_is_reached_from_the_front_page() -> None:
    """A page that nothing leads to is not read."""
    front = ROOT / "README.md"
    seen, waiting = {front}, [front]
    while waiting:
        page = waiting.pop()
        for target in re.findall(r"\]\(([^)\s#]+)", prose(page)):
            found = (page.parent / target).resolve()
            if found.suffix == ".md" and found.exists() and found not in seen:
                seen.add(found)
                waiting.append(found)
    unread = {name_of(page) for page in (ROOT / "docs").rglob("*.md") if page not in seen}
    assert not unread


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: str(picture.name))
def test_a_picture_says_in_words_what_it_shows(picture: Path) -> None:
    """For those who do not see it; and it loads nothing from elsewhere."""
    drawing = ElementTree.parse(picture).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert drawing.findtext(f"{space}title")
    assert drawing.findtext(f"{space}desc")
    assert "http" not in picture.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
