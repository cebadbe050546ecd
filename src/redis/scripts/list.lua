-- KEYS: what a subject has, or its logins at a client.
return redis.call('ZRANGE', KEYS[1], 0, -1)
