-- Time: what is due, what has expired.

-- Takes what is due out of B:deferred: to the tails of the lists, or to its end. How many moved, how many expired.
local function due_take(q, most)
	local members = call('ZRANGEBYSCORE', q.B .. ':deferred', '-inf', turn_ms(q), 'LIMIT', 0, most)
	local push, moved, expired = push_begin(), 0, 0
	if #members == 0 then return 0, 0 end
	call('ZREMRANGEBYRANK', q.B .. ':deferred', 0, #members - 1)
	for _, member in ipairs(members) do
		local record = record_split(member)
		local job = job_get(q, record.tenant, record.job)
		local waits = record_is_of(job, record) and call('SETBIT', job.waits, record.index, 0) == 1
		if not waits then
			stray_gone(q, record)
		elseif match.ends(q, record) > turn_ms(q) then
			push_add(push, record.list, record.bytes, record.expires)
			job_count(job, 'deferred', -1)
			job_count(job, 'queued', 1)
			moved = moved + 1
		elseif record_expire(q, job, record, 'deferred') then
			expired = expired + 1
		end
	end
	push_write(q, push, 'RPUSH')
	return moved, expired
end

local function promote(B, args)
	local q = turn_begin(B)
	local moved = due_take(q, min(tonumber(args[1]), BATCH_MAX))
	turn_end(q)
	local next_due = call('ZRANGE', B .. ':deferred', 0, 0, 'WITHSCORES')[2]
	return { moved, next_due and max(0, tonumber(next_due) - turn_ms(q)) or -1 }
end

local function sweep_held(q, member)
	local name = sub(member, 3)
	local held = call('HGET', q.B .. ':held', name)
	local record = held and record_split(held)
	local ends = record and match.ends(q, record)
	if ends and ends > turn_ms(q) then
		call('ZADD', q.B .. ':expiry', ends, member)
		return 0
	end
	call('HDEL', q.B .. ':held', name)
	call('ZREM', q.B .. ':expiry', member)
	if not held then return 0 end
	local job = job_get(q, record.tenant, record.job)
	return job and record_expire(q, job, record, 'held') and 1 or 0
end

-- The records at the tail of the list that were found dead can go; those before a living one stay, dead.
local function sweep_tail(q, list, dead)
	local n = 0
	while dead[#dead - n] do n = n + 1 end
	if n == 0 then return 0 end
	call('RPOP', q.B .. ':list:' .. list, n)
	call('DECRBY', q.B .. ':ready', n)
	for i = #dead - n + 1, #dead do stray_gone(q, dead[i]) end
	return n
end

-- Looks at up to most records of a list, from its tail towards its head in as many calls as it takes. Places are
-- counted from the tail: what is leased or given back meanwhile moves none of them, and what is appended is looked at
-- twice, which does no harm. While it lasts the list's expiry is that of what came since the beginning.
local function sweep_list(q, list, most, offset, earliest)
	local key, expiry, expired, dead = q.B .. ':list:' .. list, q.B .. ':expiry', 0, {}
	if offset == 0 then call('ZADD', expiry, 'XX', 'inf', list) end
	local records = call('LRANGE', key, -offset - most, -offset - 1)
	for i, bytes in ipairs(records) do
		dead[i] = false
		if record_expires(bytes) > turn_ms(q) then
			earliest = min(earliest, record_expires(bytes))
		else
			local record = record_read(bytes, list)
			local job, ends = job_get(q, record.tenant, record.job), match.ends(q, record)
			dead[i] = ends <= turn_ms(q) and record
			if not dead[i] then
				earliest = min(earliest, ends)
			elseif record_is_of(job, record) and record_expire(q, job, record, 'queued') then
				job.strays, expired = job.strays + 1, expired + 1
			end
		end
	end
	local gone = offset == 0 and sweep_tail(q, list, dead) or 0
	if #records == most and call('EXISTS', key) == 1 then
		call('HSET', q.B .. ':sweep', 'list', list, 'offset', offset + most - gone, 'earliest', earliest)
		return expired, #records
	end
	call('DEL', q.B .. ':sweep')
	call('ZADD', expiry, 'XX', 'LT', earliest, list)
	if call('EXISTS', key) == 0 then lists_forget(q, { list }) end
	return expired, #records
end

local function sweep(B, args)
	local q, most = turn_begin(B), min(tonumber(args[1]), BATCH_MAX)
	local _, expired = due_take(q, most)
	local looked, lists = 0, 0
	while looked < most do
		local list, offset, earliest = unpack(call('HMGET', B .. ':sweep', 'list', 'offset', 'earliest'))
		list = list or call('ZRANGEBYSCORE', B .. ':expiry', '-inf', turn_ms(q), 'LIMIT', 0, 1)[1]
		if not list then break end
		local ended, n = 0, 1
		if sub(list, 1, 2) == 'h:' then
			ended = sweep_held(q, list)
		else
			ended, n = sweep_list(q, list, most - looked, tonumber(offset or 0), tonumber(earliest or huge))
		end
		expired, looked, lists = expired + ended, looked + max(n, 1), lists + 1
	end
	suppression.sweep(q, most)
	turn_end(q)
	return { expired, lists }
end

-- Instances: one holds the shard at a time, under an epoch that no other ever had.

local function register(B, args)
	local instance, sure = args[1], args[2] == '1'
	local holder, epoch, beat = unpack(call('HMGET', B .. ':holder', 'instance', 'epoch', 'beat'))
	if holder and (holder ~= instance or not sure) then return { 'WAIT', holder, epoch .. ':' .. beat } end
	epoch = call('INCR', B .. ':epoch')
	local reply, instances = { 'OK', epoch }, call('HGETALL', B .. ':instances')
	for i = 1, #instances, 2 do
		local open = B .. ':open:' .. instances[i]
		if call('HLEN', open) > call('HEXISTS', open, '') then
			reply[#reply + 1], reply[#reply + 2] = instances[i + 1], instances[i]
		else
			call('HDEL', B .. ':instances', instances[i])
			call('DEL', open)
		end
	end
	call('HSET', B .. ':instances', epoch, instance)
	call('HSET', B .. ':open:' .. epoch, '', rep('\0', TABLE_VALUE))
	call('HSET', B .. ':holder', 'instance', instance, 'epoch', epoch)
	call('HINCRBY', B .. ':holder', 'beat', 1)
	return reply
end

local function beat(B, args)
	local wrong = fenced(B, args[1], args[2])
	if wrong then return fail(wrong) end
	local seen = args[2] .. ':' .. call('HINCRBY', B .. ':holder', 'beat', 1)
	return { 'OK', tonumber(call('GET', B .. ':control:generation') or 0), seen }
end

-- From now on until this record has expired, leasing looks for records that must be alone.
local function alone_note(q, record)
	local key, seconds = q.B .. ':alone', ALONE_S_MAX
	if record.expires < huge then seconds = max(1, floor((record.expires - turn_ms(q)) / 1000)) end
	if call('TTL', key) < seconds then call('SET', key, '1', 'EX', ('%.0f'):format(seconds)) end
end

-- The record's dialogue was under way when its engine died: what that makes of it.
local function reap_begun(q, job, record, push, policy)
	local first = record.first > 0 and record.first or max(floor((turn_ms(q) - record.queued) / 1000) + 1, 1)
	local recoveries, attempt = min(record.recoveries + 1, 255), min(record.attempt + 1, 65535)
	local bytes = write('<BBH', byte(record.bytes), recoveries, attempt) .. sub(record.bytes, 5, 28) ..
		write('<I', first) .. sub(record.bytes, 33)
	record = record_read(bytes, record.list)
	record_event(q, job, record, 'uncertain',
		',"stage":"eom","origin":"local","scope":"connection","category":"undetermined"')
	if policy == 'assume-delivered' then
		call('SETBIT', job.bits, record.index, 1)
		job_count(job, 'queued', -1)
		job_count(job, 'delivered', 1)
		record_event(q, job, record, 'delivered', ',"stage":"eom","origin":"assumed"')
	elseif policy == 'hold' or record.recoveries >= HELD_AT then
		held_add(q, job, record.index, record.list, bytes)
		job_count(job, 'queued', -1)
		record_event(q, job, record, 'held',
			',"stage":"queue","origin":"local","category":"undetermined","rule":"' ..
			(record.recoveries >= HELD_AT and 'poison' or 'uncertain') .. '"')
	else
		push_add(push, record.list, bytes, record.expires)
		if record.recoveries >= ALONE_AT then alone_note(q, record) end
	end
end

-- Gives back what is open in a lease, from its end, at most `most` records; how many.
local function reap_lease(q, epoch, lease, push, most, policy, is_begun)
	local lists, records = lease_read(q, epoch, lease.name)
	local done = 0
	for position = #records - 1, 0, -1 do
		if done == most then break end
		if lease_close(lease, ('%d'):format(position)) then
			done = done + 1
			local record = record_read(records[position + 1], lists[position + 1])
			local job = record_is_alive(q, record) and job_get(q, record.tenant, record.job)
			if not job then
				stray_gone(q, record)
			elseif is_begun(lease.name, position) then
				reap_begun(q, job, record, push, policy)
			else
				push_add(push, record.list, record.bytes, record.expires)
			end
		end
	end
	return done
end

-- Fences an engine unless it has beaten since it was seen. Why not, or nil.
local function reap_fence(B, instance, seen)
	local epoch, beat_seen = seen:match('^(%d+):?(%d*)$')
	local holder, current, last = unpack(call('HMGET', B .. ':holder', 'instance', 'epoch', 'beat'))
	if not epoch then return 'SHAPE expected an epoch, or what register gave as seen; found ' .. quote(seen) end
	if holder ~= instance or current ~= epoch then return nil, epoch end
	if beat_seen ~= last then
		return 'ALIVE engine ' .. instance .. ' holds ' .. B .. ' under epoch ' .. epoch ..
			' and its beat is ' .. last .. '; it must be seen unchanged for 15 s first'
	end
	call('HDEL', B .. ':holder', 'instance', 'epoch')
	return nil, epoch
end

-- Leases of an epoch, the newest first, their bits as bytes; and how many positions are open in all.
local function reap_leases(B, epoch)
	local leases, found, open = {}, call('HGETALL', B .. ':open:' .. epoch), 0
	for i = 1, #found, 2 do
		leases[#leases + 1] = { name = found[i], bytes = { byte(found[i + 1], 1, -1) } }
		for _, bits in ipairs(leases[#leases].bytes) do
			while bits > 0 do
				open, bits = open + bits % 2, floor(bits / 2)
			end
		end
	end
	sort(leases, function(a, b) return #a.name > #b.name or #a.name == #b.name and a.name > b.name end)
	return leases, open
end

-- Newest lease first and last position first: pushed to the heads of the lists in this order they are in the old one.
local function reap(B, args)
	local q, instance, policy, begun = turn_begin(B), args[1], args[4], args[5]
	local most = min(tonumber(args[3]), REAP_MAX)
	local wrong, epoch = reap_fence(B, instance, args[2])
	if wrong then return fail(wrong) end
	if call('HGET', B .. ':instances', epoch) ~= instance then return { 0, 0 } end
	local leases, left = reap_leases(B, epoch)
	local push, under_way, touched, done = push_begin(), {}, {}, 0
	for word in begun:gmatch('[^,]+') do under_way[word] = true end
	local function is_begun(lease, position)
		return begun == 'all' or under_way[lease .. ':' .. position]
	end
	for _, lease in ipairs(leases) do
		if done == most then break end
		done = done + reap_lease(q, epoch, lease, push, most - done, policy, is_begun)
		touched[lease.name] = lease
	end
	push_write(q, push, 'LPUSH')
	leases_write(q, epoch, touched)
	turn_end(q)
	if left == done then
		call('HDEL', B .. ':instances', epoch)
		call('DEL', B .. ':open:' .. epoch)
	end
	return { done, left - done }
end
