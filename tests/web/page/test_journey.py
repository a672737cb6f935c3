"""A person makes videos with the page: everything as they would do it."""

from __future__ import annotations

from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from web.page.conftest import Server, give, opened


def jobs(server: Server) -> list[dict[str, object]]:
    data: list[dict[str, object]] = httpx.get(f"{server.url}/v1/videos").json()["data"]
    return data


def test_from_a_sound_to_a_video_and_one_shot_of_it_again(
    page: Page, server: Server, song: Path
) -> None:
    give(page, song)
    wave = page.locator("#waveform").bounding_box()
    assert wave is not None
    page.mouse.move(wave["x"] + wave["width"] / 4, wave["y"] + 80)
    page.mouse.down()
    page.mouse.move(wave["x"] + wave["width"] / 2, wave["y"] + 80, steps=4)
    page.mouse.move(wave["x"] + wave["width"] * 3 / 4, wave["y"] + 80, steps=4)
    page.mouse.up()
    expect(page.locator("#start")).to_have_value("0:01")
    expect(page.locator("#duration")).to_have_value("0:02")
    expect(page.locator("#plan")).to_contain_text("2 s, 64×64, 32 pictures")

    page.mouse.click(wave["x"] + wave["width"] / 2, wave["y"] + 20)
    page.get_by_text("My own").click()
    page.get_by_role("button", name="Cut at the playhead").click()
    page.get_by_label("Prompt of shot 2").fill("a red desert")
    expect(page.get_by_role("slider", name="Cut to shot 2")).to_have_attribute(
        "aria-valuetext", "0:02"
    )
    expect(page.locator("#plan")).to_contain_text("2 in 2 shots")
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.locator("#queue .job")).to_contain_text("song.wav")
    video = page.locator(".video").first
    expect(video).to_contain_text("2 s · 64×64 · preview")
    expect(video.locator(".verdict")).to_contain_text("Checked: ")
    [job] = jobs(server)
    assert (job["status"], job["seconds"]) == ("completed", "2")
    playing = video.locator("video")
    playing.evaluate("video => video.play()")
    expect(playing).to_have_js_property("paused", False)
    assert playing.evaluate("video => [video.duration, video.videoWidth]") == [2, 64]
    with page.expect_download() as download:
        video.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes()[4:8] == b"ftyp"

    video.get_by_role("button", name="Remake a shot").click()
    page.locator("#remake-shot").select_option("2")
    expect(page.locator("#remake-prompt")).to_have_value("a red desert")
    page.locator("#remake-prompt").fill("a blue sea")
    page.get_by_role("button", name="Make it again").click()
    expect(page.locator(".video video")).to_have_count(2)
    expect(page.locator(".verdict")).to_have_count(2)
    again = jobs(server)[0]
    assert (again["status"], again["remixed_from_video_id"]) == ("completed", job["id"])


def test_a_picture_alone_becomes_a_video(page: Page, server: Server, tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "grey.png")
    page.set_input_files("#picture-file", tmp_path / "grey.png")
    page.select_option("#engine", "preview")
    page.get_by_text("Custom", exact=True).click()
    page.fill("#size", "64x64")
    expect(page.locator("#plan")).to_contain_text("5.06 s, 64×64, 81 pictures")
    page.get_by_role("button", name="Start", exact=True).click()
    made = page.locator(".video").filter(has_text="grey.png")
    expect(made).to_contain_text("5.06 s · 64×64 · preview")
    assert (jobs(server)[0]["status"], jobs(server)[0]["prompt"]) == ("completed", None)
    expect(made.get_by_role("button", name="Remake a shot")).to_have_count(0)
    page.get_by_role("button", name="Remove").first.click()
    made.get_by_role("button", name="Again with").click()
    expect(page.locator("#picture-shown")).to_have_attribute("alt", "grey.png")
    expect(page.locator("#size")).to_have_value("64x64")


def test_a_recording_becomes_the_sound(context: BrowserContext, page: Page) -> None:
    context.grant_permissions(["microphone"])
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop").click(delay=1200)
    expect(page.locator("#sound-facts")).to_contain_text("recording.webm · 0:0")
    page.select_option("#engine", "preview")
    expect(page.locator("#plan")).to_contain_text("832×1216")


def test_auto_fills_the_table_of_shots(page: Page, long_song: Path) -> None:
    give(page, long_song)
    page.get_by_text("Further options").click()
    page.get_by_label("shot length").fill("2-5")
    page.get_by_text("By the sound").click()
    expect(page.locator("#plan")).to_contain_text(" shots")
    count = page.locator("#shot-list li").count()
    assert count >= 4
    page.get_by_role("button", name="Edit these").click()
    expect(page.get_by_label(f"Start of shot {count}")).to_be_editable()
    expect(page.locator(".cut.movable")).to_have_count(count - 1)


