// Uses an MCP server through the public `@modelcontextprotocol/sdk` library and prints what the library understood.
//
// Reads MCP_URL, or MCP_COMMAND (a JSON list: a program that is started and spoken to over stdio), MCP_TOKEN (a bearer
// token, may be missing), MCP_CALLS (a JSON list of `[tool, arguments]`), and MCP_OFFERS (a JSON list of `[prompt,
// arguments]`; if it is there, resources are listed and each is read too). Prints one line of JSON.
"use strict";
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

function transport() {
  if (process.env.MCP_COMMAND) {
    const [command, ...args] = JSON.parse(process.env.MCP_COMMAND);
    return new StdioClientTransport({ command, args });
  }
  const token = process.env.MCP_TOKEN;
  const requestInit = token ? { headers: { Authorization: `Bearer ${token}` } } : {};
  return new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), { requestInit });
}

async function call(client, name, args) {
  try {
    const done = await client.callTool({ name, arguments: args });
    const blocks = done.content.map((block) => (block.type === "text" ? block.text : { type: block.type }));
    return { blocks, failed: Boolean(done.isError), structured: done.structuredContent ?? null };
  } catch (error) {
    return { error: error.constructor.name, message: error.message };
  }
}

async function offers(client, prompts) {
  const resources = {};
  for (const { uri } of (await client.listResources()).resources) {
    resources[uri] = (await client.readResource({ uri })).contents.map((part) => part.text);
  }
  const filled = {};
  for (const [name, args] of prompts) {
    const done = await client.getPrompt({ name, arguments: args });
    filled[name] = done.messages.map((message) => message.content.text);
  }
  const names = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
  const templates = (await client.listResourceTemplates()).resourceTemplates.map((one) => one.uriTemplate);
  return { resources, templates, prompts: names, filled };
}

async function use() {
  const client = new Client({ name: "peer", version: "1.0.0" });
  const by = transport();
  await client.connect(by);
  const { tools } = await client.listTools();
  const more = process.env.MCP_OFFERS ? { offers: await offers(client, JSON.parse(process.env.MCP_OFFERS)) } : {};
  const calls = [];
  for (const [name, args] of JSON.parse(process.env.MCP_CALLS ?? "[]")) calls.push(await call(client, name, args));
  const seen = {
    protocol: client.getNegotiatedProtocolVersion?.() ?? by.protocolVersion ?? null,
    server: client.getServerVersion()?.name ?? null,
    tools: tools.map((tool) => tool.name),
    calls,
    ...more,
  };
  await by.terminateSession?.();
  await client.close();
  return seen;
}

use()
  .catch((error) => ({ error: error.constructor.name, message: error.message }))
  .then((seen) => console.log(JSON.stringify(seen)));
