-- KEYS: the family; its access tokens. ARGV: the stamp that was seen; the next one; the new lineage behind its length, or nothing;
-- of the access token that comes with it the digest, or nothing, when that is over, and how many a login may have.
redis.call('ZCARD', KEYS[2])
local found = redis.call('GET', KEYS[1])
if not found then
    return 0
end
if is_foreign(found) then
    return redis.error_reply(FOREIGN)
end
-- The version, the sign of the end, the stamp; then the length of the lineage in two bytes, the lineage, and what no refresh
-- changes.
local HEAD = '\1' .. '0'
local head = string.sub(found, 1, 10)
if #found < 12 or head ~= HEAD .. ARGV[1] and head ~= HEAD .. ARGV[2] then
    return 0
end
local lineage = string.sub(found, 11, 12 + string.byte(found, 11) * 256 + string.byte(found, 12))
if head == HEAD .. ARGV[1] then
    if ARGV[3] ~= '' then
        local rest = string.sub(found, 11 + #lineage)
        redis.call('SET', KEYS[1], HEAD .. ARGV[2] .. ARGV[3] .. rest, 'KEEPTTL')
    end
elseif lineage ~= ARGV[3] then
    -- Else a client library that lost the answer asks once more: nobody else has this lineage.
    return 0
end
if ARGV[4] ~= '' then
    keep_token(KEYS[2], ARGV[4], ARGV[5], ARGV[6], present())
end
return 1
