-- Records: read here where more than two bytes of them matter.

-- When it expires. Neighbours mostly expire together, so the last answer is kept.
local expires_bytes, expires_ms
local function record_expires(record)
	local bytes = sub(record, 9, 12)
	if bytes ~= expires_bytes then
		local s = read('<I', bytes)
		expires_bytes, expires_ms = bytes, s > 0 and s * 1000 or huge
	end
	return expires_ms
end

local function record_read(record, list)
	local _, recoveries, attempt, index, _, queued, queued_high, accept, accept_high, first, tenant, job, address =
		read('<BBHIIIIIIIBBH', record)
	local at = 37 + tenant + job
	return { bytes = record, list = list, recoveries = recoveries, attempt = attempt, index = index,
		expires = record_expires(record), queued = queued + queued_high * 4294967296,
		accept = accept + accept_high * 4294967296, first = first, tenant = sub(record, 37, 36 + tenant),
		job = sub(record, 37 + tenant, at - 1), address = sub(record, at, at + address - 1),
		extras = at + address }
end

-- The value of that name in the record's pack.
local function record_extra(record, name)
	local bytes, at = record.bytes, record.extras
	while at + 5 <= #bytes do
		local _, name_length, length = read('<BBI', bytes, at)
		local value = at + 6 + name_length
		if sub(bytes, at + 6, value - 1) == name then return sub(bytes, value, value + length - 1) end
		at = value + length
	end
	return nil
end

-- The source of its last attempt (record.h); "" if none was made.
local function record_source(record)
	return record_extra(record, 's') or record_extra(record, 'l') or ''
end

-- "LIST NUL record" as it lies in B:deferred and B:held.
local function record_split(member)
	local nul = find(member, '%z')
	return record_read(sub(member, nul + 1), sub(member, 1, nul - 1))
end

