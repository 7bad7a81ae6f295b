-- Matches: which mail an operator means (match.h), as an object of keys, each with the globs one of which must fit.

local match = {}
local PARKED_MS = 253402300799000 -- when what waits for resume would be due

-- * stands for any bytes, ? for one. In one pass with one place to come back to: a pattern of Lua could take for ever.
function match.glob(glob, text)
	local g, t, star, mark = 1, 1, nil, nil
	while t <= #text do
		local c = byte(glob, g)
		if c == 42 then
			star, mark, g = g, t, g + 1
		elseif c and (c == 63 or c == byte(text, t)) then
			g, t = g + 1, t + 1
		elseif star then
			mark = mark + 1
			g, t = star + 1, mark
		else
			return false
		end
	end
	while byte(glob, g) == 42 do g = g + 1 end
	return g > #glob
end

function match.any(globs, text)
	if type(globs) == 'string' then return globs == text or match.glob(globs, text) end
	for _, glob in ipairs(globs) do
		if glob == text or match.glob(glob, text) then return true end
	end
	return false
end

-- What the name of a list says of all that lies in it.
function match.list(list)
	local class, domain, tenant, campaign = list:match('^(.):(%[.-%]):([^:]*):(.*)$')
	if not class then class, domain, tenant, campaign = list:match('^(.):([^:]*):([^:]*):(.*)$') end
	tenant = (tenant or ''):match('^[^/]*') -- without the pool that its job named
	return { class = class == 't' and 'transactional' or 'bulk', domain = domain or '', tenant = tenant,
		campaign = campaign or '' }
end

-- The site that mail to the domain goes to, as an engine told it today or yesterday (B:sites:DAY); "" if none did.
function match.site(q, domain)
	local day = floor(turn_ms(q) / 86400000)
	for ago = 0, 1 do
		local site = call('HGET', ('%s:sites:%.0f'):format(q.B, day - ago), domain)
		if site then return site end
	end
	return ''
end

-- Does the list fit, as far as its name tells? What only a record tells is asked of that.
function match.fits_list(q, keys, list)
	local facts = match.list(list)
	for key, globs in pairs(keys) do
		local fact = facts[key]
		if key == 'site' then fact = match.site(q, facts.domain) end
		if fact and not match.any(globs, fact) then return false end
	end
	return true
end

-- The records that wait under a pause that says hold-expiry end later, by the time they were held back.
function match.ends(q, record)
	if q.graces == nil then
		q.graces = call('EXISTS', q.B .. ':graces') == 1 and call('HVALS', q.B .. ':graces') or false
	end
	local ends = record.expires
	for i, text in ipairs(q.graces or {}) do
		local grace = text
		if type(grace) == 'string' then
			grace = cjson.decode(text)
			grace.keys, q.graces[i] = cjson.decode(grace.match), grace
		end
		if match.fits_list(q, grace.keys, record.list) and
			(not grace.keys.job or match.any(grace.keys.job, record.job)) then
			local from, to = max(grace.since, record.queued), grace.until_ms > 0 and grace.until_ms or turn_ms(q)
			ends = ends + max(0, to - from)
		end
	end
	return ends
end

-- The record's job is paused, by itself and not with its whole list: true, and it waits in B:deferred until its end, or
-- until resume has it brought back.
function match.parks(q, record)
	if q.picky == nil then
		q.picky = {}
		for _, id in ipairs(call('SMEMBERS', q.B .. ':picky')) do
			local entry = call('HGET', q.B .. ':controls', id)
			if entry then q.picky[#q.picky + 1] = cjson.decode(cjson.decode(entry).match) end
		end
	end
	for _, keys in ipairs(q.picky) do
		local job = match.any(keys.job, record.job) and match.fits_list(q, keys, record.list) and
			job_get(q, record.tenant, record.job)
		if job then
			call('ZADD', q.B .. ':deferred', min(PARKED_MS, match.ends(q, record)), record.list .. '\0' .. record.bytes)
			call('SETBIT', job.waits, record.index, 1)
			job_count(job, 'queued', -1)
			job_count(job, 'deferred', 1)
			return true
		end
	end
	return false
end
