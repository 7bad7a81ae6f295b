-- Taking jobs in.

local function submit(stream, args)
	local job, raw = args[1] or '', args[2]
	if #job > SUBMIT_JOB_MAX then
		return fail('TOOBIG job has ' .. #job .. ' bytes, at most ' .. SUBMIT_JOB_MAX .. ' are taken')
	elseif raw and #raw > SUBMIT_RAW_MAX then
		return fail('TOOBIG raw has ' .. #raw .. ' bytes, at most ' .. SUBMIT_RAW_MAX .. ' are taken')
	elseif not find(job, '^[ \t\r\n]*{') or #args > 2 then
		return fail('SHAPE expected JOB [RAW], JOB a JSON object, found ' .. #args ..
			' arguments, the first beginning ' .. quote(sub(job, 1, 20)))
	end
	local entries = call('XLEN', stream)
	if entries >= SUBMIT_ENTRIES_MAX then
		return fail('FULL retry_ms=1000 ' .. entries .. ' jobs wait in ' .. stream ..
			' already; submit again later')
	end
	if raw then return call('XADD', stream, '*', 'job', job, 'raw', raw) end
	return call('XADD', stream, '*', 'job', job)
end

local function begin(B, args)
	local q, tenant, id, entry, hash = turn_begin(B), args[1], args[2], args[3], args[4]
	local name = tenant .. ':' .. id
	local key = B .. ':job:' .. name
	local first, first_hash, accept, cursor, total, again =
		unpack(call('HMGET', key, 'entry', 'hash', 'accept', 'cursor', 'total', 'again'))
	if first == entry then return { 'RESUME', tonumber(accept), tonumber(cursor) } end
	if first and first_hash ~= hash then return { 'CONFLICT', first, first_hash } end
	if first then
		if again ~= entry then
			event_add(q, 'duplicate', id, '', args[7])
			call('HSET', key, 'again', entry)
		end
		return { 'DUP', tonumber(accept), tonumber(total) }
	end
	accept = call('INCR', B .. ':accept')
	call('DEL', B .. ':bits:' .. name, B .. ':waits:' .. name)
	call('HSET', key, 'entry', entry, 'hash', hash, 'total', args[5], 'cursor', 0, 'accept', accept,
		'created', turn_ms(q), 'meta', args[8], 'common', args[9] or '', 'tags', args[10] or '', 'queued', 0,
		'deferred', 0, 'held', 0, 'delivered', 0, 'failed', 0, 'expired', 0, 'cancelled', 0, 'suppressed', 0,
		'rejected', 0)
	call('ZADD', B .. ':jobs', turn_ms(q), name)
	call('SADD', B .. ':dirty', name)
	event_add(q, 'accepted', id, '', args[6])
	if tonumber(args[5]) == 0 then
		job_get(q, tenant, id)
		turn_end(q)
	end
	return { 'NEW', accept, 0 }
end

-- Sorts the items into what is to be pushed, what waits by time, and what is final already; or says what is wrong.
local function expand_sort(args, plan)
	local push, waiting, finals, expires, text = plan.push, plan.waiting, plan.finals, nil, nil
	for at = 5, #args, 5 do
		local kind, list, delay, record = args[at], args[at + 1], args[at + 2], args[at + 4]
		if kind == 'q' and #record >= RECORD_FRONT and byte(record, 8) <= INDEX_HIGH_MAX then
			if delay == '0' then
				if text ~= args[at + 3] then
					text, expires = args[at + 3], record_expires(record)
				end
				push_add(push, list, record, expires)
			else
				waiting[#waiting + 1] = { list, tonumber(delay), record_read(record, list) }
			end
		elseif FINAL[kind] and find(delay, '^%d+$') and #delay <= INDEX_DIGITS_MAX then
			finals[#finals + 1] = at
		else
			return 'SHAPE item ' .. (at - 5) / 5 ..
				': expected q with a record, or a final type with an index; found ' .. kind .. ' with ' .. quote(delay)
		end
	end
	return nil
end

-- Items that wait by time from the start.
local function expand_defer(q, job, waiting)
	if #waiting == 0 then return end
	local members, indexes = {}, {}
	for i, item in ipairs(waiting) do
		local list, delay, record = unpack(item)
		members[2 * i - 1] = ('%.0f'):format(min(turn_ms(q) + delay, record.expires))
		members[2 * i] = list .. '\0' .. record.bytes
		indexes[i] = record.index
	end
	call('ZADD', q.B .. ':deferred', unpack(members))
	bits_set(job.waits, indexes)
	job_count(job, 'deferred', #waiting)
end

local function expand_finals(q, job, finals, args)
	if #finals == 0 then return end
	local indexes = {}
	for i, at in ipairs(finals) do
		local kind = args[at]
		indexes[i] = args[at + 2]
		job_count(job, kind, 1)
		event_add(q, kind, job.id, args[at + 1], args[at + 4])
	end
	bits_set(job.bits, indexes)
end

local function expand(B, args)
	local q, from, to = turn_begin(B), tonumber(args[3]), tonumber(args[4])
	local job = job_get(q, args[1], args[2])
	if not job then
		return fail('NOJOB ' .. args[1] .. ':' .. args[2] .. ' has not begun, or was finished long ago')
	end
	job_rest(job)
	local cursor, total = tonumber(job.cursor), tonumber(job.total)
	if from ~= cursor or from == to then return cursor end
	if to < from or to > total or to - from > EXPAND_MAX or #args ~= 4 + 5 * (to - from) then
		return fail('SHAPE expected items ' .. from .. ' to ' .. to .. ' of ' .. total ..
			', five arguments each, at most ' .. EXPAND_MAX .. ' items; found ' .. #args - 4 ..
			' arguments')
	end
	local plan = { push = push_begin(), waiting = {}, finals = {} }
	local wrong = expand_sort(args, plan)
	if wrong then return fail(wrong) end
	push_write(q, plan.push, 'RPUSH')
	expand_defer(q, job, plan.waiting)
	expand_finals(q, job, plan.finals, args)
	job_count(job, 'queued', to - from - #plan.waiting - #plan.finals)
	job.cursor = ('%.0f'):format(to)
	turn_end(q)
	return to
end

