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
	call('HSET', key, 'entry', entry, 'hash', hash, 'total', args[5], 'cursor', '0', 'accept', format('%d', accept),
		'created', turn_text(q), 'meta', args[8], 'common', args[9] or '', 'tags', args[10] or '')
	call('ZADD', B .. ':jobs', turn_text(q), name)
	call('SADD', B .. ':dirty', name)
	event_add(q, 'accepted', id, '', args[6])
	if tonumber(args[5]) == 0 then
		job_get(q, tenant, id)
		turn_end(q)
	end
	return { 'NEW', accept, 0 }
end

-- Sorts n items into what is to be pushed, what waits by time, and what is final already; or says what is wrong.
local function expand_sort(args, n, plan)
	local push, waiting, finals, at, last = plan.push, plan.waiting, plan.finals, 5, #args
	local list, delay, records, expires, text, wrong = nil, nil, nil, nil, nil, nil
	while at <= last and not wrong do
		local kind, record = args[at], args[at + 1]
		n = n - 1
		if kind == '+' then
			record = list and record
			at = at + 2
		else
			list, delay, record = record, args[at + 2], args[at + 4]
			at = at + 5
		end
		if not record or n < 0 then
			wrong = true
		elseif FINAL[kind] then
			wrong = not find(delay, '^%d+$') or #delay > INDEX_DIGITS_MAX
			finals[#finals + 1], list = at - 5, nil
		elseif kind ~= 'q' and kind ~= '+' or #record < RECORD_FRONT or byte(record, 8) > INDEX_HIGH_MAX then
			wrong = true
		elseif delay ~= '0' then
			waiting[#waiting + 1] = { list, tonumber(delay), record_read(record, list) }
		elseif kind == '+' then
			records[#records + 1] = record
		else
			if text ~= args[at - 2] then
				text, expires = args[at - 2], record_expires(record)
			end
			records = push_add(push, list, record, expires)
		end
	end
	return wrong and 'the one that ends before argument ' .. at or n ~= 0 and n .. ' too few'
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
	local job = job_get(q, args[1], args[2], job_rest)
	if not job then
		return fail('NOJOB ' .. args[1] .. ':' .. args[2] .. ' has not begun, or was finished long ago')
	end
	local cursor, total = tonumber(job.cursor), tonumber(job.total)
	if from ~= cursor or from == to then return cursor end
	if to < from or to > total or to - from > EXPAND_MAX then
		return fail('SHAPE expected at most ' .. EXPAND_MAX .. ' items of ' .. total .. '; found ' .. from .. ' to ' .. to)
	end
	local plan = { push = push_begin(), waiting = {}, finals = {} }
	local wrong = expand_sort(args, to - from, plan)
	if wrong then
		return fail('SHAPE expected ' .. to - from .. ' items, each q and four arguments, + and a record after such a ' ..
			'one, or a final type with an index and three more; found amiss: ' .. wrong)
	end
	push_write(q, plan.push, 'RPUSH')
	expand_defer(q, job, plan.waiting)
	expand_finals(q, job, plan.finals, args)
	job_count(job, 'queued', to - from - #plan.waiting - #plan.finals)
	job.cursor = ('%.0f'):format(to)
	turn_end(q)
	return to
end

