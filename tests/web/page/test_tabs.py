"""Ten tabs of one browser: it opens six connections to a server, and every tab has to work."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from soundreel.web.studio.service import Studio
from web.page.conftest import begun, opened

TABS = 10
ANSWERS = (
    "() => Promise.race([fetch('/v1/models').then(answer => answer.status),"
    " new Promise(late => setTimeout(late, 10000, 'stalled'))])"
)


def end(studio: Studio, key: str) -> None:
    studio.store.fail(key, {"type": "EngineError", "message": "the model fell asleep"})
    studio.live.end(key)


def test_all_tabs_see_a_job_and_its_end_and_the_server_answers_each(
    context: BrowserContext, desk: tuple[Studio, str]
) -> None:
    studio, url = desk
    tabs = [opened(context, url) for _ in range(TABS)]
    key = begun(studio, "seen")
    for tab in tabs:
        expect(tab.locator(f"#queue [data-job={key}]")).to_contain_text("step 4 of 20")
        assert tab.evaluate(ANSWERS) == 200
    tabs.pop(0).close()
    end(studio, key)
    for tab in tabs:
        expect(tab.locator(f"#gallery [data-job={key}]")).to_contain_text("the model fell asleep")
        expect(tab.locator("#queue .job")).to_have_count(0)


def test_without_shared_workers_only_the_tab_that_is_seen_keeps_a_connection(
    context: BrowserContext, desk: tuple[Studio, str]
) -> None:
    studio, url = desk
    context.add_init_script(
        "delete globalThis.SharedWorker;"
        " Object.defineProperty(document, 'hidden', {get: () => Boolean(globalThis.away)});"
    )
    key = begun(studio, "shown")
    tabs = list[Page]()
    for _ in range(TABS):
        if tabs:
            be_hidden(tabs[-1], hidden=True)
        tabs.append(opened(context, url))
    end(studio, key)
    ended = tabs[-1].locator(f"#gallery [data-job={key}]")
    expect(ended).to_contain_text("the model fell asleep")
    for tab in tabs[:3]:
        be_hidden(tab, hidden=False)
        expect(tab.locator(f"#gallery [data-job={key}]")).to_contain_text("the model fell asleep")
        assert tab.evaluate(ANSWERS) == 200


def be_hidden(tab: Page, *, hidden: bool) -> None:
    """As when a person goes to another tab: a browser under test shows all of them."""
    tab.evaluate(
        "hidden => { globalThis.away = hidden;"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_a_paused_sound_lets_its_file_go_and_goes_on_where_it_stood(page: Page, song: Path) -> None:
    page.set_input_files("#sound-file", song)
    player, playhead = page.locator("#sound-player"), page.locator(".playhead")
    page.get_by_role("button", name="Play").click()
    expect(playhead).not_to_have_css("left", "0px")
    page.get_by_role("button", name="Pause").click()
    expect(player).to_have_js_property("readyState", 0)
    stood = player.evaluate("player => player.currentTime")
    assert stood > 0
    page.get_by_role("button", name="Play").click()
    expect(player).not_to_have_js_property("readyState", 0)
    assert player.evaluate("player => player.currentTime") >= stood
