// Draws the hours of a meeting type while they are typed; the server decides what they come to.

const form = document.querySelector("[data-hours-form]");
const decides = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "date_overrides", "timezone", "duration_minutes", "slot_step_minutes"];
const PAUSE_MS = 250;
let newest = 0;
let pause;

async function draw() {
  const turn = ++newest;
  const asked = new URLSearchParams({ preview: 1 });
  for (const name of decides) asked.set(name, form.elements[name].value);
  const drawn = await drawing(asked).catch(() => null);
  if (turn !== newest) return;
  if (drawn) form.querySelector('[data-part="preview"]').replaceWith(document.adoptNode(drawn));
  form.querySelector("[data-outdated]").hidden = Boolean(drawn);
}

/** The server's drawing; null where it has none to give, as for hours too long for an address. */
async function drawing(asked) {
  const answer = await fetch(`/scheduling/meeting-types?${asked}`, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector('[data-part="preview"]');
}

form.addEventListener("input", (event) => {
  if (!decides.includes(event.target.name)) return;
  clearTimeout(pause);
  pause = setTimeout(draw, PAUSE_MS);
});
