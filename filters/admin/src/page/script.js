"use strict";
const EVERY = 2000, STORE = "weir-operator", at = (id) => document.getElementById(id);
let header = null, timer = 0, shown = {}, round = 0;

// Elements are made of texts alone: what a name holds is never read as markup.
function make(tag, options, ...children) {
  const { on, ...rest } = options || {};
  const made = Object.assign(document.createElement(tag), rest);
  if (on) made.addEventListener("click", on);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}
const span = (className, text) => make("span", { className }, text);
const query = (members) => Object.entries(members).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
const count = (number, one, many) => `${number} ${number === 1 ? one : many || one + "s"}`;

function time(seconds) {
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["m", 60]])
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  return `${seconds} s`;
}
function size(bytes) {
  for (const [unit, power] of [["GiB", 30], ["MiB", 20], ["KiB", 10]])
    if (bytes >= 2 ** power) return `${(bytes / 2 ** power).toFixed(1)} ${unit}`;
  return `${bytes} B`;
}

async function call(method, path) {
  const answer = await fetch(path, { method, headers: header ? { [header[0]]: header[1] } : {}, cache: "no-store" });
  const body = await answer.json().catch(() => null);
  if (answer.ok) return body;
  const failure = new Error(body?.error?.message || `The gateway answered ${answer.status}`);
  failure.status = answer.status;
  throw failure;
}

function say(text) {
  const line = make("p", {}, text);
  at("said").replaceChildren(line);
  setTimeout(() => line.remove(), 8000);
}

