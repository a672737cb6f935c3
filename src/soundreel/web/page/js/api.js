// Every call that this page makes. All go to the server that it came from.

/** What a refused call rejects with: status, and message, hint, param (a field's name) of the server. */
export class Refused extends Error {
  constructor(status, { message, hint = "", param = null, code = "" }) {
    super(hint ? message.replace(`; ${hint}`, "") : message); // the server's own words have both
    Object.assign(this, { status, hint, param, code });
  }
}

export const options = () => ask("GET", "/v1/options");
export const models = () => ask("GET", "/v1/models");
export const enter = (key) => ask("POST", "/v1/session", { access_key: key });
export const videos = (after) => ask("GET", `/v1/videos?limit=50${after ? `&after=${after}` : ""}`);
export const health = () => ask("GET", "/health");
export const plan = (body, signal) => ask("POST", "/v1/plan", body, { signal });
export const start = (body, key) => ask("POST", "/v1/videos", body, { headers: { "Idempotency-Key": key } });
export const cancel = (id) => ask("POST", `/v1/videos/${id}/cancel`);
export const remove = (id) => ask("DELETE", `/v1/videos/${id}`);
export const remake = (id, body) => ask("POST", `/v1/videos/${id}/remix`, body);
export const uploaded = (id) => ask("GET", `/v1/uploads/${id}`);

/** Bytes from 0 to 100, a hundred a second. */
export const peaks = async (id) => new Uint8Array(await ask("GET", `/v1/uploads/${id}/peaks`, null, { read: (answer) => answer.arrayBuffer() }));

/** Addresses that elements load by themselves. */
export const uploadContent = (id) => `/v1/uploads/${id}/content`;
export const content = (id, variant = "video") => `/v1/videos/${id}/content?variant=${variant}`;
export const download = (id) => `${content(id)}&download=true`;

/** Sends a file; onPart hears which part of it is away. fetch tells nothing of that. */
export function upload(file, onPart = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/uploads?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onPart(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(refused(request.status, request.response));
    });
    request.addEventListener("error", () => reject(away()));
    request.send(file);
  });
}

async function ask(method, path, body, { headers = {}, signal, read = (answer) => answer.json() } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: body ? { "Content-Type": "application/json", ...headers } : headers,
      body: body && JSON.stringify(body),
    });
  } catch (err) {
    throw err.name === "AbortError" ? err : away();
  }
  if (!answer.ok) throw refused(answer.status, await answer.json().catch(() => null));
  return answer.status === 204 ? null : read(answer);
}

function refused(status, said) {
  if (status === 401) dispatchEvent(new Event("locked"));
  return new Refused(status, said?.error ?? { message: `the server answered ${status}`, hint: "try again" });
}

const away = () => new Refused(0, { message: "the server does not answer", hint: "nothing is lost; try again when it is back", code: "away" });
