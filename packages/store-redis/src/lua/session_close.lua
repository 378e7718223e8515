#!lua flags=allow-oom
-- Ends a session. What is left of it keeps the id from being opened again by a first use.
--
-- KEYS  1 session, 2 index of the principal's sessions
-- ARGV  session id
-- RESULT  1 where it was open, else 0
-- COST  O(log sessions of the principal)
local time = redis.call('TIME')
local timeMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local record = redis.call('HMGET', KEYS[1], 'started', 'ends', 'seen', 'ended')
if not record[1] or record[4] then return 0 end
redis.call('HSET', KEYS[1], 'ended', 1)
redis.call('ZREM', KEYS[2], ARGV[1])
if math.max(timeMs, tonumber(record[3])) >= tonumber(record[2]) then return 0 end
return 1
