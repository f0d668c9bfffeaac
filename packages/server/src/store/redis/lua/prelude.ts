// What every script begins with.
//
// KEYS[1] is the prefix of all keys, a hash tag: `{openclaw-worker}:`. Every key is made from it, so that
// all of them live in one slot of a Redis Cluster. ARGV[1] is the process that asks, ARGV[2] the
// time in milliseconds, empty for Redis' own (tests hand one in), ARGV[3] the longest pause that the
// lease clock counts. A script's own arguments follow; `take()` gives one after another.
//
// Redis does not take back what a script did before it failed. So a script refuses before its first
// write or not at all; and when memory is full, Redis refuses at the first write that needs room and
// at no later one (a settle begins with removals, so results are taken also then).
//
// Keys (docs/scaling.md has the table):
//   task:ID body:ID result:ID            a task: what changes, what it shall do, how it ended
//   ready:SELECTOR selectors             what may be claimed, best first; the selectors that have some
//   all status:S kind:K worker:W         lists, by order of acceptance
//   leases deliver ended                 what ends next, by lease clock and wall clock; what ended
//   session:S session-info:S sessions    unfinished tasks of a session, in order

export const prelude = String.raw`
local P = KEYS[1]
local call = redis.call
local at_arg = 3
local function take()
  at_arg = at_arg + 1
  return ARGV[at_arg]
end
local function whole(number)
  return string.format('%.0f', number)
end

local function wallMs()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The lease clock. It is Redis' time, but stands still while nobody serves: of a pause between two
-- looks at it no more than a part of a lease is counted, and a jump back is no time at all.
local lease_clock = nil
local function leaseNow()
  if lease_clock ~= nil then return lease_clock end
  local kept = call('HMGET', P .. 'clock', 'value', 'seen')
  local now = wallMs()
  local passed = now - tonumber(kept[2] or now)
  if passed < 0 then passed = 0 end
  local most = tonumber(ARGV[3])
  if passed > most then passed = most end
  lease_clock = tonumber(kept[1] or 0) + passed
  call('HSET', P .. 'clock', 'value', whole(lease_clock), 'seen', whole(now))
  return lease_clock
end

-- What other processes hear of. Told by one message at the end of the script; Redis writes and
-- syncs its log before it sends anything.
local news = {}
local function tell(what, item)
  local list = news[what]
  if list == nil then
    list = {}
    news[what] = list
  end
  list[#list + 1] = item
end
local function publish()
  if next(news) ~= nil then call('PUBLISH', P .. 'news', ARGV[1] .. ' ' .. cjson.encode(news)) end
end

-- An object of a hash; what is not there is nil.
local function read(key, ...)
  local names = {...}
  local values = call('HMGET', key, unpack(names))
  local object = {}
  for index, name in ipairs(names) do
    if values[index] then object[name] = values[index] end
  end
  return object
end

local EVENTS_KEPT = 10000
-- type, id and details are JSON texts; JSON has no raw tab.
local function note(type, at, id, details)
  local number = call('INCR', P .. 'event-id')
  local line = table.concat({whole(number), type, at, id, details}, '\t')
  call('HINCRBY', P .. 'event-counts', type, 1)
  if call('RPUSH', P .. 'events', line) > EVENTS_KEPT then
    local oldest = string.match(call('LPOP', P .. 'events'), '^[^\t]*\t([^\t]*)\t')
    if call('HINCRBY', P .. 'event-counts', oldest, -1) <= 0 then
      call('HDEL', P .. 'event-counts', oldest)
    end
  end
end
local function quoted(text)
  return cjson.encode(text)
end

-- An action waits here, in the order of the scripts that did it, until it is linked to the chain.
local function act(action)
  if action ~= '' then call('RPUSH', P .. 'acts', action) end
end
`;

/** Tasks: where they stand. */
export const tasks = String.raw`
local function taskKey(id)
  return P .. 'task:' .. id
end
local FIELDS = {
  'seq', 'status', 'state', 'selector', 'priority', 'session', 'timeout', 'deliver', 'fence',
  'worker', 'instance', 'leased', 'cancel', 'read', 'kind', 'created'
}
local function find(id)
  local task = read(taskKey(id), unpack(FIELDS))
  if task.seq == nil then return nil end
  task.id = id
  return task
end

local function moveStatus(task, to)
  if task.status == to then return end
  call('ZREM', P .. 'status:' .. task.status, task.id)
  call('ZADD', P .. 'status:' .. to, task.seq, task.id)
  call('HSET', taskKey(task.id), 'status', to)
end

-- Highest priority first, then oldest: both in one number, exact below 2^53.
local function makeReady(task)
  local score = tonumber(task.seq) - tonumber(task.priority) * 17592186044416
  call('ZADD', P .. 'ready:' .. task.selector, whole(score), task.id)
  call('ZADD', P .. 'selectors', 0, task.selector)
  tell('ready', task.selector)
end
local function unready(task)
  local key = P .. 'ready:' .. task.selector
  call('ZREM', key, task.id)
  if call('EXISTS', key) == 0 then call('ZREM', P .. 'selectors', task.selector) end
end

local function letGo(task)
  call('ZREM', P .. 'leases', task.id)
  if task.cancel then call('SREM', P .. 'cancels:' .. task.instance, task.id) end
end
`;

