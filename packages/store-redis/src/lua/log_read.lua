#!lua flags=no-writes
-- Records after a revision, in order.
--
-- KEYS  1 head, 2 history
-- ARGV  generation and number to go on from (empty: none), limit
-- RESULT  {'records', generation, number, {{id, fields}, ...}} or {'resync', generation, number} or {'ahead', generation, number} where the
--         reader has seen what the log lost; or {'not_open'} or {'other_incarnation'} or {'replica'}
-- COST  O(limit), and one INFO
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
if info:match('role:(%a+)') ~= 'master' then return {'replica'} end
local incarnation = info:match('run_id:(%x+)') .. '.' .. info:match('master_replid:(%x+)')

local head = redis.call('HMGET', KEYS[1], 'generation', 'number', 'incarnation', 'baseGeneration', 'baseNumber')
if not head[1] then return {'not_open'} end
if head[3] ~= incarnation then return {'other_incarnation'} end
local generation, number = tonumber(head[1]), tonumber(head[2])
if ARGV[1] == '' then return {'resync', generation, number} end
local fromG, fromN = tonumber(ARGV[1]), tonumber(ARGV[2])
if fromG > generation or (fromG == generation and fromN > number) then return {'ahead', generation, number} end
if fromG < generation then
  local baseG, baseN = tonumber(head[4]), tonumber(head[5])
  if fromG > baseG or (fromG == baseG and fromN > baseN) then return {'ahead', generation, number} end
  return {'resync', generation, number}
end
if fromN == number then return {'records', generation, number, {}} end
local from = string.format('%.0f-0', fromN + 1)
local records = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[3])
if not records[1] or records[1][1] ~= from then return {'resync', generation, number} end
return {'records', generation, number, records}
