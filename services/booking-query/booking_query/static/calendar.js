// Makes the calendar quicker: other months, days and zones come without a new page, and the arrow keys move
// through the days (WAI-ARIA's date grid). Everything here also works as plain links and forms.

import { detected, differs, remember, selectZone, submitOnChange } from "./zone.js";

const picker = document.querySelector("[data-picker]");
const status = document.querySelector("[data-status]");
const parts = ["month", "times", "kept", "offset"];
const DAY_MS = 86_400_000;
let newest = 0;

const part = (name, from = document) => from.querySelector(`[data-part="${name}"]`);
const grid = () => picker.querySelector(".grid");
const dayElement = (date) => grid().querySelector(`[data-date="${date}"]`);
const asDate = (text) => new Date(`${text}T00:00:00Z`);
const asText = (date) => date.toISOString().slice(0, 10);

/** Fetch the same page in another state and put its calendar here; `refocus` finds what has the focus then. */
async function show(url, refocus) {
  const turn = ++newest;
  picker.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn !== newest) return;
    if (!answer.ok || !page.querySelector("[data-picker]")) throw new Error("no calendar");
    const focused = document.activeElement?.id;
    for (const name of parts) part(name).replaceWith(document.adoptNode(part(name, page)));
    history.replaceState(null, "", url);
    begin();
    focusAgain(refocus?.() ?? (focused ? document.getElementById(focused) : null));
    status.textContent = part("month").dataset.says;
  } catch {
    location.assign(url);
  } finally {
    if (turn === newest) picker.removeAttribute("aria-busy");
  }
}

/** Give the table its grid roles and let exactly one day be reached with Tab. */
function begin() {
  const table = grid();
  table.setAttribute("role", "grid");
  for (const cell of table.querySelectorAll("td")) cell.setAttribute("role", "gridcell");
  for (const day of table.querySelectorAll("[data-date]")) {
    day.tabIndex = -1;
    if (day.matches("a")) day.parentElement.setAttribute("aria-selected", String(day.hasAttribute("aria-current")));
    else day.parentElement.setAttribute("aria-disabled", "true");
  }
  const first = table.querySelector("[aria-current]") ?? table.querySelector("a") ?? table.querySelector("[data-date]");
  first.tabIndex = 0;
}

/** Give an element the focus back, or the day that Tab leads to where it can have none: an arrow at the ends. */
function focusAgain(element) {
  element?.focus();
  if (element && document.activeElement !== element) grid().querySelector('[tabindex="0"]')?.focus();
}

function focusDay(date) {
  for (const day of grid().querySelectorAll('[tabindex="0"]')) day.tabIndex = -1;
  const day = dayElement(date);
  if (day) day.tabIndex = 0;
  day?.focus();
  return day;
}

/** Go to a day that may lie in a month that is not shown yet; beyond the calendar's ends nothing happens. */
function goTo(date) {
  const month = date.slice(0, 7);
  const shown = grid().dataset.month;
  if (month === shown) return focusDay(date);
  const arrow = document.getElementById(month < shown ? "previous-month" : "next-month");
  if (!arrow.href) return null;
  const url = new URL(arrow.href);
  url.searchParams.set("month", month);
  return show(url, () => focusDay(date) ?? focusDay(lastDay()));
}

const lastDay = () => [...grid().querySelectorAll("[data-date]")].at(-1).dataset.date;

function daysFrom(date, days) {
  return asText(new Date(asDate(date).getTime() + days * DAY_MS));
}

/** The same day some months away, or that month's last day where it is shorter. */
function monthsFrom(date, months) {
  const [year, month, day] = date.split("-").map(Number);
  const last = new Date(Date.UTC(year, month + months, 0)).getUTCDate();
  return asText(new Date(Date.UTC(year, month - 1 + months, Math.min(day, last))));
}

function target(event, date) {
  const weekday = (asDate(date).getUTCDay() + 6) % 7;
  switch (event.key) {
    case "ArrowLeft": return daysFrom(date, -1);
    case "ArrowRight": return daysFrom(date, 1);
    case "ArrowUp": return daysFrom(date, -7);
    case "ArrowDown": return daysFrom(date, 7);
    case "Home": return daysFrom(date, -weekday);
    case "End": return daysFrom(date, 6 - weekday);
    case "PageUp": return monthsFrom(date, event.shiftKey ? -12 : -1);
    case "PageDown": return monthsFrom(date, event.shiftKey ? 12 : 1);
    default: return null;
  }
}

picker.addEventListener("keydown", (event) => {
  const day = event.target.closest(".grid [data-date]");
  if (!day || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === " " && day.matches("a")) day.click();
  const date = target(event, day.dataset.date);
  if (date) goTo(date);
  if (date || event.key === " ") event.preventDefault();
});

picker.addEventListener("click", (event) => {
  const link = event.target.closest(".grid a, a.round, a[data-swap]");
  if (!link || event.button || event.ctrlKey || event.shiftKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const { date } = link.dataset;
  const fromTimes = link.matches("[data-swap]");
  show(link.href, () => (date ? focusDay(date) : fromTimes ? grid().querySelector("[aria-current]") : null));
});

/** Times that still stand in the former zone cannot be chosen: the zone's name beside them is another already. */
function showInZone(url) {
  part("times").inert = true;
  show(url);
}

function inZone(form) {
  const url = new URL(form.action || location.href);
  url.search = new URLSearchParams(new FormData(form));
  showInZone(url);
}

begin();
submitOnChange(inZone);
if (picker.hasAttribute("data-own-zone")) {
  remember();
  if (differs()) {
    const url = new URL(location.href);
    url.searchParams.set("timezone", detected);
    selectZone(detected);
    showInZone(url);
  }
}
