/* The engine's worker, unmodified, through days made from seeds: its queue, its clock, its network and the servers at
 * the other end are simulated (queue_sim.h, ring_sim.h, receiver_sim.h).
 *
 * What must hold on every day: each recipient is settled once and for a reason the servers gave; what is said to be
 * delivered was stored, what was stored twice was reported uncertain; nobody broke the rules of SMTP or our own limits;
 * when the faults end all mail is delivered; and a drain, whenever it comes, leaves nothing behind. SEED=n lives one
 * day again (TRACE=1 tells it), SEEDS=n lives so many, from FROM=n on. */
#include "queue_sim.h"
#include "receiver_sim.h"

#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include "scheduler/scheduler.h"
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	RECEIVERS = 3,
	DOMAINS = 6,
	JOBS = 3,
	PEOPLE_MAX = 120,
	SEEDS = 80,
	DAY_MS = 24 * 3600 * 1000,
	LATEST_MS = 6 * 3600 * 1000, /* by then, all is settled */
	GRACE_MS = 30000,
	ARRIVALS_MS = 60000 /* mail comes in until then */
};

#define BODY_END "..two dots\r\n.one dot\r\n.\r\nthe end\r\n"

struct person {
	struct sim_recipient *recipient;
	enum receiver_word word;
	unsigned job, asked, stored;
	bool refused;
};

static struct scene {
	uint64_t seed;
	struct random dice;
	bool calm;   /* no faults today, and nobody has moods */
	bool fallen; /* the worker is stopped before all is done */
	struct sim_world *world;
	struct receiver receivers[RECEIVERS];
	unsigned nreceivers, ndomains, njobs, npeople, connections;
	struct person people[PEOPLE_MAX];
	bool own_text[JOBS]; /* each recipient of that job gets a text of his own */
	struct config *config;
	struct engine engine;
	struct worker workers[2];
	bool running[2], draining;
	bool mail_refused; /* somebody got 5yz to MAIL: for whom is not known */
	uint64_t begun_ms, storm_until_ms, drain_at_ms, hash;
	char wrong[512];
} scene;

static char state_path[] = "/tmp/hikyaku-sim.XXXXXX";

static unsigned roll(unsigned bound)
{
	return (unsigned)random_below(&scene.dice, bound);
}

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
	va_list args;

	if (scene.wrong[0])
		return;
	va_start(args, format);
	vsnprintf(scene.wrong, sizeof(scene.wrong), format, args);
	va_end(args);
}

/* The servers' side */

static enum receiver_word on_asked(void *who, unsigned number)
{
	struct person *person = &scene.people[number];

	(void)who;
	CHECK(number < scene.npeople);
	if (person->word == RECEIVER_LATER && person->asked++ > 0)
		return RECEIVER_TAKES;
	return person->word;
}

static void on_taken(void *who, unsigned number, struct slice message)
{
	struct person *person = &scene.people[number];
	char text[200];

	(void)who;
	person->stored++;
	if (scene.own_text[person->job])
		snprintf(text, sizeof(text), "\r\n\r\nto %s\r\n%s", person->recipient->address, BODY_END);
	else
		snprintf(text, sizeof(text), "\r\n\r\nto all\r\n%s", BODY_END);
	struct slice end = slice_of(text);

	if (message.len < end.len || !slice_is(slice_skip(message, message.len - end.len), end))
		wrong("recipient %u got a message that is not what was sent", number);
}

static void on_refused(void *who, unsigned number)
{
	(void)who;
	if (number == RECEIVER_WHOM)
		scene.mail_refused = true;
	else
		scene.people[number].refused = true;
}

/* Some moods, some of them bad. */
static struct receiver_moods random_moods(void)
{
	struct receiver_moods moods = {0};
	unsigned *all[] = {&moods.say_421, &moods.drop,	 &moods.mute,  &moods.slow,
			   &moods.refuse,  &moods.after, &moods.greet, &moods.slower};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (roll(3) == 0)
			*all[i] = roll(3) == 0 ? 200 : 20;
	return moods;
}

