-- Leasing.

-- Each index is told from a place of its own, so that transactional mail need not wait for what came before it.
local function changed(B, args)
	local reply, from = { 0, 0 }, { [':index'] = args[1], [':index:now'] = args[2] }
	for _, index in ipairs({ ':index:now', ':index' }) do
		local told = call('ZRANGEBYSCORE', B .. index, '(' .. from[index], '+inf', 'WITHSCORES', 'LIMIT', 0, args[3])
		from[index] = told[#told] or from[index]
		for at = 1, #told, 2 do reply[#reply + 1] = told[at] end
	end
	reply[1], reply[2] = tonumber(from[':index']), tonumber(from[':index:now'])
	return reply
end

local function fenced(B, instance, epoch)
	local holder, current = unpack(call('HMGET', B .. ':holder', 'instance', 'epoch'))
	if holder == instance and current == epoch then return nil end
	return 'FENCED ' .. (holder and 'engine ' .. holder .. ' holds ' .. B .. ' under epoch ' .. current or
		'nobody holds ' .. B) .. ', not ' .. instance .. ' under epoch ' .. epoch .. '; register again'
end

-- The bitmap of open positions as bytes that can be changed.
local function is_open(bytes, position)
	local low = position % 8
	local bits, mask = bytes[(position - low) / 8 + 1], MASK[low]
	return bits and bits % (mask + mask) >= mask
end

-- What lies in a lease: for each position its list and its record.
local function lease_read(q, epoch, lease)
	local lists, records, list = {}, {}, nil
	for _, element in ipairs(call('LRANGE', q.B .. ':lease:' .. epoch .. ':' .. lease, 0, -1)) do
		if byte(element) == RECORD_VERSION then
			records[#records + 1], lists[#lists + 1] = element, list
		else
			list = element
		end
	end
	return lists, records
end

local function list_length(q, list)
	return call('LLEN', q.B .. ':list:' .. list)
end

-- The records of that lease that are not settled, list by list; all as they were given before.
local function lease_again(q, args, bits)
	local bytes, reply, told, head = { byte(bits, 1, -1) }, {}, {}, 0
	local lists, records = lease_read(q, args[2], args[3])
	for i, record in ipairs(records) do
		if lists[i] ~= lists[i - 1] then
			head, told[lists[i]] = #reply, true
			reply[head + 1], reply[head + 2], reply[head + 3] = lists[i], list_length(q, lists[i]), 0
		end
		if is_open(bytes, i - 1) then
			reply[#reply + 1], reply[#reply + 2], reply[head + 3] = i - 1, record, reply[head + 3] + 1
		end
	end
	for at = 4, #args, 2 do
		if not told[args[at]] then
			head = #reply
			reply[head + 1], reply[head + 2], reply[head + 3] = args[at], list_length(q, args[at]), 0
		end
	end
	return reply
end

-- Without the dead ones, and those whose job is paused.
local function lease_living(q, records, list)
	local living = {}
	for _, bytes in ipairs(records) do
		local record = record_read(bytes, list)
		if not record_is_alive(q, record) then
			stray_gone(q, record)
		elseif not match.parks(q, record) then
			living[#living + 1] = bytes
		end
	end
	return living
end

-- A record that two crashes had in their hands is leased alone: what cannot go with the others, back to the head.
local function lease_alone(s, key, records)
	local keep = #records
	for i = #records, 1, -1 do
		if byte(records[i], 2) >= ALONE_AT then
			keep, s.is_full = s.position == 0 and i == 1 and 1 or i - 1, true
		end
	end
	for i = #records, keep + 1, -1 do
		call('LPUSH', key, records[i])
		records[i], s.popped = nil, s.popped - 1
	end
end

-- What is taken from one list goes into s: to the reply, and to the lease. text is the number wanted.
local function lease_take(s, list, text)
	local source, reply, kept, r, k, position = s.prefix .. list, s.reply, s.kept, s.r, s.k, s.position
	local want, room = POSITION[text] or tonumber(text), s.is_full and 0 or LEASE_RECORDS_MAX - position
	if want > room then want, text = room, room end
	local records = want > 0 and call('LPOP', source, text) or {}
	local is_all = #records < want
	s.popped = s.popped + #records
	if s.suppresses and want > 0 then
		records = suppression.take(s, records, list)
	end
	if s.is_careful and want > 0 then
		records, is_all = lease_living(s, records, list), false
		lease_alone(s, source, records)
	end
	local remaining, got = is_all and 0 or call('LLEN', source), #records
	if want > 0 and remaining == 0 then s.empty[#s.empty + 1] = list end
	reply[r + 1], reply[r + 2], reply[r + 3], r = list, remaining, got, r + 3
	if got > 0 then kept[k + 1], k = list, k + 1 end
	for i = 1, got do
		local record = records[i]
		reply[r + 1], reply[r + 2], kept[k + i], r, position = position, record, record, r + 2, position + 1
	end
	s.r, s.k, s.position = r, k + got, position
end

local function lease(B, args)
	local s, epoch, number = turn_begin(B), args[2], args[3]
	local wrong = fenced(B, args[1], epoch)
	if wrong then return fail(wrong) end
	local open, key = B .. ':open:' .. epoch, B .. ':lease:' .. epoch .. ':' .. number
	local before = call('HGET', open, number)
	if before then return lease_again(s, args, before) end
	s.prefix, s.reply, s.kept, s.empty, s.r, s.k, s.position, s.popped = B .. ':list:', {}, {}, {}, 0, 0, 0, 0
	s.is_full, s.is_careful = call('EXISTS', key) == 1, call('EXISTS', B .. ':strays', B .. ':alone', B .. ':picky') > 0
	s.suppresses = call('EXISTS', B .. ':suppressed') == 1
	for at = 4, min(#args, 2 + 2 * LEASE_LISTS_MAX), 2 do
		lease_take(s, args[at], args[at + 1])
	end
	lists_forget(s, s.empty)
	if s.popped > 0 then call('DECRBY', B .. ':ready', format('%d', s.popped)) end
	if s.position > 0 then
		local odd = s.position % 8
		call('RPUSH', key, unpack(s.kept))
		call('HSET', open, number,
			rep('\255', (s.position - odd) / 8) .. (odd > 0 and char(MASK[odd] - 1) or ''))
	end
	turn_end(s)
	return s.reply
end

-- Settling. s is a turn with the leases that the arguments name, and for each item where it begins, its job, its lease
-- and what its head says. This is where Redis spends most on a recipient, and most of that on making strings of
-- arguments, on XADD and on BITFIELD.

-- What is wrong with this item, or nil.
local function item_wrong(args, at, job, verb, type)
	local length, index = ITEM[verb], args[at + 1]
	if job == nil then
		return 'SHAPE expected j, a tenant and a job before the items of that job'
	elseif not length or at + length > #args + 1 then
		return 'SHAPE expected four arguments for verb f, seven for l, h and b, two more for a capital letter; ' ..
			'found head ' .. quote(args[at]) .. ' and ' .. #args - at + 1 .. ' arguments'
	elseif ITEM_FINAL[verb] and not FINAL[TYPE[type]] then
		return 'SHAPE expected the letter of a final type for verb f; found ' .. quote(args[at])
	elseif not TYPE[type] or (verb == HOLD or verb == HOLD - CAPITAL) and TYPE[type] == '' then
		return 'SHAPE expected the letter of an event, and for verb h not -; found ' .. quote(args[at])
	elseif not ITEM_FINAL[verb] and #args[at + 6] < RECORD_FRONT and not (BACK[verb] and args[at + 6] == '') then
		return 'SHAPE expected a record; found ' .. #args[at + 6] .. ' bytes'
	elseif #args[at] < 4 or #index > INDEX_DIGITS_MAX or not find(index, '^%d+$') then
		return 'SHAPE expected a head, and the index of a recipient; found ' .. quote(args[at]) .. ' ' .. quote(index)
	end
	return nil
end

-- The job of the items that follow: what its bits are asked and told is gathered for one command. False if there is none.
local function settle_job(s, tenant, id)
	local job = job_get(s, tenant, id)
	if job and not job.ops then
		job.ops, job.nops, job.next = {}, 0, 0
		s.settled[#s.settled + 1] = job
	end
	return job or false
end

-- The lease of that name, with what is still open in it once all are known.
local function settle_lease(s, name)
	local lease = { name = name }
	s.leases[name], s.names[#s.names + 1] = lease, name
	return lease
end

-- Goes through the items once: where each begins, its job, its bit, its lease. Writes nothing.
local function settle_plan(s, args)
	local starts, verbs, types, positions, jobs, of, indexes = s.starts, s.verbs, s.types, s.positions, s.jobs_of, s.of, {}
	local leases, n, at, last, job = s.leases, 0, 3, #args, nil
	while at <= last do
		local verb, type, position, more = byte(args[at], 1, 4)
		if verb == JOB and at + 2 <= last then
			job, at = settle_job(s, args[at + 1], args[at + 2]), at + 3
		else
			local index, wrong = args[at + 1], nil
			if verb ~= FINISH or not more or not FINAL[TYPE[type]] or at + 3 > last or #index == 0 or
				#index > INDEX_DIGITS_MAX or job == nil then
				wrong = item_wrong(args, at, job, verb, type)
			end
			if wrong or n == BATCH_MAX then
				return wrong or 'SHAPE expected at most ' .. BATCH_MAX .. ' items; found ' .. last - 2 .. ' arguments'
			end
			n = n + 1
			starts[n], verbs[n], types[n], positions[n], jobs[n], indexes[n] = at, verb, type, position, job, index
			if job then
				local ops, o = job.ops, job.nops
				if ITEM_FINAL[verb] then
					ops[o + 1], ops[o + 2], ops[o + 3], ops[o + 4] = 'SET', 'u1', index, '1'
					job.nops = o + 4
				else
					ops[o + 1], ops[o + 2], ops[o + 3], job.nops = 'GET', 'u1', index, o + 3
				end
			end
			local lease = sub(args[at], 4)
			of[n] = leases[lease] or settle_lease(s, lease)
			at = at + ITEM[verb]
		end
	end
	if not find(concat(indexes), '^%d*$') then
		return 'SHAPE expected indexes of recipients; found ' .. concat(indexes, ' ')
	end
	if n == 0 then return nil end
	for i, bits in ipairs(call('HMGET', s.B .. ':open:' .. args[2], unpack(s.names))) do
		leases[s.names[i]].bytes = bits and { byte(bits, 1, -1) }
	end
	return nil
end

-- Takes a position out of its lease; false if it is not in there any more.
local function lease_close(lease, position)
	local low, bytes = position % 8, lease.bytes
	local i, mask = (position - low) / 8 + 1, MASK[low]
	local bits = bytes and bytes[i]
	if not bits or bits % (mask + mask) < mask then return false end
	bytes[i], lease.changed = bits - mask, true
	return true
end

local function settle_final(s, args, n, job, was)
	local at, is_here = s.starts[n], lease_close(s.of[n], s.positions[n])
	if not job then return 'A' end
	if was == 1 then
		if is_here then job.strays = job.strays - 1 end
		return 'A'
	end
	local change, place = job.change, is_here and 'queued' or place_leave(s, job, args[at + 1])
	local type, id, to = TYPE[s.types[n]], job.id, args[at + 2]
	change[place], change[type] = (change[place] or 0) - 1, (change[type] or 0) + 1
	if s.verbs[n] ~= FINISH then event_add(s, args[at + 4], id, to, args[at + 5]) end
	call('XADD', s.events, '*', 'type', type, 'job', id, 'to', to, 'data', args[at + 3])
	return 'O'
end

-- The record as it was leased.
local function lease_record(s, args, lease, position)
	if not lease.records then
		local _, records = lease_read(s, args[2], lease.name)
		lease.records = records
	end
	return lease.records[position + 1]
end

-- later, back and hold: only for who holds the shard, and while the position is open.
local function settle_other(s, args, n, job, was)
	local at, verb, type, lease, position = s.starts[n], s.verbs[n], TYPE[s.types[n]], s.of[n], s.positions[n]
	if s.fenced == nil then s.fenced = fenced(s.B, args[1], args[2]) or false end
	if s.fenced then return 'S' end
	if not lease_close(lease, position) or not job then return 'A' end
	if was == 1 then
		job.strays = job.strays - 1
		return 'A'
	end
	local index, delay, list, record = args[at + 1], args[at + 4], args[at + 5], args[at + 6]
	if BACK[verb] then
		record = record ~= '' and record or lease_record(s, args, lease, position)
		s.back = s.back or push_begin()
		push_add(s.back, list, record, record_expires(record))
	elseif verb == LATER or verb == LATER - CAPITAL then
		local due = min(turn_ms(s) + tonumber(delay), record_expires(record))
		call('ZADD', s.B .. ':deferred', due, list .. '\0' .. record)
		call('SETBIT', job.waits, index, 1)
		job_count(job, 'queued', -1)
		job_count(job, 'deferred', 1)
	else
		held_add(s, job, index, list, record)
		job_count(job, 'queued', -1)
	end
	if ITEM[verb] == ITEM_BEFORE then event_add(s, args[at + 7], job.id, args[at + 2], args[at + 8]) end
	if type ~= '' then event_add(s, type, job.id, args[at + 2], args[at + 3]) end
	return 'O'
end

-- Writes down what is still open; of a lease that is over, its number.
local function leases_write(q, epoch, leases)
	local open, set, over = q.B .. ':open:' .. epoch, {}, {}
	for name, lease in pairs(leases) do
		local bits = lease.changed and char(unpack(lease.bytes))
		if bits and bits ~= CLOSED[#bits] then
			set[#set + 1], set[#set + 2] = name, bits
		elseif bits then
			over[#over + 1] = name
			call('SET', q.B .. ':lease:' .. epoch .. ':' .. name, 'over', 'EX', LEASE_OVER_S)
		end
	end
	if #set > 0 then call('HSET', open, unpack(set)) end
	if #over > 0 then call('HDEL', open, unpack(over)) end
end

-- LPUSH turns the order round, so it is given them the other way round.
local function back_write(q, back)
	for i = 1, back.n do
		local records = back.records[i]
		local last = #records + 1
		for j = 1, floor(#records / 2) do
			records[j], records[last - j] = records[last - j], records[j]
		end
	end
	push_write(q, back, 'LPUSH')
end

local function settle(B, args)
	local s, reply = turn_begin(B), {}
	s.starts, s.verbs, s.types, s.positions, s.jobs_of, s.of, s.leases, s.names = {}, {}, {}, {}, {}, {}, {}, {}
	s.settled = {}
	local wrong = settle_plan(s, args)
	if wrong then return fail(wrong) end
	for _, job in ipairs(s.settled) do
		job.old = job.nops > 0 and call('BITFIELD', job.bits, unpack(job.ops))
	end
	local verbs, jobs = s.verbs, s.jobs_of
	for n = 1, #verbs do
		local job, was = jobs[n], nil
		if job then
			local bit = job.next + 1
			job.next, was = bit, job.old[bit]
		end
		reply[n] = (ITEM_FINAL[verbs[n]] and settle_final or settle_other)(s, args, n, job, was)
	end
	leases_write(s, args[2], s.leases)
	if s.back then back_write(s, s.back) end
	turn_end(s)
	return concat(reply)
end
