// Small steps that keep the store's own house, lists, and who is connected where.

import { approvals, prelude, tasks } from "./prelude.ts";
import { scriptOf } from "./script.ts";

export const markRead = scriptOf(
  "markRead",
  prelude,
  tasks,
  String.raw`
local id, at = take(), take()
local task = find(id)
if task == nil or task.read or (task.state ~= 'lost' and task.state ~= 'finished') then return 0 end
call('HSET', taskKey(id), 'read', at)
call('DECR', P .. 'unread')
note('"task.reconciled"', at, '"' .. id .. '"', '')
return 1
`,
);

export const noteEvent = scriptOf(
  "note",
  prelude,
  String.raw`
local type, at, id, details = take(), take(), take(), take()
note(type, at, id, details)
return 1
`,
);

export const saveWorker = scriptOf(
  "saveWorker",
  prelude,
  String.raw`
local name, record = take(), take()
call('HSET', P .. 'workers', name, record)
tell('worker', record)
publish()
return 1
`,
);

/** How many tasks were forgotten. */
export const prune = scriptOf(
  "prune",
  prelude,
  tasks,
  approvals,
  String.raw`
local before, max, actions_kept = take(), take(), take()
local old = call('ZRANGEBYSCORE', P .. 'ended', '-inf', '(' .. before, 'LIMIT', 0, max)
for _, id in ipairs(old) do
  local task = find(id)
  local key = call('HGET', taskKey(id), 'idem')
  if key and call('HGET', P .. 'idem', key) == id then call('HDEL', P .. 'idem', key) end
  if not task.read then call('DECR', P .. 'unread') end
  if task.worker then call('ZREM', P .. 'worker:' .. task.worker, id) end
  call('ZREM', P .. 'all', id)
  call('ZREM', P .. 'kind:' .. task.kind, id)
  call('ZREM', P .. 'status:' .. task.status, id)
  call('ZREM', P .. 'ended', id)
  call('DEL', taskKey(id), P .. 'body:' .. id, P .. 'result:' .. id)
end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'approvals-ended', '-inf', '(' .. before, 'LIMIT', 0, max)) do
  local about = read(P .. 'approval:' .. id, 'task', 'state')
  call('ZREM', P .. 'approvals', id)
  call('ZREM', P .. 'approvals:' .. about.state, id)
  call('ZREM', P .. 'approvals-ended', id)
  call('SREM', P .. 'asked:' .. about.task, id)
  call('DEL', P .. 'approval:' .. id)
end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'letters', '-inf', '(' .. before)) do forgetLetter(id) end
-- The chain goes on from whatever entry is the oldest.
call('XTRIM', P .. 'actions', 'MAXLEN', '=', actions_kept)
for _, session in ipairs(call('ZRANGEBYSCORE', P .. 'sessions', '-inf', '(' .. before, 'LIMIT', 0, max)) do
  if call('EXISTS', P .. 'session:' .. session) == 0 then
    local info = P .. 'session-info:' .. session
    call('ZREM', P .. 'sessions-of:' .. call('HGET', info, 'kind'), session)
    call('ZREM', P .. 'sessions', session)
    call('DEL', info)
  end
end
return #old
`,
);

/**
 * `NEXT ROWS`. Walks one list from the newest below `before`, over a bounded stretch, and gives what
 * passes the filters; `NEXT` is where to go on, or null when the list is over or enough was found.
 */
export const list = scriptOf(
  "list",
  prelude,
  String.raw`
local before, max, stretch = take(), tonumber(take()), tonumber(take())
local wanted, shortest, index = {}, P .. 'all', nil
for _, name in ipairs({'status', 'worker', 'kind'}) do
  local value = take()
  if value ~= '' then
    wanted[name] = value
    local key = P .. name .. ':' .. value
    local length = call('ZCARD', key)
    if index == nil or length < index then
      shortest, index = key, length
    end
  end
end
local bound = '+inf'
if before ~= '' then bound = '(' .. before end
local rows, looked = {}, 0
while looked < stretch do
  local found = call('ZREVRANGEBYSCORE', shortest, bound, '-inf', 'WITHSCORES', 'LIMIT', 0, math.min(max, 200))
  if #found == 0 then return {false, rows} end
  for place = 1, #found, 2 do
    local key = P .. 'task:' .. found[place]
    local fits = true
    for name, value in pairs(wanted) do
      if call('HGET', key, name) ~= value then fits = false end
    end
    if fits then rows[#rows + 1] = {found[place], call('HGETALL', key)} end
    if #rows >= max then return {false, rows} end
    bound = '(' .. found[place + 1]
    looked = looked + 1
  end
end
return {string.sub(bound, 2), rows}
`,
);

