#!lua flags=allow-oom
-- Keeps the newest checkpoint of an audit log, and the log's name for good.
--
-- KEYS  1 origins (a hash)
-- ARGV  origin, size, note
-- RESULT  1 where it was kept, 0 where a newer one was there
-- COST  O(1)
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and tonumber(known:match('^(%d+) ')) > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
return 1
