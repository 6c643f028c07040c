// The text that becomes the report: edited as plain text, accepted, copied, and downloaded in each format of the
// server. Whatever leaves the page carries the notice. A download holds what was accepted: changes are accepted first.

import * as api from "./api.js";

const $ = (id) => document.getElementById(id);
const NAMES = {
  text: "Text", json: "JSON", markdown: "Markdown", pdf: "PDF",
  "dicom-sr": "DICOM SR", "dicom-pdf": "DICOM PDF", fhir: "FHIR",
};
const notice = () => $("notice").textContent;
const noticed = (text) => `${text.trim()}\n\n${notice()}\n`;

export class Report {
  constructor({ say, refused }) {
    Object.assign(this, { say, refused, id: null, drafted: "", accepted: null, keeps: false });
    $("text").addEventListener("input", () => this.state());
    $("text").addEventListener("paste", (event) => this.paste(event));
    $("accept").addEventListener("click", () => this.accept());
    $("copy").addEventListener("click", () => this.copy());
    $("restore").addEventListener("click", () => { $("text").value = this.drafted; this.state(); $("text").focus(); });
    document.addEventListener("copy", (event) => this.copied(event));
    addEventListener("beforeunload", (event) => { if (this.unsaved()) event.preventDefault(); });
  }

  configure({ formats, keep_edits: keeps }) {
    this.keeps = keeps;
    $("downloads").replaceChildren(...formats.map((format) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: NAMES[format] ?? format });
      button.dataset.format = format;
      button.addEventListener("click", () => this.download(format));
      return button;
    }));
  }

  clear() {
    Object.assign(this, { id: null, drafted: "", accepted: null });
    $("text").value = "";
    $("report").hidden = true;
  }

  open({ id, findings, impression }) {
    Object.assign(this, { id, drafted: findings, impression, accepted: null });
    $("text").value = findings;
    $("report").hidden = false;
    this.state();
  }

  whole() { return this.impression ? `${$("text").value.trim()}\n\nImpression: ${this.impression}` : $("text").value; }
  changed() { return $("text").value !== (this.accepted ?? this.drafted); }
  unsaved() { return this.id !== null && this.changed(); }

  state() {
    const [words, kind] = this.changed() ? ["Changed, not accepted", "open"]
      : this.accepted === null ? ["As drafted", ""]
      : this.accepted === this.drafted ? ["Accepted as drafted", "done"] : ["Accepted with changes", "done"];
    $("text-state").textContent = words;
    $("text-state").dataset.kind = kind;
    $("restore").hidden = $("text").value === this.drafted;
    $("accept").textContent = this.changed() ? "Accept changes" : "Accept";
    $("accept").disabled = this.accepted !== null && !this.changed();
    if (this.accepted === null) {
      $("kept").textContent = this.keeps ? "Accepting keeps draft and text for later training."
        : "Accepting keeps nothing beyond this draft.";
    }
  }

  async accept() {
    if (this.id === null || $("accept").disabled) return;
    const [id, text] = [this.id, $("text").value];
    if (!text.trim()) return this.say("There is no text to accept.");
    $("accept").disabled = true;
    try {
      const { kept } = await api.accept(id, text);
      if (this.id !== id) return; // another study has been opened meanwhile
      this.accepted = text;
      $("kept").textContent = kept ? "Accepted. Draft and text are kept for later training."
        : "Accepted. The server keeps no edits.";
      this.say($("kept").textContent);
    } catch (error) {
      $("accept").disabled = false;
      this.refused(error, this.id === id ? () => this.accept() : null);
      return;
    }
    this.state();
  }

  async copy() {
    if (this.id === null) return;
    try {
      await navigator.clipboard.writeText(noticed(this.whole()));
      this.say("Copied, with the notice.");
    } catch {
      $("text").focus(); // a page that is not served from a safe place has no clipboard of its own
      $("text").select();
      this.say(document.execCommand("copy") ? "Copied, with the notice." : "Press Ctrl+C to copy the text.");
    }
  }

  // Copying by hand: the whole text, or any part of the sentences, takes the notice along.
  copied(event) {
    const box = $("text");
    const inside = document.activeElement === box;
    const whole = inside && box.value && box.selectionStart === 0 && box.selectionEnd === box.value.length;
    const picked = getSelection();
    const among = !inside && !picked.isCollapsed && $("written").contains(picked.anchorNode);
    if (!whole && !among) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", noticed(whole ? box.value : picked.toString()));
  }

  paste(event) { // what was copied here comes back without the notice
    const text = event.clipboardData.getData("text/plain");
    if (!text.includes(notice())) return;
    event.preventDefault();
    document.execCommand("insertText", false, text.replaceAll(notice(), "").trim());
  }

  async download(format) {
    if (this.id === null) return;
    if (this.changed()) return this.say("Accept your changes first, so that the file holds them.", true);
    const { id } = this;
    try {
      const { blob, name } = await api.exported(id, format);
      const link = document.createElement("a");
      Object.assign(link, { href: URL.createObjectURL(blob), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // ms: time for the browser to have taken it
      this.say(`Downloaded as ${NAMES[format] ?? format}.`);
    } catch (error) {
      this.refused(error, this.id === id ? () => this.download(format) : null);
    }
  }

  edit(sentence) { // into the text, at a sentence where it still stands there
    if (this.id === null) return;
    const at = sentence ? $("text").value.indexOf(sentence) : -1;
    $("text").focus();
    if (at >= 0) $("text").setSelectionRange(at, at + sentence.length);
  }
}
