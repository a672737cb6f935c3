// A file that goes with the sound: the picture of who is seen, the lyrics.

import * as api from "../api.js";
import * as draft from "../draft.js";
import { write } from "../faults.js";
import { $, takeDrops, takeFile } from "../dom.js";

export function start() {
  takeFile($("picture-file"), (file) => take(file, "image", "image", $("image-fault")));
  takeDrops($("picture-drop"), (file) => take(file, "image", "image", $("image-fault")));
  $("picture-away").addEventListener("click", () => draft.set({ image: null }));
  takeFile($("lyrics-file"), (file) => take(file, "lyrics", "text", lyricsFault()));
  takeDrops($("lyrics"), (file) => take(file, "lyrics", "text", lyricsFault()));
  $("lyrics-away").addEventListener("click", () => draft.set({ lyrics: null }));
  $("picture-shown").addEventListener("error", () => {
    if (draft.get().image) draft.set({ image: null });
  });
  draft.watch(draw);
}

/** Sends a file, and keeps it in the draft as `name` if it is of that kind. */
async function take(file, name, kind, line) {
  line.replaceChildren();
  try {
    const upload = await api.upload(file);
    if (upload.kind !== kind) throw { message: `${file.name} is no ${name}`, hint: HINTS[name] };
    draft.set({ [name]: upload });
  } catch (err) {
    write(line, err);
  }
}

const HINTS = {
  image: "choose a picture, such as PNG or JPEG",
  lyrics: "choose a text, such as .lrc, .srt, .vtt or .ass",
};

const lyricsFault = () => $("lyrics").querySelector(".fault");

function draw({ image, lyrics }) {
  const shown = $("picture-shown");
  shown.hidden = $("picture-away").hidden = !image;
  $("picture-drop").querySelector(".drop-words").hidden = Boolean(image);
  if (image && shown.dataset.id !== image.id) {
    shown.src = api.uploadContent(image.id);
    shown.alt = image.name;
  }
  shown.dataset.id = image?.id ?? "";
  $("lyrics-away").hidden = !lyrics;
  $("lyrics-facts").textContent = lyrics ? lyrics.name : "if you like";
}
