-- KEYS: families, each with its access tokens; after them the logins of their subject at their client, if they are known. ARGV: the
-- ids of the families. Answers how many had not ended before.
local now, count, logins = present(), 0, KEYS[2 * #ARGV + 1]
for i = 1, #ARGV do
    redis.call('ZCARD', KEYS[2 * i])
    local found = redis.call('GET', KEYS[2 * i - 1])
    if found and is_foreign(found) then
        return redis.error_reply(FOREIGN)
    end
end
if logins and #ARGV > 0 then
    redis.call('ZREM', logins, unpack(ARGV))
end
for i = 1, #ARGV do
    count = count + end_family(KEYS[2 * i - 1], KEYS[2 * i], now)
end
return count
