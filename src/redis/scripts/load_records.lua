-- KEYS: the records. Answers the time in seconds and microseconds, and each record.
local answer = redis.call('TIME')
for i, key in ipairs(KEYS) do
    answer[i + 2] = redis.call('GET', key)
end
return answer
