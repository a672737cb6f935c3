"""Many jobs at once, and names longer than the page is wide."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, expect

from soundreel.web.studio.service import Studio
from web.page.conftest import begun, opened

MANY = 60
"""More than a page of the list holds."""


def test_all_that_is_at_work_is_shown_whatever_its_name(
    context: BrowserContext, desk: tuple[Studio, str]
) -> None:
    studio, url = desk
    keys = [begun(studio, f"{'long_' * 40}{number}") for number in range(MANY)]
    page = opened(context, url)
    expect(page.locator("#queue .job")).to_have_count(MANY)
    studio.store.fail(keys[0], {"type": "EngineError", "message": "word" * 100})
    studio.live.end(keys[0])
    expect(page.locator(f"#gallery [data-job={keys[0]}]")).to_contain_text("wordword")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        cancel = page.locator("#queue .job button").first.bounding_box()
        assert cancel is not None
        assert cancel["x"] + cancel["width"] < width
    for key in keys:
        studio.remove(key)
    expect(page.locator("#queue .job")).to_have_count(0)
