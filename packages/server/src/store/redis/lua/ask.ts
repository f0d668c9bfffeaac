// Approvals: what a worker says of them, and envelopes on their way to workers.

import { approvals, prelude } from "./prelude.ts";
import { scriptOf } from "./script.ts";

/** `noted CHANGED` | `unknown` | `stale` | `full task|worker` */
export const ask = scriptOf(
  "ask",
  prelude,
  approvals,
  String.raw`
local id, task, fence, instance, worker, about = take(), take(), take(), take(), take(), take()
local digest, state, by, levels, request, expires = take(), take(), take(), take(), take(), take()
local at, per_task, waiting_max = take(), tonumber(take()), tonumber(take())
local asked, decided = take(), take()

local key = P .. 'approval:' .. id
local known = read(key, 'task', 'fence', 'digest', 'state')
if known.task ~= nil then
  if known.task ~= task or known.fence ~= fence or known.digest ~= digest then return {'stale'} end
  -- The first end stays, and what ended waits no more: messages may overtake each other.
  if known.state ~= 'waiting' or state == 'waiting' then return {'noted', 0} end
  closeApproval(id, state, by, at)
  tell('asked', task)
  publish()
  return {'noted', 1}
end
local holder = read(P .. 'task:' .. task, 'state', 'fence', 'instance', 'worker')
if holder.state == nil then return {'unknown'} end
local held = holder.state == 'claimed' or holder.state == 'started'
if not held or holder.fence ~= fence or holder.instance ~= instance or holder.worker ~= worker or about ~= task then
  return {'stale'}
end
if call('SCARD', P .. 'asked:' .. task) >= per_task then return {'full', 'task'} end
if state == 'waiting' and call('SCARD', P .. 'waiting-at:' .. worker) >= waiting_max then
  return {'full', 'worker'}
end

local change = nextChange()
call('HSET', key, 'task', task, 'worker', worker, 'fence', fence, 'state', state, 'digest', digest,
  'request', request, 'levels', levels, 'by', by, 'updated', at, 'expires', expires, 'change', change)
local reason = call('HGET', P .. 'body:' .. task, 'reason')
if reason then call('HSET', key, 'reason', reason) end
call('ZADD', P .. 'approvals', change, id)
call('ZADD', P .. 'approvals:' .. state, change, id)
call('SADD', P .. 'asked:' .. task, id)
note('"approval.asked"', at, '"' .. task .. '"', asked)
if state == 'waiting' then
  call('ZADD', P .. 'waiting-of:' .. task, change, id)
  call('SADD', P .. 'waiting-at:' .. worker, id)
  call('HSET', P .. 'task:' .. task, 'approval', id)
else
  call('ZADD', P .. 'approvals-ended', at, id)
  note('"approval.decided"', at, '"' .. task .. '"', decided)
end
tell('asked', task)
publish()
return {'noted', 1}
`,
);

const post = String.raw`
-- The letter's id and whether it is new; nothing when there are so many already.
local function post(letter, most)
  local waiting = 0
  for _, id in ipairs(call('SMEMBERS', P .. 'letters-about:' .. letter.about)) do
    local other = read(P .. 'letter:' .. id, 'worker', 'envelope', 'expires')
    if other.worker == letter.worker then
      if other.envelope == letter.envelope then return id, false, other.expires end
      waiting = waiting + 1
    end
  end
  if waiting >= most then return nil end
  local id = whole(call('INCR', P .. 'letter-id'))
  call('HSET', P .. 'letter:' .. id, 'worker', letter.worker, 'about', letter.about, 'type', letter.type,
    'envelope', letter.envelope, 'expires', letter.expires)
  call('ZADD', P .. 'letters', letter.expires, id)
  call('SADD', P .. 'letters-about:' .. letter.about, id)
  call('SADD', P .. 'letters-of:' .. letter.worker, id)
  tell('letter', {id, letter.worker, letter.about, letter.envelope, letter.expires})
  return id, true, letter.expires
end
`;

/** `unknown` | `over` | `full` | `sent ID NEW WORKER EXPIRES` */
export const decide = scriptOf(
  "decide",
  prelude,
  post,
  String.raw`
local id, envelope, expires, at, most, action = take(), take(), take(), take(), tonumber(take()), take()
local approval = read(P .. 'approval:' .. id, 'state', 'expires', 'worker')
if approval.state == nil then return {'unknown'} end
if approval.state ~= 'waiting' or tonumber(approval.expires) <= tonumber(at) then return {'over'} end
local letter, fresh, ends = post({worker = approval.worker, about = id, type = 'approval', envelope = envelope, expires = expires}, most)
if letter == nil then return {'full'} end
if fresh then act(action) end
publish()
return {'sent', letter, fresh and 1 or 0, approval.worker, ends}
`,
);

/** Null, or `ID EXPIRES`. */
export const sendResume = scriptOf(
  "sendResume",
  prelude,
  post,
  String.raw`
local worker, stop, envelope, expires, most, action = take(), take(), take(), take(), tonumber(take()), take()
local letter, fresh, ends = post({worker = worker, about = stop, type = 'resume', envelope = envelope, expires = expires}, most)
if letter == nil then return false end
if fresh then act(action) end
publish()
return {letter, ends}
`,
);

/** `TOP ROWS`; a row is the fields of a hash, flat, with its id before them. */
export const listApprovals = scriptOf(
  "listApprovals",
  prelude,
  String.raw`
local state, after, max = take(), take(), tonumber(take())
local key = P .. 'approvals'
if state ~= '' then key = key .. ':' .. state end
local ids
if after == '' then
  ids = {}
  for _, id in ipairs(call('ZREVRANGE', key, 0, max - 1)) do table.insert(ids, 1, id) end
else
  ids = call('ZRANGEBYSCORE', key, '(' .. after, '+inf', 'LIMIT', 0, max)
end
local rows = {}
for index, id in ipairs(ids) do rows[index] = {id, call('HGETALL', P .. 'approval:' .. id)} end
return {call('GET', P .. 'changes') or '0', rows}
`,
);

/** Rows of `ID FIELDS`. */
export const listLetters = scriptOf(
  "listLetters",
  prelude,
  String.raw`
local rows = {}
for index, id in ipairs(call('ZRANGE', P .. 'letters', 0, -1)) do
  rows[index] = {id, call('HGETALL', P .. 'letter:' .. id)}
end
return rows
`,
);
