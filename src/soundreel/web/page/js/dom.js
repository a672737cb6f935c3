// Elements, made and found. Text is always set as text: nothing that a file or a server says is HTML.

export const $ = (id) => document.getElementById(id);

/** make("button", {type: "button", onclick}, "Play"): properties by name, data-* and aria-* as attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (/^(data|aria)-|^(role|for|list)$/.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Radio buttons that look like one switch. choices: [value, label]. */
export function segments(parent, name, choices, onChoice) {
  parent.replaceChildren(...choices.map(([value, label]) =>
    make("label", {}, make("input", { type: "radio", name, value, onchange: () => onChoice(value) }), label)));
  return (value) => {
    for (const input of parent.querySelectorAll("input")) input.checked = input.value === value;
  };
}

/** Calls `work` when nothing came for `wait` ms. */
export function debounced(work, wait) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), wait);
  };
}

/** Sets a value that a person may be typing into only where it differs. */
export function put(input, value) {
  if (input.value !== value) input.value = value;
}

/** A drop zone: a file over it is shown, and taken. */
export function takeDrops(zone, onFile) {
  const over = (on) => (event) => {
    event.preventDefault();
    zone.classList.toggle("over", on);
  };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    const [file] = event.dataTransfer.files;
    if (file) onFile(file);
  });
}

/** The file that a person chose; the same one may be chosen again. */
export function takeFile(input, onFile) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) onFile(file);
  });
}
