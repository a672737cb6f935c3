// Players take turns: a browser opens six connections to a server and no more, and one that is paused
// in the middle of a file keeps one for as long as it has the file open.

export function start() {
  document.addEventListener("play", ({ target }) => {
    for (const player of all()) if (player !== target) rest(player);
  }, true);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) for (const player of all()) if (player.paused) rest(player);
  });
}

/** Lets the file go; the next play goes on where it stood. The player has to have preload="none". */
export function rest(player) {
  if (player.readyState === HTMLMediaElement.HAVE_NOTHING) return;
  const stood = player.currentTime;
  player.pause();
  player.src = player.src; // not load(): Chromium takes that as a wish to have the file
  player.currentTime = stood;
}

const all = () => document.querySelectorAll("audio, video");
