-- Keeps a key so long after this time, and after the present; never shorter than it was to be kept before.
local function keep_until(key, time, now, margin)
    local last = math.max(tonumber(time), now) + margin
    if redis.call('PEXPIRETIME', key) < last then
        redis.call('PEXPIREAT', key, last)
    end
end

-- Puts a member behind all others. The score is when it is over, or just after the one before it: so those that came first go
-- first, and what is over is found by its score.
local function put_last(set, member, ends)
    local score = tonumber(ends)
    local before = tonumber(redis.call('ZRANGE', set, -1, -1, 'WITHSCORES')[2])
    if before and before >= score then
        score = before + 1
    end
    redis.call('ZADD', set, score, member)
end

local function drop_over(set, now)
    redis.call('ZREMRANGEBYSCORE', set, '-inf', now - MARGIN)
end

-- A family begins with a byte for the version of all that follows, and one that says whether it has ended: in every version.
local function is_ended(family)
    return string.sub(family, 2, 2) == '1'
end

-- A family's first byte is its version. No text begins with one of these.
local function is_foreign(family)
    return #family < 2 or string.byte(family) >= 32
end

local FOREIGN = 'FOREIGN a family that was not written here'

-- Counts an access token as one of this login, in the place of what its login may not have beside it.
local function keep_token(tokens, digest, ends, most, now)
    drop_over(tokens, now)
    put_last(tokens, digest, ends)
    local more = redis.call('ZCARD', tokens) - tonumber(most)
    if more > 0 then
        redis.call('ZREMRANGEBYRANK', tokens, 0, more - 1)
    end
    keep_until(tokens, ends, now, MARGIN)
end

-- Ends a family with its access tokens, and answers whether it had not ended before. It is remembered for ten minutes, so that
-- no access token comes after it that was on its way.
local function end_family(family, tokens, now)
    local found = redis.call('GET', family)
    redis.call('DEL', tokens)
    if not found or is_foreign(found) or is_ended(found) then
        return 0
    end
    redis.call('SETRANGE', family, 1, '1')
    local last = now + 600000
    if redis.call('PEXPIRETIME', family) > last then
        redis.call('PEXPIREAT', family, last)
    end
    return 1
end
