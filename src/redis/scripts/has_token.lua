-- KEYS: the access tokens of a login. ARGV: the digest.
return redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
