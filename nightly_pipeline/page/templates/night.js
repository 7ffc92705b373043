"use strict";
(() => {
  const opened = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target && target.closest("details");
    if (details) details.open = true;
  };
  addEventListener("hashchange", opened);
  opened();

  // Closed details do not print. The figures of the plots stay closed, and so many that nobody would print them do.
  const closed = () => [...document.querySelectorAll("details:not([open]):not(.figures)")];
  let openedForPrint = [];
  addEventListener("beforeprint", () => {
    openedForPrint = closed();
    if (openedForPrint.length > 500) openedForPrint = [];
    openedForPrint.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => openedForPrint.forEach((one) => { one.open = false; }));

  const input = document.getElementById("filter");
  if (!input) return;
  const groups = [...document.querySelectorAll(".verdict-group")];
  const tests = groups.flatMap((group) => [...group.querySelectorAll(".tests")]);
  input.closest(".filter").hidden = tests.length < 5;
  let words; // read when first asked for: there may be megabytes
  const matches = document.getElementById("matches");
  let waiting;
  const apply = () => {
    const wanted = input.value.trim().toLowerCase();
    let shown = 0;
    words ??= tests.map((one) => `${one.closest(".verdict-group").dataset.words} ${one.textContent.toLowerCase()}`);
    tests.forEach((one, position) => {
      one.hidden = wanted !== "" && !words[position].includes(wanted);
      if (!one.hidden) shown += 1;
    });
    groups.forEach((group) => { group.hidden = wanted !== "" && !group.querySelector(".tests:not([hidden])"); });
    matches.textContent = wanted ? `${shown} of ${tests.length}` : "";
  };
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  addEventListener("click", (event) => {
    const link = event.target.closest("[data-filter]");
    if (!link) return;
    input.value = link.dataset.filter;
    input.closest(".filter").hidden = false;
    apply();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !input.closest(".filter").hidden) {
      event.preventDefault();
      input.focus();
    }
  });
})();
