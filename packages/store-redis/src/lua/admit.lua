#!lua
-- One decision: session, limits and charge of one principal, in one step.
--
-- KEYS  charge of this evaluation; with a session its record and the index of sessions; for each log its entries and its buckets
-- ARGV  1 '<digest>|<memory>'
--       2 numbers, a blank between them:
--         four digits: session mode (0 none, 1 required, 2 open_on_first_use), log of admissions (0 none, 1 there is one),
--         log of attempts (0 none, 1 there is one, 2 and it takes this call), large windows (0 none, 1 there are some),
--         rememberMs, with a session its lifetimeMs,
--         for each log: where the newest entries begin that are read at once (bytes, counted from the end), retainMs, with large
--         windows their number and each of them in ms (shortest first),
--         for each candidate: number of limits (-1: a refuse candidate has none; -2: it cannot hold), with a session the oldest
--         start in ms (-1: any), for each limit: max (below zero: of attempts), windowMs
--       3 session id, 4 session facts (both only with a session)
-- RESULT  nowMs as a number: the first candidate is taken and charged, without a session; else 'conflict', 'session_unknown', or
--         'nowMs|candidate (-1: none)|memory (empty: nothing written)|exceeded ("index:retryAfterMs,...")', with a session
--         '|startedAtMs|expiresAtMs|actionCount|session facts' more
-- COST  O(candidates x limits) for small limits; O(64) more for a window of a large limit that is full or moves on
--
-- Entries: a string of 12 bytes each, oldest first: the instant in us (a little-endian double, below zero where there are buckets)
-- and retainMs (four bytes). The newest 128 count: the max-th newest alone says whether a limit of up to 128 is full.
-- Buckets: a hash; 'windows' names them, and each has '<window>:low', '<window>:total' and '<window>:<bucket>', in us.
--
-- The way of a call with small limits and no session makes no function and few tables and texts, and short ones, as every text
-- is hashed: those cost more than the commands do. Whatever else may be needed is made when it is.
local ENTRIES_MAX, ENTRY, GRACE_MS = 128, 12, 1000
local call, pack, unpackAt, format = redis.call, struct.pack, struct.unpack, string.format
local time = redis.call('TIME')
local timeUs = time[1] * 1000000 + time[2]
local timeMs = (timeUs - timeUs % 1000) / 1000
-- One match is cheaper than a walk, so as many numbers as most calls have come by it.
local numbers = { ARGV[2]:match('^(%S+) (%S+) ?(%S*) ?(%S*) ?(%S*) ?(%S*) ?(%S*) ?(.*)$') }
if numbers[8] ~= '' then
  local at = 8
  for number in numbers[8]:gmatch('%S+') do
    numbers[at] = number
    at = at + 1
  end
end
local kind, rememberMs, at = numbers[1], numbers[2], 3
local mode, admitted, attempted, large = 0, true, 0, false
if kind ~= '0100' then
  mode, admitted, attempted, large = tonumber(kind:sub(1, 1)), kind:sub(2, 2) == '1', tonumber(kind:sub(3, 3)), kind:sub(4) == '1'
end
local earlier, actions, started, ends, count, facts

