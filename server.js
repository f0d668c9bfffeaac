// `node server.js` is `openclaw-worker server`: what pm2 and service units start.
process.argv.splice(2, 0, "server");
await import("./bin/openclaw-worker.cjs");
