// protocol.py for Node: the same verbs, messages and payload.
"use strict";

const http = require("node:http");
const readline = require("node:readline");

const CHUNK = 1000;
const SEND_PAUSE_MS = 20;
const REPORT_MS = 50;

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const now = () => Number(process.hrtime.bigint()) / 1e9; // CLOCK_MONOTONIC
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const payloadOf = (number) => ({
  number,
  organization_id: "organization",
  user_id: "user",
  client_id: `client-${number % 100}`,
  kind: "noop",
  status: "scheduled",
  title: `Job ${number}`,
  notes: "Bring a ladder. ".repeat(10),
});

function poster(port) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 50 });
  const headers = { "content-type": "application/json" };
  return (payload) =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify(payload);
      const options = { agent, port, host: "127.0.0.1", path: "/hook", method: "POST" };
      options.headers = { ...headers, "content-length": Buffer.byteLength(body) };
      const request = http.request(options, (answer) => {
        answer.resume();
        answer.on("end", () => (answer.statusCode < 300 ? resolve() : reject(new Error(`HTTP ${answer.statusCode}`))));
      });
      request.on("error", reject);
      request.end(body);
    });
}

async function work(driver, kind, port) {
  let total = 0;
  let said = -1;
  const post = kind === "webhook" ? poster(port) : null;
  const handle = async (payload) => {
    if (post) await post(payload);
    total += 1;
    if (kind === "start") say({ start: payload.number, at: now() });
  };
  const report = () => {
    if (said !== total) say({ ran: (said = total) });
  };
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  say({ ready: true });
  await lines.next();
  const reporting = setInterval(report, REPORT_MS);
  const stop = await driver.work(handle, kind);
  await lines.next(); // until stdin is closed
  await stop();
  clearInterval(reporting);
  say({ ran: total });
}

async function serve(driver, [verb, ...args]) {
  if (verb === "setup") {
    await driver.setup();
  } else if (verb === "fill") {
    const count = Number(args[1]);
    for (let begin = 0; begin < count; begin += CHUNK) {
      const size = Math.min(CHUNK, count - begin);
      await driver.add(Array.from({ length: size }, (_, index) => payloadOf(begin + index)));
    }
  } else if (verb === "send") {
    for (let number = 0; number < Number(args[0]); number += 1) {
      await driver.add([payloadOf(number)]);
      say({ sent: number, at: now() });
      await pause(SEND_PAUSE_MS);
    }
  } else if (verb === "work") {
    await work(driver, args[0], Number(args[1]));
  } else {
    let total = 0;
    await driver.once(async () => {
      total += 1;
    });
    say({ ran: total });
  }
}

exports.main = (driver) =>
  serve(driver, process.argv.slice(2)).then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
