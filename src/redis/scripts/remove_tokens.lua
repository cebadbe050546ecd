-- KEYS: the access tokens of logins. Answers how many there were.
local now, count = present(), 0
for _, tokens in ipairs(KEYS) do
    drop_over(tokens, now)
    count = count + redis.call('ZCARD', tokens)
    redis.call('DEL', tokens)
end
return count
