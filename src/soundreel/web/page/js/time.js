// Seconds as people write them, and back.

/** 65.5 -> "1:05.5"; at most three digits after the point. */
export function clock(seconds) {
  const milli = Math.max(0, Math.round(seconds * 1000));
  const hours = Math.floor(milli / 3600000);
  const minutes = Math.floor(milli / 60000) % 60;
  const rest = (milli % 60000) / 1000;
  const whole = String(Math.floor(rest)).padStart(2, "0");
  const part = rest % 1 ? String(Math.round((rest % 1) * 1000)).padStart(3, "0").replace(/0+$/, "") : "";
  const front = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`;
  return `${front}:${whole}${part && `.${part}`}`;
}

/** "1:05.5" or "65.5" -> 65.5; null where it is no time. The server reads the text itself, exactly. */
export function seconds(text) {
  const parts = String(text).trim().split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d*)?$/.test(part))) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** "40 s", "12 min", "3 h 20 min". */
export function span(amount) {
  if (amount === null || amount === undefined) return "unknown";
  if (amount < 1) return "less than a second";
  if (amount < 90) return `${Math.round(amount)} s`;
  const minutes = Math.round(amount / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 3300000 -> "3.3 MB". */
export function bytes(count) {
  if (count === null || count === undefined) return "unknown";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (count >= 999.5 && step < units.length - 1) {
    count /= 1000;
    step += 1;
  }
  return `${count < 10 && step ? count.toFixed(1) : Math.round(count)} ${units[step]}`;
}

export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
