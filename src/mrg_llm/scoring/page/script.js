"use strict";
const { studies, labels } = JSON.parse(document.getElementById("data").textContent);
const PER_PAGE = 10;
const at = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // report text is never read as HTML
  return node;
};
const orders = {
  worst: () => studies,
  best: () => studies.filter((s) => s.abnormal).reverse(),
  all: () => [...studies].sort((a, b) => (a.id < b.id ? -1 : 1)),
};
let page = 0;

for (const name of [...new Set(studies.flatMap((s) => [...s.extra, ...s.missed, ...s.shared]))].sort()) {
  at("finding").append(new Option(name, name));
}
for (const id of ["view", "finding", "search"]) at(id).addEventListener("input", () => { page = 0; show(); });
at("back").addEventListener("click", () => { page -= 1; show(); });
at("next").addEventListener("click", () => { page += 1; show(); });
show();

function show() {
  const finding = at("finding").value, part = at("search").value.trim().toLowerCase();
  const chosen = orders[at("view").value]().filter((s) =>
    (!finding || [...s.extra, ...s.missed, ...s.shared].includes(finding)) && s.id.toLowerCase().includes(part));
  const first = page * PER_PAGE, last = Math.min(first + PER_PAGE, chosen.length);
  at("where").textContent = chosen.length ? `${first + 1}–${last} of ${chosen.length}` : "no such study";
  at("back").disabled = page === 0;
  at("next").disabled = last >= chosen.length;
  at("studies").replaceChildren(...chosen.slice(first, last).map(card));
}

function card(study) {
  const article = make("article"), head = make("header"), pair = make("div", "pair");
  head.append(make("h3", "", study.id));
  const values = Object.entries(study.values).map(([name, value]) => `${labels[name] || name} ${value.toFixed(2)}`);
  head.append(make("small", "", values.join(" · ")));
  article.append(head);
  if (study.films) {
    const films = make("div", "films");
    study.films.forEach((source, i) => {
      const image = make("img");
      image.src = source;
      image.alt = `film ${i + 1} of study ${study.id}`;
      films.append(image);
    });
    article.append(films);
  }
  pair.append(side("prediction", study.prediction, "extra"), side("reference", study.reference, "missed"));
  article.append(pair);
  const tags = make("div", "tags");
  for (const [kind, mark, word] of [["extra", "extra", "+ "], ["missed", "missed", "− "], ["shared", "same", "= "]]) {
    for (const name of study[kind]) tags.append(make("mark", mark, word + name));
  }
  article.append(tags);
  return article;
}

function side(title, pieces, differing) {
  const block = make("div"), text = make("p");
  for (const piece of pieces) {
    if (typeof piece === "string") { text.append(piece); continue; }
    const mark = make("mark", piece[2] ? differing : "same", piece[0]);
    mark.title = piece[1];
    text.append(mark);
  }
  if (!pieces.length) text.append(make("small", "", "(empty)"));
  block.append(make("h4", "", title), text);
  return block;
}
