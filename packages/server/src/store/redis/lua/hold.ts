// What happens to a task while a worker holds it, and how it ends.

import { approvals, endings, prelude, tasks } from "./prelude.ts";
import { scriptOf } from "./script.ts";

/** `started` | `stale` | `unknown` */
export const start = scriptOf(
  "start",
  prelude,
  tasks,
  String.raw`
local id, fence, at = take(), take(), take()
local task = find(id)
if task == nil then return 'unknown' end
if task.fence ~= fence then return 'stale' end
-- Said twice, because the first answer was lost on the way.
if task.state == 'started' then return 'started' end
if task.state ~= 'claimed' then return 'stale' end
-- What it waited for before it began was decided, whatever was heard of that yet.
call('HSET', taskKey(id), 'state', 'started', 'started', at)
call('HDEL', taskKey(id), 'approval')
note('"task.started"', at, '"' .. id .. '"', '{"worker":' .. quoted(task.worker) .. '}')
return 'started'
`,
);

const isHeldBy = String.raw`
local function isHeld(task)
  return task ~= nil and (task.state == 'claimed' or task.state == 'started')
end
`;

/** Two lists of places in what was handed in: to be cancelled, and held no longer. */
export const renew = scriptOf(
  "renew",
  prelude,
  tasks,
  isHeldBy,
  String.raw`
local named, instance, lease_ms = take() == '1', take(), tonumber(take())
local cancel, stale = {}, {}
for index = 0, tonumber(take()) - 1 do
  local id, fence = take(), take()
  local task = find(id)
  if not isHeld(task) or task.fence ~= fence or (named and task.instance ~= instance) then
    stale[#stale + 1] = index
  else
    call('ZADD', P .. 'leases', whole(leaseNow() + lease_ms), id)
    if task.cancel then cancel[#cancel + 1] = index end
  end
end
return {cancel, stale}
`,
);

/** The selectors that have a task ready again. */
export const giveBack = scriptOf(
  "giveBack",
  prelude,
  tasks,
  approvals,
  endings,
  String.raw`
local instance, at = take(), take()
for _ = 1, tonumber(take()) do
  local id, fence = take(), take()
  local task = find(id)
  if task ~= nil and task.fence == fence and task.instance == instance
    and (task.state == 'claimed' or (task.state == 'started' and task.leased == '0')) then
    release(task, at)
  end
end
publish()
return news.ready or {}
`,
);

/** `settled WORKER METADATA READIED` | `duplicate` | `stale` | `unknown` */
export const settle = scriptOf(
  "settle",
  prelude,
  tasks,
  approvals,
  endings,
  String.raw`
local id, fence = take(), take()
local ending = {status = take(), outcome = take(), exit = take(), report = take(), at = take()}
local task = find(id)
if task == nil then return {'unknown'} end
-- It must be of the newest attempt, and there must have been one. A task that waits again because
-- the lease was over, and was not handed out since, takes it too: the work was done once.
if task.fence == '0' then return {'stale'} end
local newest = fence == task.fence
if fence == '' then newest = task.leased == '0' end
if not newest then return {'stale'} end
if task.state == 'finished' then return {'duplicate'} end
local worker, metadata = finish(task, ending)
publish()
return {'settled', worker, metadata, news.ready or {}}
`,
);

/** `unknown` | `asked HOLDER` | `over RESULT` | `ended HOLDER WORKER METADATA READIED` */
export const cancel = scriptOf(
  "cancel",
  prelude,
  tasks,
  approvals,
  endings,
  String.raw`
local id, at, action = take(), take(), take()
local report = take()
local task = find(id)
if task == nil then return {'unknown'} end
local function holder()
  return {task.fence, task.worker, task.instance, task.leased}
end
if task.state == 'lost' or task.state == 'finished' then
  return {'over', call('GET', P .. 'result:' .. id)}
end
act(action)
if task.state == 'started' then
  call('HSET', taskKey(id), 'cancel', at)
  call('SADD', P .. 'cancels:' .. task.instance, id)
  if task.leased == '1' then tell('cancel', {task.instance, id, task.fence}) end
  publish()
  return {'asked', holder()}
end
-- Not begun: it ends here, and the worker's started will be refused.
local held = task.state == 'claimed' and holder() or false
if held and task.leased == '1' then tell('cancel', {task.instance, id, task.fence}) end
local worker, metadata = finish(task, {status = 'failed', outcome = 'cancelled', exit = '130', report = report, at = at})
publish()
return {'ended', held, worker, metadata, news.ready or {}}
`,
);

/** `ENDED READIED`; an end is `OUTCOME ID WORKER METADATA`. */
export const sweep = scriptOf(
  "sweep",
  prelude,
  tasks,
  approvals,
  endings,
  String.raw`
local offset, at = tonumber(take()), take()
local lost_head, lost_tail, expired = take(), take(), take()
-- This process is there: nobody may copy the store meanwhile.
call('ZADD', P .. 'processes', whole(wallMs()), ARGV[1])
local ended = {}
local over = whole(leaseNow() + offset)
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'leases', '-inf', over, 'LIMIT', 0, 1000)) do
  local task = find(id)
  if task.state == 'claimed' then
    release(task, at)
  else
    local report = lost_head .. task.worker .. lost_tail
    local worker, metadata = finish(task, {status = 'failed', outcome = 'lost', exit = '-1', report = report, at = at})
    ended[#ended + 1] = {'lost', id, worker, metadata}
  end
end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'deliver', '-inf', at, 'LIMIT', 0, 1000)) do
  local worker, metadata = finish(find(id), {status = 'failed', outcome = 'expired', exit = '-1', report = expired, at = at})
  ended[#ended + 1] = {'expired', id, worker, metadata}
end
publish()
return {ended, news.ready or {}}
`,
);

/** `LEASE_IN_MS DELIVER_BY`, each as text or null. */
export const nextSweep = scriptOf(
  "nextSweep",
  prelude,
  String.raw`
local lease = call('ZRANGE', P .. 'leases', 0, 0, 'WITHSCORES')[2]
local deliver = call('ZRANGE', P .. 'deliver', 0, 0, 'WITHSCORES')[2]
return {lease and whole(tonumber(lease) - leaseNow()) or false, deliver and whole(tonumber(deliver)) or false}
`,
);

export const forgive = scriptOf(
  "forgive",
  prelude,
  tasks,
  String.raw`
local lease_ms = tonumber(take())
for _, id in ipairs(call('ZRANGE', P .. 'leases', 0, -1)) do
  local task = find(id)
  local lease = leaseNow() + lease_ms
  if task.leased == '0' then lease = lease + tonumber(task.timeout) end
  call('ZADD', P .. 'leases', whole(lease), id)
end
return 1
`,
);