static void make_receivers(void)
{
	struct receiver_moods moods = random_moods();

	scene.nreceivers = 1 + roll(RECEIVERS);
	for (unsigned i = 0; i < scene.nreceivers; i++) {
		struct address address = address_v4((const char[]){10, 0, 0, (char)(i + 1)}, 25);
		bool helo_only = roll(8) == 0;

		scene.receivers[i] = (struct receiver){
			.world = scene.world,
			.helo_only = helo_only,
			.pipelining = !helo_only && roll(4) > 0,
			.chunking = !helo_only && roll(3) == 0,
			.size = roll(2),
			.enhanced = roll(2),
			.calls_max = scene.calm || roll(3) ? 0 : 1 + roll(3),
			.moods = scene.calm ? (struct receiver_moods){0} : moods,
			.asked = on_asked,
			.taken = on_taken,
			.refused = on_refused,
		};
		receiver_listen(&scene.receivers[i], &address);
	}
}

/* Our side */

static void write_domains(struct outbuf *text)
{
	for (unsigned i = 0; i < scene.ndomains; i++) {
		unsigned first = roll(scene.nreceivers), second = roll(scene.nreceivers);

		outbuf_printf(text, "domain \"d%u.test\" { route = { \"10.0.0.%u:25\"", i, first + 1);
		if (second != first)
			outbuf_printf(text, ", \"10.0.0.%u:25\"", second + 1);
		outbuf_printf(text, " } }\n");
	}
}

static void make_config(void)
{
	static const char *const policies[] = {"retry", "retry", "retry", "hold", "assume-delivered"};
	struct outbuf text = {0}, problems = {0};
	unsigned messages = 1 + roll(20), rcpt = 1 + roll(10);

	scene.connections = 1 + roll(5);
	outbuf_printf(
		&text,
		"hostname = \"mta.sim.test\"\nallow-private-addresses = true\nworkers = %u\n"
		"queue { retry = { \"20s\" }  uncertain = \"%s\" }\n"
		"domain \"*\" { connections = %u  messages-per-connection = %u  recipients-per-message = %u\n"
		"window = %u  timeout-greeting = \"20s\"  timeout-ehlo = \"20s\"  timeout-mail = \"20s\"\n"
		"timeout-rcpt = \"20s\"  timeout-data = \"20s\"  timeout-body = \"20s\"  timeout-eom = \"30s\" }\n",
		scene.engine.nworkers, policies[roll(5)], scene.connections, messages, rcpt,
		messages >= 4 && roll(2) ? 4 : 1);
	for (unsigned i = 0; i < scene.nreceivers; i++) {
		scene.receivers[i].messages_max = messages;
		scene.receivers[i].rcpt_max = rcpt;
	}
	write_domains(&text);
	if (roll(2)) /* all that they have for one site is served by all workers, while nobody refuses it */
		outbuf_printf(&text, "site \"giant\" { domains = { \"*.test\" }  parts = 2 }\n");
	scene.config = config_read_text(outbuf_slice(&text), "sim.conf", &problems);
	if (!scene.config)
		print_error("%.*s\n", SLICE_ARG(outbuf_slice(&problems)));
	CHECK(scene.config != NULL);
	outbuf_free(&text);
	outbuf_free(&problems);
}

static void make_jobs(void)
{
	static const char *const bodies[] = {
		"RFrom: News <news@sim.test>\r\nSubject: one\r\n\r\nto all\r\n" BODY_END,
		"TFrom: News <news@sim.test>\r\nSubject: two\r\n\r\nto {{hk.address}}\r\n" BODY_END};
	char sha[2][65], job[16], meta[300];

	for (unsigned i = 0; i < 2; i++) {
		memset(sha[i], 'a' + (int)i, 64);
		sha[i][64] = '\0';
		queue_sim_add_body(sha[i], slice_of(bodies[i]));
	}
	scene.njobs = 1 + roll(JOBS);
	for (unsigned i = 0; i < scene.njobs; i++) {
		scene.own_text[i] = roll(2);
		snprintf(job, sizeof(job), "j%u", i);
		snprintf(meta, sizeof(meta),
			 "{\"from\":\"b@sim.test\",\"campaign\":\"c%u\",\"class\":\"bulk\",\"created\":1,\"body\":\"%"
			 "s\"}",
			 i, sha[scene.own_text[i]]);
		queue_sim_add_job("acme", job, slice_of(meta));
	}
}

static void make_workers(void)
{
	for (unsigned i = 0; i < scene.engine.nworkers; i++) {
		scene.workers[i] = (struct worker){.number = i,
						   .engine = &scene.engine,
						   .config = scene.config,
						   .stats = &scene.engine.stats,
						   .seed = scene.seed + i + 1};
		scene.engine.workers[i] = &scene.workers[i];
	}
	for (unsigned i = 0; i < scene.engine.nworkers; i++) {
		scene.running[i] = worker_open(&scene.workers[i]);
		CHECK(scene.running[i]);
	}
}

