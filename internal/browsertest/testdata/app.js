"use strict";

// What a separate single-page app does with the API, written with nothing but fetch. Every function answers what the page could read.

function client(base, token) {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(base + "/api/v1" + path, {
      method,
      headers: {
        ...(token && { Authorization: "Bearer " + token }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
  };
}

// The guide, from Connect Integration to Deactivate Integration.
async function playGuide(base, token, apiKey) {
  const call = client(base, token);
  const read = {};
  const has = (answer, ...names) => names.filter((name) => answer.headers.get(name) !== null);
  const ended = async (id) => {
    for (;;) {
      const { body } = await call("GET", "/syncs/" + id);
      if (body.status !== "queued" && body.status !== "running") return body.status;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  };

  read.otherOrigin = new URL(base).origin !== location.origin;
  read.tile = (await call("GET", "/integrations")).body[0].status;
  const key = { "Idempotency-Key": crypto.randomUUID() };
  const credentials = { apiKey, region: "us" };
  const connected = await call("POST", "/integrations/itglue/connect", credentials, key);
  read.connect = [connected.status, ...has(connected, "ETag", "Location", "RateLimit", "RateLimit-Policy", "X-Request-Id")];
  const again = await call("POST", "/integrations/itglue/connect", credentials, key);
  read.connectAgain = [again.status, ...has(again, "Idempotency-Replayed")];
  read.initialSync = await ended((connected.body.activeSync ?? connected.body.lastSync).id);

  const rows = (await call("GET", "/mappings?sort=name")).body.items;
  read.mappings = rows.map((row) => [row.organization.name, row.itglueOrganization?.name ?? "None", row.state]);
  const demo = rows.find((row) => row.organization.name === "Demo").organization.id;
  const choices = (await call("GET", "/integrations/itglue/organizations?mapped=false&search=sandbox")).body.items;
  read.dropDown = choices.map((choice) => choice.name);
  const before = (await call("GET", "/mappings/" + demo)).headers.get("ETag");
  const map = () => call("PUT", "/mappings/" + demo, { itglueOrganizationId: choices[0].id }, { "If-Match": before });
  read.map = [(await map()).body.state, (await map()).body.code];
  read.refresh = (await call("POST", `/mappings/${demo}/sync`)).body.organization.name;
  read.pause = (await call("PATCH", "/mappings/" + demo, { syncEnabled: false })).body.state;

  const free = (await call("GET", "/integrations/itglue/organizations?mapped=false&search=juniper")).body.items[0].id;
  const domains = (await call("GET", `/integrations/itglue/organizations/${free}/domains`)).body.items;
  const added = await call("POST", "/organizations", {
    itglueOrganizationId: free, domain: domains[0].domain, emailPlatform: "microsoft_365",
  });
  read.add = [added.status, added.body.name, ...has(added, "ETag", "Location")];

  const started = await call("POST", "/syncs", { kind: "manual" });
  read.manualSync = [started.status, started.headers.get("Location").endsWith(started.body.id), await ended(started.body.id)];
  read.dailySync = (await call("PATCH", "/integrations/itglue", { dailySync: { enabled: false } })).body.dailySync.enabled;
  read.deactivate = (await call("DELETE", "/integrations/itglue")).body.code;
  read.deactivated = (await call("DELETE", "/integrations/itglue?confirm=true")).body.mappingsRemoved;
  read.signedOut = (await client(base, "")("GET", "/me")).body.code;
  return read;
}

// Asks until the limit of requests is reached, and returns how long to wait.
async function hurry(base, token, most) {
  const call = client(base, token);
  for (let i = 0; i < most; i++) {
    const answer = await call("GET", "/me");
    if (answer.status === 429) {
      return { code: answer.body.code, retryAfter: Number(answer.headers.get("Retry-After")) };
    }
  }
  return { code: "none", retryAfter: 0 };
}

// Shows a sync in a progress bar, with code that tells showProgress of it.
function showProgress(code, token, sync) {
  const bar = document.body.appendChild(document.createElement("progress"));
  const label = document.body.appendChild(document.createElement("output"));
  const show = ({ status, progress }) => {
    bar.max = progress.total;
    bar.value = progress.done;
    label.value = `${status === "queued" || status === "running" ? "progress" : "ended"} ${status} ${bar.value} of ${bar.max}`;
  };
  const send = window.fetch;
  window.asked = [];
  window.fetch = (url, options) => {
    window.asked.push(new URL(url).pathname);
    return send(url, options);
  };
  new Function("token", "sync", "showProgress", code)(token, sync, show);
}

// What the bar shows, and what the page has asked for.
function shownProgress() {
  return { shown: document.querySelector("output").value, asked: window.asked };
}

// What becomes of each attempt of a page whose origin is not listed.
async function intrude(base, token) {
  const call = client(base, token);
  const attempts = {
    read: () => call("GET", "/me"),
    readWithoutPreflight: () => fetch(base + "/api/v1/me").then((response) => response.text()),
    write: () => call("POST", "/organizations", { name: "Intruder", domain: "intruder.example.com", emailPlatform: "microsoft_365" }),
    remove: () => call("DELETE", "/integrations/itglue?confirm=true"),
  };
  const outcome = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    outcome[name] = await attempt().then(() => "read", (error) => error.name);
  }
  return outcome;
}
