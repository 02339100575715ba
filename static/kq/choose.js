// Long lists get a search field. Without JavaScript the native list stays.
(function () {
  "use strict";
  document.querySelectorAll("select[data-choose]").forEach(function (select) {
    new window.TomSelect(select, {
      plugins: select.multiple ? ["remove_button"] : [],
      maxOptions: 2000,
      // Filter at once: a delayed one opens the list again for those who choose quickly.
      refreshThrottle: 0,
      // The order of the standard, not of the score.
      sortField: [{ field: "$order" }, { field: "$score" }],
      render: { no_results: null },
    });
  });
})();