static void add_person(unsigned number, uint64_t expires_ms)
{
	struct person *person = &scene.people[number];
	unsigned job = roll(scene.njobs), domain = roll(scene.ndomains), word = roll(10);
	char list[64], address[32], name[16];

	*person = (struct person){.job = job,
				  .word = word == 0   ? RECEIVER_NEVER
					  : word == 1 ? RECEIVER_LATER
						      : RECEIVER_TAKES};
	snprintf(list, sizeof(list), "%c:d%u.test:acme:c%u", roll(8) ? 'b' : 't', domain, job);
	snprintf(address, sizeof(address), "r%u@d%u.test", number, domain);
	snprintf(name, sizeof(name), "j%u", job);
	person->recipient = queue_sim_add(list, "acme", name, number, address, expires_ms);
}

/* Mail that comes in while the worker runs: so many people there are then. */
static void add_more(void *who)
{
	unsigned target = (unsigned)(uintptr_t)who;
	uint64_t life_ms = !scene.calm && roll(8) == 0 ? 90000 : 5ul * DAY_MS;

	while (scene.npeople < target)
		add_person(scene.npeople++, sim_world_wall_ms(scene.world) + life_ms);
}

static void make_arrivals(void)
{
	unsigned target = 0;

	do {
		target += 1 + roll(roll(2) ? 5 : 50);
		target = target < PEOPLE_MAX ? target : PEOPLE_MAX;
		sim_world_after(scene.world, roll(3) * roll(ARRIVALS_MS / 3), add_more, (void *)(uintptr_t)target);
	} while (target < PEOPLE_MAX && roll(4) > 0);
}

static void go_away(void *who)
{
	queue_sim_go_away(who != NULL && !scene.draining); /* a drain without its queue has to leave leases behind */
}

static void make_storm(void)
{
	uint64_t away_ms = roll(60000);

	scene.storm_until_ms = scene.begun_ms + 20000 + roll(200000);
	if (roll(3) > 0)
		return;
	sim_world_after(scene.world, away_ms, go_away, &scene);
	sim_world_after(scene.world, away_ms + 1 + roll(30000), go_away, NULL);
}

static void scene_begin(uint64_t seed)
{
	struct sim_faults faults = sim_faults_random(seed);

	scene = (struct scene){.seed = seed, .dice = random_seeded(seed * 7919)};
	scene.calm = roll(4) == 0;
	if (scene.calm)
		faults = (struct sim_faults){.split = 100};
	scene.world = sim_world_begin(seed, &faults);
	scene.begun_ms = sim_world_now_ms(scene.world);
	sim_world_trace(scene.world, getenv("TRACE") ? stdout : NULL);
	queue_sim_begin(scene.world);
	make_receivers();
	scene.ndomains = 1 + roll(DOMAINS);
	scene.engine = (struct engine){
		.instance = SLICE("sim"), .state_path = state_path, .epoch = 1, .nworkers = 1 + roll(2)};
	make_config();
	make_jobs();
	make_workers();
	make_arrivals();
	if (!scene.calm)
		make_storm();
	scene.fallen = roll(3) == 0;
	scene.drain_at_ms = scene.begun_ms + (scene.fallen ? roll(roll(2) ? 300 : 60000) : LATEST_MS);
}

/* A turn of the day */

static void end_storm(void)
{
	scene.storm_until_ms = 0;
	sim_world_set_faults(scene.world, NULL);
	queue_sim_go_away(false);
	for (unsigned i = 0; i < scene.nreceivers; i++)
		scene.receivers[i].moods = (struct receiver_moods){0};
}

/* Nothing is on its way any more. */
static bool all_settled(void)
{
	return queue_sim_count(SIM_READY) + queue_sim_count(SIM_LEASED) + queue_sim_count(SIM_DEFERRED) == 0;
}

static void drain(void)
{
	scene.draining = true;
	queue_sim_go_away(false);
	for (unsigned i = 0; i < scene.engine.nworkers; i++)
		if (scene.running[i])
			worker_drain(&scene.workers[i], scene.workers[i].ring,
				     scene.fallen ? roll(GRACE_MS) : GRACE_MS);
}

