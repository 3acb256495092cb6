-- Grants one process shares of chats' pools, in the order of the chats.
-- KEYS: the Redis run that keeps this ledger and since when, `<run id>:<time>`; then one hash per chat.
-- ARGV: process, pool, processes; then, in microseconds, how long a share lasts and is counted after it was granted,
-- how long a want is remembered, and the precision of the former; then the wanted share of each chat.
-- A hash holds what was granted, `g:<process>:<counted until>` = share, and what is wanted,
-- `w:<process>` = `<joins>:<until>`.
-- Conditions: all processes use one Redis, and it evicts none of these keys (`maxmemory-policy noeviction`).
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local process, pool, processes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local counted, remembered, precision = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

-- A lost ledger does not know what it granted, so it grants nothing until all of that has expired. Another run of Redis
-- (a restart, a replica that took over) may hold this key and yet have lost the latest grants, so it counts as a loss
-- as well.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local keeper, since = string.match(redis.call('GET', KEYS[1]) or '', '^(%w+):(%d+)$')
since = tonumber(since)
if keeper ~= run or since > now then
  since = now
  redis.call('SET', KEYS[1], string.format('%s:%.0f', run, now))
end
local settled = now >= since + counted

local shares = {}
for k = 2, #KEYS do
  local want = tonumber(ARGV[k + 5])
  local wanted, held = want, {}
  local fields = redis.call('HGETALL', KEYS[k])
  for f = 1, #fields, 2 do
    local kind, who, over = string.match(fields[f], '^(%a):(%x+):?(%d*)$')
    if kind == 'g' and tonumber(over) <= now then
      redis.call('HDEL', KEYS[k], fields[f])
    elseif kind == 'g' and who ~= process then
      held[who] = math.max(held[who] or 0, tonumber(fields[f + 1]))
    elseif kind == 'w' and who ~= process then
      local joins, till = string.match(fields[f + 1], '^(%d+):(%d+)$')
      if tonumber(till) <= now then
        redis.call('HDEL', KEYS[k], fields[f])
      else
        wanted = wanted + joins
      end
    end
  end
  local free = pool
  for _, share in pairs(held) do
    free = free - share
  end
  local fair = 0
  if wanted > pool then
    fair = math.floor(want * pool / wanted)
  elseif want > 0 then
    fair = want + math.floor((pool - wanted) / processes)
  end
  local share = 0
  if settled then
    share = math.max(0, math.min(fair, free))
  end
  if share > 0 then
    local over = (math.floor(now / precision) + 1) * precision + counted
    local field = string.format('g:%s:%.0f', process, over)
    if share > (tonumber(redis.call('HGET', KEYS[k], field)) or 0) then
      redis.call('HSET', KEYS[k], field, share)
    end
  end
  redis.call('HSET', KEYS[k], 'w:' .. process, string.format('%.0f:%.0f', want, now + remembered))
  redis.call('PEXPIRE', KEYS[k], math.ceil((counted + precision + remembered) / 1000))
  shares[k - 1] = share
end
return shares
