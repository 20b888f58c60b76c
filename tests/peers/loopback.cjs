// Loaded before a public server: whatever it asks to listen on, it gets a free port on loopback, and says which.
"use strict";
const net = require("node:net");

const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (...given) {
  const ready = given.find((argument) => typeof argument === "function");
  this.once("listening", () => process.stderr.write(`listening on ${this.address().address}:${this.address().port}\n`));
  return listen.call(this, { host: "127.0.0.1", port: 0 }, ready);
};
