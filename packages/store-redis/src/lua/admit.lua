#!lua
-- One decision: session, limits and charge of one principal, in one step.
--
-- KEYS  1 charge of this evaluation, 2 session, 3 index of sessions, then for each log: its entries, its buckets
-- ARGV  digest, memory, rememberMs, session mode (none, required, open_on_first_use), session id, lifetimeMs, session facts,
--       number of logs, which of them takes the attempt (0: none), which of them takes the admission,
--       for each log: retainUs, number of large windows, those windows in us (shortest first),
--       number of candidates, for each: effect, oldest session start in ms (empty: any), number of limits, for each: log, max, windowUs
-- RESULT  {'conflict'} or {'session_unknown'} or
--         {'admitted', nowMs, candidate (-1: none), exceeded ('index:retryAfterMs,...'), memory (empty: nothing written),
--          startedAtMs, expiresAtMs, actionCount, session facts}  (the last four only with a session)
-- COST  O(candidates x limits) for small limits; O(64) more for a window of a large limit that is full or moves on
--
-- Entries: a list, oldest first, whose head is 2 x retainUs + (1 where there are buckets). As an instant that is 1970, so that it
-- never counts. Only the newest 128 are kept: the max-th newest alone says whether a limit of up to 128 is full.
-- Buckets: a hash; 'windows' names them, and each has '<window>:low', '<window>:total' and '<window>:<bucket>'.
local ENTRIES_MAX, BUCKETS, WINDOWS_MAX, GRACE_MS = 128, 64, 16, 1000
local call, floor, ceil, max, min = redis.call, math.floor, math.ceil, math.max, math.min
local time = redis.call('TIME')
local timeUs = tonumber(time[1]) * 1000000 + tonumber(time[2])
local timeMs = floor(timeUs / 1000)
local function int(n) return string.format('%.0f', n) end

local at = 0
local function text() at = at + 1 return ARGV[at] end
local function number() return tonumber(text()) end

local digest, memory, rememberMs = text(), text(), number()
local mode, sessionId, lifetimeMs, facts = text(), text(), number(), text()

local earlier = call('GET', KEYS[1])
if earlier then
  local forgetMs, was, rest = earlier:match('^(%d+)|(%x+)|(.*)$')
  if tonumber(forgetMs) <= timeMs then earlier = nil
  elseif was ~= digest then return {'conflict'}
  else earlier = rest end
end

local started, ends, count
if mode ~= 'none' then
  local record = call('HMGET', KEYS[2], 'started', 'ends', 'count', 'seen', 'facts', 'ended', 'gone')
  if record[7] and tonumber(record[7]) <= timeMs then record = {} end
  if record[1] then
    started, ends, count, facts = tonumber(record[1]), tonumber(record[2]), tonumber(record[3]), record[5]
    local seen = max(timeMs, tonumber(record[4]))
    if record[6] or seen >= ends then
      call('HSET', KEYS[2], 'ended', 1)
      return {'session_unknown'}
    end
    if not earlier then call('HSET', KEYS[2], 'count', int(count + 1), 'seen', int(seen)) end
  elseif mode == 'required' then
    return {'session_unknown'}
  else
    started, ends, count = timeMs, timeMs + lifetimeMs, 0
    local gone = int(ends + lifetimeMs)
    call('DEL', KEYS[2])
    call('HSET', KEYS[2], 'started', int(started), 'ends', int(ends), 'gone', gone,
      'count', earlier and 0 or 1, 'seen', int(timeMs), 'facts', facts)
    call('PEXPIREAT', KEYS[2], gone)
    call('ZREMRANGEBYSCORE', KEYS[3], '-inf', int(timeMs))
    call('ZADD', KEYS[3], int(ends), sessionId)
    call('PEXPIREAT', KEYS[3], int(ends), 'NX')
    call('PEXPIREAT', KEYS[3], int(ends), 'GT')
  end
end

local function answer(candidate, exceeded, told, actions)
  local result = {'admitted', timeMs, candidate, exceeded, told}
  if mode ~= 'none' then
    result[6], result[7], result[8], result[9] = started, ends, actions, facts
  end
  return result
end

