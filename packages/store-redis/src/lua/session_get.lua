#!lua flags=no-writes
-- One session, while it is open.
--
-- KEYS  1 session
-- ARGV  none
-- RESULT  {startedAtMs, expiresAtMs, actionCount, session facts} or nil
-- COST  O(1)
local time = redis.call('TIME')
local timeMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local record = redis.call('HMGET', KEYS[1], 'started', 'ends', 'count', 'seen', 'facts', 'ended')
if not record[1] or record[6] then return nil end
if math.max(timeMs, tonumber(record[4])) >= tonumber(record[2]) then return nil end
return {tonumber(record[1]), tonumber(record[2]), tonumber(record[3]), record[5]}
