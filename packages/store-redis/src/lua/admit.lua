#!lua
-- One decision: session, limits and charge of one principal, in one step.
--
-- KEYS  charge of this evaluation; with a session its record and the index of sessions; for each log its entries and its buckets
-- ARGV  1 '<digest>|<memory>'
--       2 numbers, a blank between them: rememberMs, session mode (0 none, 1 required, 2 open_on_first_use), lifetimeMs,
--         log of admissions (1: there is one), log of attempts (1: there is one, 2: and it takes this call),
--         for each log: retainMs, number of large windows, those windows in ms (shortest first),
--         for each candidate: number of limits (-1: a refuse candidate, which has none), oldest session start in ms (-1: any),
--         for each limit: max (below zero: of attempts), windowMs
--       3 session id, 4 session facts (both only with a session)
-- RESULT  'conflict', 'session_unknown', or
--         {nowMs, candidate (-1: none), charge (0: nothing written, 1: written, else the memory of the first call),
--          exceeded ('index:retryAfterMs,...'), startedAtMs, expiresAtMs, actionCount, session facts}; exceeded only where there
--         is any or a session, the last four only with a session
-- COST  O(candidates x limits) for small limits; O(64) more for a window of a large limit that is full or moves on
--
-- What every call runs comes first and is plain; what only buckets need is made when a log has some.
--
-- Entries: a string of doubles of 8 bytes, little-endian: 2 x retainUs + (1 where there are buckets), then instants in us, oldest
-- first. The newest 128 count: the max-th newest alone says whether a limit of up to 128 is full.
-- Buckets: a hash; 'windows' names them, and each has '<window>:low', '<window>:total' and '<window>:<bucket>', in us.
local ENTRIES_MAX, GRACE_MS = 128, 1000
-- An entry more is appended to a long string; a short one is written anew with its expiry, which is one command and not two. What
-- has gathered is cut off now and then.
local SHORT, LONG = 8 + 8 * 24, 8 + 8 * (ENTRIES_MAX + 64)
local call, pack, unpackAt, floor, ceil = redis.call, struct.pack, struct.unpack, math.floor, math.ceil
local time = redis.call('TIME')
local timeUs = time[1] * 1000000 + time[2]
local timeMs = floor(timeUs / 1000)

local token = ARGV[2]:gmatch('%S+')
local rememberMs, mode, lifetimeMs, admissions, attempts = token() + 0, token(), token(), token(), token()
local started, ends, count, facts

-- What the first call of this evaluation was told, by its charge. Nil: there is none, or it is forgotten.
local function firstAnswer(charge)
  if not charge then return nil end
  local forgetMs, digest, memory, candidate, actions, exceeded = charge:match('^(%d+)|(.-)|(.-)|(.-)|(.-)|(.*)$')
  if tonumber(forgetMs) <= timeMs then return nil end
  if digest ~= ARGV[1]:match('^(.-)|') then return 'conflict' end
  return { timeMs, tonumber(candidate), memory, exceeded, tonumber(actions) }
end

-- With a session its record changes, so the charge is asked for first; else the write of the charge asks.
local earlier
if mode ~= '0' then
  earlier = firstAnswer(call('GET', KEYS[1]))
  if earlier == 'conflict' then return earlier end
  facts = ARGV[4]
  local record = call('HMGET', KEYS[2], 'started', 'ends', 'count', 'seen', 'facts', 'ended', 'gone')
  if record[7] and tonumber(record[7]) <= timeMs then record = {} end
  if record[1] then
    started, ends, count, facts = tonumber(record[1]), tonumber(record[2]), tonumber(record[3]), record[5]
    local seen = math.max(timeMs, tonumber(record[4]))
    if record[6] or seen >= ends then
      call('HSET', KEYS[2], 'ended', 1)
      return 'session_unknown'
    end
    if not earlier then call('HSET', KEYS[2], 'count', count + 1, 'seen', seen) end
  elseif mode == '1' then
    return 'session_unknown'
  else
    started, ends, count = timeMs, timeMs + lifetimeMs, 0
    local gone = ends + lifetimeMs
    call('DEL', KEYS[2])
    call('HSET', KEYS[2], 'started', started, 'ends', ends, 'gone', gone, 'count', earlier and 0 or 1, 'seen', timeMs, 'facts', facts)
    call('PEXPIREAT', KEYS[2], gone)
    call('ZREMRANGEBYSCORE', KEYS[3], '-inf', timeMs)
    call('ZADD', KEYS[3], ends, ARGV[3])
    call('PEXPIREAT', KEYS[3], ends, 'NX')
    call('PEXPIREAT', KEYS[3], ends, 'GT')
  end
  if earlier then
    return { timeMs, earlier[2], earlier[3], earlier[4], started, ends, earlier[5], facts }
  end
