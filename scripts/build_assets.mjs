// Copy the front-end assets from node_modules to static/vendor, draw the icon sprite, and bundle
// the part of ECharts that the dashboards use.
//
//     npm run build
//     node scripts/build_assets.mjs /another/folder
//
// The folder is static/vendor unless another is named. It is made anew each time, so nothing that
// was once needed stays behind.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");
const target = process.argv[2] ?? join(root, "static", "vendor");

const FILES = {
  "tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
  "tabler-vendors.min.css": "@tabler/core/dist/css/tabler-vendors.min.css",
  "tom-select.complete.min.js": "tom-select/dist/js/tom-select.complete.min.js",
  "tom-select.bootstrap5.min.css": "tom-select/dist/css/tom-select.bootstrap5.min.css",
};

// The maps are not shipped, and Django's hashed storage refuses a reference to a missing file.
function withoutSourceMap(text) {
  return text
    .replace(/\/\*#\s*sourceMappingURL=[^*]*\*\//g, "")
    .replace(/^\/\/#\s*sourceMappingURL=.*$/gm, "");
}

function symbol(id, svg) {
  const viewBox = svg.match(/viewBox="([^"]+)"/)[1];
  const body = svg
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/^[\s\S]*?<svg[^>]*>/, "")
    .replace(/<\/svg>\s*$/, "")
    // The frame that every Tabler icon carries draws nothing.
    .replace(/<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*\/>/, "")
    .replace(/\s*\n\s*/g, "");
  return (
    `<symbol id="${id}" viewBox="${viewBox}" fill="none" stroke="currentColor" ` +
    `stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${body}</symbol>`
  );
}

async function sprite() {
  const list = await readFile(join(root, "scripts", "icons.txt"), "utf8");
  const names = list.split("\n").filter((line) => line && !line.startsWith("#"));
  const symbols = [symbol("kq", await readFile(join(root, "static", "brand", "kq.svg"), "utf8"))];
  for (const name of names) {
    const path = join(modules, "@tabler", "icons", "icons", "outline", `${name}.svg`);
    try {
      symbols.push(symbol(name, await readFile(path, "utf8")));
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      console.error(`scripts/icons.txt: @tabler/icons has no outline icon "${name}".`);
      process.exit(1);
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`;
}

// The full ECharts contains `new Function`, which our content security policy refuses; what
// scripts/echarts.mjs names of it does not, and is a third of the size.
async function charts() {
  const bundle = await build({
    absWorkingDir: root,
    entryPoints: ["scripts/echarts.mjs"],
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "echarts",
    target: "es2020",
    charset: "utf8",
    legalComments: "none",
    write: false,
  });
  const { version } = JSON.parse(await readFile(join(modules, "echarts", "package.json"), "utf8"));
  const notice = `/*! Apache ECharts ${version}, Apache License 2.0, https://echarts.apache.org */\n`;
  return notice + bundle.outputFiles[0].text;
}

const [icons, chartsBundle] = await Promise.all([sprite(), charts()]);
await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
for (const [name, source] of Object.entries(FILES)) {
  await writeFile(join(target, name), withoutSourceMap(await readFile(join(modules, source), "utf8")));
}
await writeFile(join(target, "icons.svg"), icons);
await writeFile(join(target, "echarts.min.js"), chartsBundle);
