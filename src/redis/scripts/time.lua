-- The time by the server's clock, in whole milliseconds since 1970. It stays the same throughout a script.
local function present()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- How long anything is kept beyond its end, at least: an expiry that lies in the past would let it vanish at once.
local MARGIN = 60000
