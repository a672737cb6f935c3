// What the server says of its jobs, as it happens: the one source of queue and gallery in every tab.

import * as api from "./api.js";
import { listen } from "./stream/tab.js";

const AGAIN = 5000; // ms until the list is asked for again where that was too often

let jobs = new Map();
let news = new Set(); // ids of which the stream told while the list was on its way
let last = null; // id of the oldest that was listed
let more = false;
const listeners = new Set();
const links = new Set();

/** Whether a job waits or runs. */
export const active = (job) => job.status === "queued" || job.status === "in_progress";

/** listener(jobs): now and after every change, newest first. */
export function watch(listener) {
  listeners.add(listener);
  listener(list());
}

/** listener(true | false): whether the server answers. */
export const watchLink = (listener) => links.add(listener);

/** Whether the server has older ones than are listed. */
export const hasOlder = () => more;

/** Whenever the stream opens, the list comes anew. */
export const connect = () => listen(({ kind, data }) => HEARD[kind](data));

const HEARD = {
  open: () => refresh(),
  away: () => {
    tellLink(false);
    refresh(); // says whether it is the server that is away, or a key that it asks for
  },
  video: (job) => heard(job),
  removed: ({ id }) => gone(id),
};

export async function older() {
  const page = await api.videos(last);
  for (const job of page.data) if (!jobs.has(job.id)) jobs.set(job.id, job);
  turn(page);
}

async function refresh() {
  const mine = new Set();
  news = mine;
  try {
    const page = await newest();
    if (news !== mine) return; // it was asked again meanwhile
    const told = [...news].map((id) => jobs.get(id)).filter(Boolean);
    const listed = page.data.filter(({ id }) => !news.has(id));
    jobs = new Map([...listed, ...told].map((job) => [job.id, job]));
    turn(page);
    tellLink(true);
  } catch (err) {
    tellLink(false);
    if (err.status === 429) setTimeout(refresh, AGAIN);
  }
}

/** A page of the list, and further ones until all that wait and run are in it. */
async function newest() {
  const { queued, in_progress: running } = await api.health();
  let page = await api.videos();
  const found = page.data;
  while (page.has_more && found.filter(active).length < queued + running) {
    page = await api.videos(page.last_id);
    found.push(...page.data);
  }
  return { ...page, data: found };
}

function turn(page) {
  last = page.last_id;
  more = page.has_more;
  tell();
}

function heard(job) {
  news.add(job.id);
  jobs.set(job.id, job);
  tell();
}

function gone(id) {
  news.add(id);
  jobs.delete(id);
  if (id === last) last = list().at(-1)?.id;
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
