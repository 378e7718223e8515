#!lua flags=allow-oom
-- Makes the log usable on this incarnation of the server.
--
-- KEYS  1 head, 2 history, 3 floors
-- ARGV  generation and number of the latest revision anybody knows, durable (1 or 0), bell
-- RESULT  {outcome, generation, number}: unchanged, created, carried or void; or {'replica'}
-- COST  O(history) where it is dropped, and one INFO
--
-- 'base' is the last revision that the head stands on from before its generation. Who knows a later one of an earlier generation has
-- seen what the log lost, even where somebody else, who knew less, has carried the log over already.
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
if info:match('role:(%a+)') ~= 'master' then return {'replica'} end
local incarnation = info:match('run_id:(%x+)') .. '.' .. info:match('master_replid:(%x+)')
local time = redis.call('TIME')
local timeMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function int(n) return string.format('%.0f', n) end

local function later(g, n, g2, n2) return g > g2 or (g == g2 and n > n2) end

local knownG, knownN = tonumber(ARGV[1]), tonumber(ARGV[2])
local head = redis.call('HMGET', KEYS[1], 'generation', 'number', 'incarnation', 'recorded', 'baseGeneration', 'baseNumber')
local generation, number = tonumber(head[1] or 0), tonumber(head[2] or 0)
local recorded = math.max(timeMs, tonumber(head[4] or 0))

local outcome, baseG, baseN = 'void', nil, nil
if not head[1] then
  if knownG == 0 and knownN == 0 then outcome = 'created' end
else
  local ahead = later(knownG, knownN, generation, number)
    or (knownG < generation and later(knownG, knownN, tonumber(head[5]), tonumber(head[6])))
  if not ahead and head[3] == incarnation then return {'unchanged', generation, number} end
  if not ahead and ARGV[3] == '1' then outcome, baseG, baseN = 'carried', generation, number end
end

local opened = math.max(generation + 1, knownG + 1, recorded)
if outcome == 'created' then
  baseG, baseN = 0, 0
  -- A log without a past cannot know which stored sessions an earlier one had revoked. Nothing is known against inline ones.
  redis.call('HSET', KEYS[3], '', int(opened) .. ' 0 0')
elseif outcome == 'void' then
  baseG, baseN = opened, 0
  redis.call('HSET', KEYS[3], '', int(opened) .. ' 0 ' .. int(recorded))
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'generation', int(opened), 'number', 0, 'incarnation', incarnation, 'recorded', int(recorded),
  'baseGeneration', int(baseG), 'baseNumber', int(baseN))
redis.call('PUBLISH', ARGV[4], int(opened) .. ' 0')
return {outcome, opened, 0}
