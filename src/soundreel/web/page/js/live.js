// What the server says of its jobs, as it happens: the one source of queue and gallery in every tab.

import * as api from "./api.js";

const AGAIN = 2000; // ms until a stream that the browser gave up is opened anew

let jobs = new Map();
let news = new Set(); // ids of which the stream told while the list was on its way
let more = false;
const listeners = new Set();
const links = new Set();

/** listener(jobs): now and after every change, newest first. */
export function watch(listener) {
  listeners.add(listener);
  listener(list());
}

/** listener(true | false): whether the server answers. */
export const watchLink = (listener) => links.add(listener);

/** Whether the server has older ones than are listed. */
export const hasOlder = () => more;

/** The browser opens a broken stream by itself; whenever it opens, the list comes anew. */
export function connect() {
  const source = new EventSource(api.EVENTS);
  source.addEventListener("open", refresh);
  source.addEventListener("video", (event) => heard(JSON.parse(event.data)));
  source.addEventListener("removed", (event) => gone(JSON.parse(event.data).id));
  source.addEventListener("error", () => {
    tellLink(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
  });
}

export async function older() {
  const page = await api.videos(list().at(-1)?.id);
  for (const job of page.data) if (!jobs.has(job.id)) jobs.set(job.id, job);
  more = page.has_more;
  tell();
}

async function refresh() {
  news = new Set();
  try {
    const page = await api.videos();
    const told = [...news].map((id) => jobs.get(id)).filter(Boolean);
    const listed = page.data.filter(({ id }) => !news.has(id));
    jobs = new Map([...listed, ...told].map((job) => [job.id, job]));
    more = page.has_more;
    tell();
    tellLink(true);
  } catch {
    tellLink(false);
  }
}

function heard(job) {
  news.add(job.id);
  jobs.set(job.id, job);
  tell();
}

function gone(id) {
  news.add(id);
  jobs.delete(id);
  tell();
}

const list = () => [...jobs.values()].sort((one, other) => other.created_at - one.created_at || (one.id < other.id ? 1 : -1));

function tell() {
  const now = list();
  for (const listener of listeners) listener(now);
}

function tellLink(good) {
  for (const listener of links) listener(good);
}