function ask(question) {
  const dialog = at("sure");
  at("question").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

async function change(question, method, path) {
  if (!(await ask(question))) return;
  try {
    const made = Object.values(await call(method, path)).flat().find((one) => one?.changed);
    say(`Done: ${question.replace(/\?$/, "")}.${made ? ` Before: ${made.before}.` : ""}`);
  } catch (failure) {
    say(`Not done: ${failure.message}`);
  }
  refresh();
}
const act = (name, label, question, method, path) =>
  make("button", { type: "button", ariaLabel: label, on: () => change(question, method, path) }, name);

// A list is made anew only where what it shows has changed, so that a focused button stays where it is.
function fill(id, items, element, none) {
  const now = JSON.stringify(items);
  if (shown[id] === now) return;
  shown[id] = now;
  const list = at(id), held = list.contains(document.activeElement) ? document.activeElement.ariaLabel : null;
  list.replaceChildren(...(items.length ? items.map(element) : [make("li", { className: "dim" }, none)]));
  if (held) [...list.querySelectorAll("button, select")].find((one) => one.ariaLabel === held)?.focus();
}
// What is wrong comes first.
const worst = (items, isWell) => [...items.filter((one) => !isWell(one)), ...items.filter(isWell)];
const row = (...parts) => make("div", { className: "row" }, ...parts);
const acts = (...parts) => make("div", { className: "acts" }, ...parts);

function breaker({ name, state, open, half_open }) {
  const kind = { closed: "good", open: "bad", forced_open: "bad", half_open: "warn" }[state] || "warn";
  const path = `/admin/circuit-breakers/${name}`, force = (word) => `${path}/force?state=${word}`;
  const several = open + half_open > 1 ? ` (${open} open, ${half_open} half-open)` : "";
  return make("li", {}, row(span("name", name), span(kind, state.replace("_", " ") + several), acts(
    act("Reset", `Reset ${name}`, `Reset the breaker of ${name}?`, "POST", `${path}/reset`),
    state === "forced_open" ? "" : act("Force open", `Force ${name} open`, `Let nothing pass to ${name}?`, "POST", force("forced_open")),
    state === "disabled" ? "" : act("Disable", `Disable ${name}`, `Let everything pass to ${name}, whatever happens?`, "POST", force("disabled")),
    ["forced_open", "disabled", "metrics_only"].includes(state)
      ? act("Automatic", `Let ${name} work again`, `Let the breaker of ${name} work again?`, "POST", force("automatic")) : "")));
}

function limit({ name, providers, policy, kept_by, per, tokens, most, waiting, cooling_seconds, queue }) {
  const facts = [per === "caller" ? "per caller" : "for all callers", kept_by === "fleet" ? "of a fleet" : "", policy,
    providers.filter((one) => one !== name).join(", ")].filter((fact) => fact);
  const item = make("li", {}, row(span("name", name), tokens === undefined ? "" :
    span(tokens ? "good" : "bad", `${tokens} of ${count(most, "token")}`), acts(
    waiting ? act("Drain", `Drain the queue of ${name}`, `Send all away who wait for ${name}?`, "POST", `/admin/queues/${name}/drain`) : "",
    act("Fill", `Fill the buckets of ${name}`, `Fill the buckets of ${name}?`, "POST", `/admin/rate-limits/${name}/reset`))));
  if (tokens !== undefined) item.append(make("meter", { ariaLabel: `Tokens of ${name}`, max: most, value: tokens, low: most / 4, optimum: most }));
  if (waiting) item.append(make("div", { className: "warn" }, count(waiting, "request") + " waiting" +
    (queue && queue.per === "caller" ? ` of ${count(queue.callers, "caller")}, at most ${queue.longest} of one` : "")));
  if (cooling_seconds) item.append(make("div", { className: "warn" }, `Left alone for ${time(cooling_seconds)}, as it asked`));
  item.append(make("div", { className: "facts" }, facts.join(" · ")));
  return item;
}

function cached({ provider, data_type, hits, misses, hit_percent }) {
  const labels = query({ provider, data_type });
  const asked = hits + misses;
  const item = make("li", {}, row(span("name", `${provider} · ${data_type}`),
    span("facts", asked ? `${hit_percent} % of ${count(asked, "request")}` : "not asked yet"),
    act("Purge", `Purge ${data_type} of ${provider}`, `Purge ${data_type} of ${provider}?`, "POST", `/admin/cache/invalidate?${labels}`)));
  if (asked) item.append(make("meter", { ariaLabel: `Hit rate of ${data_type} of ${provider}`, max: 100, value: hit_percent, optimum: 100 }));
  return item;
}

function variant(one) {
  const kind = { fresh: "good", stale: "warn" }[one.state] || "bad";
  const facts = [size(one.bytes) + (one.packed ? " packed" : ""), one.status && `status ${one.status}`,
    one.age_seconds !== undefined && `age ${time(one.age_seconds)}`, one.ttl_seconds && `fresh for ${time(one.ttl_seconds)}`,
    `of use for ${time(one.of_use_for_seconds)}`, one.tags && count(one.tags, "tag"), one.softened && "softened by a purge",
    one.purges_since && `${count(one.purges_since, "purge")} since, maybe of this`];
  return make("li", {}, row(span("name", one.vary ? `varies by ${one.vary}` : "one for all"), span(kind, one.state)),
    make("div", { className: "facts" }, facts.filter((fact) => fact).join(" · ")));
}

function upstream({ name, healthy, hosts }) {
  const kind = healthy === hosts && hosts ? "good" : healthy ? "warn" : "bad";
  return make("li", {}, row(span("name", name), span(kind, `${healthy} of ${count(hosts, "host")} healthy`)));
}

function credential({ kind, name, state, age_seconds, ends_in_seconds, failures }) {
  const facts = state === "present" ? [`fetched ${time(age_seconds)} ago`, ends_in_seconds !== undefined && `ends in ${time(ends_in_seconds)}`] : [];
  if (failures) facts.push(count(failures, "attempt") + " failed since");
  const good = state === "present" && !failures;
  return make("li", {}, row(span("name", name), span(good ? "good" : state === "present" ? "warn" : "bad", state)),
    make("div", { className: "facts" }, [kind === "keys" ? "keys of an issuer" : "token for a provider", ...facts.filter((fact) => fact)].join(" · ")));
}

function plugin({ plugin: name, state, running_sha256, expected_sha256 }) {
  const [kind, word] = { same: ["good", "as rendered"], unknown: ["dim", "running"], missing: ["bad", "not running"] }[state] || ["bad", "not what was rendered"];
  const digest = (text) => text ? text.slice(0, 12) : "none";
  return make("li", {}, row(span("name", name), span(kind, word)), make("div", { className: "facts" },
    `sha256 ${digest(running_sha256)}` + (state === "different" ? `, expected ${digest(expected_sha256)}` : "")));
}

function log({ filter, level }) {
  const choose = make("select", { ariaLabel: `Log level of ${filter}` },
    ...["error", "warn", "info", "debug", "trace"].map((word) => make("option", { value: word, selected: word === level }, word)));
  choose.addEventListener("change", async () => {
    const path = `/admin/log-level?${query({ filter, level: choose.value })}`;
    delete shown.levels;
    await change(`Have ${filter} log ${choose.value} from now on?`, "PUT", path);
  });
  return make("li", {}, make("div", { className: "pair" }, span("name", filter), choose));
}

function show(status) {
  const kind = { healthy: "good", degraded: "warn" }[status.health] || "bad";
  const redis = status.redis === "not_configured" ? "" : ` · store ${status.redis}`;
  const health = status.health + redis;
  if (at("health").textContent !== health) at("health").replaceChildren(span(kind, health));
  at("at").textContent = `as of ${new Date(status.at * 1000).toLocaleTimeString()}`;
  fill("breakers", worst(status.circuit_breakers.map(({ seconds, ...rest }) => rest), (one) => one.state === "closed"), breaker, "No upstream has a breaker.");
  const queue = (name) => status.queues.find((one) => one.name === name);
  fill("limits", status.rate_limits.map((one) => ({ ...one, queue: queue(one.name) })), limit, "Nothing is limited.");
  const cache = status.cache;
  at("stock").textContent = cache ? `${count(cache.entries, "response")}, ${size(cache.bytes)}; ${cache.hit_percent} % of ${count(cache.hits + cache.misses, "request")} answered` : "";
  fill("caches", cache ? cache.caches : [], cached, "Nothing is cached.");
  for (const id of ["look", "purge-all"]) at(id).hidden = !cache;
  fill("upstreams", worst(status.upstreams || [], (one) => one.hosts && one.healthy === one.hosts), upstream, "Envoy does not tell.");
  fill("credentials", status.credentials, credential, "None are fetched.");
  fill("plugins", status.configurations, plugin, "None are known.");
  if (document.activeElement?.tagName !== "SELECT" && !at("sure").open) fill("levels", status.log_levels, log, "");
}

async function refresh() {
  clearTimeout(timer);
  const own = ++round;
  try {
    const status = await call("GET", "/admin/status");
    if (own !== round) return;
    at("key").hidden = true;
    at("all").hidden = at("leave").hidden = false;
    at("all").classList.remove("stale");
    show(status);
  } catch (failure) {
    if (own !== round) return;
    if ([401, 403, 404].includes(failure.status)) return leave(header ? failure.message : "");
    at("all").classList.add("stale");
    at("health").replaceChildren(span("bad", "the gateway does not answer"));
  }
  timer = setTimeout(refresh, document.hidden ? 10 * EVERY : EVERY);
}

function leave(why) {
  clearTimeout(timer);
  round++;
  header = null;
  shown = {};
  sessionStorage.removeItem(STORE);
  at("all").hidden = at("leave").hidden = true;
  at("key").hidden = false;
  // Whoever looks at this tab next is shown nothing.
  for (const part of [at("health"), at("at"), ...at("all").querySelectorAll("ul, #stock")]) part.replaceChildren();
  at("wrong").textContent = why;
  if (why) at("secret").focus();
}

at("key").addEventListener("submit", (event) => {
  event.preventDefault();
  const kind = at("kind").value, secret = at("secret").value.trim();
  header = [kind, kind === "authorization" ? `Bearer ${secret}` : secret];
  sessionStorage.setItem(STORE, JSON.stringify(header));
  at("wrong").textContent = at("secret").value = "";
  refresh();
});
at("leave").addEventListener("click", () => leave(""));
at("reset-all").addEventListener("click", () => change("Reset all breakers?", "POST", "/admin/circuit-breakers/reset-all"));
at("purge-all").addEventListener("click", () => change("Purge everything?", "POST", "/admin/cache/invalidate?everything"));
at("purge-url").addEventListener("click", () => {
  const url = at("url").value;
  if (at("look").reportValidity()) change(`Purge ${url}?`, "POST", `/admin/cache/invalidate?${query({ url })}`);
});
at("look").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const found = await call("GET", `/admin/cache/entry?${query({ url: at("url").value })}`);
    delete shown.variants;
    fill("variants", found.variants, variant, "Nothing is kept under this URL alone.");
  } catch (failure) {
    say(failure.message);
  }
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && !at("all").hidden) refresh(); });
try {
  header = JSON.parse(sessionStorage.getItem(STORE));
} catch {
  header = null;
}
refresh();
