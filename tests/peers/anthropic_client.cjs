// Asks an Anthropic-compatible server through the public `@anthropic-ai/sdk` and prints what it understood.
"use strict";
const { Anthropic } = require("@anthropic-ai/sdk");

const model = process.env.MODEL ?? "test-model";
const ask = {
  model,
  max_tokens: 64,
  messages: [{ role: "user", content: process.env.PROMPT ?? "Say something." }],
};
const client = new Anthropic({ maxRetries: 0, timeout: 30_000 });

function messageOf(done) {
  const text = done.content.filter((block) => block.type === "text").map((block) => block.text);
  const calls = done.content.filter((block) => block.type === "tool_use");
  return {
    text: text.join(""),
    calls: calls.map(({ id, name, input }) => ({ id, name, input })),
    stop: done.stop_reason,
    output: done.usage?.output_tokens ?? null,
  };
}

const acts = {
  async messages() {
    return messageOf(await client.messages.create(ask));
  },
  async stream() {
    const runner = client.messages.stream(ask);
    let streamed = "";
    runner.on("text", (text) => (streamed += text));
    return { ...messageOf(await runner.finalMessage()), streamed };
  },
};

async function seen(act) {
  try {
    return await acts[act]();
  } catch (error) {
    return { error: error.constructor.name, status: error.status ?? null, message: error.message };
  }
}

(async () => {
  const chosen = (process.env.ACTS ?? Object.keys(acts).join(",")).split(",").filter(Boolean);
  const found = {};
  for (const act of chosen) found[act] = await seen(act);
  console.log(JSON.stringify(found));
})();
