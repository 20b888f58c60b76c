// Asks an OpenAI-compatible server through the public `openai` library and prints what the library understood.
"use strict";
const { OpenAI } = require("openai");

const model = process.env.MODEL ?? "test-model";
const prompt = process.env.PROMPT ?? "Say something.";
const messages = [{ role: "user", content: prompt }];
const client = new OpenAI({ maxRetries: 0, timeout: 30_000 });

const acts = {
  async chat() {
    const done = await client.chat.completions.create({ model, messages });
    const [choice] = done.choices;
    return { text: choice.message.content, finish: choice.finish_reason, total: done.usage?.total_tokens ?? null };
  },
  async stream() {
    const runner = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    let pieces = 0;
    runner.on("content", () => (pieces += 1));
    const done = await runner.finalChatCompletion();
    const [choice] = done.choices;
    return {
      text: choice.message.content,
      pieces,
      finish: choice.finish_reason,
      total: (await runner.totalUsage()).total_tokens,
    };
  },
  async responses() {
    const done = await client.responses.create({ model, input: prompt });
    return { text: done.output_text, status: done.status };
  },
  async responses_stream() {
    const runner = client.responses.stream({ model, input: prompt });
    let streamed = "";
    runner.on("response.output_text.delta", (event) => (streamed += event.delta));
    const done = await runner.finalResponse();
    return { text: done.output_text, streamed, status: done.status };
  },
  async models() {
    const ids = [];
    for await (const found of client.models.list()) ids.push(found.id);
    return { ids };
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
