// The visitor's own time zone: remembered for this visit, so that pages start with it, and used where none was chosen.

export const detected = Intl.DateTimeFormat().resolvedOptions().timeZone;

const chosen = new URLSearchParams(location.search).has("timezone");
const select = document.querySelector("[data-zone-form] select");
const secure = location.protocol === "https:" ? "; Secure" : "";

export function remember() {
  if (detected) document.cookie = `rebook_timezone=${encodeURIComponent(detected)}; path=/; SameSite=Lax${secure}`;
}

export function differs() {
  return Boolean(detected && select && !chosen && select.value !== detected);
}

/** Choose a zone in the form; an old spelling that browsers still use is added to the list. */
export function selectZone(name) {
  if (![...select.options].some((option) => option.value === name)) select.prepend(new Option(name));
  select.value = name;
}

export function submitOnChange(submit) {
  const form = select?.form;
  if (!form) return;
  form.querySelector("button").hidden = true;
  select.addEventListener("change", () => submit(form));
}

if (!document.querySelector("[data-picker]")) {
  const wasDifferent = differs() && !document.cookie.includes("rebook_timezone=");
  remember();
  if (wasDifferent && document.cookie.includes("rebook_timezone=")) location.reload();
}