-- An event about a record that nobody but Redis knows of: its own members after what the job shares.
local function record_event(q, job, record, type, more)
	local data = { event_data(q, job) }
	local function add(name, value)
		if value and value ~= '' then data[#data + 1] = ',"' .. name .. '":' .. value end
	end
	add('tags', record_extra(record, 't') or job.tags)
	add('rcpt', quote(record_extra(record, 'r') or tostring(record.index)))
	add('domain', quote(record.list:match('^.:(%[.-%])') or record.list:match('^.:([^:]*)') or ''))
	add('attempt', record.attempt)
	add('queued', record.queued)
	add('first_attempt', record.first > 0 and record.queued + (record.first - 1) * 1000 or nil)
	event_add(q, type, job.id, record.address, concat(data) .. more .. '}')
end

-- Lists.

-- What is to be pushed: lists in order of their first record, the records of each, and their earliest expiry. Whoever
-- adds gets the records of that list: more that expire with this one may be put there.
local function push_begin()
	return { at = {}, lists = {}, records = {}, expires = {}, n = 0 }
end

local function push_add(push, list, record, expires)
	local at = push.at[list]
	if at then
		local records = push.records[at]
		records[#records + 1] = record
		if expires < push.expires[at] then push.expires[at] = expires end
		return records
	end
	local records = { record }
	at = push.n + 1
	push.n, push.at[list], push.lists[at], push.records[at], push.expires[at] = at, at, list, records, expires
	return records
end

-- Were empty: into the index, with a number that is theirs alone, so that what has changed can be told in pieces.
local function lists_index(q, lists)
	local seq, now, bulk = call('INCRBY', q.B .. ':seq', format('%d', #lists)) - #lists, {}, {}
	for i, list in ipairs(lists) do
		local index = byte(list) == TRANSACTIONAL and now or bulk
		index[#index + 1] = format('%d', seq + i)
		index[#index + 1] = list
	end
	if #now > 0 then call('ZADD', q.B .. ':index:now', unpack(now)) end
	if #bulk > 0 then call('ZADD', q.B .. ':index', unpack(bulk)) end
end

-- Lists that were not empty are told of apart. They have an expiry already, and mostly none of all is later than the
-- earliest of what comes now: then theirs stays. If there is a later one, it hardly ever changes, and then the AOF is
-- told nothing.
local function push_expiry(q, earliest, later)
	if #later == 0 then return end
	local last = call('ZREVRANGE', q.B .. ':expiry', 0, 0, 'WITHSCORES')[2]
	if not last or earliest < tonumber(last) then call('ZADD', q.B .. ':expiry', 'LT', unpack(later)) end
end

local function push_write(q, push, command)
	local prefix, lists, expires = q.B .. ':list:', push.lists, push.expires
	local fresh, first, later, total, earliest, ms, text = {}, {}, {}, 0, huge, nil, nil
	if push.n == 0 then return end
	for i = 1, push.n do
		local list, records = lists[i], push.records[i]
		local expiry = later
		total = total + #records
		if call(command, prefix .. list, unpack(records)) == #records then
			fresh[#fresh + 1], expiry = list, first
		end
		if expires[i] ~= ms then
			ms, text = expires[i], ('%.0f'):format(expires[i])
			earliest = min(earliest, ms)
		end
		local n = #expiry
		expiry[n + 1], expiry[n + 2] = text, list
	end
	call('INCRBY', q.B .. ':ready', format('%d', total))
	push_expiry(q, earliest, later)
	if #fresh > 0 then
		call('ZADD', q.B .. ':expiry', 'LT', unpack(first))
		lists_index(q, fresh)
	end
end

-- These lists have become empty.
local function lists_forget(q, lists)
	if #lists == 0 then return end
	for _, key in ipairs({ ':index:now', ':index', ':expiry' }) do
		call('ZREM', q.B .. key, unpack(lists))
	end
end

-- Places and bits.

local function bits_set(key, indexes)
	local ops, n = {}, 0
	for _, index in ipairs(indexes) do
		ops[n + 1], ops[n + 2], ops[n + 3], ops[n + 4], n = 'SET', 'u1', index, '1', n + 4
	end
	call('BITFIELD', key, unpack(ops))
end

-- Is it this job's, and not that of an older one of its name?
local function record_is_of(job, record)
	return job and tonumber(job.accept) == record.accept
end

-- Is this record alive? Asked where B:strays says that some are not: its job may be long gone, or another of its name.
local function record_is_alive(q, record)
	local job = job_get(q, record.tenant, record.job)
	return record_is_of(job, record) and call('GETBIT', job.bits, record.index) == 0
end

-- A dead record was met and is gone now. The job may be gone, too, so the number is kept by name.
local function stray_gone(q, record)
	local job = job_get(q, record.tenant, record.job)
	if job then
		job.strays = job.strays - 1
	elseif call('HINCRBY', q.B .. ':strays', record.tenant .. ':' .. record.job, -1) <= 0 then
		call('HDEL', q.B .. ':strays', record.tenant .. ':' .. record.job)
	end
end

local function held_name(job, index)
	return job.name .. '/' .. index
end

local function held_add(q, job, index, list, record)
	call('HSET', q.B .. ':held', held_name(job, index), list .. '\0' .. record)
	call('ZADD', q.B .. ':expiry', record_expires(record), 'h:' .. held_name(job, index))
	job_count(job, 'held', 1)
end

local function held_remove(q, job, index)
	if call('HDEL', q.B .. ':held', held_name(job, index)) == 0 then return false end
	call('ZREM', q.B .. ':expiry', 'h:' .. held_name(job, index))
	return true
end

-- A recipient became final while its record is in no lease of the caller's: where it is counted. The record stays
-- where it cannot be taken out cheaply, dead.
local function place_leave(q, job, index)
	if held_remove(q, job, index) then return 'held' end
	job.strays = job.strays + 1
	if call('GETBIT', job.waits, index) == 1 then
		call('SETBIT', job.waits, index, 0)
		return 'deferred'
	end
	return 'queued'
end

-- The record has expired, and is in nobody's hands. False if it was final already.
local function record_expire(q, job, record, place)
	if call('SETBIT', job.bits, record.index, 1) == 1 then return false end
	job_count(job, place, -1)
	job_count(job, 'expired', 1)
	local reply = record_extra(record, 'e')
	local said = reply and ',"reply":' .. quote((reply:gsub('[\128-\255]', function(c)
		return ('\\x%02x'):format(byte(c))
	end))) or ''
	record_event(q, job, record, 'expired',
		',"stage":"queue","origin":"local","category":"expired","enhanced":"4.4.7"' .. said)
	return true
end

