// The workbench and the review page: shortcuts, the draft of a decision, and the next match that
// is there at once. A key only presses a visible control, so the server sees one way; letters
// choose, and nothing but Ctrl+Enter submits. Everything works without this file.
(function () {
  "use strict";
  const FIELD = "input:not([type=radio]):not([type=checkbox]),textarea,select,[contenteditable]";

  function visible(element) {
    return Boolean(element) && element.getClientRects().length > 0 && !element.disabled;
  }

  function find(selector) {
    return Array.from(document.querySelectorAll(selector)).find(visible);
  }

  // --- Keys -------------------------------------------------------------------------------------

  function isOff() {
    return document.body.dataset.keys === "off";
  }

  // Somebody who types Chinese has an IME open: its keys are letters to us.
  function isComposing(event) {
    return event.isComposing || event.keyCode === 229;
  }

  function press(code) {
    const control = find('[data-key="' + code + '"]');
    if (!control) return false;
    if (control.matches(FIELD)) {
      control.focus();
      return true;
    }
    control.click();
    if (control.type === "radio") control.focus();
    return true;
  }

  function tick(digit) {
    const box = find('[data-digit="' + digit + '"]');
    if (!box) return false;
    box.click();
    box.focus();
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

  // Enter on a control is that control's own; anywhere else it opens the first match.
  function openFirst() {
    const row = document.querySelector("[data-row]");
    if (!row || document.activeElement.closest("a,button,summary,input,label")) return false;
    row.click();
    return true;
  }

  function unfold(id) {
    const details = document.getElementById(id);
    if (!details) return false;
    details.open = !details.open;
    details.querySelector("summary").focus();
    return true;
  }

  function reveal(element) {
    if (!element) return false;
    if (!element.matches(FIELD)) element.setAttribute("tabindex", "-1");
    element.focus();
    element.scrollIntoView({ block: "center" });
    return true;
  }

  function handle(code) {
    if (code === "KeyJ") return moveInRows(1) || press(code);
    if (code === "KeyK") return moveInRows(-1) || press(code);
    if (code === "Enter" || code === "NumpadEnter") return openFirst();
    if (code === "KeyO") return unfold("texts");
    if (code === "KeyE") return reveal(document.getElementById("first-row"));
    if (code === "KeyC") return reveal(find("#id_comment"));
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(code);
    if (digit) return tick(digit[1]);
    return press(code);
  }

  document.addEventListener("keydown", function (event) {
    if (isOff() || isComposing(event) || event.altKey || event.metaKey) return;
    if (event.ctrlKey) {
      const button = find("#decision [data-submit]");
      if ((event.code === "Enter" || event.code === "NumpadEnter") && button) {
        event.preventDefault();
        if (!event.repeat) button.click();
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
    const code = event.code === "Slash" && event.shiftKey ? "Help" : event.code;
    if (handle(code)) event.preventDefault();
  });

  // --- The draft --------------------------------------------------------------------------------

  // What is being decided survives a reload of its page, in this tab alone.
  function draftKey(form) {
    return "kq-draft-" + form.dataset.number;
  }

  function isKept(control) {
    return control.name && control.type !== "hidden" && control.type !== "submit";
  }

  function keepDraft(form) {
    const kept = [];
    for (const control of form.elements) {
      if (!isKept(control)) continue;
      if (control.type === "radio" || control.type === "checkbox") {
        if (control.checked) kept.push([control.name, control.value]);
      } else if (control.value) {
        kept.push([control.name, control.value]);
      }
    }
    try {
      sessionStorage.setItem(draftKey(form), JSON.stringify(kept));
      form.querySelector("[data-draft-note]").hidden = false;
    } catch (error) {
      // Storage is switched off or full: nothing is kept.
    }
  }

  function restoreDraft(form) {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(draftKey(form)));
    } catch (error) {
      return;
    }
    // What the server sent back with its faults is newer.
    if (!Array.isArray(kept) || document.querySelector("[data-focus]")) return;
    for (const control of form.elements) {
      if (!isKept(control)) continue;
      const values = kept.filter((pair) => pair[0] === control.name).map((pair) => pair[1]);
      if (control.type === "radio" || control.type === "checkbox") {
        control.checked = values.includes(control.value);
      } else if (values.length) {
        control.value = values[0];
      }
    }
    form.querySelector("[data-draft-note]").hidden = false;
  }

  function dropDraft(form) {
    try {
      sessionStorage.removeItem(draftKey(form));
    } catch (error) {
      // As above.
    }
  }

  // --- The next match ---------------------------------------------------------------------------

  // {url, number, stamp, root}: fetched ahead, shown once the server has said that the decision is
  // made and that nothing in it has changed since.
  let inHand = null;

  function review() {
    return document.getElementById("review");
  }

  function fetchAhead() {
    const here = review();
    inHand = null;
    if (!here || !here.dataset.next || !document.getElementById("decision")) return;
    if (navigator.connection && navigator.connection.saveData) return;
    const url = here.dataset.next;
    fetch(url, { headers: { "X-KQ-Ahead": here.dataset.number }, credentials: "same-origin" })
      .then(function (answer) {
        return answer.ok && !answer.redirected ? answer.text() : "";
      })
      .then(function (html) {
        if (!html || review() !== here) return;
        const page = new DOMParser().parseFromString(html, "text/html");
        const root = page.getElementById("review");
        if (!root) return;
        inHand = {
          url: url,
          number: root.dataset.number,
          stamp: root.dataset.stamp,
          root: document.importNode(root, true),
        };
      })
      .catch(function () {
        // The next match is loaded when it is asked for.
      });
  }

  function whenIdle(task) {
    if (window.requestIdleCallback) window.requestIdleCallback(task, { timeout: 500 });
    else window.setTimeout(task, 100);
  }

  function focusOn(element) {
    if (!element) return;
    element.setAttribute("tabindex", "-1");
    element.focus({ preventScroll: true });
  }

  function showNext(answer) {
    const next = inHand;
    inHand = null;
    review().replaceWith(next.root);
    document.querySelector("[data-undo-slot]").innerHTML = answer.undo;
    document.querySelectorAll(".kq-notes").forEach((notes) => notes.remove());
    // The number beside “workbench” in the top bar.
    document.querySelectorAll('a[href="' + answer.workbench + '"] .kq-n').forEach(function (count) {
      count.firstChild.nodeValue = answer.open;
    });
    document.title = next.root.dataset.title;
    history.pushState({}, "", next.url);
    window.scrollTo(0, 0);
    focusOn(document.getElementById("review-title"));
    start();
  }

  // An answer that is a page: faults of the form, or that somebody else was faster.
  function showPage(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const main = page.getElementById("main");
    if (!main) return false;
    document.getElementById("main").replaceWith(document.importNode(main, true));
    document.title = page.title;
    window.scrollTo(0, 0);
    focusOn(document.querySelector("[data-focus]") || document.querySelector("main h1"));
    start();
    return true;
  }

  function send(form, button) {
    const body = new FormData(form);
    if (button && button.name) body.append(button.name, button.value);
    const buttons = document.querySelectorAll("#decision [data-submit], [form=decision]");
    buttons.forEach((one) => { one.disabled = true; });
    document.querySelector("[data-offline]").hidden = true;
    // Not form.action: a field of that name stands before it.
    fetch(form.getAttribute("action"), {
      method: "POST",
      body: body,
      credentials: "same-origin",
      headers: { "X-KQ-In-Hand": inHand.number + " " + inHand.stamp },
    })
      .then(function (answer) {
        if (answer.redirected) {
          window.location.assign(answer.url);
          return null;
        }
        const kind = answer.headers.get("Content-Type") || "";
        if (!kind.startsWith("application/json")) {
          return answer.text().then(function (html) {
            if (!showPage(html)) window.location.reload();
          });
        }
        return answer.json().then(function (said) {
          dropDraft(form);
          if (said.ready) showNext(said);
          else window.location.assign(said.url);
        });
      })
      .catch(function () {
        buttons.forEach((one) => { one.disabled = false; });
        delete form.dataset.sent;
        const note = document.querySelector("[data-offline]");
        note.hidden = false;
        focusOn(note);
        note.scrollIntoView({ block: "center" });
      });
  }

  // Before app.js looks: it marks what a browser sends by itself.
  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (form.id !== "decision") return;
    const choice = new FormData(form).get("decision");
    if (inHand && (choice === "approve" || choice === "reject")) {
      event.preventDefault();
      send(form, event.submitter);
    } else {
      // Kept for those who come back from asking or referring; a decision needs it no more.
      if (choice === "approve" || choice === "reject") dropDraft(form);
    }
  }, true);

  window.addEventListener("popstate", function () {
    window.location.reload();
  });

  // --- The phone --------------------------------------------------------------------------------

  // The two buttons at the bottom choose, and show the reasons: then a reason, then “submit”.
  document.addEventListener("click", function (event) {
    const link = event.target.closest("[data-choose]");
    const radio = link && document.querySelector(
      '#decision [name=decision][value="' + link.dataset.choose + '"]');
    if (!radio) return;
    event.preventDefault();
    radio.checked = true;
    radio.dispatchEvent(new Event("change", { bubbles: true }));
    const reasons = find("#id_reasons fieldset");
    radio.focus({ preventScroll: true });
    (reasons || radio).scrollIntoView({ block: "start" });
  });

  // --- Ticks ------------------------------------------------------------------------------------

  function startTicks() {
    const all = document.querySelector(".kq-all");
    const boxes = Array.from(document.querySelectorAll("[data-picks] [name=pick]:enabled"));
    if (!all || !boxes.length) return;
    const box = all.querySelector("input");
    all.hidden = false;
    box.addEventListener("change", function () {
      boxes.forEach((one) => { one.checked = box.checked; });
    });
    document.querySelector("[data-picks]").addEventListener("change", function () {
      const ticked = boxes.filter((one) => one.checked).length;
      box.checked = ticked === boxes.length;
      box.indeterminate = ticked > 0 && ticked < boxes.length;
    });
  }

  // --- Start ------------------------------------------------------------------------------------

  function start() {
    const form = document.getElementById("decision");
    if (!form) return;
    restoreDraft(form);
    form.addEventListener("input", function () { keepDraft(form); });
    form.addEventListener("change", function () { keepDraft(form); });
    whenIdle(fetchAhead);
  }

  startTicks();
  start();
})();
