// Uses an MCP server through the public npm library and prints what the library understood.
//
// Reads MCP_URL, MCP_TOKEN (a bearer token, may be missing), MCP_CALLS (a JSON list of `[tool, arguments]`), MCP_READS
// (a JSON list of URIs) and MCP_PROMPTS (a JSON list of `[prompt, arguments]`). Prints one line of JSON.
"use strict";
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

const listOf = (name) => JSON.parse(process.env[name] ?? "[]");

// What the library gives, or what a user of it would see instead.
async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    return { error: error.constructor.name, code: error.code ?? null, message: error.message };
  }
}

async function each(list, act) {
  const seen = [];
  for (const item of list) seen.push(await attempt(() => act(item)));
  return seen;
}

async function use() {
  const token = process.env.MCP_TOKEN;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const transport = new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), { requestInit: { headers } });
  const client = new Client({ name: "peer", version: "1.0.0" }, { capabilities: {} });
  const progress = [];
  await client.connect(transport);
  const onprogress = (told) => progress.push(told);
  const seen = {
    protocol: transport.protocolVersion,
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions() ?? null,
    ping: await attempt(() => client.ping()),
    listed: {
      tools: await attempt(() => client.listTools()),
      prompts: await attempt(() => client.listPrompts()),
      resources: await attempt(() => client.listResources()),
      templates: await attempt(() => client.listResourceTemplates()),
    },
    calls: await each(listOf("MCP_CALLS"), ([name, given]) =>
      client.callTool({ name, arguments: given }, undefined, { onprogress })),
    reads: await each(listOf("MCP_READS"), (uri) => client.readResource({ uri })),
    prompts: await each(listOf("MCP_PROMPTS"), ([name, given]) => client.getPrompt({ name, arguments: given })),
  };
  await client.close();
  return { ...seen, progress };
}

attempt(use).then((seen) => {
  process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
});
