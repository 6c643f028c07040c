// What was dropped or chosen -> films. Which of them the browser can show is read from their first bytes, never from a
// name.

import { Refusal } from "./api.js";

const PICTURES = [["image/png", [0x89, 0x50, 0x4e, 0x47]], ["image/jpeg", [0xff, 0xd8, 0xff]]];

// The film as a Blob of its type; what else it may be than a picture, the server sees.
export async function typed(file) {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer().catch(() => {
    throw new Refusal("A file cannot be read; choose the films again.", { code: "unreadable_file" });
  }));
  const sign = PICTURES.find(([, bytes]) => bytes.every((byte, i) => head[i] === byte));
  return file.slice(0, file.size, sign ? sign[0] : "application/octet-stream");
}

// The files of a drop, folders looked through.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(within))).flat();
}

async function within(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(within))).flat();
}
