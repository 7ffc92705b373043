"use strict";
(() => {
  const opened = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target && target.closest("details");
    if (details) details.open = true;
  };
  addEventListener("hashchange", opened);
  opened();

  // Closed details do not print; so many that nobody would print them stay closed.
  const closed = () => [...document.querySelectorAll("details:not([open])")];
  let openedForPrint = [];
  addEventListener("beforeprint", () => {
    openedForPrint = closed();
    if (openedForPrint.length > 300) openedForPrint = [];
    openedForPrint.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => openedForPrint.forEach((one) => { one.open = false; }));

  const input = document.getElementById("filter");
  if (!input) return;
  input.closest(".filter").hidden = false;
  const tests = [...document.querySelectorAll(".tests")];
  let words; // read when first asked for: there may be megabytes
  const matches = document.getElementById("matches");
  let waiting;
  const apply = () => {
    const wanted = input.value.trim().toLowerCase();
    let shown = 0;
    words ??= tests.map((one) => one.textContent.toLowerCase());
    tests.forEach((one, position) => {
      one.hidden = wanted !== "" && !words[position].includes(wanted);
      if (!one.hidden) shown += 1;
    });
    matches.textContent = wanted ? `${shown} of ${tests.length}` : "";
  };
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== input && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      input.focus();
    }
  });
})();
