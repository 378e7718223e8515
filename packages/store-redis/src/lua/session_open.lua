#!lua
-- Opens a session under an id that was issued for it.
--
-- KEYS  1 session, 2 index of the principal's sessions
-- ARGV  session id, lifetimeMs, session facts
-- RESULT  {startedAtMs, expiresAtMs, actionCount, session facts}; of a session that is open under this id already, its own;
--         nil where the id is used up
-- COST  O(log sessions of the principal)
local time = redis.call('TIME')
local timeMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function int(n) return string.format('%.0f', n) end

local record = redis.call('HMGET', KEYS[1], 'started', 'ends', 'count', 'seen', 'facts', 'ended', 'gone')
if record[1] and timeMs < tonumber(record[7]) then
  if record[6] or math.max(timeMs, tonumber(record[4])) >= tonumber(record[2]) then return nil end
  return {tonumber(record[1]), tonumber(record[2]), tonumber(record[3]), record[5]}
end
local ends = timeMs + tonumber(ARGV[2])
local gone = int(ends + tonumber(ARGV[2]))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'started', int(timeMs), 'ends', int(ends), 'gone', gone, 'count', 0, 'seen', int(timeMs), 'facts', ARGV[3])
redis.call('PEXPIREAT', KEYS[1], gone)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(timeMs))
redis.call('ZADD', KEYS[2], int(ends), ARGV[1])
redis.call('PEXPIREAT', KEYS[2], int(ends), 'NX')
redis.call('PEXPIREAT', KEYS[2], int(ends), 'GT')
return {timeMs, ends, 0, ARGV[3]}
