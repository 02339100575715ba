// Shortcuts of the workbench and the review page. A key only presses a visible control, so the
// server sees one way; letters choose, and nothing but Ctrl+Enter submits.
(function () {
  "use strict";
  const FIELD = "input:not([type=radio]):not([type=checkbox]),textarea,select,[contenteditable]";

  function isOff() {
    return document.body.dataset.keys === "off";
  }

  // Somebody who types Chinese has an IME open: its keys are letters to us.
  function isComposing(event) {
    return event.isComposing || event.keyCode === 229;
  }

  function visible(element) {
    return Boolean(element) && element.getClientRects().length > 0 && !element.disabled;
  }

  function press(code) {
    const control = Array.from(document.querySelectorAll('[data-key="' + code + '"]')).find(visible);
    if (!control) return false;
    control.click();
    if (control.type === "radio") control.focus();
    return true;
  }

  function tick(digit) {
    const boxes = Array.from(document.querySelectorAll('[data-digit="' + digit + '"]'));
    const box = boxes.find(visible);
    if (!box) return false;
    box.click();
    return true;
  }

  function moveInRows(step) {
    const rows = Array.from(document.querySelectorAll("[data-row]"));
    if (!rows.length) return false;
    const place = rows.indexOf(document.activeElement);
    const next = place === -1 ? 0 : Math.min(Math.max(place + step, 0), rows.length - 1);
    rows[next].focus();
    return true;
  }

  function open(id) {
    const details = document.getElementById(id);
    if (!details) return false;
    details.open = !details.open;
    details.querySelector("summary").focus();
    return true;
  }

  function reveal(element) {
    if (!element) return false;
    element.setAttribute("tabindex", "-1");
    element.focus();
    element.scrollIntoView({ block: "center" });
    return true;
  }

  function handle(code) {
    if (code === "KeyJ") return moveInRows(1) || press(code);
    if (code === "KeyK") return moveInRows(-1) || press(code);
    if (code === "KeyO") return open("texts");
    if (code === "KeyE") return reveal(document.getElementById("first-row"));
    if (code === "KeyC") return reveal(document.getElementById("id_comment"));
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(code);
    if (digit) return tick(digit[1]);
    return press(code);
  }

  document.addEventListener("keydown", function (event) {
    if (isOff() || isComposing(event) || event.altKey || event.metaKey) return;
    const form = document.getElementById("decision");
    if (event.ctrlKey) {
      if (event.code === "Enter" && form) {
        event.preventDefault();
        form.requestSubmit();
      }
      return;
    }
    const field = event.target.closest(FIELD);
    if (event.code === "Escape" && field) {
      field.blur();
      return;
    }
    // Shift is only for the question mark.
    if (field || (event.shiftKey && event.code !== "Slash")) return;
    if (event.code === "Slash" && !event.shiftKey) return;
    if (handle(event.code)) event.preventDefault();
  });

  // A comment that is being written survives a reload of its page, in this tab alone.
  const form = document.querySelector("form[data-number]");
  if (!form) return;
  const comment = form.querySelector("#id_comment");
  const note = form.querySelector("[data-draft-note]");
  const key = "kq-draft-" + form.dataset.number;
  try {
    const kept = sessionStorage.getItem(key);
    if (kept && !comment.value) {
      comment.value = kept;
      note.hidden = false;
    }
    comment.addEventListener("input", function () {
      sessionStorage.setItem(key, comment.value);
      note.hidden = !comment.value;
    });
    form.addEventListener("submit", function () {
      sessionStorage.removeItem(key);
    });
  } catch (error) {
    // Storage is switched off: nothing is kept.
  }
})();