static bool scene_turn(void)
{
	uint64_t now_ms = sim_world_now_ms(scene.world);
	bool any = false;

	for (unsigned i = 0; i < scene.engine.nworkers; i++) {
		if (scene.running[i])
			any |= scene.running[i] = worker_turn(&scene.workers[i]);
		else
			ring_turn(scene.workers[i].ring, 0); /* its ring lives as long as its neighbours */
	}
	if (scene.storm_until_ms && now_ms >= scene.storm_until_ms)
		end_storm();
	if (scene.draining)
		return any;
	if (now_ms >= scene.drain_at_ms ||
	    (!scene.fallen && !scene.storm_until_ms && now_ms > scene.begun_ms + ARRIVALS_MS + 10000 && all_settled()))
		drain();
	return any;
}

/* The judgement */

static void judge_final(unsigned number, const struct person *person)
{
	const struct sim_recipient *recipient = person->recipient;
	bool assumed = recipient->uncertain && scene.config->queue.uncertain == UNCERTAIN_ASSUME_DELIVERED;
	const char *final = recipient->final;

	if (recipient->finals > 1)
		wrong("recipient %u has %u final events", number, recipient->finals);
	if (strcmp(final, "delivered") == 0 && !person->stored && !assumed)
		wrong("recipient %u is delivered, and nobody has stored it", number);
	if (strcmp(final, "failed") == 0 && !person->refused && !scene.mail_refused)
		wrong("recipient %u failed, and nobody refused it", number);
	if (strcmp(final, "expired") == 0 && recipient->expires_ms > sim_world_wall_ms(scene.world))
		wrong("recipient %u expired before its time", number);
	if (scene.calm && !scene.fallen && strcmp(final, person->word == RECEIVER_NEVER ? "failed" : "delivered") != 0)
		wrong("recipient %u ended as \"%s\" on a calm day", number, final);
}

static void judge_person(unsigned number)
{
	const struct person *person = &scene.people[number];
	const struct sim_recipient *recipient = person->recipient;
	bool held = recipient->uncertain && scene.config->queue.uncertain == UNCERTAIN_HOLD;

	judge_final(number, person);
	if (person->stored > 1 + recipient->uncertain)
		wrong("recipient %u has %u copies, and %u were uncertain", number, person->stored,
		      recipient->uncertain);
	if (recipient->place == SIM_LEASED)
		wrong("recipient %u is still leased", number);
	if (recipient->place == SIM_HELD && !held)
		wrong("recipient %u is held, and nobody asked for that", number);
	if (person->stored && !recipient->uncertain && recipient->place != SIM_FINAL)
		wrong("recipient %u is stored and waits", number);
	if (!scene.fallen && recipient->place != SIM_FINAL && recipient->place != SIM_HELD)
		wrong("recipient %u is still in place %d after %u attempts", number, recipient->place,
		      recipient->attempts);
	if (scene.calm && recipient->uncertain && !scene.fallen)
		wrong("recipient %u is uncertain on a calm day", number);
}

static void judge_receiver(const struct receiver *receiver)
{
	if (receiver->complaint[0])
		wrong("a server complains: %s", receiver->complaint);
	if (!scene.calm)
		return;
	if (receiver->nopen)
		wrong("%u connections are left open", receiver->nopen);
	if (receiver->nopen_max > scene.connections)
		wrong("%u connections at a time, where %u were allowed", receiver->nopen_max, scene.connections);
	if (!scene.fallen && receiver->nquits != receiver->ncalls)
		wrong("%u connections, of which %u said QUIT", receiver->ncalls, receiver->nquits);
}

static void judge_count(struct slice site, const struct namesakes_count *count)
{
	if (count->open || count->yielding)
		wrong("site %.*s ends with %u connections counted, %u of them yielding", SLICE_ARG(site), count->open,
		      count->yielding);
}

static void judge_namesakes(const struct worker *worker)
{
	MAP_EACH (node, scheduler_namesakes(worker->scheduler)) {
		const struct namesakes *namesakes = MAP_OWNER(node, struct namesakes, node);

		judge_count(map_key(node), &namesakes->count);
		if (atomic_load(&namesakes->common->total.connections))
			wrong("site %.*s ends with connections counted in all", SLICE_ARG(map_key(node)));
		for (unsigned i = 0; i < namesakes->nsources; i++) {
			judge_count(map_key(node), &namesakes->sources[i].count);
			if (atomic_load(&namesakes->sources[i].common->budget.connections))
				wrong("site %.*s ends with connections counted of source %u", SLICE_ARG(map_key(node)),
				      i);
		}
	}
}

