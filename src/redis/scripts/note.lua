-- KEYS: what a subject has. ARGV: pairs of a place where it has something, and when that is over. It is kept longer than what is
-- there.
local now = present()
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 10 * MARGIN)
for i = 1, #ARGV, 2 do
    redis.call('ZADD', KEYS[1], 'GT', math.max(tonumber(ARGV[i + 1]), now), ARGV[i])
    keep_until(KEYS[1], ARGV[i + 1], now, 10 * MARGIN)
end
return 1
