// `node worker.js` is `openclaw-worker worker`: what pm2 and service units start.
process.argv.splice(2, 0, "worker");
await import("./bin/openclaw-worker.cjs");
