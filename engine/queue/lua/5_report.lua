-- What others see: public job hashes, the event stream's length, totals.

-- What the public hash of a job is to say, in the order of JOB_PUBLIC, of cursor and the rest of those.
local function job_public(values)
	local cursor, total = values[1], values[2]
	for i = 1, #JOB_PUBLIC do values[i] = values[i] or COUNTED[JOB_PUBLIC[i]] and '0' or '' end
	values[1] = values[#JOB_PUBLIC] ~= '' and 'finished' or cursor ~= total and 'accepted' or 'running'
	return values
end

-- As long as these say the same, so does all of it: whoever leaves a place is final, and nobody stops being that.
local function job_told(cursor, queued, deferred, held)
	return concat({ cursor, queued or '0', deferred or '0', held or '0' }, ',')
end

-- Any of them, so that none waits for ever behind busier ones. What they say now is what they are told with.
local function dirty(B, args)
	local reply = {}
	for _, name in ipairs(call('SRANDMEMBER', B .. ':dirty', args[1])) do
		local values = call('HMGET', B .. ':job:' .. name, 'cursor', unpack(JOB_PUBLIC, 2))
		if values[1] then
			local tenant, id = name:match('^([^:]*):(.*)$')
			reply[#reply + 1], reply[#reply + 2] = tenant, id
			reply[#reply + 1] = job_told(values[1], values[3], values[4], values[5])
			for _, value in ipairs(job_public(values)) do reply[#reply + 1] = value end
		else
			call('SREM', B .. ':dirty', name)
		end
	end
	return reply
end

-- Written: no longer to be told, unless they would say something else now.
local function clean(B, args)
	local removed = 0
	for i = 1, #args, 2 do
		local found = call('HMGET', B .. ':job:' .. args[i], 'cursor', unpack(PLACES))
		if found[1] and job_told(unpack(found, 1, 4)) == args[i + 1] then
			removed = removed + call('SREM', B .. ':dirty', args[i])
		end
	end
	return removed
end

local function id_read(id)
	local ms, seq = id:match('^(%d+)-(%d+)$')
	return tonumber(ms), tonumber(seq)
end

local function id_is_before(a, b)
	local a_ms, a_seq = id_read(a)
	local b_ms, b_seq = id_read(b)
	return a_ms < b_ms or a_ms == b_ms and a_seq < b_seq
end

-- The first entry that this group may still need: its oldest pending one, else the one after its last.
local function group_needs(events, group, info)
	if not info then
		call('XGROUP', 'CREATE', events, group, '0', 'MKSTREAM')
		return '0-1'
	end
	if info.pending > 0 then return call('XPENDING', events, group)[2] end
	local ms, seq = id_read(info['last-delivered-id'])
	return ('%.0f-%.0f'):format(ms, seq + 1)
end

local function groups_need(events, groups, first)
	local infos, needs = {}, nil
	for _, flat in ipairs(call('EXISTS', events) == 1 and call('XINFO', 'GROUPS', events) or {}) do
		local info = {}
		for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
		infos[info.name] = info
	end
	for i = first, #groups do
		local id = group_needs(events, groups[i], infos[groups[i]])
		if not needs or id_is_before(id, needs) then needs = id end
	end
	return needs
end

-- Whole nodes first, a bounded number of them; then what is left of the one node it ends in.
local function trim_to(events, by, threshold)
	local trimmed = call('XTRIM', events, by, '~', threshold, 'LIMIT', TRIM_MAX)
	if trimmed < TRIM_MAX - NODE_MAX then
		trimmed = trimmed + call('XTRIM', events, by, '=', threshold)
	end
	return trimmed
end

local function trim(B, args)
	local events, most = B .. ':events', tonumber(args[1])
	local needs, trimmed, oldest = groups_need(events, args, 3), 0, nil
	if needs then
		trimmed = trim_to(events, 'MINID', needs)
		oldest = call('XRANGE', events, needs, '+', 'COUNT', 1)[1]
	else
		local keep = turn_ms({}) - tonumber(args[2])
		trimmed = trim_to(events, 'MINID', ('%.0f'):format(max(keep, 0)))
		if most > 0 then trimmed = trimmed + trim_to(events, 'MAXLEN', most) end
	end
	local length = call('XLEN', events)
	local state = needs and most > 0 and (length >= most and 'full' or length >= most * 0.8 and 'high') or 'ok'
	return { length, oldest and oldest[1] or '', trimmed, state }
end

local function counts(B)
	local leased = 0
	for _, epoch in ipairs(call('HKEYS', B .. ':instances')) do
		local _, open = reap_leases(B, epoch)
		leased = leased + open
	end
	local oldest = call('ZRANGE', B .. ':jobs', 0, 0, 'WITHSCORES')[2]
	return { call('ZCARD', B .. ':index:now') + call('ZCARD', B .. ':index'),
		tonumber(call('GET', B .. ':ready') or 0), call('ZCARD', B .. ':deferred'), call('HLEN', B .. ':held'), leased,
		call('XLEN', B .. ':events'), tonumber(oldest or 0) }
end

local function version()
	return VERSION
end

-- flags: allow-oom where the queue must drain although memory is out; no-writes where nothing is changed.
local function define(name, run, ...)
	redis.register_function({ function_name = 'hikyaku_' .. name, flags = { ... }, callback = function(keys, args)
		if not call then bind() end
		return run(keys[1], args)
	end })
end

define('submit', submit)
define('begin', begin)
define('expand', expand)
define('changed', changed, 'no-writes', 'allow-oom')
define('lease', lease, 'allow-oom')
define('settle', settle, 'allow-oom')
define('promote', promote, 'allow-oom')
define('sweep', sweep, 'allow-oom')
define('register', register, 'allow-oom')
define('beat', beat, 'allow-oom')
define('reap', reap, 'allow-oom')
define('dirty', dirty, 'allow-oom')
define('clean', clean, 'allow-oom')
define('trim', trim, 'allow-oom')
define('counts', counts, 'no-writes', 'allow-oom')
define('version', version, 'no-writes', 'allow-oom', 'allow-stale')
