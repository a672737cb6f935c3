// The page: one form, one queue, one gallery, all from what the server says.

import * as api from "./api.js";
import * as live from "./live.js";
import * as key from "./key.js";
import * as players from "./players.js";
import * as options from "./form/options.js";
import * as look from "./form/look.js";
import * as picture from "./form/picture.js";
import * as plan from "./form/plan.js";
import * as shots from "./form/shots.js";
import * as sound from "./form/sound.js";
import * as gallery from "./jobs/gallery.js";
import * as queue from "./jobs/queue.js";
import * as remake from "./jobs/remake.js";
import { $ } from "./dom.js";

key.start();
watchLink();
open();

/** Begins when the server is there and lets us in. */
async function open() {
  let known, models;
  try {
    [known, models] = await Promise.all([api.options(), api.models()]);
  } catch (err) {
    if (err.status !== 401) setTimeout(open, 1500);
    else key.ask();
    return;
  }
  for (const part of [players, sound, picture, shots, plan, queue, gallery, remake]) part.start();
  look.start(models.data.map(({ id }) => id));
  options.start(known);
  live.connect();
}

function watchLink() {
  let was = null;
  live.watchLink((good) => {
    $("connection").className = `connection ${good ? "good" : "bad"}`;
    $("connection").textContent = good ? "connected" : "server away, trying again …";
    if (good && was === false) plan.again();
    was = good;
  });
}
