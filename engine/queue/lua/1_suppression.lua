-- The suppression list: addresses to which nothing is sent any more (suppression.h). Looked at when records are leased:
-- late enough to know what was learned meanwhile, and for a whole list at a time, whose name says domain and tenant.
--
--   B:suppressed        ZSET domain → the second in which the first of its entries is over; all domains that have any
--   B:suppressed:DOMAIN HASH TENANT:local part in lower case (TENANT empty: for all) → "UNTIL SINCE BY REASON", seconds,
--                       UNTIL 0: for good; or what has been counted so far, "?UNTIL CATEGORY FIRST LAST NUMBER"
--   B:sweep:suppressed  HASH domain cursor earliest: the domain being swept
local suppression = {}

do

local CATEGORY = { ['invalid-recipient'] = true, ['inactive-mailbox'] = true, ['bad-domain'] = true }

function suppression.key(B, domain)
	return B .. ':suppressed:' .. domain
end

-- When the entry is over; it may be one that only counts.
function suppression.ends(value)
	local ends = tonumber(value:match('^%??(%d+)'))
	return (not ends or ends == 0) and huge or ends
end

local function is_in_force(q, value)
	return value and byte(value) ~= 63 and suppression.ends(value) * 1000 > turn_ms(q)
end

local function record_suppress(q, record, value)
	local job = job_get(q, record.tenant, record.job)
	if not record_is_of(job, record) or call('SETBIT', job.bits, record.index, 1) == 1 then
		return stray_gone(q, record)
	end
	job_count(job, 'queued', -1)
	job_count(job, 'suppressed', 1)
	local by, reason = value:match('^%d+ %d+ (%S+) (.*)$')
	record_event(q, job, record, 'suppressed', ',"stage":"queue","origin":"local","scope":"recipient"' ..
		(CATEGORY[reason] and ',"category":"' .. reason .. '"' or '') .. ',"rule":"suppression","reply":' ..
		quote('on the suppression list: ' .. (reason or '') .. ', by ' .. (by or '')))
end

-- The records of a list without those of suppressed addresses, which end here.
function suppression.take(q, records, list)
	local facts = match.list(list)
	local fields, n = {}, #records
	if n == 0 or not call('ZSCORE', q.B .. ':suppressed', facts.domain) then return records end
	for i = 1, n do
		local record = records[i]
		local tenant, job, low, high = byte(record, 33, 36)
		local at = 37 + tenant + job
		local address = sub(record, at, at + low + 256 * high - 1)
		local name = ':' .. string.lower(sub(address, 1, #address - #facts.domain - 1))
		fields[i] = name
		if facts.tenant ~= '' then fields[n + i] = facts.tenant .. name end
	end
	local values, living = call('HMGET', suppression.key(q.B, facts.domain), unpack(fields)), {}
	for i = 1, n do
		local value = is_in_force(q, values[i]) and values[i] or is_in_force(q, values[n + i]) and values[n + i]
		if value then
			record_suppress(q, record_read(records[i], list), value)
		else
			living[#living + 1] = records[i]
		end
	end
	return living
end

-- An entry with its time; the domain is known for it.
function suppression.put(q, domain, field, value)
	call('HSET', suppression.key(q.B, domain), field, value)
	call('ZADD', q.B .. ':suppressed', 'LT', suppression.ends(value), domain)
end

-- Up to about `most` entries of the domain whose first one is over; a domain that has none left is forgotten.
function suppression.sweep(q, most)
	local sweep, index, now = q.B .. ':sweep:suppressed', q.B .. ':suppressed', floor(turn_ms(q) / 1000)
	local domain, cursor, earliest = unpack(call('HMGET', sweep, 'domain', 'cursor', 'earliest'))
	if not domain then
		domain, cursor, earliest = call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, 1)[1], '0', 'inf'
		if not domain then return end
		call('ZADD', index, 'XX', 'inf', domain) -- what is put meanwhile lowers it
	end
	local key = suppression.key(q.B, domain)
	local found, over = call('HSCAN', key, cursor, 'COUNT', most), {}
	earliest = earliest == 'inf' and huge or tonumber(earliest)
	for i = 1, #found[2], 2 do
		local ends = suppression.ends(found[2][i + 1])
		if ends <= now then over[#over + 1] = found[2][i] else earliest = min(earliest, ends) end
	end
	if #over > 0 then call('HDEL', key, unpack(over)) end
	if found[1] ~= '0' then
		call('HSET', sweep, 'domain', domain, 'cursor', found[1], 'earliest', earliest)
		return
	end
	call('DEL', sweep)
	if call('EXISTS', key) == 0 then
		call('ZREM', index, domain)
	else
		call('ZADD', index, 'XX', 'LT', earliest, domain)
	end
end

end
