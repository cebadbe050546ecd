-- KEYS: the value.
return redis.call('EXISTS', KEYS[1])
