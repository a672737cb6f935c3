// The access key, where the server asks for one: it becomes a cookie that no script can read.

import * as api from "./api.js";
import * as faults from "./faults.js";
import { $ } from "./dom.js";

export function start() {
  addEventListener("locked", ask);
  $("enter").addEventListener("cancel", (event) => event.preventDefault());
  $("enter").querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await api.enter($("key").value);
      location.reload();
    } catch (err) {
      faults.show(err, $("enter"), $("enter").querySelector("form > .fault"));
    }
  });
}

export function ask() {
  if (!$("enter").open) $("enter").showModal();
}
