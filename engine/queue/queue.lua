#!lua name=hikyaku
-- The queue: the functions inside Redis that move it. Every change of state is one call over a batch, atomic and
-- repeatable, with its events appended in the same call. Redis 7.0; FUNCTION LOAD REPLACE. The parts in lua/ follow
-- this one in the order of their names, as one text.
--
--     FCALL hikyaku_lease 1 hikyaku:{0} mta1 7 42 b:a.example:acme:nov 100
--
-- The one KEY is B = PREFIX:{N}, shard N; every key begins with B, so all of them lie in one slot. Arguments are
-- strings, numbers decimal. Replies are arrays, strings and integers. Errors are "WORD sentence". Functions read TIME
-- themselves: nobody tells Redis what time it is. The word "engine" is an instance under an epoch.
--
-- For submitters
--   hikyaku_submit (KEY: the job stream)  job [raw] → entry id · FULL · TOOBIG · SHAPE
-- For intake (refused, as submit is, when memory is out; all others are not, so that the queue drains)
--   hikyaku_begin   tenant id entry hash total accepted_data duplicate_data meta [common tags]
--                   → NEW accept 0 · RESUME accept cursor · DUP accept total · CONFLICT first_entry first_hash
--                   common: JSON members that every event made here carries; tags: a JSON object, or ""
--   hikyaku_expand  tenant id from to, then its to-from items, each
--                   "q" list delay_ms expires_ms record · "+" record, for the list and times of the one before ·
--                   FINAL_TYPE address index 0 event_data
--                   → the cursor; nothing is done unless it was from. NOJOB · SHAPE
-- For workers
--   hikyaku_changed since since_now max → next_since next_since_now list…
--                   lists that became non-empty, of bulk mail and, first and told apart, of transactional; max of each
--   hikyaku_lease   instance epoch lease, then pairs list n (at most 64, and 256 records)
--                   → for every list: list remaining got, then got pairs position record. FENCED
--   hikyaku_settle  instance epoch, then "j" tenant job before the items of that job (at most 256), each
--                   head index to data [delay_ms list record] [before_type before_data]
--                   → a letter for each item: O done, A was done already, S stale. SHAPE
--                   head: a verb, a letter for its event, its position in the lease as a byte, and the lease's number
--                     f  final                        h  held; needs an event     l  later, after delay_ms
--                     b  back to the head of its list (record "": as it was leased)
--                   l, h and b have the three arguments more; a capital verb the two at the end, an event that comes
--                   before its own. An event, its to and data: d delivered, f failed, e expired, c cancelled,
--                   s suppressed, r rejected, l deferred, h held, u uncertain, - none; appended only if the item counts
-- For the keeper
--   hikyaku_promote max → moved ms_until_next (-1: none); due records to the tails of their lists
--   hikyaku_sweep   max → expired lists_looked_at
--   hikyaku_register instance sure → OK epoch, then pairs dead_instance dead_epoch · WAIT holder seen
--   hikyaku_beat    instance epoch → OK control_generation seen. FENCED
--   hikyaku_reap    dead_instance seen|dead_epoch max policy begun → done left. ALIVE
--                   policy: retry, hold, assume-delivered. begun: "all", "" or "lease:position,lease:position…"
--   hikyaku_dirty   max → for each job: tenant id seq, and what JOB_PUBLIC names; hikyaku_clean  pairs tenant:id seq
--   hikyaku_trim    max keep_ms group… → length oldest_unacknowledged trimmed ok|high|full
--   hikyaku_counts  → lists ready deferred held leased events oldest_created_ms
--   hikyaku_version → the number below
-- For operators (match.h; whoever calls these, a step does the work of all orders)
--   hikyaku_control entry pause|resume|cancel|retry match for_ms by ref hold → id count. FULL
--                   entry: of the control stream, which is executed once; "": none. match: a JSON object
--   hikyaku_control_step max applied id counted → generation looked id, then pairs ref answer
--                   applied: the generation all engines have in force; counted: what they ended of the order id
--   hikyaku_control_answer entry what match by ref more → 1 · 0; hikyaku_control_answered ref…
--   hikyaku_controls generation → generation, and unless it is this one, pairs id JSON of what is in force
--   hikyaku_sites   pairs domain site
-- The suppression list (lua/1_suppression.lua has its keys; a field is TENANT:local part in lower case)
--   hikyaku_suppress  for each verdict: domain field category need apart_s keep_s window_s → 1 suppressed, 0 counted
--   hikyaku_suppression_put  by reason keep_s, then pairs domain field → fresh ones; hikyaku_suppression_drop  pairs → gone
--
-- Keys (NAME is TENANT:ID; a tenant has no colon)
--   B:events            STREAM type job to data
--   B:list:LIST         LIST of records (record.h), the oldest at its head
--   B:index:now B:index ZSET LIST → sequence of its last change from empty to non-empty: exactly the lists not empty
--   B:expiry            ZSET LIST or h:NAME/INDEX → the earliest expiry in it: may be too early, is never too late
--   B:deferred          ZSET LIST NUL record → when it is due, or expires
--   B:held              HASH NAME/INDEX → LIST NUL record
--   B:job:NAME          HASH of what the job shares, its expansion cursor, its counters (absent: 0); B:jobs ZSET of the unfinished
--   B:bits:NAME         bitmap: the recipient of that index is final
--   B:waits:NAME        bitmap: it is in B:deferred (and not final)
--   B:strays            HASH NAME → how many dead records of it lie somewhere (below)
--   B:alone             exists while there may be records that are to be leased alone
--   B:lease:EPOCH:LEASE LIST of LIST, its records, the next LIST, …; a STRING for a while once it is over
--   B:open:EPOCH        HASH LEASE → bitmap: positions not settled yet; "" → a long one of none: found by hash, not by search
--   B:holder            HASH instance epoch beat: who holds the shard; B:instances HASH EPOCH → instance, until reaped
--   B:dirty             SET of NAME: jobs whose public HASH is to be written; B:seq B:epoch B:accept numbers
--   B:ready             how many records lie in lists
--   B:sweep             HASH list offset earliest: the list being swept
--   B:controls          HASH id → JSON: pauses; orders at work; cancels, which hold on for what was submitted before
--   B:control:work      LIST of ids with mail to go through; B:control:ends ZSET id → when it is over or forgotten
--   B:control:generation is the last id; B:control:last the last entry of the control stream that was executed
--   B:picky             SET of pauses that name a job; B:graces HASH id → JSON: expiry held back, from when to when
--   B:answers           HASH ref → JSON: to be put where the asker looks; B:sites:DAY HASH domain → site
--
-- What always holds. A recipient whose bit is clear has one record, in one list, one lease, B:deferred or B:held; the
-- counters of its job say how many are where (queued: list or lease). A final settle counts if it is the one that sets
-- the bit, whoever sends it: a delivered message is a fact about the world. If the record is elsewhere by then (its
-- lease was reaped), it stays there dead, is no longer counted, and is dropped by whoever meets it: B:strays says that
-- there are any, so that leasing looks at bits only then. All else is for the engine that holds the shard.
local VERSION = 11

