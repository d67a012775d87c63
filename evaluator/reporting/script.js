"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const tip = document.getElementById("tip");

  // Tooltips: a mark under the pointer or in focus; elsewhere on a curve chart, every arm's fit at that size.
  const show = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const left = Math.min(x + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(left, 8) + window.scrollX}px`;
    tip.style.top = `${y + 16 + window.scrollY}px`;
  };
  const hide = () => { tip.hidden = true; };
  for (const mark of all("[data-tip]")) {
    mark.addEventListener("focus", () => {
      const box = mark.getBoundingClientRect();
      show(mark.dataset.tip, box.right, box.top);
    });
    mark.addEventListener("blur", hide);
  }
  const shown = new Set(report.arms);
  const number = (value) => value.toFixed(2);
  const sized = (n) => (n >= 1000 ? Number(n.toPrecision(3)) : Math.round(n)).toLocaleString("en");

  const reading = (chart, event) => {
    const [left, right, low, high] = chart.dataset.x.split(",").map(Number);
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
    if (x < left || x > right) return null;
    const log = low + ((x - left) / (right - left)) * (high - low);
    const lines = [];
    for (const curve of report.curves) {
      if (curve.scope !== chart.dataset.scope || !shown.has(curve.arm)) continue;
      const near = curve.band.reduce((a, b) => Math.abs(Math.log2(b.n) - log) < Math.abs(Math.log2(a.n) - log) ? b : a);
      if (Math.abs(Math.log2(near.n) - log) > 0.4) continue;
      const interval = near.ci95 ? ` (${number(near.ci95[0])} to ${number(near.ci95[1])})` : "";
      lines.push(`${curve.arm}: ${number(near.value)}${interval}${near.extrapolated ? ", extrapolated" : ""}`);
    }
    return lines.length ? { x, text: [`about ${sized(2 ** log)} examples`, ...lines].join("\n") } : null;
  };
  for (const chart of all("svg.chart")) {
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cursor.setAttribute("class", "cursor off");
    chart.append(cursor);
    chart.addEventListener("pointermove", (event) => {
      const mark = event.target.closest("[data-tip]");
      const read = mark || !chart.dataset.x ? null : reading(chart, event);
      cursor.classList.toggle("off", !read);
      if (mark) show(mark.dataset.tip, event.clientX, event.clientY);
      else if (read) {
        for (const end of ["x1", "x2"]) cursor.setAttribute(end, read.x);
        cursor.setAttribute("y1", 12);
        cursor.setAttribute("y2", chart.viewBox.baseVal.height - 42);
        show(read.text, event.clientX, event.clientY);
      } else hide();
    });
    chart.addEventListener("pointerleave", () => { cursor.classList.add("off"); hide(); });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // Arms on and off.
  for (const button of all("button[data-toggle]")) {
    button.addEventListener("click", () => {
      const arm = button.dataset.toggle;
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      if (on) shown.add(arm); else shown.delete(arm);
      for (const part of all("[data-arm]")) if (part.dataset.arm === arm) part.classList.toggle("off", !on);
    });
  }

  // One of several prepared views.
  for (const select of all("select[data-views]")) {
    const pick = () => {
      for (const view of all(`[data-view="${select.dataset.views}"]`)) view.hidden = view.dataset.key !== select.value;
    };
    select.addEventListener("change", pick);
    pick();
  }

  // Sorting: numbers by value, texts by alphabet, missing last.
  const key = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.value ?? cell.textContent.trim();
    const value = Number(raw);
    return raw === "" ? null : Number.isNaN(value) ? raw : value;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  for (const button of all("th button[data-sort]")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const column = head.cellIndex;
      const body = head.closest("table").tBodies[0];
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of all("th[aria-sort]", head.parentElement)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((first, second) => {
        const [a, b] = [key(first, column), key(second, column)];
        if (a === null || b === null) return (a === null) - (b === null);
        return up ? compare(a, b) : compare(b, a);
      });
      body.append(...rows);
    });
  }

  // Downloads: a table as CSV or LaTeX, the whole comparison as JSON, a text to the clipboard.
  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 40_000); // a busy browser may start reading late
  };
  const lines = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
  const inert = (text) => (/^'*[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20](?![\d.]+( .*)?$)/.test(text) ? `'${text}` : text);
  const csvCell = (text) => (/[",\n\r]/.test(inert(text)) ? `"${inert(text).replaceAll('"', '""')}"` : text && inert(text));
  const texMarks = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "−": "$-$" };
  // A bracket or a star that begins a row would be an argument of the line end before it.
  const texCell = (text) => text.replace(/[\\~^±−]|[&%$#_{}]/g, (mark) => texMarks[mark] ?? `\\${mark}`).replace(/^[[*]/, "{$&}");
  const formats = {
    csv: (table) => {
      const signed = lines(table).map((row, at) => [...row, at ? report.signature : "signature"]);
      return ["text/csv", signed.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n"];
    },
    tex: (table) => {
      const [head, ...rows] = lines(table).map((row) => `${row.map(texCell).join(" & ")} \\\\`);
      const columns = [...table.rows[0].cells].map((cell) => (cell.classList.contains("t") ? "l" : "r")).join("");
      return ["application/x-tex", [`% ${report.signature.replaceAll(/\s+/g, " ")}`, `\\begin{tabular}{${columns}}`, "\\toprule", head, "\\midrule", ...rows, "\\bottomrule", "\\end{tabular}", ""].join("\n")];
    },
  };
  for (const button of all("button[data-save]")) {
    button.addEventListener("click", () => {
      const name = button.dataset.save;
      if (name === "json") return save("comparison.json", "application/json", JSON.stringify(report, null, 1));
      const [type, text] = formats[button.dataset.as](document.getElementById(`table-${name}`));
      return save(`${name}.${button.dataset.as}`, type, text);
    });
  }
  for (const button of all("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      try {
        await navigator.clipboard.writeText(source.innerText);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected: press Ctrl+C";
      }
    });
  }
})();
