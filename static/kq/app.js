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

  // A form that is sent twice by an impatient double click is sent once.
  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    window.setTimeout(function () { delete form.dataset.sent; }, 3000);
  });

  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) {
      delete form.dataset.sent;
    });
  });

  document.addEventListener("htmx:beforeRequest", function (event) {
    event.detail.target.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    event.detail.target.removeAttribute("aria-busy");
  });
})();
