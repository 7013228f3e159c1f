// "Copy" buttons beside links and tokens; without a clipboard the text is selected instead.

const status = document.querySelector("[data-status]");

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
      if (status) status.textContent = "Copied to the clipboard.";
      setTimeout(() => { button.textContent = label; }, 2000);
    } catch {
      field.select();
    }
  });
}
