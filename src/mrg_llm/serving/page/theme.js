// Dark for the reading room, light, or as the system says; remembered by the browser.

const THEMES = { dark: "Dark", light: "Light", system: "System" };
const STORED = "mrg-theme";

export const startTheme = () => put(localStorage.getItem(STORED) ?? "dark");

export function nextTheme() {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
  localStorage.setItem(STORED, next);
  put(next);
}

function put(name) {
  const known = name in THEMES ? name : "dark";
  document.documentElement.dataset.theme = known;
  const button = document.getElementById("theme");
  button.textContent = THEMES[known];
  button.setAttribute("aria-label", `Theme: ${known}`);
}
