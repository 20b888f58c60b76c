// A person at the console, in a real browser: Chromium without a window, spoken to by its own protocol over the
// WebSocket that Node brings. Comes in by a link, sees a call appear, reads its passage, stops an agent without script,
// answers a question and endorses its values, looks at every room in light and dark, and writes down what the browser complained about and whom it asked.
//
// LINK, GATE, GATE_TOKEN, MODEL, AGENT, FOLDER (for the browser's profile); CHROMIUM; SHOTS, a folder for pictures.
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const { LINK, GATE, GATE_TOKEN, MODEL, AGENT, FOLDER, SHOTS } = process.env;
const CHROMIUM = process.env.CHROMIUM || "/usr/bin/chromium";
const OFFICE = new URL(LINK).origin;

function start() {
  const browser = spawn(CHROMIUM, [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-crash-reporter", "--window-size=1280,900", "--remote-debugging-port=0",
    `--user-data-dir=${path.join(FOLDER, "profile")}`, "about:blank",
  ], { env: { PATH: "/usr/bin:/bin", HOME: FOLDER, TMPDIR: FOLDER }, stdio: ["ignore", "ignore", "pipe"] });
  return new Promise((done, failed) => {
    let said = "";
    browser.stderr.on("data", (piece) => {
      said += piece;
      const found = said.match(/DevTools listening on (ws:\S+)/);
      if (found) done({ browser, address: found[1] });
    });
    browser.on("exit", (code) => failed(new Error(`the browser ended with ${code}: ${said.slice(-500)}`)));
  });
}

class Tab {
  static async open(address) {
    const tab = new Tab();
    tab.socket = new WebSocket(address);
    tab.waiting = new Map();
    tab.loads = [];
    tab.asked = new Set();
    tab.complaints = [];
    tab.next = 1;
    await new Promise((done, failed) => { tab.socket.onopen = done; tab.socket.onerror = failed; });
    tab.socket.onmessage = (event) => tab.hear(JSON.parse(event.data));
    const { targetInfos } = await tab.send("Target.getTargets");
    const page = targetInfos.find((one) => one.type === "page");
    const { sessionId } = await tab.send("Target.attachToTarget", { targetId: page.targetId, flatten: true });
    tab.session = sessionId;
    for (const domain of ["Page", "Network", "Runtime", "Log"]) await tab.send(`${domain}.enable`);
    return tab;
  }

  send(method, params = {}) {
    const id = this.next++;
    this.socket.send(JSON.stringify({ id, method, params, sessionId: this.session }));
    return new Promise((done, failed) => this.waiting.set(id, { done, failed, method }));
  }

