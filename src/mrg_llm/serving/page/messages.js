// What the page says: one sentence at a time in the bar (an alert to a screen reader), and quiet announcements.

const $ = (id) => document.getElementById(id);
let ticking = null;

export function announce(words) { $("announce").textContent = words; }

// actions: [[name, function]]; a message without one can be closed. kind: "error" or "note".
export function tell(words, actions = [], kind = "error") {
  hush();
  $("message").dataset.kind = kind;
  $("message").hidden = false;
  $("message-text").textContent = words;
  $("message-actions").replaceChildren(...actions.map(([name, act]) => button(name, act)), button("Close", () => {}));
}

// The same, and `act` by itself after some seconds, counted down, unless it is cancelled.
export function tellAndRetry(words, seconds, act) {
  tell(words);
  const until = Date.now() + 1000 * seconds;
  const count = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    $("message-count").textContent = `Trying again in ${Math.max(left, 0)} s`;
    if (left <= 0) { hush(); act(); }
  };
  $("message-actions").replaceChildren(button("Try now", act), button("Cancel", () => {}));
  ticking = setInterval(count, 250); // ms
  count();
}

export function hush() {
  clearInterval(ticking);
  $("message").hidden = true;
  $("message-count").textContent = "";
  $("message-text").textContent = "";
}

function button(name, act) {
  const element = document.createElement("button");
  Object.assign(element, { type: "button", textContent: name });
  element.addEventListener("click", () => { hush(); act(); });
  return element;
}
