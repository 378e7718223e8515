#!lua flags=allow-oom
-- Appends one record: number, history, mark, retry entry and bell in one step.
--
-- KEYS  1 head, 2 history (a stream; the number is the id), 3 marks, 4 floors, 5 retry entry
-- ARGV  generation that was opened, realm, target (empty: the realm itself), scope, retry key given (1 or 0), retryMs, history records
--       kept, bell
-- RESULT  {'ok', generation, number} or {'not_open'} or {'other_incarnation'} or {'replica'}
-- COST  O(1), and one INFO
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
if info:match('role:(%a+)') ~= 'master' then return {'replica'} end
local incarnation = info:match('run_id:(%x+)') .. '.' .. info:match('master_replid:(%x+)')
local time = redis.call('TIME')
local timeMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function int(n) return string.format('%.0f', n) end

local head = redis.call('HMGET', KEYS[1], 'generation', 'number', 'incarnation', 'recorded')
if not head[1] then return {'not_open'} end
if head[3] ~= incarnation or head[1] ~= ARGV[1] then return {'other_incarnation'} end
local generation = tonumber(head[1])
if ARGV[5] == '1' then
  local earlier = redis.call('GET', KEYS[5])
  if earlier then
    local g, n = earlier:match('^(%d+) (%d+)$')
    return {'ok', tonumber(g), tonumber(n)}
  end
end
local number = tonumber(head[2]) + 1
local recorded = math.max(timeMs, tonumber(head[4]))
local revision = int(generation) .. ' ' .. int(number)

redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[7], int(number) .. '-0', 'at', int(recorded), 'realm', ARGV[2], 'scope', ARGV[4])
if ARGV[3] == '' then
  redis.call('HSET', KEYS[4], ARGV[2], revision .. ' ' .. int(recorded))
else
  redis.call('HSET', KEYS[3], ARGV[3], revision .. ' ' .. int(recorded) .. ' ' .. ARGV[4])
end
if ARGV[5] == '1' then redis.call('SET', KEYS[5], revision, 'PX', ARGV[6]) end
redis.call('HSET', KEYS[1], 'number', int(number), 'recorded', int(recorded))
redis.call('PUBLISH', ARGV[8], revision)
return {'ok', generation, number}