if earlier then
  local told, candidate, actions, exceeded = earlier:match('^([^|]*)|([^|]*)|([^|]*)|(.*)$')
  return answer(tonumber(candidate), exceeded, told, tonumber(actions))
end

-- Buckets of one window ----------------------------------------------------------------------------------------------------------

local function field(window, name) return int(window) .. ':' .. (type(name) == 'number' and int(name) or name) end
local function widthOf(window) return ceil(window / BUCKETS) end
local function lowestOf(window, now) return max(0, floor((now - window + 1) / widthOf(window))) end

-- The counts of buckets `first` to `last`, as far as a window can have any.
local function countsOf(key, window, first, last)
  local fields = {}
  for bucket = first, min(last, first + BUCKETS + 2) do fields[#fields + 1] = field(window, bucket) end
  if #fields == 0 then return {}, fields end
  return call('HMGET', key, unpack(fields)), fields
end

local function roll(key, window, now)
  local known = call('HMGET', key, field(window, 'low'), field(window, 'total'))
  local low, total, lowest = tonumber(known[1]), tonumber(known[2]), lowestOf(window, now)
  if lowest <= low then return low, total end
  local counts, fields = countsOf(key, window, low, lowest - 1)
  for i = 1, #fields do total = total - (tonumber(counts[i]) or 0) end
  call('HDEL', key, unpack(fields))
  call('HSET', key, field(window, 'low'), int(lowest), field(window, 'total'), int(total))
  return lowest, total
end

local function addTo(key, window, low, instant, n)
  local bucket = floor(instant / widthOf(window))
  if bucket < low then return end
  call('HINCRBY', key, field(window, bucket), int(n))
  call('HINCRBY', key, field(window, 'total'), int(n))
end

local function windowsOf(key)
  local windows = {}
  for window in (call('HGET', key, 'windows') or ''):gmatch('%d+') do windows[#windows + 1] = tonumber(window) end
  return windows
end

local function forget(key, window)
  local low = tonumber(call('HGET', key, field(window, 'low')))
  local _, fields = countsOf(key, window, low, low + BUCKETS + 2)
  call('HDEL', key, field(window, 'low'), field(window, 'total'), unpack(fields))
end

-- A window seen for the first time begins with all that is known: what a longer window counted, or a shorter one and the entries.
local function register(log, window)
  local windows, source = log.windows, nil
  for i = #windows, 1, -1 do if windows[i] > window then source = windows[i] end end
  source = source or windows[#windows]
  local low, uncounted = lowestOf(window, log.now), math.huge
  call('HSET', log.buckets, field(window, 'low'), int(low), field(window, 'total'), 0)
  if source then
    local first = tonumber(call('HGET', log.buckets, field(source, 'low')))
    local counts = countsOf(log.buckets, source, first, first + BUCKETS + 2)
    for i = 1, #counts do
      local latest = min((first + i) * widthOf(source) - 1, log.now)
      if counts[i] then addTo(log.buckets, window, low, latest, tonumber(counts[i])) end
    end
    uncounted = first * widthOf(source)
  end
  local entries = call('LRANGE', log.entries, 1, -1)
  for i = 1, #entries do
    if tonumber(entries[i]) < uncounted then addTo(log.buckets, window, low, tonumber(entries[i]), 1) end
  end
  if #windows >= WINDOWS_MAX then forget(log.buckets, table.remove(windows, 1)) end
  windows[#windows + 1] = window
  table.sort(windows)
end

-- Logs ---------------------------------------------------------------------------------------------------------------------------

local function keep(log)
  local expiresAtMs = int(ceil((log.newest + log.retain) / 1000) + GRACE_MS)
  call('PEXPIREAT', log.entries, expiresAtMs)
  if #log.windows > 0 then call('PEXPIREAT', log.buckets, expiresAtMs) end
end

local function setHead(log)
  local head = int(2 * log.retain + (#log.windows > 0 and 1 or 0))
  if log.exists then call('LSET', log.entries, 0, head) else call('RPUSH', log.entries, head) end
  log.exists = true
end

local function registerAll(log, wanted)
  local windows = ' ' .. table.concat(log.windows, ' ') .. ' '
  local changed = false
  for i = 1, #wanted do
    if not windows:find(' ' .. wanted[i] .. ' ', 1, true) then
      register(log, wanted[i])
      changed = true
    end
  end
  if changed then call('HSET', log.buckets, 'windows', table.concat(log.windows, ' ')) end
  return changed
end

local function open(index)
  local log = { entries = KEYS[2 + 2 * index], buckets = KEYS[3 + 2 * index], retain = number(), windows = {}, wanted = {} }
  for i = 1, number() do log.wanted[i] = number() end
  local newest = call('LINDEX', log.entries, -1)
  log.exists = newest and true or false
  log.newest = tonumber(newest or 0)
  log.now = max(timeUs, log.newest)
  if not log.exists then return log end
  local head = tonumber(call('LINDEX', log.entries, 0))
  local retained = floor(head / 2)
  if head % 2 == 1 then log.windows = windowsOf(log.buckets) end
  for i = 1, #log.windows do roll(log.buckets, log.windows[i], log.now) end
  local longer = log.retain > retained
  log.retain = max(log.retain, retained)
  if registerAll(log, log.wanted) or longer then
    setHead(log)
    keep(log)
  end
  return log
end

local function append(log)
  if not log.exists then
    call('DEL', log.buckets)
    registerAll(log, log.wanted)
    setHead(log)
  end
  log.newest = log.now
  if call('RPUSH', log.entries, int(log.now)) > ENTRIES_MAX + 1 then
    local head = call('LPOP', log.entries)
    call('LSET', log.entries, 0, head)
  end
  for i = 1, #log.windows do
    local window = log.windows[i]
    addTo(log.buckets, window, lowestOf(window, log.now), log.now, 1)
  end
  keep(log)
end

-- 0 where one more entry keeps within `most`; else when a place is free. `own`: 1 where this call takes one all the same.
local function fullUntil(log, most, window, own)
  if not log.exists then return 0 end
  if most <= ENTRIES_MAX then
    local first = call('LINDEX', log.entries, -most)
    if not first or tonumber(first) <= log.now - window then return 0 end
    if most == own then return log.now + window end
    return tonumber(call('LINDEX', log.entries, own - most)) + window
  end
  local low, total = roll(log.buckets, window, log.now)
  if total < most then return 0 end
  local counts = countsOf(log.buckets, window, low, low + BUCKETS + 2)
  local freeAt = 0
  for i = 1, #counts do
    if total <= most - 1 - own then break end
    total = total - (tonumber(counts[i]) or 0)
    if counts[i] then freeAt = (low + i) * widthOf(window) + window - 1 end
  end
  return freeAt
end

local logCount, attemptsLog, admissionsLog = number(), number(), number()
local logs = {}
for i = 1, logCount do logs[i] = open(i) end

-- The walk -----------------------------------------------------------------------------------------------------------------------

local taken, exceeded, admission = -1, {}, false
for index = 0, number() - 1 do
  local effect, oldest, limitCount = text(), text(), number()
  local holds = oldest == '' or (started ~= nil and started >= tonumber(oldest))
  local freeAt, admits = 0, false
  for _ = 1, limitCount do
    local which, most, window = number(), number(), number()
    if holds and taken < 0 then
      freeAt = max(freeAt, fullUntil(logs[which], most, window, which == attemptsLog and 1 or 0))
    end
    admits = admits or which == admissionsLog
  end
  if holds and taken < 0 then
    if freeAt == 0 then
      taken, admission = index, admits and effect == 'permit'
    else
      exceeded[#exceeded + 1] = int(index) .. ':' .. int(ceil((freeAt - timeUs) / 1000))
    end
  end
end

if admission then append(logs[admissionsLog]) end
if attemptsLog > 0 then append(logs[attemptsLog]) end

exceeded = table.concat(exceeded, ',')
if not admission and attemptsLog == 0 and mode == 'none' then return answer(taken, exceeded, '', 0) end
local charge = { int(timeMs + rememberMs), digest, memory, int(taken), int(count or 0), exceeded }
call('SET', KEYS[1], table.concat(charge, '|'), 'PXAT', charge[1])
return answer(taken, exceeded, memory, count)
