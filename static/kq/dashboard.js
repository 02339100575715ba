// The charts of the dashboards: drawn over the SVG that the server sent, from the same numbers.
// Without this script, or without ECharts, the SVG and the open tables stay.
(function () {
  "use strict";
  const echarts = window.echarts;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const drawn = new Map(); // frame -> chart

  function token(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function look() {
    return {
      ink: token("--kq-ink"),
      soft: token("--kq-ink-2"),
      hint: token("--kq-ink-3"),
      line: token("--kq-line"),
      grid: token("--kq-line-2"),
      accent: token("--kq-accent"),
      tint: token("--kq-accent-t"),
      card: token("--kq-card"),
      font: getComputedStyle(document.body).fontFamily,
    };
  }

  function option(data, colours) {
    const words = function (value) {
      return value === null || value === undefined ? "–" : data.unit.replace("{value}", value);
    };
    const labels = {
      type: "category",
      data: data.labels,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours.line } },
      axisLabel: { color: colours.soft, fontSize: 12, hideOverlap: true },
    };
    const values = {
      type: "value",
      min: 0,
      max: data.top,
      interval: data.step,
      axisLabel: { color: colours.soft, fontSize: 12 },
      splitLine: { lineStyle: { color: colours.grid } },
    };
    const shared = {
      animation: !calm.matches,
      textStyle: { fontFamily: colours.font, color: colours.soft, fontSize: 12 },
      tooltip: {
        trigger: "axis",
        renderMode: "richText", // the HTML one styles its elements, which the policy refuses
        confine: true,
        valueFormatter: words,
        axisPointer: { type: data.kind === "line" ? "line" : "shadow" },
        textStyle: { fontFamily: colours.font, color: colours.ink, fontSize: 13 },
      },
    };
    if (data.kind === "line") return lines(data, colours, shared, labels, values);
    return bars(data, colours, shared, labels, values);
  }

  function lines(data, colours, shared, labels, values) {
    labels.boundaryGap = false;
    const ends = data.series.map(function (one) { return one.values.filter(known).pop(); });
    const most = Math.max.apply(null, data.series.flatMap(function (one) { return one.values.filter(known); }));
    const near = ends.length === 2 && Math.abs(ends[0] - ends[1]) < most / 8;
    return Object.assign(shared, {
      grid: { left: 34, right: 76, top: 18, bottom: 28 },
      xAxis: labels,
      yAxis: values,
      series: data.series.map(function (one, place) {
        return {
          name: one.name,
          type: "line",
          data: one.values,
          symbol: "circle",
          symbolSize: 5,
          // A week between two empty ones is a point, which a line alone would not show.
          showSymbol: one.values.some(function (value, at) {
            return value !== null && !known(one.values[at - 1]) && !known(one.values[at + 1]);
          }),
          lineStyle: {
            width: one.secondary ? 2 : 2.5,
            type: one.secondary ? "dashed" : "solid",
            color: colours.accent,
          },
          itemStyle: { color: colours.accent },
          endLabel: {
            show: true,
            color: colours.ink,
            formatter: function (point) { return one.end + " " + point.value; },
            // The dashed line is never below the other: their names part where the two end near.
            offset: [0, near ? (one.secondary ? -8 : 8) : 0],
          },
          markLine: place === 0 && data.promise ? {
            silent: true,
            symbol: "none",
            data: [{ yAxis: data.promise.value }],
            lineStyle: { color: colours.hint, type: "solid", width: 1 },
            label: {
              position: "insideStartTop",
              formatter: data.promise.label,
              color: colours.soft,
            },
          } : undefined,
        };
      }),
    });
  }

  function known(value) {
    return value !== null && value !== undefined;
  }

  // A part is drawn over the whole that it is of: solid over hollow.
  function bars(data, colours, shared, labels, values) {
    const across = data.kind === "rows";
    const wholesFirst = data.series.slice().sort(function (one, other) {
      return Number(other.secondary) - Number(one.secondary);
    });
    if (across) {
      labels.inverse = true;
      labels.axisLine = { show: false };
      labels.axisLabel = { color: colours.ink, fontSize: 12, width: 96, overflow: "break" };
      values.show = false;
    }
    return Object.assign(shared, {
      grid: across
        ? { left: 108, right: 64, top: 4, bottom: 4 }
        : { left: 34, right: 10, top: 18, bottom: 28 },
      xAxis: across ? values : labels,
      yAxis: across ? labels : values,
      series: wholesFirst.map(function (one, place) {
        return {
          name: one.name,
          type: "bar",
          // A hollow bar of nothing would still show its border.
          data: one.values.map(function (value) {
            return value ? value : { value: value, itemStyle: { borderWidth: 0 } };
          }),
          barMaxWidth: 18,
          barGap: "-100%",
          itemStyle: one.secondary
            ? { color: colours.tint, borderColor: colours.accent, borderWidth: 1 }
            : { color: colours.accent },
          label: {
            show: across && place === 0,
            position: "right",
            color: colours.ink,
            formatter: function (point) {
              return data.series.map(function (each) { return each.values[point.dataIndex]; })
                .filter(known).join(" / ");
            },
          },
        };
      }),
    });
  }

  // --- On the page ---------------------------------------------------------------------------

  const resized = window.ResizeObserver && new ResizeObserver(function (entries) {
    entries.forEach(function (entry) {
      const chart = drawn.get(entry.target);
      if (chart && entry.contentRect.width) chart.resize();
    });
  });

  function draw(block) {
    const frame = block.querySelector(".kq-chart");
    if (!frame || drawn.has(frame)) return;
    const data = JSON.parse(block.querySelector("script[type='application/json']").textContent);
    const canvas = document.createElement("div");
    canvas.className = "kq-chart-canvas";
    frame.append(canvas);
    frame.classList.add("drawn");
    const chart = echarts.init(canvas, null, { renderer: "canvas" });
    chart.setOption(option(data, look()));
    drawn.set(frame, chart);
    if (resized) resized.observe(frame);
    const button = block.querySelector(".kq-chart-save");
    if (button) {
      button.hidden = false;
      button.addEventListener("click", function () { save(data); });
    }
  }

  // The picture that is saved has a fixed size, and says by itself what it shows and of when.
  function save(data) {
    const colours = look();
    const whole = option(data, colours);
    whole.animation = false;
    whole.title = {
      text: data.title,
      subtext: data.period,
      left: 16,
      top: 12,
      textStyle: { fontFamily: colours.font, color: colours.ink, fontSize: 18 },
      subtextStyle: { fontFamily: colours.font, color: colours.soft, fontSize: 13 },
    };
    whole.legend = {
      data: data.series.map(function (one) { return one.name; }),
      right: 16,
      top: 16,
      textStyle: { fontFamily: colours.font, color: colours.soft },
    };
    whole.grid = Object.assign({}, whole.grid, { top: 84, left: 60 + whole.grid.left / 2 });
    const chart = echarts.init(document.createElement("div"), null, {
      renderer: "canvas",
      width: 960,
      height: data.kind === "rows" ? 110 + 30 * data.labels.length : 480,
    });
    chart.setOption(whole);
    const link = document.createElement("a");
    link.href = chart.getDataURL({ type: "png", pixelRatio: 2, backgroundColor: colours.card });
    link.download = data.file + ".png";
    link.click();
    chart.dispose();
  }

  // Tables under charts that are drawn begin closed; one that was opened stays so.
  const opened = new Set();

  function begin(root) {
    root.querySelectorAll("[data-chart]").forEach(function (block) {
      if (echarts) draw(block);
      const table = block.querySelector("details");
      if (!table) return;
      if (echarts) table.open = opened.has(table.id);
      table.addEventListener("toggle", function () {
        if (table.open) opened.add(table.id);
        else opened.delete(table.id);
      });
    });
  }

  function forget(root) {
    drawn.forEach(function (chart, frame) {
      if (!root.contains(frame)) return;
      if (resized) resized.unobserve(frame);
      chart.dispose();
      drawn.delete(frame);
    });
  }

  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.shouldSwap) forget(event.detail.target);
  });
  document.addEventListener("htmx:afterSwap", function (event) { begin(event.detail.target); });
  begin(document);
})();
