#!lua
-- A permit's one use.
--
-- KEYS  1 the token id's key
-- ARGV  expiresAtMs, graceMs
-- RESULT  'redeemed', 'already_redeemed' or 'expired'
-- COST  O(1)
local time = redis.call('TIME')
local timeMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local expiresAtMs = tonumber(ARGV[1])
if not expiresAtMs or not (timeMs < expiresAtMs) then return 'expired' end
local forgetAtMs = string.format('%.0f', expiresAtMs + tonumber(ARGV[2]))
if redis.call('SET', KEYS[1], 1, 'NX', 'PXAT', forgetAtMs) then return 'redeemed' end
return 'already_redeemed'
