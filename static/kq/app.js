// Small comforts. Every page works without them.
(function () {
  "use strict";
  // Style sheets hide what only people without JavaScript need, such as an "Apply" button.
  document.documentElement.classList.add("js");

  function closeMenus(except) {
    document.querySelectorAll("details.kq-menu[open]").forEach(function (menu) {
      if (menu !== except) menu.open = false;
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    // The list of errors is read out, and the next Tab goes to its first link.
    const errors = document.querySelector("[data-focus]");
    if (errors) errors.focus();
  });

  document.addEventListener("click", function (event) {
    closeMenus(event.target.closest("details.kq-menu"));
  });

  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.kq-menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // --- Forms: sent once, and seen to be under way -------------------------------------------------

  // Milliseconds. A form may be answered with a file: then this page stays, and is used again.
  const AGAIN = 8000;
  const bar = function (shown) {
    const busy = document.getElementById("kq-busy");
    if (busy) busy.classList.toggle("htmx-request", shown);
  };

  function buttonsOf(form) {
    return Array.from(form.elements).filter(function (one) {
      return one.type === "submit";
    });
  }

  function release(form) {
    if (!form.dataset.sent) return;
    window.clearTimeout(Number(form.dataset.sent));
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
    buttonsOf(form).forEach(function (button) {
      if (button.dataset.held) {
        delete button.dataset.held;
        button.disabled = false;
      }
    });
    bar(false);
  }

  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    const button = event.submitter;
    if (form.getAttribute("target") || (button && button.formTarget)) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    // An upload takes as long as it takes.
    const wait = form.enctype === "multipart/form-data" ? 10 * AGAIN : AGAIN;
    form.dataset.sent = String(window.setTimeout(function () { release(form); }, wait));
    form.setAttribute("aria-busy", "true");
    bar(true);
    // Not before the browser has read which button was pressed.
    window.setTimeout(function () {
      buttonsOf(form).forEach(function (one) {
        if (form.dataset.sent && !one.disabled) {
          one.dataset.held = "1";
          one.disabled = true;
        }
      });
    }, 0);
  });

  // Whoever comes back finds the page as they left it: usable.
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(release);
    bar(false);
  });

  // --- What is typed and not sent -----------------------------------------------------------------

  const TYPED = "textarea, input:not([type=hidden], [type=checkbox], [type=radio], [type=submit]," +
    " [type=button])";
  const touched = new WeakSet();

  // Forms that keep what is typed by themselves say so (data-kept); log-ins have nothing to lose.
  function isGuarded(form) {
    return form && form.method === "post" && !("kept" in form.dataset) &&
      !form.querySelector("[type=password]");
  }

  document.addEventListener("input", function (event) {
    const form = event.target.form;
    if (event.target.matches(TYPED) && isGuarded(form)) touched.add(form);
  });

  function hasTyped(form) {
    if (!isGuarded(form) || form.dataset.sent) return false;
    // What the server has sent back with its faults is stored nowhere either.
    const refused = form.querySelector(".is-invalid, [aria-invalid=true]");
    return Array.from(form.elements).some(function (field) {
      if (!field.matches(TYPED)) return false;
      if (refused) return field.value !== "";
      return touched.has(form) && field.value !== field.defaultValue;
    });
  }

  window.addEventListener("beforeunload", function (event) {
    if (Array.from(document.forms).some(hasTyped)) event.preventDefault();
  });

  // --- Files that are made while one waits --------------------------------------------------------

  function nameOf(answer) {
    const found = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "");
    return found ? found[1] : "";
  }

  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-file]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (link.getAttribute("aria-busy")) return;
    link.setAttribute("aria-busy", "true");
    bar(true);
    fetch(link.href, { credentials: "same-origin" })
      .then(function (answer) {
        const name = nameOf(answer);
        // Not a file: a log-in, or a page that says why there is none.
        if (!answer.ok || !name) throw new Error(String(answer.status));
        return answer.blob().then(function (content) {
          const save = document.createElement("a");
          save.href = URL.createObjectURL(content);
          save.download = name;
          save.click();
          window.setTimeout(function () { URL.revokeObjectURL(save.href); }, 60000);
        });
      })
      .catch(function () { window.location.assign(link.href); })
      .finally(function () {
        link.removeAttribute("aria-busy");
        bar(false);
      });
  });

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-print]").forEach(function (button) {
      button.hidden = false;
      button.addEventListener("click", function () { window.print(); });
    });
  });

  // --- htmx -----------------------------------------------------------------------------------------

  document.addEventListener("htmx:beforeRequest", function (event) {
    event.detail.target.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    event.detail.target.removeAttribute("aria-busy");
  });

  // What was shown as done before the server knew of it (data-soon) and then failed is sent as any
  // other form, so that its page says what happened.
  ["htmx:sendError", "htmx:responseError"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      const form = event.detail.elt;
      if (form.matches && form.matches("form[data-soon]")) form.submit();
    });
  });
  // Its button is gone with the part that was swapped: go on from what is said of it.
  document.addEventListener("htmx:afterSettle", function (event) {
    if (event.target.id !== "main" || document.activeElement !== document.body) return;
    const said = document.querySelector("#main .kq-note") || document.getElementById("main");
    said.setAttribute("tabindex", "-1");
    said.focus({ preventScroll: true });
  });
})();
