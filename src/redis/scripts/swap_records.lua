-- KEYS: the records. ARGV: for each the stamp that was seen, or nothing; the new stamp with the record; when it is forgotten.
-- All or none.
for i, key in ipairs(KEYS) do
    if redis.call('GETRANGE', key, 0, 7) ~= ARGV[3 * i - 2] then
        return 0
    end
end
local now = present()
for i, key in ipairs(KEYS) do
    redis.call('SET', key, ARGV[3 * i - 1], 'PXAT', math.max(tonumber(ARGV[3 * i]), now + MARGIN))
end
return 1
