-- ARGV: the first and the last number; when all of it is over; the family and the access token that the others are like.
-- An id is the number in twelve decimal digits behind zeros, as the load program of the server writes one, too.
local zeros = string.rep('0', 20)
local family, token = redis.call('GET', ARGV[4]), redis.call('GET', ARGV[5])
family = string.sub(family, 1, 2) .. 'stamped1' .. string.sub(family, 11)
local bytes = function(text)
    return (string.gsub(text, '..', function(digits) return string.char(tonumber(digits, 16)) end))
end
local set = function(key, score, member)
    redis.call('ZADD', key, score, member)
    redis.call('PEXPIREAT', key, ARGV[3])
end
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    local digits = string.format('%012d', number)
    local id = zeros .. digits
    redis.call('SET', 'bench:{0000}:family:' .. id, family, 'PXAT', ARGV[3])
    redis.call('SET', 'bench:token:' .. string.rep('0', 32) .. id,
        string.gsub(token, zeros .. string.rep('0', 12), id), 'PXAT', ARGV[3])
    set('bench:{0000}:tokens:' .. id, ARGV[3], bytes(string.rep('0', 32) .. id))
    set('bench:{0000}:logins:' .. id, ARGV[3], bytes(id))
    set('bench:subject:' .. id, ARGV[3], 'f' .. bytes(id))
end
return redis.status_reply('OK')