def test_again_with_fills_the_form_as_it_was(page: Page, song: Path) -> None:
    give(page, song)
    page.fill("#duration", "0.5")
    page.fill("#prompt", "a paper moon")
    expect(page.locator("#plan")).to_contain_text("0.5 s")
    page.get_by_role("button", name="Start", exact=True).click()
    made = page.locator(".video").filter(has_text="0.5 s").first
    expect(made).to_be_visible()
    page.fill("#prompt", "something else")
    page.get_by_role("button", name="Another sound").click()
    made.get_by_role("button", name="Again with").click()
    expect(page.locator("#prompt")).to_have_value("a paper moon")
    expect(page.locator("#duration")).to_have_value("0.5")
    expect(page.locator("#size")).to_have_value("64x64")
    expect(page.locator("#sound-facts")).to_contain_text("song.wav")


def test_a_cancelled_job_ends_and_says_so(page: Page, long_song: Path) -> None:
    give(page, long_song, "512x512")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Cancel long.wav").click()
    expect(page.locator(".video").filter(has_text="Cancelled")).to_be_visible()
    expect(page.locator("#queue .job")).to_have_count(0)


def test_reloading_loses_nothing_and_two_tabs_agree(
    context: BrowserContext, page: Page, server: Server, song: Path
) -> None:
    give(page, song)
    page.fill("#prompt", "[0:00-0:02] calm sea [0:02-] storm")
    page.fill("#start", "0:00.5")
    page.reload()
    expect(page.locator("#prompt")).to_have_value("[0:00-0:02] calm sea [0:02-] storm")
    expect(page.locator("#start")).to_have_value("0:00.5")
    expect(page.locator("#plan")).to_contain_text("3.5 s, 64×64")

    other = opened(context, server.url)
    expect(other.locator("#start")).to_have_value("0:00.5")
    other.fill("#duration", "1")
    expect(page.locator("#duration")).to_have_value("1")
    expect(page.locator("#plan")).to_contain_text("1 s, 64×64")
    before = page.locator(".video video").count()
    page.get_by_role("button", name="Start", exact=True).click()
    for tab in (page, other):
        expect(tab.locator(".video video")).to_have_count(before + 1)
    other.close()


def test_a_server_killed_under_the_page_loses_nothing(
    page: Page, server: Server, long_song: Path
) -> None:
    """The job that runs goes on when a server is there again, and the page sees it by itself."""
    give(page, long_song, "96x96")
    page.fill("#prompt", "a long way")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#queue .place.active")).to_be_visible()
    server.kill()
    expect(page.locator("#connection")).to_contain_text("server away")
    page.fill("#prompt", "written meanwhile")
    server.start()
    expect(page.locator("#connection")).to_have_text("connected")
    expect(page.locator("#prompt")).to_have_value("written meanwhile")
    expect(page.locator(".video").filter(has_text="20 s")).to_be_visible()
    made = jobs(server)[0]
    assert (made["status"], made["prompt"]) == ("completed", "a long way")


def test_words_and_looks_with_their_files_are_chosen_in_the_form(
    page: Page, server: Server, song: Path, tmp_path: Path
) -> None:
    Image.linear_gradient("L").save(tmp_path / "backdrop.png")
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nla la\n", "utf-8")
    give(page, song)
    page.fill("#duration", "0.5")
    page.get_by_text("Further options").click()
    page.get_by_label("title", exact=True).fill("A song")
    page.get_by_label("look", exact=True).select_option("bars")
    page.get_by_label("File for background").set_input_files(tmp_path / "backdrop.png")
    expect(page.get_by_label("background", exact=True)).to_have_value("backdrop.png")
    page.get_by_label("File for captions").set_input_files(tmp_path / "words.srt")
    expect(page.locator("#further-facts")).to_have_text("4 set")
    expect(page.locator("#plan")).to_contain_text("0.5 s, 64×64")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".video").filter(has_text="0.5 s · 64×64").first).to_be_visible()
    request = jobs(server)[0]["request"]
    assert isinstance(request, dict)
    assert request["title"] == "A song"
    assert request["captions"].startswith("upload_")
    assert request["options"]["background"].startswith("upload_")

    page.get_by_label("shot length").fill("2-5")  # of a sound: a picture alone has no such option
    page.set_input_files("#picture-file", tmp_path / "backdrop.png")
    page.get_by_role("button", name="Another sound").click()
    expect(page.locator("#plan")).to_contain_text("81 pictures")
