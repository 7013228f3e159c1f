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
  try {
    const answer = await fetch(`/scheduling/meeting-types?${asked}`, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const drawn = page.querySelector('[data-part="preview"]');
    if (drawn && turn === newest) form.querySelector('[data-part="preview"]').replaceWith(document.adoptNode(drawn));
  } catch {
    // the drawing stays as it was; saving tells what is wrong
  }
}

form.addEventListener("input", (event) => {
  if (!decides.includes(event.target.name)) return;
  clearTimeout(pause);
  pause = setTimeout(draw, PAUSE_MS);
});