-- Takes what it needs, as a function that closes over much takes long to make.
local function uncommon(timeMs, digestAndMemory)
  local ENTRIES_MAX, ENTRY, GRACE_MS = 128, 12, 1000
  local call, pack, unpackAt, format = redis.call, struct.pack, struct.unpack, string.format
  local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
  local BUCKETS, WINDOWS_MAX = 64, 16
  local function int(n) return format('%.0f', n) end

  -- What the first call of this evaluation was told, by its charge, and its count of actions. Nil: there is none, or it is forgotten.
  local function firstAnswer(charge)
    if not charge then return nil end
    local forgetMs, digest, memory, candidate, actions, exceeded = charge:match('^(%d+)|(.-)|(.-)|(.-)|(.-)|(.*)$')
    if tonumber(forgetMs) <= timeMs then return nil end
    if digest ~= digestAndMemory:match('^(.-)|') then return 'conflict' end
    return int(timeMs) .. '|' .. candidate .. '|' .. memory .. '|' .. exceeded, tonumber(actions)
  end

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
    local text = call('GETRANGE', log.entries, -ENTRIES_MAX * ENTRY, -1)
    for at = 1, #text, ENTRY do
      local instant = math.abs(unpackAt('<d', text, at))
      if instant < uncounted then addTo(log.buckets, window, low, instant, 1) end
    end
    if #windows >= WINDOWS_MAX then forget(log.buckets, table.remove(windows, 1)) end
    windows[#windows + 1] = window
    table.sort(windows)
  end

  local function entryOf(log, instant) return pack('<dI4', log.bucketed and -instant or instant, log.retain / 1000) end

  -- Marks the newest entry of a log that is to live longer, or has buckets now.
  local function renew(log)
    local expiry = int(ceil((log.newest + log.retain * 17 / 16) / 1000) + GRACE_MS)
    call('SETRANGE', log.entries, call('STRLEN', log.entries) - ENTRY, entryOf(log, log.newest))
    call('PEXPIREAT', log.entries, expiry)
    if log.bucketed then call('PEXPIREAT', log.buckets, expiry) end
  end

  -- Brings the log's windows up to now, and makes those that are wanted. A log that begins has forgotten what was counted before.
  local function prepare(log)
    if log.text == '' then call('DEL', log.buckets) end
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
    if log.text ~= '' then renew(log) end
  end

  local function count(log)
    for i = 1, #log.windows do
      local window = log.windows[i]
      addTo(log.buckets, window, lowestOf(window, log.now), log.now, 1)
    end
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

  return { firstAnswer = firstAnswer, renew = renew, prepare = prepare, count = count, fullUntil = fullUntil }
end
local rare

-- Session ------------------------------------------------------------------------------------------------------------------------

-- Its record changes, so the charge is asked for first; without a session the write of the charge asks.
if mode > 0 then
  local lifetimeMs = numbers[3] + 0
  at = 4
  local charge = call('GET', KEYS[1])
  if charge then
    rare = uncommon(timeMs, ARGV[1])
    earlier, actions = rare.firstAnswer(charge)
    if earlier == 'conflict' then return earlier end
  end
  facts = ARGV[4]
  local record = call('HMGET', KEYS[2], 'started', 'ends', 'count', 'seen', 'facts', 'ended', 'gone')
  if record[7] and tonumber(record[7]) <= timeMs then record = {} end
  if record[1] then
    started, ends, count, facts = tonumber(record[1]), tonumber(record[2]), tonumber(record[3]), record[5]
    local seen = tonumber(record[4])
    if seen < timeMs then seen = timeMs end
    if record[6] or seen >= ends then
      call('HSET', KEYS[2], 'ended', 1)
      return 'session_unknown'
    end
    if not earlier then call('HSET', KEYS[2], 'count', format('%d', count + 1), 'seen', format('%d', seen)) end
  elseif mode == 1 then
    return 'session_unknown'
  else
    started, ends, count = timeMs, timeMs + lifetimeMs, 0
    local gone = ends + lifetimeMs
    call('DEL', KEYS[2])
    call('HSET', KEYS[2], 'started', started, 'ends', ends, 'gone', gone,
      'count', earlier and 0 or 1, 'seen', timeMs, 'facts', facts)
    call('PEXPIREAT', KEYS[2], gone)
    call('ZREMRANGEBYSCORE', KEYS[3], '-inf', timeMs)
    call('ZADD', KEYS[3], ends, ARGV[3])
    call('PEXPIREAT', KEYS[3], ends, 'NX')
    call('PEXPIREAT', KEYS[3], ends, 'GT')
  end
  if earlier then return format('%s|%.0f|%.0f|%.0f|%s', earlier, started, ends, actions, facts) end
end

-- Logs ---------------------------------------------------------------------------------------------------------------------------

local logs, key, counted = {}, mode > 0 and 4 or 2, large
for i = 1, 2 do
  if i == 1 and admitted or i == 2 and attempted > 0 then
    local reach, retainMs = numbers[at], numbers[at + 1] + 0
    at = at + 2
    local text = call('GETRANGE', KEYS[key], reach, -1)
    local log = { entries = KEYS[key], buckets = KEYS[key + 1], reach = reach, text = text, retain = retainMs * 1000, now = timeUs }
    if large then
      log.wanted = {}
      for window = 1, numbers[at] do log.wanted[window] = numbers[at + window] * 1000 end
      at = at + 1 + #log.wanted
    end
    if text ~= '' then
      local newest, keptMs = unpackAt('<dI4', text, #text + 1 - ENTRY)
      if newest < 0 then
        newest, log.bucketed, counted = -newest, true, true
      end
      log.newest = newest
      if newest > timeUs then log.now = newest end
      if retainMs < keptMs then
        log.retain = keptMs * 1000
      elseif retainMs > keptMs then
        rare = rare or uncommon(timeMs, ARGV[1])
        rare.renew(log)
      end
    end
    logs[i] = log
    key = key + 2
  end
end

if counted then
  rare = rare or uncommon(timeMs, ARGV[1])
  if mode == 0 then
    earlier = rare.firstAnswer(call('GET', KEYS[1]))
    if earlier then return earlier end
  end
  for i = 1, 2 do
    if logs[i] and logs[i].text ~= '' then rare.prepare(logs[i]) end
  end
end

-- The walk -----------------------------------------------------------------------------------------------------------------------

local index, taken, admission, exceeded = -1, -1, false, nil
local limits = numbers[at]
while limits and limits ~= '' do
  at = at + 1
  index = index + 1
  local holds, freeAt, admits = limits ~= '-2', 0, false
  if mode > 0 then
    local oldest = numbers[at] + 0
    at = at + 1
    holds = oldest < 0 or started >= oldest
  end
  for _ = 1, limits do
    local most, window, own = numbers[at] + 0, numbers[at + 1] * 1000, 0
    at = at + 2
    local log = logs[1]
    if most > 0 then
      admits = true
    else
      most, log = -most, logs[2]
      -- A call that is counted whatever comes of it takes a place all the same.
      if attempted == 2 then own = 1 end
    end
    local text = log.text
    if holds and text ~= '' then
      local from, free = #text + 1 - ENTRY * most, 0
      if most > ENTRIES_MAX then
        free = rare.fullUntil(log, most, window, own)
      elseif from < 1 and #text + log.reach >= 0 and call('STRLEN', log.entries) >= ENTRY * most then
        text, from = call('GETRANGE', log.entries, -ENTRY * most, ENTRY * (2 - most) - 1), 1
      end
      if from > 0 and most <= ENTRIES_MAX then
        local first, leaving = unpackAt('<d', text, from), log.now
        if first < 0 then first = -first end
        if first > log.now - window then
          if most > own then leaving = math.abs(unpackAt('<d', text, from + ENTRY * own)) end
          free = leaving + window
        end
      end
      if free > freeAt then freeAt = free end
    end
  end
  if holds then
    if freeAt == 0 then
      taken, admission = index, admits
      break
    end
    local item = format('%d:%.0f', index, math.ceil((freeAt - timeUs) / 1000))
    exceeded = exceeded and exceeded .. ',' .. item or item
  end
  limits = numbers[at]
end

-- The charge ---------------------------------------------------------------------------------------------------------------------

local charged = admission or attempted == 2 or started
if charged then
  local forgetMs = format('%d', timeMs + rememberMs)
  local outcome = '|0|0|'
  if taken ~= 0 or started or exceeded then outcome = format('|%d|%d|%s', taken, count or 0, exceeded or '') end
  local charge = forgetMs .. '|' .. ARGV[1] .. outcome
  if started or counted then
    call('SET', KEYS[1], charge, 'PXAT', forgetMs)
  else
    local before = call('SET', KEYS[1], charge, 'NX', 'GET', 'PXAT', forgetMs)
    if before then
      rare = rare or uncommon(timeMs, ARGV[1])
      earlier = rare.firstAnswer(before)
      if earlier then return earlier end
      call('SET', KEYS[1], charge, 'PXAT', forgetMs)
    end
  end
elseif not counted then
  local before = call('GET', KEYS[1])
  if before then
    rare = rare or uncommon(timeMs, ARGV[1])
    earlier = rare.firstAnswer(before)
    if earlier then return earlier end
  end
end

for i = 1, 2 do
  if i == 1 and admission or i == 2 and attempted == 2 then
    local log = logs[i]
    if counted and log.text == '' then rare.prepare(log) end
    local now, retain, newest = log.now, log.retain, log.newest
    local entry = pack('<dI4', log.bucketed and -now or now, retain / 1000)
    -- The expiry is put off by a sixteenth more than is asked for, so that most entries need not touch it.
    local step = retain / 16
    local expiryMs = (now + retain + step) / 1000 + GRACE_MS + 1
    if not newest then
      local expiry = format('%d', expiryMs)
      call('SET', log.entries, entry, 'PXAT', expiry)
      if log.bucketed then call('PEXPIREAT', log.buckets, expiry) end
    else
      local length = call('APPEND', log.entries, entry)
      if length > ENTRY * (ENTRIES_MAX + 32) then
        call('SET', log.entries, call('GETRANGE', log.entries, -ENTRIES_MAX * ENTRY, -1), 'KEEPTTL')
      end
      if now - now % step ~= newest - newest % step then
        local expiry = format('%d', expiryMs)
        call('PEXPIREAT', log.entries, expiry)
        if log.bucketed then call('PEXPIREAT', log.buckets, expiry) end
      end
    end
    if log.bucketed then rare.count(log) end
  end
end

if taken == 0 and charged and not exceeded and not started then return timeMs end
local answer = format('%.0f|%d|%s|%s', timeMs, taken, charged and ARGV[1]:match('|(.*)$') or '', exceeded or '')
if not started then return answer end
return format('%s|%.0f|%.0f|%.0f|%s', answer, started, ends, count, facts)
