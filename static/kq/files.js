// Shows how far an upload is. Without JavaScript the form is sent as any other.
(function () {
  "use strict";

  function parts(event) {
    const form = event.target.closest("form[data-upload]");
    const box = form && form.querySelector("[data-progress]");
    return box && { form: form, box: box, bar: box.querySelector("progress"), said: box.querySelector("output") };
  }

  document.addEventListener("htmx:beforeRequest", function (event) {
    const found = parts(event);
    if (!found) return;
    found.box.hidden = false;
    found.form.querySelector("button").disabled = true;
  });

  document.addEventListener("htmx:xhr:progress", function (event) {
    const found = parts(event);
    if (!found || !event.detail.lengthComputable || !event.detail.total) return;
    const percent = Math.round((100 * event.detail.loaded) / event.detail.total);
    found.bar.value = percent;
    // Not with every percent: a screen reader would never be done.
    if (percent % 25 === 0) found.said.textContent = percent + "\u00a0%";
  });

  document.addEventListener("htmx:afterRequest", function (event) {
    const found = parts(event);
    if (!found) return;
    found.box.hidden = true;
    found.form.querySelector("button").disabled = false;
  });

  // What was refused is read out: the list of errors gets the focus, as on a whole page.
  document.addEventListener("htmx:afterSettle", function (event) {
    const errors = document.querySelector("#panel [data-focus]");
    if (errors && event.detail.target && event.detail.target.id === "panel") errors.focus();
  });
})();
