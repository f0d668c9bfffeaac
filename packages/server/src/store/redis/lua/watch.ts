// Stops, copies of audit logs, the log of actions.

import { approvals, prelude } from "./prelude.ts";
import { scriptOf } from "./script.ts";

const tellHalt = String.raw`
local function haltOf(worker)
  return read(P .. 'halt:' .. worker, 'ordered', 'stopped')
end
local function tellHalt(worker)
  local halt = haltOf(worker)
  tell('halt', {worker, halt.ordered or 'null', halt.stopped or 'null'})
end
`;

export const orderStop = scriptOf(
  "orderStop",
  prelude,
  tellHalt,
  String.raw`
local worker, id, order, action = take(), take(), take(), take()
call('HSET', P .. 'halt:' .. worker, 'ordered', order, 'order-id', id)
call('ZADD', P .. 'halts', 0, worker)
act(action)
tellHalt(worker)
publish()
return 1
`,
);

export const liftStop = scriptOf(
  "liftStop",
  prelude,
  tellHalt,
  String.raw`
local worker, action = take(), take()
call('HDEL', P .. 'halt:' .. worker, 'ordered', 'order-id')
act(action)
tellHalt(worker)
publish()
return 1
`,
);

/** The order that still stands, as JSON, or null. */
export const saveStopped = scriptOf(
  "saveStopped",
  prelude,
  approvals,
  tellHalt,
  String.raw`
local worker, stopped, stop_id, seen, at = take(), take(), take(), take(), take()
local event_stopped, key = take(), P .. 'halt:' .. worker
local before = read(key, 'ordered', 'order-id', 'stop-id')
local order_id = before['order-id']
if order_id ~= nil and ((stop_id ~= '' and stop_id >= order_id) or (seen ~= '' and seen >= order_id)) then
  call('HDEL', key, 'ordered', 'order-id')
  order_id = nil
end
call('ZADD', P .. 'halts', 0, worker)
if stopped == '' then
  call('HDEL', key, 'stopped', 'stop-id')
else
  call('HSET', key, 'stopped', stopped, 'stop-id', stop_id)
end
local about = stop_id
if about == '' then about = order_id or '' end
for _, id in ipairs(call('SMEMBERS', P .. 'letters-of:' .. worker)) do
  local letter = read(P .. 'letter:' .. id, 'type', 'about')
  if letter.type == 'resume' and letter.about ~= about then forgetLetter(id) end
end
local was = before['stop-id']
if stop_id ~= '' and stop_id ~= was then note('"worker.stopped"', at, 'null', event_stopped) end
if stop_id == '' and was ~= nil then
  note('"worker.resumed"', at, 'null', '{"worker":' .. quoted(worker) .. ',"stopId":' .. quoted(was) .. '}')
end
tellHalt(worker)
publish()
return haltOf(worker).ordered or false
`,
);

/** Rows of `WORKER ORDERED STOPPED`. */
export const listHalts = scriptOf(
  "listHalts",
  prelude,
  String.raw`
local rows = {}
for index, worker in ipairs(call('ZRANGE', P .. 'halts', 0, -1)) do
  local halt = call('HMGET', P .. 'halt:' .. worker, 'ordered', 'stopped')
  rows[index] = {worker, halt[1], halt[2]}
end
return rows
`,
);

/** Nodes of 32 bytes lie one after another in strings of 2 MB each. */
export const nodesPerKey = 65_536;
export const nodeBytes = 32;

/** `saved` | `raced` */
export const saveWitness = scriptOf(
  "saveWitness",
  prelude,
  String.raw`
local worker, version, known, from, nodes_from = take(), tonumber(take()), take(), tonumber(take()), tonumber(take())
local alarm, evidence, at, details = take(), take(), take(), take()
local nodes, key, log = take(), P .. 'witness:' .. worker, P .. 'audit:' .. worker
local before = read(key, 'version', 'alarm')
if tonumber(before.version or 0) ~= version then return 'raced' end
local entries = tonumber(take())
if entries > 0 and call('LLEN', log) ~= from then return redis.error_reply('ERR entries do not follow') end
call('HSET', key, 'version', version + 1)
call('SADD', P .. 'witnesses', worker)
if known ~= '' then call('HSET', key, 'known', known) end
if alarm ~= '' and before.alarm == nil then
  call('HSET', key, 'alarm', alarm, 'alarm-at', at)
  if evidence ~= '' then call('HSET', key, 'evidence', evidence) end
end
if alarm ~= '' and alarm ~= before.alarm then note('"audit.alarm"', at, 'null', details) end
for _ = 1, entries do call('RPUSH', log, take()) end
for index = 0, #nodes / 32 - 1 do
  local place = nodes_from + index
  local chunk = math.floor(place / 65536)
  call('SETRANGE', P .. 'audit-nodes:' .. worker .. ':' .. whole(chunk), (place % 65536) * 32,
    string.sub(nodes, index * 32 + 1, index * 32 + 32))
end
return 'saved'
`,
);

/** Rows of `WORKER ALARM`. */
export const listAlarms = scriptOf(
  "listAlarms",
  prelude,
  String.raw`
local rows = {}
for _, worker in ipairs(call('SMEMBERS', P .. 'witnesses')) do
  local alarm = call('HGET', P .. 'witness:' .. worker, 'alarm')
  if alarm then rows[#rows + 1] = {worker, alarm} end
end
return rows
`,
);

export const justAct = scriptOf(
  "act",
  prelude,
  String.raw`
act(take())
return 1
`,
);

/** `SEQ HASH ACTIONS`: the head of the chain, and what waits to be linked to it. */
export const unlinked = scriptOf(
  "unlinked",
  prelude,
  String.raw`
local head = call('HMGET', P .. 'chain', 'seq', 'hash')
return {head[1], head[2], call('LRANGE', P .. 'acts', 0, tonumber(take()) - 1)}
`,
);

/** `linked` | `raced`: another process was quicker, and nothing was done. */
export const link = scriptOf(
  "link",
  prelude,
  String.raw`
local head, next_head, hash = take(), take(), take()
if (call('HGET', P .. 'chain', 'seq') or '') ~= head then return 'raced' end
local count = tonumber(take())
for _ = 1, count do
  local seq, entry = take(), take()
  call('XADD', P .. 'actions', whole(tonumber(seq) + 1) .. '-0', 'entry', entry)
end
call('LTRIM', P .. 'acts', count, -1)
call('HSET', P .. 'chain', 'seq', next_head, 'hash', hash)
return 'linked'
`,
);
