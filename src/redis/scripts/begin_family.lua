-- KEYS: the family; the logins of its subject at its client; its access tokens; then, of each of the oldest logins, the family and
-- its access tokens. ARGV: the family; its id; when it is over; how many logins there may be; of the access token that comes with
-- it the digest, or nothing, when that is over, and how many a login may have; the ids of the oldest logins.
-- Answers 1 and the id that ended for it, if one did; 0 and the oldest ids, of which one must end; or -1 if its id is another's.
local FIRST = 8
local now, logins = present(), KEYS[2]
-- What is of another type is an error before anything is written.
redis.call('ZCARD', KEYS[3])
local found = redis.call('GET', KEYS[1])
if found then
    -- A client library that lost the answer asks once more.
    return { found == ARGV[1] and 1 or -1 }
end
drop_over(logins, now)
local gone
if redis.call('ZCARD', logins) >= tonumber(ARGV[4]) then
    local oldest = redis.call('ZRANGE', logins, 0, 15)
    for i = FIRST, #ARGV do
        if ARGV[i] == oldest[1] then
            gone = i - FIRST
        end
    end
    if not gone then
        return { 0, unpack(oldest) }
    end
    end_family(KEYS[4 + 2 * gone], KEYS[5 + 2 * gone], now)
    redis.call('ZREM', logins, oldest[1])
end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', math.max(tonumber(ARGV[3]), now) + MARGIN)
put_last(logins, ARGV[2], ARGV[3])
keep_until(logins, ARGV[3], now, MARGIN)
if ARGV[5] ~= '' then
    keep_token(KEYS[3], ARGV[5], ARGV[6], ARGV[7], now)
end
return { 1, gone and ARGV[FIRST + gone] }
