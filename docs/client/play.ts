// Plays the guide against a running server, with nothing but the types of the document: connect, look at the mappings, map by hand what
// has another name in IT Glue, and sync. The server is that of `orgbridge demo`:
//
//	npm run generate && npm run check && npm run play -- ADDRESS TOKEN

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/orgbridge.d.ts";

type Schemas = components["schemas"];

const patience = 60_000;

const [address, token] = process.argv.slice(2);
assert(address !== undefined && token !== undefined, "usage: play ADDRESS TOKEN");

const api = createClient<paths>({
  baseUrl: `${address}/api/v1`,
  headers: { Authorization: `Bearer ${token}` },
});

// What a call answers: `data` of a success, or else a problem with a code.
function must<T>(answer: { data?: T; error?: Schemas["Problem"]; response: Response }): T {
  if (answer.error !== undefined || answer.data === undefined) {
    throw new Error(`${answer.response.url}: ${answer.error?.code}: ${answer.error?.detail}`);
  }
  return answer.data;
}

async function ended(syncId: string): Promise<Schemas["Sync"]> {
  for (const start = Date.now(); Date.now() - start < patience; await pause(100)) {
    const sync = must(await api.GET("/syncs/{syncId}", { params: { path: { syncId } } }));
    if (sync.status !== "queued" && sync.status !== "running") {
      return sync;
    }
  }
  throw new Error(`sync ${syncId} does not end`);
}

async function connect(): Promise<void> {
  const connected = await api.POST("/integrations/itglue/connect", {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: { apiKey: "ITG.demo", region: "us" },
  });
  const integration = must(connected);
  assert.equal(integration.status, "connected");
  const initial = integration.activeSync ?? integration.lastSync;
  assert(initial);
  const sync = await ended(initial.id);
  assert.equal(sync.status, "succeeded");
  console.log(`connected to ${integration.region}: ${sync.counts.mapped} mapped of ${sync.counts.listed} listed`);
}

// All rows, page by page.
async function rows(): Promise<Schemas["Mapping"][]> {
  const all: Schemas["Mapping"][] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: Schemas["MappingList"] = must(await api.GET("/mappings", { params: { query: { limit: 5, cursor } } }));
    all.push(...page.items);
    cursor = page.nextCursor;
  }
  return all;
}

// Maps the guide's "Demo" to its "Sandbox Graphus", as long as nobody else has changed the row.
async function mapByHand(): Promise<Schemas["Mapping"]> {
  const row = (await rows()).find((row) => row.organization.name === "Demo");
  assert(row?.state === "unmapped" && row.itglueOrganization === null);
  const choices = must(
    await api.GET("/integrations/itglue/organizations", { params: { query: { mapped: false, search: "sandbox" } } }),
  );
  const choice = choices.items[0];
  assert(choice);

  const path = { organizationId: row.organization.id };
  const read = await api.GET("/mappings/{organizationId}", { params: { path } });
  const header = { "If-Match": read.response.headers.get("ETag") ?? assert.fail("no ETag") };
  const body = { itglueOrganizationId: choice.id };
  const mapped = must(await api.PUT("/mappings/{organizationId}", { params: { path, header }, body }));
  assert.equal(mapped.state, "active");
  assert.equal(mapped.itglueOrganization?.name, choice.name);

  const stale = await api.PUT("/mappings/{organizationId}", { params: { path, header }, body });
  assert.equal(stale.error?.code, "precondition-failed");
  console.log(`mapped ${row.organization.name} to ${choice.name}`);
  return mapped;
}

async function sync(mapped: Schemas["Mapping"]): Promise<void> {
  const started = await api.POST("/syncs", {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: { kind: "manual" },
  });
  const run = await ended(must(started).id);
  assert.equal(run.status, "succeeded");
  assert(started.response.headers.get("Location")?.endsWith(run.id));

  const changes = must(await api.GET("/syncs/{syncId}/changes", { params: { path: { syncId: run.id } } }));
  const rename = changes.items.find((change) => change.organization.id === mapped.organization.id);
  assert.deepEqual([rename?.action, rename?.status, rename?.after], ["rename", "applied", mapped.itglueOrganization?.name]);
  console.log(`synced: ${rename?.before} is now ${rename?.after}`);
}

// The types tell what a server would refuse; each of these lines fails to compile once they no longer do.
export function mistakes(): unknown {
  return [
    // @ts-expect-error no such path
    () => api.GET("/mapping"),
    // @ts-expect-error a missing field
    () => api.POST("/integrations/itglue/connect", { body: { apiKey: "ITG.demo" } }),
    // @ts-expect-error not of the enumeration
    () => api.POST("/syncs", { body: { kind: "daily" } }),
    // @ts-expect-error a path parameter is missing
    () => api.GET("/syncs/{syncId}"),
    // @ts-expect-error an answer that may be null
    (row: Schemas["Mapping"]) => row.itglueOrganization.name,
  ];
}

await connect();
await sync(await mapByHand());
