#!lua flags=no-writes
-- The ids of a principal's sessions that have not run out, the one that ends first before the others.
--
-- KEYS  1 index of the principal's sessions
-- ARGV  none
-- RESULT  session ids
-- COST  O(sessions of the principal)
local time = redis.call('TIME')
local timeMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return redis.call('ZRANGE', KEYS[1], string.format('(%.0f', timeMs), '+inf', 'BYSCORE')