end

-- Logs ---------------------------------------------------------------------------------------------------------------------------

local large = false

local function expiryOf(log) return ceil((log.newest + log.retain) / 1000) + GRACE_MS end

local function headOf(log) return pack('<d', 2 * log.retain + (log.bucketed and 1 or 0)) end

-- Writes the head of a log that is to live longer, or has buckets now.
local function renew(log)
  call('SETRANGE', log.entries, 0, headOf(log))
  call('PEXPIREAT', log.entries, expiryOf(log))
  if log.bucketed then call('PEXPIREAT', log.buckets, expiryOf(log)) end
end

local function open(key)
  local log = { entries = KEYS[key], buckets = KEYS[key + 1], retain = token() * 1000, now = timeUs, newest = 0 }
  local wanted = token() + 0
  if wanted > 0 then
    log.wanted, large = {}, true
    for i = 1, wanted do log.wanted[i] = token() * 1000 end
  end
  local text = call('GET', log.entries)
  if not text then return log end
  log.text, log.newest = text, unpackAt('<d', text, #text - 7)
  if log.newest > timeUs then log.now = log.newest end
  local head = unpackAt('<d', text)
  local retained = floor(head / 2)
  if head % 2 == 1 then log.bucketed, large = true, true end
  if log.retain > retained then renew(log) else log.retain = retained end
  return log
end

local key = mode == '0' and 2 or 4
local admissionsLog, attemptsLog
if admissions == '1' then
  admissionsLog = open(key)
  key = key + 2
end
if attempts ~= '0' then attemptsLog = open(key) end

-- Buckets of the windows of large limits ------------------------------------------------------------------------------------------------------------------------

local function bucketsOf()
  local BUCKETS, WINDOWS_MAX, max, min = 64, 16, math.max, math.min
  local function int(n) return string.format('%.0f', n) end
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
    local text = log.text or ''
    for at = max(9, #text + 1 - 8 * ENTRIES_MAX), #text, 8 do
      local instant = unpackAt('<d', text, at)
      if instant < uncounted then addTo(log.buckets, window, low, instant, 1) end
    end
    if #windows >= WINDOWS_MAX then forget(log.buckets, table.remove(windows, 1)) end
    windows[#windows + 1] = window
    table.sort(windows)
  end

  -- Brings the log's windows up to now, and makes those that are wanted. A log that begins has forgotten what was counted before.
  local function prepare(log)
    if not log.text then call('DEL', log.buckets) end
    log.windows = log.bucketed and windowsOf(log.buckets) or {}
    for i = 1, #log.windows do roll(log.buckets, log.windows[i], log.now) end
    local known = ' ' .. table.concat(log.windows, ' ') .. ' '
    local changed = false
    for i = 1, log.wanted and #log.wanted or 0 do
      if not known:find(' ' .. log.wanted[i] .. ' ', 1, true) then
        register(log, log.wanted[i])
        changed = true
      end
    end
    if not changed then return end
    log.bucketed = true
    call('HSET', log.buckets, 'windows', table.concat(log.windows, ' '))
    if log.text then renew(log) end
  end

  local function count(log)
    for i = 1, #log.windows do
      local window = log.windows[i]
      addTo(log.buckets, window, lowestOf(window, log.now), log.now, 1)
    end
    call('PEXPIREAT', log.buckets, expiryOf(log))
  end

  -- 0 where one more entry keeps within `most`; else when a place is free.
  local function fullUntil(log, most, window, own)
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

  return { prepare = prepare, count = count, fullUntil = fullUntil }
end

local buckets
if large then
  if mode == '0' then
    earlier = firstAnswer(call('GET', KEYS[1]))
    if earlier then return earlier end
  end
  buckets = bucketsOf()
  if admissionsLog and admissionsLog.text then buckets.prepare(admissionsLog) end
  if attemptsLog and attemptsLog.text then buckets.prepare(attemptsLog) end
end

-- The walk -----------------------------------------------------------------------------------------------------------------------

-- 0 where one more entry keeps within `most`; else when a place is free. `own`: 1 where this call takes one all the same.
local function fullUntil(log, most, window, own)
  if not log.text then return 0 end
  if most > ENTRIES_MAX then return buckets.fullUntil(log, most, window, own) end
  local at = #log.text + 1 - 8 * most
  if at < 9 or unpackAt('<d', log.text, at) <= log.now - window then return 0 end
  if most == own then return log.now + window end
  return unpackAt('<d', log.text, at + 8 * own) + window
end

local index, taken, exceeded, admission = -1, -1, nil, false
local limits = token()
while limits do
  index = index + 1
  local oldest, freeAt, admits = token(), 0, false
  local holds = oldest == '-1' or (started and started >= tonumber(oldest))
  for _ = 1, limits do
    local most, window = token() + 0, token() * 1000
    local log, own = admissionsLog, 0
    if most > 0 then
      admits = true
    else
      most, log = -most, attemptsLog
      if attempts == '2' then own = 1 end
    end
    if holds then
      local at = fullUntil(log, most, window, own)
      if at > freeAt then freeAt = at end
    end
  end
  if holds then
    if freeAt == 0 then
      taken, admission = index, admits
      break
    end
    exceeded = (exceeded and exceeded .. ',' or '') .. string.format('%d:%.0f', index, ceil((freeAt - timeUs) / 1000))
  end
  limits = token()
end

-- The charge ---------------------------------------------------------------------------------------------------------------------

local charged = 0
if admission or attempts == '2' or started then
  charged = 1
  local forgetMs = timeMs + rememberMs
  local charge = string.format('%.0f|%s|%d|%.0f|%s', forgetMs, ARGV[1], taken, count or 0, exceeded or '')
  if started or large then
    call('SET', KEYS[1], charge, 'PXAT', forgetMs)
  else
    local before = call('SET', KEYS[1], charge, 'NX', 'GET', 'PXAT', forgetMs)
    if before then
      earlier = firstAnswer(before)
      if earlier then return earlier end
      call('SET', KEYS[1], charge, 'PXAT', forgetMs)
    end
  end
elseif not large then
  earlier = firstAnswer(call('GET', KEYS[1]))
  if earlier then return earlier end
end

local function append(log)
  if large and not log.text then buckets.prepare(log) end
  local text, entry = log.text, pack('<d', log.now)
  log.newest = log.now
  if not text or #text < SHORT then
    call('SET', log.entries, headOf(log) .. (text and text:sub(9) or '') .. entry, 'PXAT', expiryOf(log))
  elseif #text < LONG then
    call('APPEND', log.entries, entry)
    call('PEXPIREAT', log.entries, expiryOf(log))
  else
    call('SET', log.entries, headOf(log) .. text:sub(-8 * (ENTRIES_MAX - 1)) .. entry, 'PXAT', expiryOf(log))
  end
  if log.bucketed then buckets.count(log) end
end

if admission then append(admissionsLog) end
if attempts == '2' then append(attemptsLog) end

if started then return { timeMs, taken, charged, exceeded or '', started, ends, count, facts } end
return { timeMs, taken, charged, exceeded }
