// Comforts of the listing form: it saves itself, counts, adds rows, finds classes. Every page of
// it works without them.
(function () {
  "use strict";

  const form = document.querySelector("form[data-kq-listing]");
  if (!form) return;
  const isDraft = form.dataset.kqListing === "draft";
  const line = document.querySelector("[data-kq-saved]");

  // --- Saving by itself ------------------------------------------------------------------------

  const PAUSE = 1500;      // after the last key
  const AGAIN = 15000;     // after a failure of the network
  let dirty = false;       // something has changed since it was last stored
  let leaving = false;     // the form is being sent
  let stopped = false;     // a sentence stands there that only the person can answer
  let timer = 0;
  let running = null;

  function say(text, isProblem) {
    line.textContent = text;
    line.classList.toggle("bad", Boolean(isProblem));
  }

  function later(wait) {
    window.clearTimeout(timer);
    timer = window.setTimeout(save, wait);
  }

  function changed(event) {
    if (event.target.name && event.target.name.startsWith("find_")) return;
    dirty = true;
    if (!isDraft) say(form.dataset.kqUnsaved);
    else if (!stopped) later(event.type === "change" ? 0 : PAUSE);
  }

  function save() {
    window.clearTimeout(timer);
    timer = 0;
    if (!isDraft || !dirty || stopped || leaving || running) return running;
    dirty = false;
    const body = new FormData(form);
    body.set("action", "autosave");
    // Not `form.action`: that is the buttons of this name.
    running = fetch(form.getAttribute("action"), {
      method: "POST",
      body: body,
      headers: { Accept: "application/json" },
      redirect: "manual",
    }).then(function (answer) {
      // A redirect or a page is no answer of ours.
      const type = answer.headers.get("Content-Type") || "";
      if (!type.startsWith("application/json")) throw new Error(String(answer.status));
      return answer.json();
    }).then(function (told) {
      if (told.problem) {
        stopped = true;
        dirty = true;
        say(told.problem, true);
        return;
      }
      say(told.said);
      if (!told.address) return;
      form.elements.seen.value = told.seen;
      form.elements.writer.value = told.writer;
      if (form.getAttribute("action") !== told.address) {
        // The draft exists now: what is sent next belongs to it, also after a reload.
        form.querySelectorAll("[formaction]").forEach(function (button) {
          const anchor = button.getAttribute("formaction").split("#")[1];
          button.setAttribute("formaction", told.address + "#" + anchor);
        });
        form.setAttribute("action", told.address);
        window.history.replaceState(null, "", told.address);
      }
    }).catch(function () {
      dirty = true;
      say(form.dataset.kqOffline, true);
      later(AGAIN);
    }).finally(function () {
      running = null;
      if (dirty && !stopped && !timer) later(PAUSE);
    });
    return running;
  }

  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener("focusout", function () { if (dirty) later(0); });

  // Two savings at once would look like two people: the second waits for the first.
  form.addEventListener("submit", function (event) {
    const button = event.submitter;
    if (running) {
      event.preventDefault();
      running.finally(function () { form.requestSubmit(button); });
      return;
    }
    if (button && button.formTarget === "_blank") return;
    window.clearTimeout(timer);
    leaving = true;
  });
  window.addEventListener("pageshow", function () { leaving = false; });
  document.addEventListener("visibilitychange", function () {
    if (document.visibilityState === "hidden") save();
  });
  window.addEventListener("beforeunload", function (event) {
    if (dirty && !leaving) event.preventDefault();
  });

  // --- Characters left, counted as the server counts: by code point, a line end as one -----------

  form.querySelectorAll("textarea[data-kq-limit]").forEach(function (area) {
    const limit = Number(area.dataset.kqLimit);
    const counter = document.createElement("span");
    counter.className = "kq-count";
    counter.setAttribute("aria-hidden", "true");
    const count = function () {
      const used = Array.from(area.value).length;
      counter.textContent = used.toLocaleString() + " / " + limit.toLocaleString();
      counter.classList.toggle("over", used > limit);
    };
    area.after(counter);
    area.addEventListener("input", count);
    count();
  });

  // --- Rows: three more, and what is pasted from a spreadsheet ------------------------------------

  const sets = {};
  form.querySelectorAll("[data-kq-rows]").forEach(function (box) {
    const prefix = box.dataset.kqRows;
    const list = box.querySelector("[data-kq-list]");
    const model = box.querySelector(":scope > template");
    const more = box.querySelector("[data-kq-more]");
    const total = form.elements[prefix + "-TOTAL_FORMS"];
    const limit = more ? Number(more.dataset.kqMore) : 0;

    function add() {
      const number = Number(total.value);
      if (number >= limit) return null;
      const copy = document.createElement("div");
      copy.innerHTML = model.innerHTML
        .replace(/__prefix__/g, String(number))
        .replace(/__number__/g, String(number + 1));
      const row = copy.firstElementChild;
      list.append(row);
      total.value = String(number + 1);
      if (more) more.hidden = number + 1 >= limit;
      return row;
    }

    if (more) {
      more.addEventListener("click", function (event) {
        event.preventDefault();
        const first = add();
        add();
        add();
        if (first) first.querySelector("input, select").focus();
      });
    }
    sets[prefix] = { list: list, add: add };
  });

  // Lines pasted from a spreadsheet fill one row each: name, relation, value, unit.
  const relations = { "≥": "ge", ">=": "ge", "≤": "le", "<=": "le", "=": "eq" };
  if (sets.indicators) {
    sets.indicators.list.addEventListener("paste", function (event) {
      const field = event.target;
      if (!field.name || !field.name.endsWith("-name")) return;
      const text = event.clipboardData.getData("text/plain").replace(/\r/g, "").replace(/\n+$/, "");
      if (!/[\t\n]/.test(text)) return;
      event.preventDefault();
      let row = field.closest(".kq-line");
      text.split("\n").forEach(function (pasted) {
        if (!row) return;
        const cells = pasted.split("\t").map(function (cell) { return cell.trim(); });
        const set = function (name, value) {
          const input = row.querySelector('[name$="-' + name + '"]');
          if (input && value) input.value = value;
        };
        set("name", cells[0]);
        if (cells[1] in relations) {
          set("op", relations[cells[1]]);
          set("value", cells[2]);
          set("unit", cells[3]);
        } else {
          set("value", cells[1]);
          set("unit", cells[2]);
        }
        row = row.nextElementSibling || sets.indicators.add();
      });
      field.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  // --- Classes are found while one types ----------------------------------------------------------

  function hits(address, words) {
    return fetch(address + "?q=" + encodeURIComponent(words), {
      headers: { Accept: "application/json" },
    }).then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    }).then(function (told) { return told.items; });
  }

  form.querySelectorAll("[data-kq-classes]").forEach(function (box) {
    const field = box.querySelector("input[name^=find_]");
    const found = box.querySelector("[data-kq-found]");
    const chosen = box.querySelector("[data-kq-chosen]");
    const model = box.querySelector("template:not([data-kq-none])");
    const none = box.querySelector("template[data-kq-none]");
    let wait = 0;
    let asked = 0;

    function show(items) {
      found.replaceChildren();
      const ticked = new Set(Array.from(
        box.querySelectorAll("input[type=checkbox]"), function (one) { return one.value; }));
      items.forEach(function (item) {
        if (ticked.has(item.code)) return;
        const copy = model.content.firstElementChild.cloneNode(true);
        copy.querySelector("input").value = item.code;
        copy.querySelector("b").textContent = item.code;
        copy.querySelector("[data-kq-class]").textContent = item.name;
        copy.querySelector(".small").textContent = item.path;
        found.append(copy);
      });
      if (!items.length) found.append(none.content.cloneNode(true));
    }

    field.addEventListener("input", function () {
      window.clearTimeout(wait);
      const words = field.value.trim();
      const mine = ++asked;
      if (!words) { found.replaceChildren(); return; }
      wait = window.setTimeout(function () {
        hits(box.dataset.kqClasses, words).then(function (items) {
          if (mine === asked) show(items.slice(0, 10));
        }).catch(function () { /* The button beside it still works. */ });
      }, 250);
    });
    field.addEventListener("keydown", function (event) {
      if (event.key === "Enter") event.preventDefault();
    });
    // What is ticked moves up to what is chosen, and keeps the focus.
    box.addEventListener("change", function (event) {
      const tick = event.target;
      if (tick.type !== "checkbox" || !tick.checked || chosen.contains(tick)) return;
      chosen.append(tick.closest("label"));
      tick.focus();
    });
  });
})();
