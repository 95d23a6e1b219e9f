// The driver of graphile-worker.  Its packages are in the folder that NODE_PATH names.
"use strict";

const { makeWorkerUtils, run, runOnce, Logger } = require("graphile-worker");
const { main } = require("./protocol.cjs");

const connectionString = `postgres://${process.env.PGUSER}@/${process.env.PGDATABASE}?host=${process.env.PGHOST}`;
const logger = new Logger(() => () => {});

let utils;
const opened = async () => (utils ??= await makeWorkerUtils({ connectionString, logger }));

const options = (handle, localQueue, delay) => ({
  taskList: { bench: handle },
  noHandleSignals: true,
  preset: {
    worker: {
      connectionString,
      logger,
      concurrentJobs: 50,
      maxPoolSize: 10,
      completeJobBatchDelay: delay,
      ...(localQueue ? { localQueue: { size: localQueue } } : {}),
    },
  },
});

main({
  setup: async () => (await opened()).migrate(),
  add: async (payloads) =>
    (await opened()).addJobs(payloads.map((payload) => ({ identifier: "bench", payload }))),
  work: async (handle, kind) => {
    const runner = await run(kind === "webhook" ? options(handle, 100, 0) : options(handle, 1000, 50));
    return () => runner.stop();
  },
  once: (handle) => runOnce(options(handle, 0, -1)),
});
