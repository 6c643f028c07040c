// The questions the page asks: for a key, and whether changes may be lost.

const $ = (id) => document.getElementById(id);

// Resolves to the key, or null where the user gives none.
export function askKey(wrong) {
  $("key-text").textContent = wrong ? "The server did not take that key." : "";
  $("key").value = "";
  $("key-dialog").returnValue = "";
  $("key-dialog").showModal();
  return new Promise((resolve) => {
    $("key-form").onsubmit = (event) => {
      event.preventDefault();
      $("key-dialog").close("given");
    };
    $("key-cancel").onclick = () => $("key-dialog").close("");
    $("key-dialog").onclose = () => {
      resolve($("key-dialog").returnValue === "given" ? $("key").value.trim() || null : null);
    };
  }).finally(() => { $("key").value = ""; });
}

// Resolves to true where there is nothing to lose, or the user lets it go.
export function mayDiscard(unsaved) {
  if (!unsaved) return true;
  $("discard-dialog").returnValue = "stay";
  $("discard-dialog").showModal();
  return new Promise((resolve) => {
    $("discard-dialog").onclose = () => resolve($("discard-dialog").returnValue === "discard");
  });
}
