// An error at its field: the server says which by name, `data-field` says where that is.

import { $, make } from "./dom.js";

const NAMED = /^`[^`]*`: /; // "`width=99`: ": at its field that is seen

/** Shows it within `scope`, and takes the focus there; what has no field of its own goes to `general`. */
export function show(error, scope, general) {
  clear(scope, general);
  const place = error.param ? find(scope, error.param) : null;
  const input = place && (place.querySelector("input:not([type=radio]):not(.unseen), select, textarea") || place.querySelector("input"));
  if (place) write(spot(place, input), { ...error, message: error.message.replace(NAMED, "") });
  else write(general, error);
  if (!input) return;
  const fold = place.closest("details");
  if (fold) fold.open = true;
  input.setAttribute("aria-invalid", "true");
  if (place.offsetParent) input.focus();
}

export function clear(scope, general) {
  for (const input of scope.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const line of [...scope.querySelectorAll(".fault"), general]) line?.replaceChildren();
}

/** The words of an error in one place. */
export function write(line, error) {
  line.replaceChildren(error.message);
  if (error.hint) line.append(make("span", { className: "hint" }, error.hint));
}

function find(scope, param) {
  const names = [param, param.split(".").at(-1), param.split(/[.[]/)[0]];
  for (const name of names) {
    const place = scope.querySelector(`[data-field~="${CSS.escape(name)}"]`);
    if (place) return place;
  }
  return null;
}

/** The line for a field's fault: there already, or put behind what it is about. */
function spot(place, input) {
  const id = `fault-${place.dataset.field.replace(/\W+/g, "-")}`;
  const line = [...place.children].find((child) => child.classList.contains("fault")) ?? $(id) ?? make("p", { className: "fault", role: "alert" });
  line.id ||= id;
  if (!line.isConnected) {
    if (place.tagName === "LABEL") place.after(line);
    else place.append(line);
  }
  const described = new Set(input?.getAttribute("aria-describedby")?.split(" "));
  input?.setAttribute("aria-describedby", [...described.add(line.id)].join(" "));
  return line;
}
