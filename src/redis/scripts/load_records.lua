-- KEYS: the records. Answers the time in seconds and microseconds, and each record.
local answer = redis.call('TIME')
for i, key in ipairs(KEYS) do
    local found = redis.pcall('GET', key)
    -- A value of another type is a record that cannot be read.
    answer[i + 2] = type(found) == 'table' and found.err and '' or found
end
return answer