local LEASE_LISTS_MAX, LEASE_RECORDS_MAX, BATCH_MAX, EXPAND_MAX = 64, 256, 256, 1000
local SUBMIT_ENTRIES_MAX, SUBMIT_JOB_MAX, SUBMIT_RAW_MAX = 100000, 8 * 1048576, 26 * 1048576
local INDEX_DIGITS_MAX = 8            -- a bitmap is at most 12 MB
local INDEX_HIGH_MAX = 4              -- the same for the highest byte in a record
local REMEMBER_S = '259200'           -- three days: a finished job, for re-submissions and late settles
local LEASE_OVER_S = '20'             -- a request for a lease that is over, still under way on a broken connection
local ALONE_AT, HELD_AT = 2, 3        -- recoveries
local ALONE_S_MAX = 90 * 86400        -- what nothing expires is looked for so long
local TABLE_VALUE = 65                -- a hash with a value of so many bytes is not looked through from its beginning
local REAP_MAX, TRIM_MAX, NODE_MAX = 100, 4000, 100 -- a stream's node has at most 100 entries
local JOB, FINISH, LATER, HOLD, RETURN, CAPITAL = 106, 102, 108, 104, 98, 32 -- j, f, l, h, b; what makes a letter small
local ITEM = { [FINISH] = 4, [LATER] = 7, [HOLD] = 7, [RETURN] = 7, -- its arguments
	[FINISH - CAPITAL] = 6, [LATER - CAPITAL] = 9, [HOLD - CAPITAL] = 9, [RETURN - CAPITAL] = 9 }
