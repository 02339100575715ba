// Comforts of the lists and of the listing form. Every page works without them.
(function () {
  "use strict";

  // --- Lists: the filters stay as open as they were when the results are swapped ---------------

  const panel = document.getElementById("facet-panel");
  if (panel) {
    const phone = window.matchMedia("(max-width: 860px)");
    const fit = function () { panel.open = !phone.matches; };
    fit();
    phone.addEventListener("change", fit);
    panel.dataset.kqReady = "1";
    panel.addEventListener("click", function (event) {
      if (event.target.closest(".kq-show")) panel.open = false;
    });
  }

  let opened = [];
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.target.id !== "results") return;
    opened = Array.from(document.querySelectorAll("#facets details[open]"), function (details) {
      return details.id;
    });
  });
  document.addEventListener("htmx:afterSettle", function (event) {
    if (event.detail.target.id !== "results") return;
    opened.forEach(function (id) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    });
    // The chip that was pressed is gone: go on from the results, not from the top of the page.
    if (document.activeElement === document.body) document.getElementById("results").focus();
  });
})();