static void judge_worker(const struct worker *worker)
{
	judge_namesakes(worker);
	if (worker->conns.taken || worker->deliveries.taken || worker->transactions.taken)
		wrong("worker %u ends with %zu connections, %zu deliveries, %zu transactions", worker->number,
		      worker->conns.taken, worker->deliveries.taken, worker->transactions.taken);
	MAP_EACH (node, scheduler_sites(worker->scheduler)) {
		const struct site *site = MAP_OWNER(node, struct site, node);

		for (unsigned i = 0; i < site->nlanes; i++) {
			const struct lane *lane = site->lanes[i];

			if (lane->open || lane->opening || lane->idle || lane->inflight || lane->nready ||
			    lane->preparing || lane->asked)
				wrong("lane %.*s ends with open %u opening %u idle %u inflight %u ready %u preparing "
				      "%u asked %u",
				      SLICE_ARG(site_name(site)), lane->open, lane->opening, lane->idle, lane->inflight,
				      lane->nready, lane->preparing, lane->asked);
		}
	}
}

static void judge(void)
{
	unsigned long long open = stat_read(&scene.engine.stats, STAT_OPEN);
	unsigned long long inflight = stat_read(&scene.engine.stats, STAT_INFLIGHT);

	for (unsigned i = 0; i < scene.npeople; i++)
		judge_person(i);
	for (unsigned i = 0; i < scene.npeople && getenv("TRACE"); i++)
		printf("%.*s", SLICE_ARG(outbuf_slice(&scene.people[i].recipient->events)));
	for (unsigned i = 0; i < scene.nreceivers; i++)
		judge_receiver(&scene.receivers[i]);
	for (unsigned i = 0; i < scene.engine.nworkers; i++)
		judge_worker(&scene.workers[i]);
	if (open || inflight)
		wrong("by the counters %llu connections are open and %llu recipients in dialogue", open, inflight);
}

/* A whole day */

static void scene_end(void)
{
	scene.hash = sim_world_hash(scene.world);
	for (unsigned i = 0; i < scene.engine.nworkers; i++)
		worker_close(&scene.workers[i]);
	commons_free(&scene.engine.commons);
	sim_world_end(scene.world);
	queue_sim_end();
	for (unsigned i = 0; i < scene.nreceivers; i++)
		receiver_free(&scene.receivers[i]);
	learned_free(&scene.engine.learned);
	config_free(scene.config);
}

/* False, with the seed printed and everything left as it is, when something was wrong with it. */
static bool live(uint64_t seed)
{
	scene_begin(seed);
	uint64_t latest_ms = scene.begun_ms + LATEST_MS + 10 * GRACE_MS;

	while (scene_turn() && sim_world_now_ms(scene.world) < latest_ms)
		;
	if (sim_world_now_ms(scene.world) >= latest_ms)
		wrong("the drain does not end");
	for (unsigned i = 0; i < 100; i++) /* what is on its way to the servers arrives, and letters too */
		for (unsigned j = 0; j < scene.engine.nworkers; j++)
			ring_turn(scene.workers[j].ring, 1);
	judge();
	if (scene.wrong[0]) {
		print_error("seed %llu: %s\n    SEED=%llu TRACE=1 build/tests/sim/worker_test lives it again\n",
			    (unsigned long long)seed, scene.wrong, (unsigned long long)seed);
		return false;
	}
	scene_end();
	return true;
}

static void on_abort(int number)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "worker_test: seed %llu\n", (unsigned long long)scene.seed);

	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		_exit(3);
	signal(number, SIG_DFL);
	raise(number);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static bool remove_state(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", state_path);
	return system(command) == 0;
}

static void give_up(void)
{
	fflush(NULL);
	remove_state();
	_exit(1);
}

static void test_days(void **state)
{
	uint64_t from = number_of("SEED", number_of("FROM", 1));
	uint64_t n = getenv("SEED") ? 1 : number_of("SEEDS", SEEDS);

	(void)state;
	for (uint64_t seed = from; seed < from + n; seed++)
		if (!live(seed))
			give_up(); /* the world is as it was left: nothing more can be lived in it */
}

static void test_a_seed_is_a_seed(void **state)
{
	(void)state;
	for (uint64_t seed = 3; seed < 9; seed++) {
		assert_true(live(seed));
		uint64_t hash = scene.hash;

		assert_true(live(seed));
		assert_true(hash == scene.hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_days), cmocka_unit_test(test_a_seed_is_a_seed)};

	CHECK(mkdtemp(state_path) != NULL);
	log_set_level(LOG_ERROR);
	signal(SIGABRT, on_abort);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	return remove_state() ? failed : 1;
}