local ITEM_FINAL, ITEM_BEFORE = { [FINISH] = true, [FINISH - CAPITAL] = true }, 9
local BACK = { [RETURN] = true, [RETURN - CAPITAL] = true }
local TYPE = { [100] = 'delivered', [102] = 'failed', [101] = 'expired', [99] = 'cancelled', [115] = 'suppressed',
	[114] = 'rejected', [108] = 'deferred', [104] = 'held', [117] = 'uncertain', [45] = '' }
local TRANSACTIONAL = 116              -- t, the first letter of such a list
local RECORD_VERSION = 1
local RECORD_FRONT = 36               -- the least a record has
local MASK = { [0] = 1, 2, 4, 8, 16, 32, 64, 128 }
local CLOSED = {}                     -- the bitmap of a lease with nothing open, by its length
local POSITION = {}                   -- text → number, 0 to 255: tonumber costs as much as fifty table accesses
local FINAL = { delivered = 1, failed = 1, expired = 1, cancelled = 1, suppressed = 1, rejected = 1 }
local PLACES = { 'queued', 'deferred', 'held' }
local COUNTERS = { 'queued', 'deferred', 'held', 'delivered', 'failed', 'expired', 'cancelled', 'suppressed',
	'rejected' }
local COUNTED = {}                    -- those as members of an event
local JOB_PUBLIC = { 'state', 'total', 'queued', 'deferred', 'held', 'delivered', 'failed', 'expired', 'cancelled',
	'suppressed', 'rejected', 'created', 'finished' }

-- A library is loaded in a world without globals; the first call fetches them. What is called for every record is
-- written for speed: this is PUC Lua, where a call costs more than ten table accesses, a number handed to Redis more
-- than a string (it is printed first), and each byte of a string made here a nanosecond (it is hashed).
local call, byte, char, sub, find, rep, concat, sort, unpack, floor, min, max, huge, tonumber, pairs, ipairs
local read, write, quote, format
local function bind()
	call, byte, char, sub, find, rep = redis.call, string.byte, string.char, string.sub, string.find, string.rep
	concat, sort, floor, min, max, huge = table.concat, table.sort, math.floor, math.min, math.max, math.huge
	unpack, tonumber, pairs, ipairs = _G.unpack, _G.tonumber, _G.pairs, _G.ipairs
	read, write, quote, format = struct.unpack, struct.pack, cjson.encode, string.format
	for i = 1, #COUNTERS do COUNTED[COUNTERS[i]] = ',"' .. COUNTERS[i] .. '":' end
	for i = 1, LEASE_RECORDS_MAX / 8 do CLOSED[i] = rep('\0', i) end
	for i = 0, LEASE_RECORDS_MAX - 1 do POSITION[('%d'):format(i)] = i end
end

local function fail(text)
	return redis.error_reply(text)
end

-- A turn: what one call knows and has changed. turn_end writes it down.

local function turn_begin(B)
	return { B = B, jobs = {}, events = B .. ':events', made = 0 }
end

local function turn_ms(q)
	if not q.now then
		local time = call('TIME')
		q.now = time[1] * 1000 + floor(time[2] / 1000)
	end
	return q.now
end

-- The same as Redis and events want it.
local function turn_text(q)
	q.text = q.text or format('%d', turn_ms(q))
	return q.text
end

-- A name for an event made here: the shard, a number for each turn, and one within it.
local function turn_name(q)
	q.stamp = q.stamp or (q.B:match('{(.-)}$') or '') .. '-' .. call('INCR', q.B .. ':seq')
	q.made = q.made + 1
	return q.stamp .. '.' .. q.made
end