/** Approvals that wait for a task, and their ends. */
export const approvals = String.raw`
local function forgetLetter(id)
  local letter = read(P .. 'letter:' .. id, 'worker', 'about')
  if letter.worker == nil then return end
  call('DEL', P .. 'letter:' .. id)
  call('ZREM', P .. 'letters', id)
  call('SREM', P .. 'letters-about:' .. letter.about, id)
  call('SREM', P .. 'letters-of:' .. letter.worker, id)
end

local function nextChange()
  return whole(call('INCR', P .. 'changes'))
end

-- by: JSON text of a name, or null.
local function closeApproval(id, state, by, at)
  local key = P .. 'approval:' .. id
  local about = read(key, 'task', 'worker')
  local change = nextChange()
  call('HSET', key, 'state', state, 'by', by, 'updated', at, 'change', change)
  call('ZADD', P .. 'approvals', change, id)
  call('ZREM', P .. 'approvals:waiting', id)
  call('ZADD', P .. 'approvals:' .. state, change, id)
  call('ZADD', P .. 'approvals-ended', at, id)
  call('ZREM', P .. 'waiting-of:' .. about.task, id)
  call('SREM', P .. 'waiting-at:' .. about.worker, id)
  local task = P .. 'task:' .. about.task
  if call('HGET', task, 'approval') == id then
    -- Another one of the same task may still wait.
    local other = call('ZREVRANGE', P .. 'waiting-of:' .. about.task, 0, 0)[1]
    if other then call('HSET', task, 'approval', other) else call('HDEL', task, 'approval') end
  end
  for _, letter in ipairs(call('SMEMBERS', P .. 'letters-about:' .. id)) do forgetLetter(letter) end
  note('"approval.decided"', at, '"' .. about.task .. '"',
    '{"approvalId":"' .. id .. '","state":"' .. state .. '","decidedBy":' .. by .. '}')
  tell('forget', id)
end

-- What waits for a task whose attempt ends.
local function withdraw(task, at)
  for _, id in ipairs(call('ZRANGE', P .. 'waiting-of:' .. task, 0, -1)) do
    closeApproval(id, 'withdrawn', 'null', at)
  end
end
`;

/** How a task goes back, and how it ends. */
export const endings = String.raw`
-- Back to where it stood: its place in the order of acceptance never changed.
local function release(task, at)
  withdraw(task.id, at)
  letGo(task)
  call('ZREM', P .. 'worker:' .. task.worker, task.id)
  call('HSET', taskKey(task.id), 'state', 'pending')
  call('HDEL', taskKey(task.id), 'worker', 'instance', 'started')
  call('ZADD', P .. 'deliver', task.deliver, task.id)
  moveStatus(task, 'pending')
  makeReady(task)
end

local function touchSession(session, at)
  local kind = call('HGET', P .. 'session-info:' .. session, 'kind')
  if not kind then return end
  call('HSET', P .. 'session-info:' .. session, 'last', at)
  call('ZADD', P .. 'sessions', at, session)
  call('ZADD', P .. 'sessions-of:' .. kind, at, session)
end

-- The oldest waiting task of a session may go when none of that session is held or ready.
local function freeNext(session, at)
  touchSession(session, at)
  local head = call('ZRANGE', P .. 'session:' .. session, 0, 0)[1]
  if not head then return end
  local task = find(head)
  if task.state ~= 'blocked' then return end
  call('HSET', taskKey(head), 'state', 'pending')
  makeReady(task)
end

-- ending: status, outcome, exit, report (JSON text), at. Returns the worker's name and the submit's
-- metadata, both as JSON: with the report they are the result.
local function finish(task, ending)
  local id, at = task.id, ending.at
  if task.state == 'pending' then unready(task) end
  if task.state == 'pending' or task.state == 'blocked' then call('ZREM', P .. 'deliver', id) end
  if task.state == 'claimed' or task.state == 'started' then letGo(task) end
  if task.state == 'lost' and not task.read then call('DECR', P .. 'unread') end
  call('INCR', P .. 'unread')
  moveStatus(task, ending.status)
  local state = ending.outcome == 'lost' and 'lost' or 'finished'
  call('HSET', taskKey(id), 'state', state, 'outcome', ending.outcome, 'exit', ending.exit, 'completed', at)
  call('HDEL', taskKey(id), 'read')
  call('ZADD', P .. 'ended', at, id)
  withdraw(id, at)
  local metadata = call('HGET', P .. 'body:' .. id, 'metadata') or 'null'
  local worker = task.worker and quoted(task.worker) or 'null'
  call('SET', P .. 'result:' .. id, '{"at":' .. at .. ',"worker":' .. worker .. ',"metadata":' .. metadata
    .. ',"report":' .. ending.report .. '}')
  note('"task.' .. ending.status .. '"', at, '"' .. id .. '"',
    '{"outcome":"' .. ending.outcome .. '","exitCode":' .. ending.exit .. ',"worker":' .. worker .. '}')
  tell('ended', id)
  if task.session then
    call('ZREM', P .. 'session:' .. task.session, id)
    freeNext(task.session, at)
  end
  return worker, metadata
end
`;
