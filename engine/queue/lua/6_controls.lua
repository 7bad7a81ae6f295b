-- Controls: pause, resume, cancel, retry. An order is written down in B:controls and holds from then on, because
-- engines read it before they send; what it means for the mail that waits is done in batches, by whoever calls
-- hikyaku_control_step.
do

local DONE_S, GRACE_S = 7 * 86400, 90 * 86400 -- how long a cancel and a grace are remembered
local HEARD_S = 10                             -- how long a retry is
local CONTROLS_MAX = 2000

local function control_event(q, order, more)
	local data = { '{"v":1,"event":"' .. turn_name(q) .. '","time":' .. ('%.0f'):format(turn_ms(q)),
		',"do":' .. quote(order.what) }
	if order.match then data[#data + 1] = ',"match":' .. order.match end
	for _, name in ipairs({ 'by', 'ref' }) do
		if order[name] and order[name] ~= '' then data[#data + 1] = ',"' .. name .. '":' .. quote(order[name]) end
	end
	data = concat(data) .. more .. '}'
	event_add(q, 'control', '', '', data)
	if order.ref and order.ref ~= '' then call('HSET', q.B .. ':answers', order.ref, data) end
end

local function control_count(q, order, count)
	control_event(q, order, ',"count":' .. ('%.0f'):format(count))
end

-- Engines and the next step will see it.
local function control_changed(q)
	return call('INCR', q.B .. ':control:generation')
end

local function control_keep(q, id, order)
	call('HSET', q.B .. ':controls', id, cjson.encode(order))
end

local function control_get(q, id)
	local text = call('HGET', q.B .. ':controls', id)
	return text and cjson.decode(text)
end

local function control_keys(order)
	return cjson.decode(order.match)
end

-- Its mail is to be gone through.
local function control_work(q, id, order, steps)
	order.steps, order.cursor, order.count = steps, '0', 0
	control_keep(q, id, order)
	call('RPUSH', q.B .. ':control:work', id)
end

local function control_ends(q, id, ms)
	call('ZADD', q.B .. ':control:ends', ms, id)
end

-- Room for one more: of the cancels that are done, the one that would be forgotten first. False if there is none.
local function control_room(q)
	if call('HLEN', q.B .. ':controls') < CONTROLS_MAX then return true end
	for _, id in ipairs(call('ZRANGE', q.B .. ':control:ends', 0, 99)) do
		local order = control_get(q, id)
		if order and order.what == 'cancel' and #order.steps == 0 then
			call('HDEL', q.B .. ':controls', id)
			call('ZREM', q.B .. ':control:ends', id)
			return true
		end
	end
	return false
end

local function control_forget(q, id)
	call('HDEL', q.B .. ':controls', id)
	call('ZREM', q.B .. ':control:ends', id)
	call('SREM', q.B .. ':picky', id)
end

local function grace_text(order, until_ms)
	return cjson.encode({ what = 'grace', match = order.match, since = order.since, until_ms = until_ms })
end

-- The pause holds no longer: what it says of expiry is kept, and what waits for its job comes back.
local function pause_end(q, id, order)
	local keys = control_keys(order)
	control_forget(q, id)
	if order.hold then
		call('HSET', q.B .. ':graces', id, grace_text(order, turn_ms(q)))
		control_ends(q, id, turn_ms(q) + GRACE_S * 1000)
	end
	if keys.job then
		local back = control_changed(q)
		control_work(q, back, { what = 'unpark', match = order.match }, { 'deferred' })
	end
end

local function run_pause(q, id, order)
	for _, other in ipairs(call('HKEYS', q.B .. ':controls')) do
		local old = control_get(q, other)
		if old.what == 'pause' and old.match == order.match then
			if old.hold then pause_end(q, other, old) else control_forget(q, other) end
		end
	end
	order.since, order.until_ms = turn_ms(q), order.for_ms > 0 and turn_ms(q) + order.for_ms or 0
	control_keep(q, id, order)
	if order.until_ms > 0 then control_ends(q, id, order.until_ms) end
	if control_keys(order).job then call('SADD', q.B .. ':picky', id) end
	if order.hold then
		call('HSET', q.B .. ':graces', id, grace_text(order, 0))
	end
	control_count(q, order, 1)
end

-- Is this pause among those that are meant: does it have each of these keys, with nothing that they do not fit?
local function is_meant(keys, pause)
	for key, globs in pairs(keys) do
		local paused = pause[key]
		if not paused then return false end
		for _, glob in ipairs(type(paused) == 'string' and { paused } or paused) do
			if not match.any(globs, glob) then return false end
		end
	end
	return true
end

local function run_resume(q, id, order)
	local keys, lifted = control_keys(order), 0
	for _, other in ipairs(call('HKEYS', q.B .. ':controls')) do
		local pause = control_get(q, other)
		if pause.what == 'pause' and is_meant(keys, control_keys(pause)) then
			pause_end(q, other, pause)
			lifted = lifted + 1
		end
	end
	control_count(q, order, lifted)
	return lifted
end

-- The places that the states of a match name, in the order in which they are gone through.
local function steps_of(order, places)
	local states, steps = control_keys(order).state, {}
	for _, place in ipairs(places) do
		if not states or match.any(states, place) then steps[#steps + 1] = place end
	end
	return steps
end

local function run_cancel(q, id, order)
	local steps = steps_of(order, PLACES)
	order.accept, order.since = tonumber(call('GET', q.B .. ':accept') or 0), turn_ms(q)
	order.upto = tonumber(call('GET', q.B .. ':seq') or 0)
	order.holds = steps[1] == 'queued' -- engines end what they have in hand, and what comes to them later
	if order.holds then steps = { 'list:index:now', 'list:index', 'hands', unpack(steps, 2) } end
	control_work(q, id, order, steps)
	control_ends(q, id, turn_ms(q) + DONE_S * 1000)
end

local function run_retry(q, id, order)
	order.since = turn_ms(q)
	control_work(q, id, order, steps_of(order, { 'deferred', 'held' }))
	control_ends(q, id, turn_ms(q) + DONE_S * 1000)
end

local RUNS = { pause = run_pause, resume = run_resume, cancel = run_cancel, retry = run_retry }

local function control(B, args)
	local q, entry, what = turn_begin(B), args[1], args[2]
	local run = RUNS[what]
	if not run or #args < 7 then
		return fail('SHAPE expected entry, pause, resume, cancel or retry, match, for_ms, by, ref, hold; found ' ..
			quote(what or ''))
	elseif entry ~= '' and call('GET', B .. ':control:last') == entry then
		return { 0, 0 }
	elseif what ~= 'resume' and not control_room(q) then
		return fail('FULL ' .. CONTROLS_MAX .. ' pauses and orders are in force; resume some, or wait')
	end
	if entry ~= '' then call('SET', B .. ':control:last', entry) end
	local id = control_changed(q)
	local lifted = run(q, id, { what = what, match = args[3], for_ms = tonumber(args[4]), by = args[5], ref = args[6],
		hold = args[7] == '1' or nil })
	turn_end(q)
	return { id, lifted or 1 }
end

-- For orders that are carried out elsewhere, or refused: the event and the answer.
local function control_answer(B, args)
	local q, entry = turn_begin(B), args[1]
	if entry ~= '' and call('GET', B .. ':control:last') == entry then return 0 end
	if entry ~= '' then call('SET', B .. ':control:last', entry) end
	control_event(q, { what = args[2], match = args[3] ~= '' and args[3] or nil, by = args[4], ref = args[5] }, args[6])
	return 1
end

-- Going through the mail. Each step looks at most at `most` records and returns how many it looked at.

-- Is it meant, but for what its list says?
local function is_meant_record(order, keys, record)
	if order.accept and record.accept > order.accept and record.queued >= order.since then return false end
	if keys.source and not match.any(keys.source, record_source(record)) then return false end
	return not keys.job or match.any(keys.job, record.job)
end

-- Final, unless it was before. place: where it is counted.
local function record_cancel(q, order, job, record, place)
	if call('SETBIT', job.bits, record.index, 1) == 1 then return false end
	job_count(job, place, -1)
	job_count(job, 'cancelled', 1)
	record_event(q, job, record, 'cancelled', ',"stage":"queue","origin":"local","reply":' ..
		quote('cancelled by ' .. (order.by ~= '' and order.by or 'an operator')))
	order.count = order.count + 1
	return true
end

-- Up to most records of a list, from its tail towards its head in as many calls as it takes (sweep_list says why). The
-- cancelled are taken out at once at the tail, and stay dead between living ones.
local function cancel_list(q, order, keys, list, most)
	local key, offset = q.B .. ':list:' .. list, order.offset or 0
	local records, living, gone = call('LRANGE', key, -offset - most, -offset - 1), {}, 0
	for i, bytes in ipairs(records) do
		local record = record_read(bytes, list)
		local job = is_meant_record(order, keys, record) and job_get(q, record.tenant, record.job)
		local is_dead = job and record_is_of(job, record) and record_cancel(q, order, job, record, 'queued')
		if is_dead and offset > 0 then job.strays = job.strays + 1 end
		if is_dead then gone = gone + 1 else living[#living + 1] = bytes end
	end
	if offset == 0 and gone > 0 then
		call('RPOP', key, #records)
		if #living > 0 then call('RPUSH', key, unpack(living)) end
		call('DECRBY', q.B .. ':ready', gone)
		if call('EXISTS', key) == 0 then lists_forget(q, { list }) end
	end
	order.offset = #records == most and offset + (offset == 0 and #living or #records) or nil
	return #records
end

-- Lists in the order of their sequence numbers, so that whatever comes and goes meanwhile, none is missed.
local function step_lists(q, order, keys, index, most)
	local looked = 0
	while looked < most do
		local found = order.list and { order.list, order.cursor } or call('ZRANGEBYSCORE', q.B .. ':' .. index,
			'(' .. order.cursor, order.upto, 'WITHSCORES', 'LIMIT', 0, 1)
		if not found[1] then return looked, true end
		order.list, order.cursor = found[1], found[2]
		if match.fits_list(q, keys, order.list) then
			looked = looked + max(cancel_list(q, order, keys, order.list, most - looked), 1)
		else
			looked = looked + 1
		end
		if not order.offset then order.list = nil end
	end
	return looked, false
end

-- Engines have it in force, and what they had in hand is cancelled: how many they ended, if this call says it.
local function step_hands(q, order, id, applied, counted)
	if applied < tonumber(id) or not counted then return 0, false, true end
	order.count = order.count + counted
	return 0, true
end

local function to_list(q, push, job, record, place)
	push_add(push, record.list, char(RECORD_VERSION) .. '\0' .. sub(record.bytes, 3), record.expires)
	job_count(job, place, -1)
	job_count(job, 'queued', 1)
end

-- One that waits by time. What another job of its name left is dead, and goes when it is due.
local function step_deferred_one(q, order, keys, push, member, score)
	local record = record_split(member)
	if order.what == 'unpark' and score < min(PARKED_MS, record.expires) then return end
	if not match.fits_list(q, keys, record.list) or not is_meant_record(order, keys, record) then return end
	local job = job_get(q, record.tenant, record.job)
	if not record_is_of(job, record) or call('GETBIT', job.waits, record.index) == 0 then return end
	call('ZREM', q.B .. ':deferred', member)
	call('SETBIT', job.waits, record.index, 0)
	if order.what == 'cancel' then
		record_cancel(q, order, job, record, 'deferred')
	else
		to_list(q, push, job, record, 'deferred')
		order.count = order.count + 1
	end
end

local function step_deferred(q, order, keys, most)
	local found, push = call('ZSCAN', q.B .. ':deferred', order.cursor, 'COUNT', most), push_begin()
	order.cursor = found[1]
	for i = 1, #found[2], 2 do
		step_deferred_one(q, order, keys, push, found[2][i], tonumber(found[2][i + 1]))
	end
	push_write(q, push, 'RPUSH')
	return max(#found[2] / 2, 1), order.cursor == '0'
end

local function step_held(q, order, keys, most)
	local found, push = call('HSCAN', q.B .. ':held', order.cursor, 'COUNT', most), push_begin()
	order.cursor = found[1]
	for i = 2, #found[2], 2 do
		local record = record_split(found[2][i])
		local job = match.fits_list(q, keys, record.list) and is_meant_record(order, keys, record) and
			job_get(q, record.tenant, record.job)
		if record_is_of(job, record) and held_remove(q, job, record.index) then
			if order.what == 'cancel' then
				record_cancel(q, order, job, record, 'held')
			else
				to_list(q, push, job, record, 'held')
				order.count = order.count + 1
			end
		end
	end
	push_write(q, push, 'RPUSH')
	return max(#found[2] / 2, 1), order.cursor == '0'
end

-- What it says of the mail changes: what is named so later was not meant.
local function is_of_a_moment(keys)
	return keys.state or keys.source
end

-- One piece of the first order that has work: how many records were looked at; and whether it waits for engines.
local function control_piece(q, id, most, applied, counted)
	local order = control_get(q, id)
	local step = order and order.steps[1]
	local looked, is_over, waits = 0, true, false
	if not step then
		if order and order.what ~= 'unpark' then control_count(q, order, order.count) end
		call('LPOP', q.B .. ':control:work')
		if order and order.holds and not is_of_a_moment(control_keys(order)) then
			control_keep(q, id, order)
		elseif order and order.what == 'retry' then -- engines have yet to hear that the rest of what it names is over
			control_keep(q, id, order)
			control_ends(q, id, turn_ms(q) + HEARD_S * 1000)
		else
			control_forget(q, id)
			control_changed(q)
		end
		return 0, false
	end
	local keys = control_keys(order)
	if step == 'deferred' then
		looked, is_over = step_deferred(q, order, keys, most)
	elseif step == 'held' then
		looked, is_over = step_held(q, order, keys, most)
	elseif step == 'hands' then
		looked, is_over, waits = step_hands(q, order, id, applied, counted)
	else
		looked, is_over = step_lists(q, order, keys, step:match('^list:(.*)$'), most)
	end
	if is_over then
		table.remove(order.steps, 1)
		order.cursor, order.list, order.offset = '0', nil, nil
	end
	control_keep(q, id, order)
	return looked, waits
end

-- Pauses whose time is up, and what need not be remembered any more.
local function control_tidy(q)
	for _, id in ipairs(call('ZRANGEBYSCORE', q.B .. ':control:ends', '-inf', turn_ms(q), 'LIMIT', 0, 10)) do
		local order = control_get(q, id)
		call('ZREM', q.B .. ':control:ends', id)
		if order and order.what == 'pause' then
			pause_end(q, id, order)
			control_changed(q)
			control_count(q, { what = 'resume', match = order.match, by = 'its end' }, 1)
		elseif order and #order.steps == 0 then
			control_forget(q, id)
			control_changed(q)
		elseif not order then
			call('HDEL', q.B .. ':graces', id)
		else
			control_ends(q, id, turn_ms(q) + 60000)
		end
	end
end

local function control_step(B, args)
	local q, most = turn_begin(B), min(tonumber(args[1]), BATCH_MAX)
	local applied, counted_id, counted = tonumber(args[2]), args[3], tonumber(args[4])
	local looked, waits = 0, false
	control_tidy(q)
	local id = call('LINDEX', B .. ':control:work', 0)
	while id and looked < most and not waits do
		local n
		n, waits = control_piece(q, id, most - looked, applied, id == counted_id and counted)
		looked, id = looked + n, call('LINDEX', B .. ':control:work', 0)
	end
	turn_end(q)
	if id then -- the next one's turn; it is told of, so that the next call can say what engines ended of it
		call('LMOVE', B .. ':control:work', B .. ':control:work', 'LEFT', 'RIGHT')
		id = call('LINDEX', B .. ':control:work', 0)
	end
	local reply = { tonumber(call('GET', B .. ':control:generation') or 0), looked, id or '' }
	local answers = call('HGETALL', B .. ':answers')
	for i = 1, min(#answers, 200) do reply[3 + i] = answers[i] end
	return reply
end

local function control_answered(B, args)
	return call('HDEL', B .. ':answers', unpack(args))
end

-- What is in force: pairs of an id and its JSON; graces come last, with 0 for their id.
local function controls(B, args)
	local generation = tonumber(call('GET', B .. ':control:generation') or 0)
	local reply = { generation }
	if args[1] == tostring(generation) then return reply end
	for i, text in ipairs(call('HGETALL', B .. ':controls')) do reply[1 + i] = text end
	for _, text in ipairs(call('HVALS', B .. ':graces')) do
		local n = #reply
		reply[n + 1], reply[n + 2] = 0, text
	end
	return reply
end

-- Pairs of a domain and the site its mail goes to: for orders that name a site. Kept a day or two.
local function sites(B, args)
	local key = ('%s:sites:%.0f'):format(B, floor(turn_ms({}) / 86400000))
	call('HSET', key, unpack(args))
	if call('TTL', key) < 0 then call('EXPIRE', key, 2 * 86400) end
	return 'OK'
end

define('control', control, 'allow-oom')
define('control_step', control_step, 'allow-oom')
define('control_answer', control_answer, 'allow-oom')
define('control_answered', control_answered, 'allow-oom')
define('controls', controls, 'no-writes', 'allow-oom')
define('sites', sites, 'allow-oom')

end
