// The driver of pg-boss.  Its packages are in the folder that NODE_PATH names.
"use strict";

const { PgBoss } = require("pg-boss");
const { main } = require("./protocol.cjs");

const { PGHOST: host, PGUSER: user, PGDATABASE: database } = process.env;

let boss;
const started = async (options = {}) => {
  if (!boss) {
    boss = new PgBoss({ host, user, database, max: 10, ...options });
    boss.on("error", (error) => console.error(error));
    await boss.start();
  }
  return boss;
};

main({
  setup: async () => (await started()).createQueue("bench", { notify: true }),
  add: async (payloads) =>
    (await started()).insert("bench", payloads.map((data) => ({ data }))),
  work: async (handle, kind) => {
    await started({ useListenNotify: true });
    const settings = { batchSize: kind === "webhook" ? 50 : 500, localConcurrency: 4, pollingIntervalSeconds: 0.5 };
    await boss.work("bench", settings, (jobs) => Promise.all(jobs.map((job) => handle(job.data))));
    return () => boss.stop({ graceful: true, timeout: 10_000 });
  },
  once: async (handle) => {
    await started({ supervise: false, schedule: false });
    for (;;) {
      const jobs = await boss.fetch("bench", { batchSize: 500 });
      if (!jobs.length) break;
      await Promise.all(jobs.map((job) => handle(job.data)));
      await boss.complete("bench", jobs.map((job) => job.id));
    }
    await boss.stop({ graceful: false });
  },
});