/** Rows of `SESSION KIND TASKS UNFINISHED LAST`. */
export const listSessions = scriptOf(
  "listSessions",
  prelude,
  String.raw`
local kind, max = take(), tonumber(take())
local key = P .. 'sessions'
if kind ~= '' then key = P .. 'sessions-of:' .. kind end
local rows = {}
for index, session in ipairs(call('ZREVRANGE', key, 0, max - 1)) do
  local info = read(P .. 'session-info:' .. session, 'kind', 'tasks', 'last')
  rows[index] = {session, info.kind, info.tasks, call('ZCARD', P .. 'session:' .. session), info.last}
end
return rows
`,
);

/** `PENDING RUNNING COMPLETED FAILED UNREAD` */
export const counts = scriptOf(
  "counts",
  prelude,
  String.raw`
return {
  call('ZCARD', P .. 'status:pending'), call('ZCARD', P .. 'status:running'),
  call('ZCARD', P .. 'status:completed'), call('ZCARD', P .. 'status:failed'),
  tonumber(call('GET', P .. 'unread') or 0)
}
`,
);

/** Rows of `ID FENCE`. */
export const cancelsFor = scriptOf(
  "cancelsFor",
  prelude,
  String.raw`
local rows = {}
for index, id in ipairs(call('SMEMBERS', P .. 'cancels:' .. take())) do
  rows[index] = {id, call('HGET', P .. 'task:' .. id, 'fence')}
end
return rows
`,
);

/** Who was seen by this process: `NAME LEASED FOR_MS SEEN_AT` each. */
export const announce = scriptOf(
  "announce",
  prelude,
  String.raw`
local key, now = P .. 'seen:' .. ARGV[1], wallMs()
call('ZADD', P .. 'processes', whole(now), ARGV[1])
for _ = 1, tonumber(take()) do
  local name, leased, for_ms, seen_at = take(), take(), take(), take()
  if tonumber(for_ms) <= 0 then
    call('HDEL', key, name)
  else
    call('HSET', key, name, leased .. ' ' .. whole(now + tonumber(for_ms)) .. ' ' .. seen_at)
  end
  tell('seen', {name, leased, for_ms, seen_at})
end
-- Nobody promises more than a minute and a little: what a process that died left behind goes by itself.
call('PEXPIRE', key, 120000)
publish()
return 1
`,
);

/** Rows of `PROCESS NAME LEASED FOR_MS SEEN_AT`. */
export const sightings = scriptOf(
  "sightings",
  prelude,
  String.raw`
local now = wallMs()
call('ZREMRANGEBYSCORE', P .. 'processes', '-inf', whole(now - 600000))
local rows = {}
for _, process in ipairs(call('ZRANGE', P .. 'processes', 0, -1)) do
  if process ~= ARGV[1] then
    local seen = call('HGETALL', P .. 'seen:' .. process)
    for place = 1, #seen, 2 do
      local leased, till, at = string.match(seen[place + 1], '^(%d) (%d+) (%d+)$')
      if tonumber(till) > now then
        rows[#rows + 1] = {process, seen[place], leased, whole(tonumber(till) - now), at}
      end
    end
  end
end
return rows
`,
);

/** This process leaves. */
export const depart = scriptOf(
  "depart",
  prelude,
  String.raw`
call('ZREM', P .. 'processes', ARGV[1])
call('DEL', P .. 'seen:' .. ARGV[1])
return 1
`,
);
