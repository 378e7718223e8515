#!lua flags=no-writes
-- The head of the revocation log, by the server's word.
--
-- KEYS  1 head
-- ARGV  none
-- RESULT  {'ok', generation, number, timeMs} or {'not_open'} or {'other_incarnation'} or {'replica'}
-- COST  O(1), and one INFO
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
if info:match('role:(%a+)') ~= 'master' then return {'replica'} end
local incarnation = info:match('run_id:(%x+)') .. '.' .. info:match('master_replid:(%x+)')
local time = redis.call('TIME')
local timeMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local head = redis.call('HMGET', KEYS[1], 'generation', 'number', 'incarnation')
if not head[1] then return {'not_open'} end
if head[3] ~= incarnation then return {'other_incarnation'} end
return {'ok', tonumber(head[1]), tonumber(head[2]), timeMs}
