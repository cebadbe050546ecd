-- KEYS: the access tokens of a login; its family, if it has one. ARGV: the digest; when it is over; how many a login may have.
-- Nothing is kept for a family that has ended: its access tokens were removed then, and this one would outlive them.
redis.call('ZCARD', KEYS[1])
local family = KEYS[2] and redis.call('GET', KEYS[2])
if family and is_foreign(family) then
    return redis.error_reply(FOREIGN)
end
if family and is_ended(family) then
    return 0
end
keep_token(KEYS[1], ARGV[1], ARGV[2], ARGV[3], present())
return 1
