-- Counts one join of a chat. Returns 0 if it is admitted and counted, otherwise the microseconds until the next one can
-- be.
-- KEYS: the chat's counters, by sub-window number.
-- ARGV: limit, length of a sub-window in microseconds, number of sub-windows.
-- The sub-window being filled counts in addition to the whole ones, so nothing younger than the window is missed.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, each, whole = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local newest = math.floor(now / each)
local sum, counts, numbers = 0, {}, {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local number = tonumber(fields[i])
  if number < newest - whole then
    redis.call('HDEL', KEYS[1], fields[i])
  else
    sum = sum + fields[i + 1]
    counts[number] = tonumber(fields[i + 1])
    numbers[#numbers + 1] = number
  end
end
if sum < limit then
  redis.call('HINCRBY', KEYS[1], string.format('%.0f', newest), 1)
  redis.call('PEXPIRE', KEYS[1], math.ceil(each * (whole + 1) / 1000))
  return 0
end
table.sort(numbers)
for _, number in ipairs(numbers) do
  sum = sum - counts[number]
  if sum < limit then
    return (number + whole + 1) * each - now
  end
end
return each
