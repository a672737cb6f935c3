"""A closer look at the waveform: times stay exact, and everything is still reached."""

from __future__ import annotations

from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from web.page.conftest import Server


def seen(page: Page) -> str:
    return page.locator("#scroll").get_attribute("aria-valuetext") or ""


def test_zoom_keeps_times_and_reaches_all_of_the_sound(page: Page, long_song: Path) -> None:
    page.set_input_files("#sound-file", long_song)
    page.fill("#start", "0:05.1234")
    page.fill("#duration", "3")
    box = page.locator("#waveform").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 90)
    page.keyboard.down("Control")
    with page.expect_response("**/peaks") as peaks:
        for _ in range(6):
            page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    fine = peaks.value.body()
    assert len(fine) == 2000  # a hundred a second
    assert 40 < min(fine[:-1]) <= max(fine) == 50
    expect(page.get_by_role("button", name="Closer")).to_be_disabled()
    assert page.input_value("#start") == "0:05.1234"

    end = page.get_by_role("slider", name="End of the region")
    end.focus()  # out of sight until now
    place = end.bounding_box()
    assert place is not None
    assert box["x"] <= place["x"] <= box["x"] + box["width"]
    page.keyboard.press("Control+ArrowRight")
    assert page.input_value("#start") == "0:05.1234"
    assert page.input_value("#duration") == "0:03.007"  # to 0:08.13, a hundredth of a second

    page.get_by_role("scrollbar").focus()
    page.keyboard.press("End")
    assert seen(page) == "0:18 to 0:20"
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    expect(page.get_by_role("slider", name="Playhead")).to_have_attribute("aria-valuetext", "0:19")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("button", name="Whole").click()
    expect(page.locator("#scroll")).to_be_hidden()


def test_only_a_sound_has_peaks(server: Server) -> None:
    lyrics = httpx.post(f"{server.url}/v1/uploads?name=a.lrc", content=b"[00:01]la\n").json()
    refused = httpx.get(f"{server.url}/v1/uploads/{lyrics['id']}/peaks")
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        400,
        "it is no sound; a waveform needs one",
    )
