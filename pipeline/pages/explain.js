"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const words = [...document.querySelectorAll(".review .word")];
const chart = document.getElementById("chart");
const maps = document.querySelector(".maps");
const ROW = 5, STRIP = 60;
const largest = (values) => values.reduce((best, value, index) => (Math.abs(value) > Math.abs(values[best]) ? index : best), 0);
let direction = data.directions[0];
let chosen = largest(data.total), unit = direction ? largest(direction.units.map(({ attribution }) => attribution)) : 0;

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
const plural = (value, noun) => `${value} ${noun}${value === 1 ? "" : "s"}`;

// Gates arrive as bytes, [word, unit].
for (const each of data.directions) {
  for (const gate of Object.values(each.gates)) {
    const bytes = Uint8Array.from(atob(gate.values), (character) => character.charCodeAt(0));
    gate.at = (word, row) => {
      const share = bytes[word * each.units.length + row] / 255;
      return gate.signed ? (2 * share - 1) * gate.scale : share;
    };
  }
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}

function fit(canvas, height) {
  const width = data.margin + data.column * words.length, ratio = devicePixelRatio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return pen; // in CSS pixels
}

function drawBackground(pen, height) {
  pen.fillStyle = colour("--panel");
  pen.fillRect(data.margin, 0, data.column * words.length, height);
}

function drawGate(canvas) {
  const gate = direction.gates[canvas.dataset.gate], pen = fit(canvas, ROW * direction.units.length);
  drawBackground(pen, ROW * direction.units.length);
  pen.font = "12px system-ui, sans-serif";
  pen.fillStyle = colour("--muted");
  pen.fillText("soon", 0, 11);
  pen.fillText("long", 0, ROW * direction.units.length - 4);
  const above = colour(gate.signed ? "--above" : "--text"), below = colour("--below");
  for (let word = 0; word < words.length; word++) {
    for (let row = 0; row < direction.units.length; row++) {
      const value = gate.at(word, row);
      pen.globalAlpha = Math.abs(value) / gate.scale;
      pen.fillStyle = value < 0 ? below : above;
      pen.fillRect(data.margin + word * data.column, row * ROW, data.column, ROW);
    }
  }
  pen.globalAlpha = 1;
  pen.strokeStyle = colour("--text");
  pen.strokeRect(data.margin + chosen * data.column, 0.5, data.column, ROW * direction.units.length - 1);
  pen.strokeRect(data.margin - 8, unit * ROW + 0.5, 6, ROW - 1);
}

// Share of each word in the memory of the units: what they learned at it, times the forget factors of all words since.
function leftInMemory() {
  const step = direction.backward ? -1 : 1, { learned, forget } = direction.gates;
  const left = words.map(() => 0);
  direction.units.forEach((_, row) => {
    let kept = 1;
    for (let word = chosen; word >= 0 && word < words.length; word -= step) {
      left[word] += Math.abs(learned.at(word, row)) * kept;
      kept *= forget.at(word, row);
    }
  });
  const total = left.reduce((sum, value) => sum + value, 0) || 1;
  return left.map((value) => value / total);
}

function drawMemory(left) {
  const pen = fit(document.getElementById("memory"), STRIP), most = Math.max(...left) || 1;
  drawBackground(pen, STRIP);
  left.forEach((share, word) => {
    const height = (share / most) * (STRIP - 2);
    pen.fillStyle = colour(word === chosen ? "--text" : "--accent");
    pen.fillRect(data.margin + word * data.column + 1, STRIP - height, data.column - 2, height);
  });
}

function describeWord() {
  const before = chosen > 0 ? data.running[chosen - 1] : null, after = data.running[chosen];
  const parts = data.wide ? ` (${signed(data.deep[chosen])} by the network, ${signed(data.wide[chosen])} by its phrases)` : "";
  const moved = before === null ? `${data.prediction} after it is ${after.toFixed(3)}.`
    : `${data.prediction} goes from ${before.toFixed(3)} to ${after.toFixed(3)}.`;
  document.getElementById("word").textContent = `“${data.words[chosen]}” adds ${signed(data.total[chosen])}${parts}. ${moved}`;
}

function describeUnit(left) {
  const { number, halfLife, attribution } = direction.units[unit], gate = (key) => direction.gates[key].at(chosen, unit).toFixed(2).replace("-", "−");
  const largestShares = left.map((share, word) => [share, word]).sort((a, b) => b[0] - a[0]).slice(0, 3)
    .map(([share, word]) => `“${data.words[word]}” ${Math.round(100 * share)} %`).join(", ");
  document.getElementById("unit").textContent =
    `Unit ${number} at “${data.words[chosen]}”: learned ${gate("learned")} (ignore factor ${gate("ignore")}), kept ${gate("forget")} of its long-term memory, ` +
    `which is now ${gate("long_term")}, and used ${gate("use")} of it: ${gate("short_term")}. It forgets half within ${plural(halfLife, "word")} ` +
    `and adds ${signed(attribution)} to the prediction. Largest shares in the memory of these units now: ${largestShares}.`;
}

function draw() {
  describeWord();
  words.forEach((word, index) => {
    word.classList.toggle("chosen", index === chosen);
    word.tabIndex = index === chosen ? 0 : -1;
  });
  document.querySelector(".cursor").setAttribute("x", data.margin + chosen * data.column);
  if (direction) {
    const left = leftInMemory();
    document.querySelectorAll("canvas[data-gate]").forEach(drawGate);
    drawMemory(left);
    describeUnit(left);
  }
}

function choose(word, row = unit) {
  const next = Math.min(Math.max(word, 0), words.length - 1);
  const nextUnit = direction ? Math.min(Math.max(row, 0), direction.units.length - 1) : 0;
  if (next !== chosen || nextUnit !== unit) {
    [chosen, unit] = [next, nextUnit];
    draw();
  }
}

// Bring the chosen word's column into view; the maps follow the chart.
function reveal() {
  chart.scrollLeft = data.margin + chosen * data.column - chart.clientWidth / 2;
}

words.forEach((word, index) => {
  for (const kind of ["mouseenter", "focus"]) {
    word.addEventListener(kind, () => {
      choose(index);
      reveal();
    });
  }
});
document.querySelector(".review").addEventListener("keydown", (event) => {
  const moves = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1], Home: [-words.length, 0], End: [words.length, 0] };
  const move = moves[event.key];
  if (move) {
    event.preventDefault();
    choose(chosen + move[0], unit + move[1]);
    words[chosen].focus();
  }
});
for (const canvas of document.querySelectorAll("canvas")) {
  canvas.addEventListener("mousemove", (event) => {
    const word = Math.floor((event.offsetX - data.margin) / data.column);
    choose(word, canvas.dataset.gate ? Math.floor(event.offsetY / ROW) : unit);
  });
}
chart.addEventListener("mousemove", (event) => {
  const left = chart.querySelector("svg").getBoundingClientRect().left;
  choose(Math.floor((event.clientX - left - data.margin) / data.column));
});
if (maps) {
  chart.addEventListener("scroll", () => { maps.scrollLeft = chart.scrollLeft; });
  maps.addEventListener("scroll", () => { chart.scrollLeft = maps.scrollLeft; });
}
for (const radio of document.querySelectorAll("[name=direction]")) {
  radio.addEventListener("change", () => {
    direction = data.directions[Number(radio.value)];
    draw();
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