-- All there is of it that a turn may need. False if there is no such job.
local function job_rest(job)
	if job.total then return true end
	local found = call('HMGET', job.key, 'accept', 'total', 'cursor', 'finished', 'common', 'tags', unpack(COUNTERS))
	job.accept, job.total, job.cursor, job.finished, job.common, job.tags = unpack(found, 1, 6)
	job.cursor_was = job.cursor
	for i = 1, #COUNTERS do job.was[COUNTERS[i]] = found[6 + i] or '0' end
	return job.accept
end

-- What settling needs of it: for most jobs of a call no more is asked, and a dozen values cost more than an event.
local function job_least(job)
	local found = call('HMGET', job.key, 'accept', 'queued', 'delivered')
	job.accept, job.was.queued, job.was.delivered = found[1], found[2] or '0', found[3] or '0'
	return job.accept
end

-- The job as this turn knows it: its counters as they were, and what changed; nil if there is none.
local function job_get(q, tenant, id, read_all)
	local name = tenant .. ':' .. id
	local job = q.jobs[name]
	if job ~= nil then return job or nil end
	job = { name = name, key = q.B .. ':job:' .. name, id = id, tenant = tenant, bits = q.B .. ':bits:' .. name,
		waits = q.B .. ':waits:' .. name, was = {}, change = {}, strays = 0 }
	q.jobs[name] = (read_all or job_least)(job) and job
	return q.jobs[name] or nil
end

local function job_count(job, counter, change)
	job.change[counter] = (job.change[counter] or 0) + change
end

local function job_counter(job, counter)
	if not job.was[counter] then job_rest(job) end
	return job.was[counter] + (job.change[counter] or 0)
end

local function event_add(q, type, job, to, data)
	call('XADD', q.events, '*', 'type', type, 'job', job, 'to', to, 'data', data)
end

-- The beginning of an event made here: up to the members of its own.
local function event_data(q, job)
	job_rest(job)
	return '{"v":1,"event":"' .. turn_name(q) .. '","time":' .. turn_text(q) .. ',' ..
		(job.common and job.common ~= '' and job.common or '"tenant":' .. quote(job.tenant))
end

-- After the last final event of a job. Late settles and re-submissions find it for a while.
local function job_finish(q, job)
	local data, n = { event_data(q, job), '', ',"total":', job.total }, 4
	if job.tags and job.tags ~= '' then data[2] = ',"tags":' .. job.tags end
	for i = #PLACES + 1, #COUNTERS do
		local counter = COUNTERS[i]
		data[n + 1], n = COUNTED[counter], n + 2
		data[n] = job.change[counter] and job_counter(job, counter) or job.was[counter]
	end
	data[n + 1] = '}'
	event_add(q, 'finished', job.id, '', concat(data))
	call('ZREM', q.B .. ':jobs', job.name)
	for _, key in ipairs({ job.key, job.bits, job.waits }) do
		call('EXPIRE', key, REMEMBER_S)
	end
end

-- All of it was expanded, and nothing of it is anywhere.
local function job_is_over(job)
	if job_counter(job, 'queued') ~= 0 then return false end
	job_rest(job)
	return not job.finished and job.cursor == job.total and job_counter(job, 'deferred') == 0 and
		job_counter(job, 'held') == 0
end

local function job_write(q, job)
	local set, n = {}, 0
	for counter in pairs(job.change) do
		set[n + 1], set[n + 2], n = counter, format('%d', job_counter(job, counter)), n + 2
	end
	if job.cursor ~= job.cursor_was then
		set[n + 1], set[n + 2], n = 'cursor', job.cursor, n + 2
	end
	local over = job_is_over(job)
	if over then
		set[n + 1], set[n + 2], n = 'finished', turn_text(q), n + 2
	end
	if n > 0 then call('HSET', job.key, unpack(set)) end
	if over then job_finish(q, job) end
	if job.strays ~= 0 and call('HINCRBY', q.B .. ':strays', job.name, job.strays) <= 0 then
		call('HDEL', q.B .. ':strays', job.name)
	end
	return n > 0
end

local function turn_end(q)
	local dirty = {}
	for _, job in pairs(q.jobs) do
		if job and job_write(q, job) then dirty[#dirty + 1] = job.name end
	end
	if #dirty > 0 then call('SADD', q.B .. ':dirty', unpack(dirty)) end
end

