// Long lists get a search field. Without JavaScript the native list stays.
(function () {
  "use strict";
  if (!window.TomSelect) return;

  document.querySelectorAll("select[data-choose]").forEach(function (select) {
    const nothing = select.dataset.choose;
    const from = select.dataset.chooseFrom;
    const chooser = new window.TomSelect(select, {
      // A list too long for the page is asked for what is typed; what the page has stays.
      load: from && function (words, done) {
        fetch(from + "?q=" + encodeURIComponent(words), { headers: { Accept: "application/json" } })
          .then(function (answer) { return answer.ok ? answer.json() : { items: [] }; })
          .then(function (told) {
            done(told.items.map(function (item) {
              return { value: item.code, text: item.code + " " + item.name };
            }));
          })
          .catch(function () { done(); });
      },
      plugins: select.multiple ? ["remove_button"] : [],
      maxOptions: null,
      searchField: ["text", "value"],
      // Filter at once: a delayed one opens the list again for those who choose quickly.
      refreshThrottle: 0,
      // The order of the standard, not of the score.
      sortField: [{ field: "$order" }, { field: "$score" }],
      render: {
        no_results: nothing && function () {
          const line = document.createElement("div");
          line.className = "no-results";
          line.textContent = nothing;
          return line;
        },
      },
    });
    // The search field stands for the list: it says the hint and the error, and takes the focus
    // that a link of the error summary gives to the list.
    const field = chooser.control_input;
    ["aria-describedby", "aria-invalid"].forEach(function (name) {
      if (select.hasAttribute(name)) field.setAttribute(name, select.getAttribute(name));
    });
    select.setAttribute("aria-hidden", "true");
    select.addEventListener("focus", function () { chooser.focus(); });
  });
})();
