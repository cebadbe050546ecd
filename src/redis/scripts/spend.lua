-- KEYS: the value. ARGV: 16 random bytes of the call; when it is over. It stays spent for an hour longer, for servers whose clocks
-- are behind this one.
local last = math.max(tonumber(ARGV[2]), present()) + 3600000
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', last) then
    return 1
end
local found = redis.call('GET', KEYS[1])
if #found ~= 16 then
    return redis.error_reply('FOREIGN a value that was not spent here')
end
-- A client library that lost the answer asks once more.
return found == ARGV[1] and 1 or 0
