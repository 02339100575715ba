// “My listings”: ticks all rows of the page at once. Without it each row is ticked by itself.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const all = document.querySelector(".kq-all");
  const rows = [...document.querySelectorAll("input[name=pick]")];
  if (!all || !rows.length) return;

  const show = () => {
    const ticked = rows.filter((row) => row.checked).length;
    all.checked = ticked === rows.length;
    all.indeterminate = ticked > 0 && ticked < rows.length;
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    rows.forEach((row) => { row.checked = all.checked; });
  });
  rows.forEach((row) => row.addEventListener("change", show));
  show();
});
