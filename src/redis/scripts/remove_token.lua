-- KEYS: the access tokens of a login. ARGV: the digest.
return redis.call('ZREM', KEYS[1], ARGV[1])
