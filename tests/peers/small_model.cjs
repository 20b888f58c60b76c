// A real small model behind chat completions of the OpenAI API, on a free port of loopback.
//
// Reads MODEL_FILE (GGUF) and API_KEY; who does not show that key as a bearer token gets 401, as from a provider.
// Prints `listening on ADDRESS` once the model is loaded, then one line of JSON for each request: `{"refused": STATUS}` or
// `{"answered": {"stream", "prompt", "completion", "text"}}`, counted where the tokens are made.
//
// One request at a time, on one thread, at temperature 0 and from an empty context: the same question gets the same
// answer, streamed or not. The prompt is laid out as the model's own template says (ChatML).

"use strict";

const http = require("node:http");
const { pathToFileURL } = require("node:url");

const CONTEXT_TOKENS = 1024;
const ANSWER_TOKENS_MAX = 32;
const BODY_BYTES_MAX = 64 * 1024;
const SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
const ROLES = ["system", "user", "assistant"];

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function said(line) {
  console.log(JSON.stringify(line));
}

async function read(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) throw new Refused(413, "the request is too long");
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    throw new Refused(400, "the request is not JSON");
  }
}

/** The tokens of a conversation; only the marks between turns are read as such, never what a turn says. */
function prompt(model, messages) {
  if (!Array.isArray(messages) || messages.length === 0) throw new Refused(400, "there are no messages");
  const turns = messages[0].role === "system" ? messages : [{ role: "system", content: SYSTEM }, ...messages];
  const tokens = [];
  for (const { role, content } of turns) {
    if (!ROLES.includes(role) || typeof content !== "string") throw new Refused(400, "a turn is not understood");
    tokens.push(...model.tokenize(`<|im_start|>${role}\n`, true), ...model.tokenize(content));
    tokens.push(...model.tokenize("<|im_end|>\n", true));
  }
  tokens.push(...model.tokenize("<|im_start|>assistant\n", true));
  if (tokens.length + ANSWER_TOKENS_MAX > CONTEXT_TOKENS) throw new Refused(400, "the conversation is too long");
  return tokens;
}

/** Lets the model answer; `piece` is given the text bit by bit, never half a character. */
async function answer({ model, sequence }, tokens, limit, gone, piece) {
  await sequence.clearHistory();
  const made = [];
  let told = "";
  // It ends by itself before the token that would end the answer.
  for await (const token of sequence.evaluate(tokens, { temperature: 0 })) {
    made.push(token);
    const text = model.detokenize(made);
    if (!text.endsWith("\ufffd")) {
      piece(text.slice(told.length));
      told = text;
    }
    if (made.length >= limit || gone()) break;
  }
  return { text: told, finish: made.length < limit ? "stop" : "length", completion: made.length };
}

async function serve(parts, request, response) {
  if (request.headers.authorization !== `Bearer ${process.env.API_KEY}`) throw new Refused(401, "no such key");
  if (request.method !== "POST" || request.url !== "/v1/chat/completions") throw new Refused(404, "no such path");
  const asked = await read(request);
  const tokens = prompt(parts.model, asked.messages);
  const wanted = asked.max_completion_tokens ?? asked.max_tokens;
  const limit = Number.isInteger(wanted) && wanted > 0 ? Math.min(wanted, ANSWER_TOKENS_MAX) : ANSWER_TOKENS_MAX;
  const stream = asked.stream === true;
  const head = { id: `chatcmpl-${Date.now()}`, created: Math.floor(Date.now() / 1000), model: asked.model };

  const event = (choices, more) => {
    const chunk = { ...head, object: "chat.completion.chunk", choices, ...more };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  const choice = (delta, reason) => [{ index: 0, delta, finish_reason: reason }];
  if (stream) {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    event(choice({ role: "assistant", content: "" }, null));
  }
  const piece = (text) => stream && event(choice({ content: text }, null));
  const done = await answer(parts, tokens, limit, () => response.destroyed, piece);
  const usage = {
    prompt_tokens: tokens.length,
    completion_tokens: done.completion,
    total_tokens: tokens.length + done.completion,
  };
  // Said before the answer is whole: whoever has the answer finds this line.
  said({ answered: { stream, prompt: tokens.length, completion: done.completion, text: done.text } });
  if (stream) {
    event(choice({}, done.finish));
    if (asked.stream_options?.include_usage === true) event([], { usage });
    response.end("data: [DONE]\n\n");
    return;
  }
  const message = { role: "assistant", content: done.text };
  const choices = [{ index: 0, message, finish_reason: done.finish }];
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ ...head, object: "chat.completion", choices, usage }));
}

async function main() {
  const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")));
  // Its threads wait for each other by spinning, which a machine with other work to do pays for: one only.
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: 1, progressLogs: false });
  const model = await llama.loadModel({ modelPath: process.env.MODEL_FILE, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: CONTEXT_TOKENS, sequences: 1, threads: 1 });
  const parts = { model, sequence: context.getSequence() };

  let last = Promise.resolve();
  const server = http.createServer((request, response) => {
    const refuse = (error) => {
      const status = error instanceof Refused ? error.status : 500;
      said({ refused: status, why: error.message });
      if (response.headersSent) return response.destroy();
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: error.message, type: "refused", code: status } }));
    };
    last = last.then(() => serve(parts, request, response)).catch(refuse);
  });
  server.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
}

main();