  hear(message) {
    if (message.id) {
      const { done, failed, method } = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.error) failed(new Error(`${method}: ${message.error.message}`));
      else done(message.result);
      return;
    }
    const { method, params } = message;
    if (method === "Page.loadEventFired") for (const done of this.loads.splice(0)) done();
    if (method === "Network.requestWillBeSent") this.asked.add(new URL(params.request.url).origin);
    if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && params.type === "error") this.complaints.push("console.error");
    if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.complaints.push(`${params.entry.text} ${params.entry.url || ""}`);
    }
  }

  loaded() {
    return new Promise((done) => this.loads.push(done));
  }

  async go(where) {
    const loaded = this.loaded();
    await this.send("Page.navigate", { url: new URL(where, OFFICE).href });
    await loaded;
  }

  async eval(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression, awaitPromise: true, returnByValue: true,
    });
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails).slice(0, 400)}`);
    return result.value;
  }

  // A press where the thing is, as a finger or mouse does it: it works without script too.
  async press(selector) {
    const { root } = await this.send("DOM.getDocument");
    const { nodeId } = await this.send("DOM.querySelector", { nodeId: root.nodeId, selector });
    if (!nodeId) throw new Error(`there is no ${selector}`);
    await this.send("DOM.scrollIntoViewIfNeeded", { nodeId });
    const { model } = await this.send("DOM.getBoxModel", { nodeId });
    const [x1, y1, , , x2, y2] = model.content;
    const at = { x: (x1 + x2) / 2, y: (y1 + y2) / 2, button: "left", clickCount: 1 };
    const loaded = this.loaded();
    await this.send("Input.dispatchMouseEvent", { type: "mousePressed", ...at });
    await this.send("Input.dispatchMouseEvent", { type: "mouseReleased", ...at });
    await loaded;
  }

  async key(key, code) {
    for (const type of ["keyDown", "keyUp"]) {
      await this.send("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: code });
    }
  }

  async shot(name) {
    if (!SHOTS) return;
    const { cssContentSize } = await this.send("Page.getLayoutMetrics");
    const clip = { x: 0, y: 0, width: 1280, height: Math.min(cssContentSize.height, 2400), scale: 1 };
    const { data } = await this.send("Page.captureScreenshot", { format: "png", clip, captureBeyondViewport: true });
    fs.writeFileSync(path.join(SHOTS, `${name}.png`), Buffer.from(data, "base64"));
  }
}

// What is wrong with a page for whoever cannot see it well: run inside the page.
function judge() {
  const wrong = [];
  const say = (what, where) => wrong.push(`${what}: ${where.outerHTML.slice(0, 90)}`);
  if (document.documentElement.lang !== "en") wrong.push("no language");
  if (document.querySelectorAll("h1").length !== 1) wrong.push("not one h1");
  if (!document.querySelector("main")) wrong.push("no main");
  if (!document.querySelector("a.skip")) wrong.push("no skip link");
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id is there twice");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select")) {
    if (!field.labels.length) say("no label", field);
  }
  for (const one of document.querySelectorAll("button, a[href]")) {
    const named = one.textContent.trim() || one.getAttribute("aria-label");
    if (!named && !one.hidden) say("no name", one);
    const box = one.getBoundingClientRect();
    if (one.matches("button, .button") && !one.hidden && box.height < 24) say("smaller than 24 px", one);
  }
  for (const cell of document.querySelectorAll("thead th")) if (!cell.scope) say("no scope", cell);
  if (document.querySelector("[style], style, script:not([src])")) wrong.push("inline style or script");
  if (document.documentElement.scrollWidth > window.innerWidth) wrong.push("the page is wider than the window");

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (text, under) => {
    canvas.fillStyle = `rgb(${under.join(" ")})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const ground = (element) => (element
    ? colour(getComputedStyle(element).backgroundColor, ground(element.parentElement))
    : [255, 255, 255]);
  const light = (parts) => {
    const [r, g, b] = parts.map((part) => part / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("datalist, .unseen, .skip")) continue;
    const style = getComputedStyle(element);
    const under = ground(element);
    const [a, b] = [light(colour(style.color, under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const px = parseFloat(style.fontSize);
    const large = px >= 24 || (px >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, element);
  }
  return wrong;
}

async function visit(tab) {
  const seen = {};
  const rows = "document.querySelectorAll('tbody tr').length";
  await tab.send("DOM.enable");
  await tab.go(LINK);
  seen.welcome = await tab.eval("document.querySelector('h1').textContent");
  await tab.shot("welcome");
  await tab.press("button.main");
  seen.entered = await tab.eval("document.querySelector('h1').textContent");
  seen.cookie = await tab.eval("document.cookie");

  await tab.go("/activity");
  const before = await tab.eval(rows);
  const answer = await fetch(`${GATE}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${GATE_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "<script>alert('hi')</script>" }] }),
  });
  seen.called = answer.status;
  seen.live = await tab.eval(`new Promise((done) => {
    const look = () => ${rows} > ${before};
    if (look()) return done(true);
    new MutationObserver((_, me) => { if (look()) { me.disconnect(); done(true); } })
      .observe(document.querySelector("[data-live]"), { childList: true, subtree: true });
  })`);
  await tab.shot("activity");
  await tab.eval("document.querySelector('tbody a').focus()");
  await tab.key("ArrowDown", 40);
  seen.arrow = await tab.eval("[...document.querySelectorAll('tbody tr')].indexOf(document.activeElement.closest('tr'))");
  await tab.press("tbody a");
  seen.stages = await tab.eval("[...document.querySelectorAll('.passage h3')].map((one) => one.textContent.trim())");
  seen.call = await tab.eval("location.pathname");
  await tab.shot("call");
  await tab.press(".passage a[href^='/log/entries/']");
  seen.proof = await tab.eval("document.querySelector('section.card h2').textContent");

  const first = async (room) => {
    await tab.go(room);
    return tab.eval("document.querySelector('tbody a').pathname");
  };
  const [question, tool, plan] = [await first("/approvals"), await first("/tools"), await first("/plans")];
  const leads = async (room, to) => {
    await tab.go(room);
    return tab.eval(`document.querySelector("main a[href^='${to}']").pathname`);
  };
  const task = await leads(await leads(question, "/calls/"), "/tasks/");
  const reach = `${await leads(task, "/calls/")}/reach`;
  await tab.go(task);
  seen.drawn = await tab.eval("[...document.querySelectorAll('svg.flow text:not(.mark)')].map((one) => one.textContent)");
  seen.edges = await tab.eval("[...document.querySelectorAll('svg.flow path.edge:not(.head)')].map((one) => one.getBoundingClientRect().height > 20)");
  seen.wrong = [];
  const rooms = ["/", "/activity", "/activity?actor=nobody", seen.call, "/approvals", question, `${task}/approvals`, "/approvers", task, "/agents",
    `/agents/${AGENT}`, `/agents/${AGENT}/kill`, `/agents/${AGENT}/reach`, reach, "/tools", tool, `${tool}/reach`, "/plans", plan, "/plans/2", "/plans/1/rollback",
    "/log", "/log/entries/0", "/enter", "/calls/none"];
  for (const scheme of ["light", "dark"]) {
    await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    for (const room of rooms) {
      if (room === "/calls/none") tab.expected = tab.complaints.length;
      await tab.go(room);
      if (room === "/calls/none") tab.complaints.length = tab.expected;
      const wrong = await tab.eval(`(${judge})()`);
      seen.wrong.push(...wrong.map((one) => `${scheme} ${room}: ${one}`));
      await tab.shot(`${scheme}-${room.replace(/[^a-z0-9]+/g, "-")}`);
    }
  }
  await tab.send("Emulation.setDeviceMetricsOverride", { width: 320, height: 700, deviceScaleFactor: 1, mobile: false });
  for (const room of rooms) {
    if (room === "/calls/none") continue;
    await tab.go(room);
    const wide = await tab.eval("document.documentElement.scrollWidth");
    if (wide > 320) seen.wrong.push(`narrow ${room}: ${wide} px wide`);
  }
  await tab.send("Emulation.clearDeviceMetricsOverride");

  // From here without script: what matters works all the same.
  await tab.send("Emulation.setScriptExecutionDisabled", { value: true });
  await tab.go(`${task}/approvals`);
  seen.asks = await tab.eval("document.querySelector('form[action$=\"/approve\"] button').textContent.trim()");
  await tab.eval("document.querySelector('form[action$=\"/approve\"] input[type=checkbox]').click()");
  await tab.shot("batch");
  await tab.press("form[action$='/approve'] button.main");
  seen.answered = await tab.eval("document.querySelector('.notice').textContent");
  await tab.go(`/agents/${AGENT}`);
  await tab.press("a.danger");
  await tab.press("button.danger");
  seen.killed = await tab.eval("document.querySelector('section.card h2').textContent");
  seen.notice = await tab.eval("document.querySelector('.notice').textContent");
  await tab.shot("killed");
  await tab.press("form[action='/leave'] button");
  seen.left = await tab.eval("document.querySelector('h1').textContent");
  return seen;
}

async function main() {
  const { browser, address } = await start();
  const gone = new Promise((done) => browser.on("exit", done));
  try {
    const tab = await Tab.open(address);
    const seen = await visit(tab);
    tab.asked.delete("null");
    console.log(JSON.stringify({ ...seen, asked: [...tab.asked], complaints: tab.complaints }));
    tab.session = undefined;
    tab.send("Browser.close").catch(() => {});
  } catch (error) {
    browser.kill();
    throw error;
  }
  await gone;
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
