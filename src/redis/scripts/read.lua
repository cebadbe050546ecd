-- KEYS: a family, or what an access token stands for.
return redis.call('GET', KEYS[1])
