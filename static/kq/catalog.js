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

  // --- The form of a listing -------------------------------------------------------------------

  const form = document.querySelector("form[data-kq-listing]");
  if (!form) return;

  // Characters left, counted as the server counts: by code point, a line end as one.
  form.querySelectorAll("textarea[data-kq-limit]").forEach(function (area) {
    const limit = Number(area.dataset.kqLimit);
    const line = document.createElement("span");
    line.className = "kq-count";
    line.setAttribute("aria-hidden", "true");
    const count = function () {
      const used = Array.from(area.value).length;
      line.textContent = used.toLocaleString() + " / " + limit.toLocaleString();
      line.classList.toggle("over", used > limit);
    };
    area.after(line);
    area.addEventListener("input", count);
    count();
  });

  const rows = document.getElementById("kq-rows");
  const model = document.getElementById("kq-row");
  const more = form.querySelector("[data-kq-more]");
  const total = form.querySelector("[name=indicators-TOTAL_FORMS]");
  if (!rows || !model || !total) return;
  const limit = more ? Number(more.dataset.kqMore) : 0;

  function addRow() {
    const number = Number(total.value);
    if (number >= limit) return null;
    const copy = document.createElement("div");
    copy.innerHTML = model.innerHTML
      .replace(/__prefix__/g, String(number))
      .replace(/__number__/g, String(number + 1));
    const row = copy.firstElementChild;
    rows.append(row);
    total.value = String(number + 1);
    if (more) more.hidden = number + 1 >= limit;
    return row;
  }

  if (more) {
    more.addEventListener("click", function (event) {
      event.preventDefault();
      const first = addRow();
      addRow();
      addRow();
      if (first) first.querySelector("input").focus();
    });
  }

  // Lines pasted from a spreadsheet fill one row each: name, relation, value, unit.
  const relations = { "≥": "ge", ">=": "ge", "≤": "le", "<=": "le", "=": "eq" };
  rows.addEventListener("paste", function (event) {
    const field = event.target;
    if (!field.name || !field.name.endsWith("-name")) return;
    const text = event.clipboardData.getData("text/plain").replace(/\r/g, "").replace(/\n+$/, "");
    if (!/[\t\n]/.test(text)) return;
    event.preventDefault();
    let row = field.closest(".kq-line");
    text.split("\n").forEach(function (line) {
      if (!row) return;
      const cells = line.split("\t").map(function (cell) { return cell.trim(); });
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
      row = row.nextElementSibling || addRow();
    });
  });
})();
