// What the console's pages do beyond HTML; everything works without it. The list of calls renews itself, arrow keys
// move between the rows of a table, Escape leaves a question as it is.
"use strict";

const EVERY_MS = 2000;

function live(place) {
  const bar = document.createElement("p");
  bar.className = "live";
  const state = document.createElement("span");
  const pause = document.createElement("button");
  pause.type = "button";
  pause.className = "plain";
  bar.append(state, " ", pause);
  place.before(bar);
  let paused = false;
  let ended = false;
  let timer = 0;

  function tell(text) {
    if (state.textContent !== text) state.textContent = text;
    bar.dataset.state = ended ? "ended" : paused ? "paused" : "live";
    pause.textContent = paused ? "Go on" : "Pause";
    pause.hidden = ended;
  }

  async function renew() {
    window.clearTimeout(timer);
    if (paused || ended) return;
    if (!document.hidden) {
      try {
        const answer = await fetch(place.dataset.live, { credentials: "same-origin", cache: "no-store" });
        // Not allowed any more: asking again would only fill the record with refusals.
        if (answer.status === 401 || answer.status === 403) {
          ended = true;
          state.setAttribute("role", "status");
          tell("Your session has ended, or you may not see this any more. Load the page again.");
          return;
        }
        if (!answer.ok) throw new Error(String(answer.status));
        const text = await answer.text();
        // A row that somebody is on is not taken away from under them.
        if (!place.contains(document.activeElement) && place.innerHTML !== text) place.innerHTML = text;
        tell("Live");
      } catch {
        tell("The office does not answer; trying again.");
      }
    }
    timer = window.setTimeout(renew, EVERY_MS);
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    tell(paused ? "Paused" : "Live");
    renew();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
  tell("Live");
  timer = window.setTimeout(renew, EVERY_MS);
}

function arrows(event) {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const row = event.target instanceof Element ? event.target.closest("tbody tr") : null;
  if (!row) return;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  const link = next ? next.querySelector("a") : null;
  if (link) {
    event.preventDefault();
    link.focus();
  }
}

function escape(event) {
  const cancel = event.key === "Escape" ? document.querySelector("a[data-cancel]") : null;
  if (cancel) cancel.click();
}

for (const place of document.querySelectorAll("[data-live]")) live(place);
document.addEventListener("keydown", arrows);
document.addEventListener("keydown", escape);
