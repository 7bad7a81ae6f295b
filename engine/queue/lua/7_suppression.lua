-- Writing the suppression list: by verdicts, and by people.
do

local PUT_MAX = 1000

-- What is known of the address, as a table; nil if nothing is, or it is over.
local function counted(q, value, category, now)
	local ends, was, first, last, number = (value or ''):match('^%?(%d+) (%S+) (%d+) (%d+) (%d+)$')
	if was ~= category or tonumber(ends) <= now then return nil end
	return { first = tonumber(first), number = tonumber(number) }
end

-- A verdict on an address: suppressed when there were enough of them, far enough apart.
local function suppress_one(q, domain, field, category, need, apart_s, keep_s, window_s)
	local now = floor(turn_ms(q) / 1000)
	local value = call('HGET', suppression.key(q.B, domain), field)
	if value and byte(value) ~= 63 and suppression.ends(value) > now + keep_s then return 1 end
	local before = counted(q, value, category, now) or { first = now, number = 0 }
	local number = before.number + 1
	if number >= need and now - before.first >= apart_s then
		suppression.put(q, domain, field, ('%.0f %.0f verdict %s'):format(now + keep_s, now, category))
		return 1
	end
	suppression.put(q, domain, field, ('?%.0f %s %.0f %.0f %.0f'):format(now + max(window_s, apart_s), category,
		before.first, now, number))
	return 0
end

local function suppress(B, args)
	local q, reply = turn_begin(B), {}
	if #args % 7 ~= 0 or #args > 7 * PUT_MAX then
		return fail('SHAPE expected domain field category need apart_s keep_s window_s for each; found ' .. #args ..
			' arguments')
	end
	for at = 1, #args, 7 do
		reply[#reply + 1] = suppress_one(q, args[at], args[at + 1], args[at + 2], tonumber(args[at + 3]),
			tonumber(args[at + 4]), tonumber(args[at + 5]), tonumber(args[at + 6]))
	end
	return reply
end

-- by reason keep_s (0: for good), then pairs domain field → how many were not there before.
local function suppression_put(B, args)
	local q, fresh = turn_begin(B), 0
	local now, keep = floor(turn_ms(q) / 1000), tonumber(args[3])
	if #args < 3 or #args % 2 ~= 1 or #args > 3 + 2 * PUT_MAX then
		return fail('SHAPE expected by reason keep_s, then pairs domain field, at most ' .. PUT_MAX .. '; found ' ..
			#args .. ' arguments')
	end
	for at = 4, #args, 2 do
		local value = call('HGET', suppression.key(B, args[at]), args[at + 1])
		if not value or byte(value) == 63 or suppression.ends(value) <= now then fresh = fresh + 1 end
		suppression.put(q, args[at], args[at + 1],
			('%.0f %.0f %s %s'):format(keep > 0 and now + keep or 0, now, args[1], args[2]))
	end
	return fresh
end

-- Pairs domain field → how many were there. What had been counted against the address is forgotten, too.
local function suppression_drop(B, args)
	local q, gone = turn_begin(B), 0
	for at = 1, #args, 2 do
		local key = suppression.key(B, args[at])
		local value = call('HGET', key, args[at + 1])
		if value and call('HDEL', key, args[at + 1]) == 1 and byte(value) ~= 63 then gone = gone + 1 end
		if call('EXISTS', key) == 0 then call('ZREM', B .. ':suppressed', args[at]) end
	end
	return gone
end

define('suppress', suppress, 'allow-oom')
define('suppression_put', suppression_put)
define('suppression_drop', suppression_drop, 'allow-oom')

end
