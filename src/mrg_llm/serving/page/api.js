// The server's HTTP API: JSON in, JSON out, drafts as server-sent events. A call without a valid key asks for one and
// goes on. What the server refuses is thrown as Refusal: its code, its one sentence, and seconds to wait if it says so.

const BASE = new URL("../v1/", import.meta.url);
const KEY = "mrg-key";

export class Refusal extends Error {
  constructor(message, { code = "unreachable", status = 0, retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { code, status, retryAfter });
  }
}

let askKey = null; // (wrong: boolean) => Promise<string|null>
let asking = null; // one question at a time, whoever asks

export const whenKeyIsNeeded = (ask) => { askKey = ask; };

export const config = () => json("config");
export const report = (id) => json(`reports/${encodeURIComponent(id)}`);
export const worklist = () => json("worklist");
export const worklistReport = (id) => json(`worklist/${encodeURIComponent(id)}/report`);

export async function accept(id, final) {
  return json(`reports/${encodeURIComponent(id)}/edits`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ final }),
  });
}

// One film as 16-bit gray: {values: Uint16Array, rows, columns, bits}.
export async function film(id, n) {
  const answer = await call(`reports/${encodeURIComponent(id)}/films/${n}`);
  const [rows, columns, bits] = ["X-Rows", "X-Columns", "X-Bits"].map((name) => Number(answer.headers.get(name)));
  const bytes = new DataView(await answer.arrayBuffer());
  const values = new Uint16Array(rows * columns);
  if (bytes.byteLength !== values.byteLength) throw new Refusal("The server sent a film of another size than it said.");
  for (let i = 0; i < values.length; i++) values[i] = bytes.getUint16(2 * i, true);
  return { values, rows, columns, bits };
}

// Heat maps, [sentence][view] -> {values: Uint8Array, rows, columns}.
export async function maps(id) {
  const { views, maps } = await json(`reports/${encodeURIComponent(id)}/maps`);
  const decoded = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return maps.map((sentence) => sentence.map((text, view) => ({ ...views[view], values: decoded(text) })));
}

export async function exported(id, format) {
  const answer = await call(`reports/${encodeURIComponent(id)}/export?format=${encodeURIComponent(format)}`);
  const name = /filename="?([^";]+)"?/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "draft-report";
  return { blob: await answer.blob(), name };
}

// Films and what is told with them -> events {event, data} as the draft is written: "sentence" ..., then "report" or
// "error". Texts go in the form, not in the address: proxies log addresses.
export async function* draft(films, told, signal) {
  const body = new FormData();
  for (const [name, value] of Object.entries(told)) if (value) body.append(name, value);
  films.forEach((film, n) => body.append("film", film, `film-${n + 1}`)); // a file's own name may name a patient
  const answer = await call("reports", { method: "POST", headers: { Accept: "text/event-stream" }, body, signal });
  try {
    yield* events(answer.body);
  } catch (error) {
    if (error.name === "AbortError" || error instanceof Refusal) throw error;
    throw new Refusal("The connection broke before the draft was whole.");
  }
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => !line.startsWith(":"));
      const field = (name) => lines.filter((l) => l.startsWith(`${name}:`)).map((l) => l.slice(name.length + 1).trim());
      const data = field("data");
      if (data.length) yield { event: field("event")[0] ?? "message", data: JSON.parse(data.join("\n")) };
    }
  }
}

const json = async (path, options) => (await call(path, options)).json();

async function call(path, options = {}) {
  for (let wrong = false; ; wrong = true) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
    let answer;
    try {
      answer = await fetch(new URL(path, BASE), { ...options, headers, credentials: "omit", cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal("The server cannot be reached; check that it still runs.");
    }
    if (answer.ok) return answer;
    if (answer.status !== 401 || !askKey) throw await refusal(answer);
    if (sessionStorage.getItem(KEY) !== key) continue; // somebody else has given a new key meanwhile
    sessionStorage.removeItem(KEY);
    asking ??= askKey(wrong || key !== null).finally(() => { asking = null; });
    const given = await asking;
    if (given === null) throw await refusal(answer);
    sessionStorage.setItem(KEY, given);
  }
}

async function refusal(answer) {
  const error = (await answer.json().catch(() => ({}))).error ?? {};
  const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  return new Refusal(sentence(error.message ?? `the server answered ${answer.status}`), {
    code: error.code ?? "unknown", status: answer.status, retryAfter: Number.isFinite(seconds) ? seconds : null,
  });
}

// The server's sentences begin small and end without a stop, as they do on a command line.
export function sentence(words) {
  return words.replace(/^[a-z](?=[a-z]* )/, (first) => first.toUpperCase()) + (/[.!?]$/.test(words) ? "" : ".");
}
