// Reads the JSON texts of FILE (one in base64 a line) as JavaScript does and prints what each says, in one canonical form:
// numbers are the bits of a double; strings are their UTF-16 code units in hex; members are sorted.
"use strict";
const { readFileSync } = require("node:fs");

function text(value) {
  let out = "";
  for (let at = 0; at < value.length; at += 1) out += value.charCodeAt(at).toString(16).padStart(4, "0");
  return out;
}

function bits(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString("hex");
}

function told(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return bits(value);
  if (typeof value === "string") return `'${text(value)}'`;
  if (Array.isArray(value)) return `[${value.map(told).join(",")}]`;
  return `{${Object.keys(value).map((key) => `${text(key)}:${told(value[key])}`).sort().join(",")}}`;
}

function read(line) {
  try {
    return told(JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(line, "base64"))));
  } catch {
    return null;
  }
}

const lines = readFileSync(process.env.FILE, "ascii").split("\n").filter((line) => line);
process.stdout.write(`${JSON.stringify(lines.map(read))}\n`);
