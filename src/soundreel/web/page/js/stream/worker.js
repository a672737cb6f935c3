// The worker that all tabs of a browser share: it alone has the stream, and tells every tab.

import { follow } from "./source.js";

const tabs = new Set();
let link = null; // the last word of whether the server answers

addEventListener("connect", ({ ports: [tab] }) => {
  tabs.add(tab);
  tab.onmessage = () => tabs.delete(tab); // it says one thing only: that it goes
  if (link) tab.postMessage(link);
});

follow((said) => {
  if (said.kind === "open" || said.kind === "away") link = said;
  for (const tab of tabs) tab.postMessage(said);
});
