// Further options: a form made from the server's one table of them, by their panels and engines.

import * as api from "../api.js";
import * as draft from "../draft.js";
import { $, make, put, takeFile } from "../dom.js";
import { show } from "../faults.js";
import { learn } from "./request.js";

/** What has a place of its own on the page, or is the same for every video of a server. */
const PLACED = ["audio", "image", "start", "duration", "prompt", "width", "height", "size", "shots", "lyrics", "tag", "thumbnail"];

const OWN = "options."; // before the names of an engine's

let known = null; // {sound: {fields, engine}, image: {...}}
let drawn = "";

export function start(options) {
  known = options;
  learn(options);
  $("lyrics").dataset.known = known.sound.fields.some(({ name }) => name === "lyrics");
  draft.watch(draw);
}

function draw(now) {
  const kind = now.sound || !now.image ? "sound" : "image";
  $("lyrics").hidden = kind !== "sound" || $("lyrics").dataset.known !== "true";
  const form = `${kind} ${now.engine}`;
  if (form !== drawn) {
    drawn = form;
    $("options").replaceChildren(...groups(kind, now.engine).map(([title, rows]) =>
      make("section", { className: "options" }, make("h3", {}, title), make("div", { className: "fields" }, ...rows.map(field)))));
  }
  for (const place of $("options").querySelectorAll("[data-field]")) {
    const [where, name] = at(place.dataset.field);
    fill(place, now[where][name]);
  }
  const count = Object.keys(now.options).length + Object.keys(now.own).length;
  $("further-facts").textContent = count ? `${count} set` : "";
}

/** [title, rows] by the table's panels; then those of the engine that is chosen. */
function groups(kind, engine) {
  const rows = known[kind].fields.filter(({ name }) => !PLACED.includes(name));
  const panels = [...new Set(rows.map(({ panel }) => panel))].map((panel) => [panel || "More", rows.filter((row) => row.panel === panel)]);
  const own = Object.entries(known[kind].engine)
    .filter(([name, { engines }]) => engines.includes(engine) && name !== "sampling_preset")
    .map(([name, row]) => ({ name: `${OWN}${name}`, schema: {}, ...row }));
  return own.length ? [...panels, [`Engine ${engine}`, own]] : panels;
}

/** Where the draft has a field: the engine's own stand apart, since their names may be the same. */
const at = (field) => (field.startsWith(OWN) ? ["own", field.slice(OWN.length)] : ["options", field]);

function set(field, value) {
  const [where, name] = at(field);
  const { [name]: _, ...others } = draft.get()[where];
  const empty = value === "" || value === null || value === undefined || (Array.isArray(value) && !value.length);
  draft.set({ [where]: empty ? others : { ...others, [name]: value } });
}

function field(row) {
  const id = `option-${row.name.replace(".", "-")}`;
  const note = make("p", { className: "note", id: `${id}-note` }, row.help.replaceAll("`", ""));
  const label = make("label", { for: id }, at(row.name)[1].replaceAll("_", " "));
  const place = { "data-field": row.name };
  if (typeof row.default === "boolean") {
    const box = make("input", { type: "checkbox", id, "aria-describedby": note.id, onchange: () => set(row.name, box.checked !== row.default ? box.checked : null) });
    place["data-default"] = String(row.default);
    return make("div", { className: "field check", ...place }, box, make("div", {}, label, note));
  }
  const parts = row.takes_upload ? files(row, id) : [entry(row, id)];
  return make("div", { className: "field", ...place }, label, ...parts, note);
}

function entry(row, id) {
  const input = row.schema.enum ? select(row, id) : text(row, id);
  input.addEventListener("input", () => set(row.name, Array.isArray(row.default) ? listed(input.value) : input.value.trim()));
  return input;
}

const listed = (value) => value.split(",").map((each) => each.trim()).filter(Boolean);

function select(row, id) {
  const preset = row.default === null ? "as it comes" : String(row.default);
  const choices = row.schema.enum.map((word) => make("option", { value: word }, word));
  return make("select", { id, "aria-describedby": `${id}-note` }, make("option", { value: "" }, `(${preset})`), ...choices);
}

function text(row, id) {
  const input = make("input", { type: "text", id, autocomplete: "off", "aria-describedby": `${id}-note`, placeholder: shown(row.default) });
  if (!row.words.length) return input;
  const words = make("datalist", { id: `${id}-words` }, ...row.words.map((value) => make("option", { value })));
  input.setAttribute("list", words.id);
  input.append(words);
  return input;
}

const shown = (value) => (value === null || value === undefined ? "" : String(value).slice(0, 60));

/** A file, or several, or a word instead of one. A speaker's picture is called as its file is. */
function files(row, id) {
  const input = make("input", { type: "file", className: "unseen", id: `${id}-file` });
  takeFile(input, async (file) => {
    try {
      const upload = await api.upload(file);
      NAMES.set(upload.id, upload.name);
      const [where, own] = at(row.name);
      const before = draft.get()[where][own];
      const name = file.name.replace(/\.[^.]*$/, "");
      if (row.name === "cast") set(row.name, { ...before, [name]: upload.id });
      else set(row.name, row.name === "images" ? [...(before ?? []), upload.id] : upload.id);
    } catch (err) {
      show({ message: err.message, hint: err.hint, param: row.name }, $("options"), null);
    }
  });
  const away = make("button", { type: "button", className: "quiet", hidden: true, onclick: () => set(row.name, null) }, "Remove");
  const word = row.words.length || row.name.startsWith(OWN) ? text(row, id) : make("output", { id });
  word.addEventListener("input", () => set(row.name, word.value.trim()));
  return [make("div", { className: "row" }, make("label", { className: "button", for: input.id, "aria-label": `File for ${at(row.name)[1].replaceAll("_", " ")}` }, "Choose"), input, away), word];
}

/** Of uploads, as far as this page knows them. */
const NAMES = new Map();

function fill(place, value) {
  place.classList.toggle("set", value !== undefined);
  const input = place.querySelector("[id^=option-]:not([type=file])");
  const box = place.dataset.default;
  if (box !== undefined) input.checked = value === undefined ? box === "true" : value;
  else put(input, told(value));
  const away = place.querySelector("button");
  if (away) away.hidden = value === undefined;
}

function told(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "object") return Object.values(value).map(told).join(", ");
  return NAMES.get(value) ?? String(value).replace(/^upload_([0-9a-f]{6}).*/, "file $1");
}
