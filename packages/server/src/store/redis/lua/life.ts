// A task's way from submit to claim.

import { prelude, tasks } from "./prelude.ts";
import { scriptOf } from "./script.ts";

/** `created READY` | `same ID SESSION` | `conflict` | `full QUEUED` */
export const submit = scriptOf(
  "submit",
  prelude,
  tasks,
  String.raw`
local id, own, idem, digest = take(), take(), take(), take()
local kind, selector, priority, session = take(), take(), take(), take()
local timeout, at, deliver, queued_max, summary = take(), take(), take(), take(), take()
local spec, metadata, reason, proof, action = take(), take(), take(), take(), take()

-- A signed task brings its id: that names it before any key does.
local known = false
if own == '1' and call('EXISTS', taskKey(id)) == 1 then known = id end
if not known and idem ~= '' then known = call('HGET', P .. 'idem', idem) end
if known then
  local was = read(taskKey(known), 'digest', 'session')
  if was.digest ~= digest then return {'conflict'} end
  return {'same', known, was.session or false}
end
local queued = call('ZCARD', P .. 'status:pending') + call('ZCARD', P .. 'status:running')
if queued >= tonumber(queued_max) then return {'full', queued} end
if call('EXISTS', taskKey(id)) == 1 then return redis.error_reply('ERR this id is taken') end

local seq = whole(call('INCR', P .. 'seq'))
local state = 'pending'
if session ~= '' and call('EXISTS', P .. 'session:' .. session) == 1 then state = 'blocked' end
call('HSET', taskKey(id), 'seq', seq, 'kind', kind, 'status', 'pending', 'state', state,
  'selector', selector, 'priority', priority, 'timeout', timeout, 'created', at, 'deliver', deliver,
  'fence', 0, 'leased', 0, 'summary', summary)
if session ~= '' then call('HSET', taskKey(id), 'session', session) end
if idem ~= '' then
  call('HSET', taskKey(id), 'idem', idem)
  call('HSET', P .. 'idem', idem, id)
end
if idem ~= '' or own == '1' then call('HSET', taskKey(id), 'digest', digest) end
local body = P .. 'body:' .. id
call('HSET', body, 'spec', spec)
if metadata ~= '' then call('HSET', body, 'metadata', metadata) end
if reason ~= '' then call('HSET', body, 'reason', reason) end
if proof ~= '' then call('HSET', body, 'proof', proof) end
call('ZADD', P .. 'all', seq, id)
call('ZADD', P .. 'kind:' .. kind, seq, id)
call('ZADD', P .. 'status:pending', seq, id)
call('ZADD', P .. 'deliver', deliver, id)
if session ~= '' then
  call('ZADD', P .. 'session:' .. session, seq, id)
  local info = P .. 'session-info:' .. session
  call('HSETNX', info, 'kind', kind)
  call('HINCRBY', info, 'tasks', 1)
  call('HSET', info, 'last', at)
  call('ZADD', P .. 'sessions', at, session)
  call('ZADD', P .. 'sessions-of:' .. call('HGET', info, 'kind'), at, session)
end
note('"task.created"', at, '"' .. id .. '"', '{"kind":"' .. kind .. '"}')
act(action)
if state == 'pending' then
  makeReady({id = id, seq = seq, priority = priority, selector = selector})
end
publish()
return {'created', state == 'pending' and 1 or 0}
`,
);

/** A list of `ID FENCE TIMEOUT CREATED SPEC METADATA REASON PROOF`. */
export const claim = scriptOf(
  "claim",
  prelude,
  tasks,
  String.raw`
local name, instance, leased = take(), take(), take() == '1'
local max, bytes_max = tonumber(take()), tonumber(take())
local lease_ms, at = tonumber(take()), take()
local labels = {}
for _ = 1, tonumber(take()) do labels[take()] = true end

local function satisfies(selector)
  local rest = string.sub(selector, 2)
  if rest == '*' then return not labels['cloud'] end
  local head = nil
  for part in string.gmatch(string.sub(rest, 3), '[^+]+') do
    if head == nil and string.sub(rest, 1, 2) == 'w:' then
      if part ~= name then return false end
      head = part
    else
      head = part
      if not labels[part] then return false end
    end
  end
  return true
end

-- The text of a selector begins with what it is about: those of other workers are never looked at.
local selectors = {}
for _, dialect in ipairs(leased and {'0', '1'} or {'0'}) do
  for _, exact in ipairs({dialect .. '*', dialect .. 'w:' .. name}) do
    if call('EXISTS', P .. 'ready:' .. exact) == 1 and satisfies(exact) then
      selectors[#selectors + 1] = exact
    end
  end
  for _, range in ipairs({
    {'[' .. dialect .. 'w:' .. name .. '+', '(' .. dialect .. 'w:' .. name .. ','},
    {'[' .. dialect .. 'l:', '(' .. dialect .. 'l;'}
  }) do
    for _, found in ipairs(call('ZRANGEBYLEX', P .. 'selectors', range[1], range[2])) do
      if satisfies(found) then selectors[#selectors + 1] = found end
    end
  end
end

-- The best of a selector. What expired and was not swept yet is nobody's any more: it is passed by.
local passed = {}
local function headOf(selector)
  local index = passed[selector] or 0
  while true do
    local head = call('ZRANGE', P .. 'ready:' .. selector, index, index, 'WITHSCORES')
    if head[1] == nil then return nil end
    if tonumber(call('HGET', taskKey(head[1]), 'deliver')) > tonumber(at) then
      passed[selector] = index
      return {id = head[1], score = tonumber(head[2])}
    end
    index = index + 1
  end
end
local heads = {}
for _, selector in ipairs(selectors) do heads[selector] = headOf(selector) end

local handed, bytes = {}, 0
while #handed < max do
  local best = nil
  for selector, head in pairs(heads) do
    if best == nil or head.score < heads[best].score then best = selector end
  end
  if best == nil then break end
  local task = find(heads[best].id)
  for _, part in ipairs({'spec', 'metadata', 'reason', 'proof'}) do
    bytes = bytes + call('HSTRLEN', P .. 'body:' .. task.id, part)
  end
  if #handed > 0 and bytes > bytes_max then break end
  local key = taskKey(task.id)
  unready(task)
  heads[best] = headOf(best)
  local fence = call('HINCRBY', key, 'fence', 1)
  -- An old worker never says that it begins: handed out is begun.
  call('HSET', key, 'state', leased and 'claimed' or 'started', 'worker', name, 'instance', instance,
    'leased', leased and 1 or 0)
  call('HDEL', key, 'cancel', 'approval', 'started')
  local lease = leaseNow() + lease_ms
  if not leased then
    call('HSET', key, 'started', at)
    lease = lease + tonumber(task.timeout)
    note('"task.started"', at, '"' .. task.id .. '"', '{"worker":' .. quoted(name) .. '}')
  end
  call('ZADD', P .. 'leases', whole(lease), task.id)
  call('ZREM', P .. 'deliver', task.id)
  call('ZADD', P .. 'worker:' .. name, task.seq, task.id)
  moveStatus(task, 'running')
  local body = call('HMGET', P .. 'body:' .. task.id, 'spec', 'metadata', 'reason', 'proof')
  handed[#handed + 1] = {task.id, fence, task.timeout, task.created, body[1], body[2], body[3], body[4]}
end
publish()
return handed
`,
);
