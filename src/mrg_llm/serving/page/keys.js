// Every shortcut: the table that the page obeys is the one that the help shows. Single keys rest while one types,
// and can be switched off.

const $ = (id) => document.getElementById(id);
const STORED = "mrg-single-keys";

// rows: [key names, words, action]; a name is an event's key, "Shift+" or "Ctrl+" before it where needed.
export function obey(rows) {
  const actions = new Map(rows.flatMap(([names, , act]) => names.map((name) => [name, act])));
  $("single-keys").checked = localStorage.getItem(STORED) !== "off";
  $("single-keys").addEventListener("change", () => {
    localStorage.setItem(STORED, $("single-keys").checked ? "on" : "off");
  });
  $("help-open").addEventListener("click", () => $("help-dialog").showModal());
  document.addEventListener("keydown", (event) => {
    if (event.altKey || document.querySelector("dialog[open]")) return;
    const control = event.ctrlKey || event.metaKey;
    const typing = event.target.matches("textarea, input:not([type=range], [type=file], [type=checkbox])");
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = actions.get(`${control ? "Ctrl+" : ""}${event.shiftKey && event.key.length > 1 ? "Shift+" : ""}${key}`);
    const single = event.key.length === 1 && !control;
    if (!act || (typing && !control && event.key !== "Escape") || (single && !$("single-keys").checked)) return;
    if (act(event) !== false) event.preventDefault();
  });
  $("help-keys").replaceChildren(...rows.map(([names, words]) => {
    const [pair, term, meaning] = ["div", "dt", "dd"].map((name) => document.createElement(name));
    term.append(...names.map((name) => Object.assign(document.createElement("kbd"), { textContent: spoken(name) })));
    meaning.textContent = words;
    pair.append(term, meaning);
    return pair;
  }));
}

function spoken(name) {
  const arrows = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };
  if (name.length === 1) return name.toUpperCase();
  return name.split("+").map((part) => arrows[part] ?? part).join(" ");
}
