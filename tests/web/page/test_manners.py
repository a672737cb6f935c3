"""How the page behaves: faults at their field, keys, a narrow screen, steps as they come."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from soundreel.web.http.guard import Access
from soundreel.web.studio.service import Studio
from web.conftest import serving
from web.page.conftest import give

KEY = "a-key-of-this-test"


def test_a_file_that_is_no_sound_is_refused_at_the_sound(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.mp3"
    wrong.write_text("no sound at all", encoding="utf-8")
    page.set_input_files("#sound-file", wrong)
    fault = page.locator("#audio-fault")
    expect(fault).to_contain_text("neither a sound nor a picture")
    expect(page.locator("#sound-file")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    assert str(tmp_path) not in fault.inner_text()


def test_a_wrong_value_shows_at_its_field_while_one_types(page: Page, song: Path) -> None:
    give(page, song)
    page.fill("#size", "99x64")
    size = page.locator("#size")
    expect(size).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[data-field~=size] .fault")).to_have_text("an even number from 16 to 4096")
    expect(size).to_be_focused()
    page.fill("#size", "64x64")
    expect(page.locator("[aria-invalid]")).to_have_count(0)

    page.get_by_text("Further options").click()
    page.get_by_label("strength", exact=True).fill("9")
    expect(page.locator("[data-field='options.strength'] .fault")).not_to_be_empty()
    expect(page.locator("#fault")).to_be_empty()


def test_the_keyboard_alone_is_enough(page: Page, song: Path) -> None:
    def go_to(selector: str) -> None:
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.locator(selector).evaluate("it => it === document.activeElement"):
                return
        raise AssertionError(f"the keyboard does not reach {selector}")

    go_to("#sound-file")
    button = page.locator("label[for=sound-file]")
    expect(button).to_have_css("outline-style", "solid")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(song)
    expect(page.locator("#sound-desk")).to_be_visible()
    go_to(".edge[aria-label='Start of the region']")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#start")).to_have_value("0:01.1")
    go_to(".edge[aria-label='End of the region']")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#duration")).to_have_value("0:00.9")
    go_to("#engine")
    page.keyboard.type("preview")
    go_to("#shapes input:checked")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#custom-size")).to_be_visible()
    go_to("#size")
    page.keyboard.type("64x64")
    expect(page.locator("#plan")).to_contain_text("64×64")
    before = page.locator(".video video").count()
    go_to("#go")
    page.keyboard.press("Enter")
    expect(page.locator(".video video")).to_have_count(before + 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_over_at_360_pixels(
    context: BrowserContext, page: Page, song: Path, scheme: str
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    give(page, song)
    page.get_by_text("My own").click()
    page.get_by_text("Further options").click()
    page.get_by_label("crf").fill("99")
    expect(page.get_by_label("crf")).to_have_attribute("aria-invalid", "true")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    wide = page.evaluate(
        "() => [...document.querySelectorAll('main *, section *')]"
        ".filter(it => it.checkVisibility() && !it.closest('.unseen, thead')"
        " && it.getBoundingClientRect().right > 361).map(it => it.outerHTML.slice(0, 80))"
    )
    assert wide == []


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, str]]:
    """A server that asks for a key, and whose studio lies open to the test."""
    with serving(tmp_path_factory.mktemp("locked"), access=Access(KEY)) as running:
        yield running


def test_the_key_opens_and_steps_and_latents_are_shown_as_they_come(
    context: BrowserContext, locked: tuple[Studio, str]
) -> None:
    studio, url = locked
    page = context.new_page()
    page.goto(url)
    page.locator("#key").fill("another-key")
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#fault-access_key")).to_contain_text("the access key is wrong")
    page.locator("#key").fill(KEY)
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#connection")).to_have_text("connected")

    estimate = {"seconds": None, "memory_bytes": None, "source": ""}
    plan = {"engine": "wan", "seconds": 5, "fps": "16", "frames": 80, "output_fps": "16"}
    plan |= {"output_frames": 80, "estimate": estimate, "size": "64x64", "chunks": [], "shots": []}
    asked = {"engine": "wan", "kind": "sound", "values": {}, "options": {}, "name": "slow.wav"}
    job = studio.store.add("video_of_a_model", "wan", asked, plan)
    studio.store.start(job.id)
    told = {"what": "part 2 of 3", "detail": "step 4 of 20", "left": 100.0}
    studio.live.tell(job.id, told)
    card = page.locator("#queue .job")
    expect(card).to_contain_text("part 2 of 3, step 4 of 20")
    expect(card).to_contain_text("2 min left")
    for number, shade in enumerate((60, 200), 1):
        picture = io.BytesIO()
        Image.new("RGB", (8, 8), (shade, shade, shade)).save(picture, "png")
        studio.live.show(job.id, picture.getvalue(), "image/png", 1, 4)
        seen = card.locator("img")
        expect(seen).to_have_attribute("src", f"/v1/videos/{job.id}/preview?n={number}")
        assert seen.evaluate(
            "async it => { await it.decode();"
            " const pen = new OffscreenCanvas(8, 8).getContext('2d');"
            " pen.drawImage(it, 0, 0); return pen.getImageData(2, 2, 1, 1).data[0]; }"
        ) in range(shade - 2, shade + 3)
