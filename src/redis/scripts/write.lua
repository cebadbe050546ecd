-- KEYS: what an access token stands for. ARGV: its text; when it is over.
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', math.max(tonumber(ARGV[2]), present()) + MARGIN)
return 1
