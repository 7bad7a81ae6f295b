/* A job's counters are asked where they change, in the shards; the public hash, which may trail by a second, answers
 * for jobs whose shard has forgotten them. */
#include "client.h"
#include "console.h"

#include "queue/time.h"

enum { TOTAL, CREATED = 10, FINISHED, CURSOR, FIELDS };

static const char *const names[FIELDS] = {"total",   "queued",	 "deferred",  "held",	    "delivered",
					  "failed",  "expired",	 "cancelled", "suppressed", "rejected",
					  "created", "finished", "cursor"};

struct job_state {
	bool found;
	uint64_t values[FIELDS];
};

/* Adds what this hash says; a job has a part in each shard. */
static void add(struct client *client, struct slice key, struct job_state *state)
{
	struct slice argv[2 + FIELDS] = {SLICE("HMGET"), key};
	struct redisReply *reply;

	for (int i = 0; i < FIELDS; i++)
		argv[2 + i] = slice_of(names[i]);
	reply = client_ask(client, argv, 2 + FIELDS);
	if (reply_text_at(reply, TOTAL).len == 0) {
		if (reply)
			freeReplyObject(reply);
		return;
	}
	for (int i = 0; i < FIELDS; i++) {
		uint64_t n = reply_number_at(reply, (size_t)i);

		if (i < CREATED || i == CURSOR)
			state->values[i] += n;
		else if (n > state->values[i])
			state->values[i] = n;
	}
	state->found = true;
	freeReplyObject(reply);
}

static const char *state_name(const struct job_state *state)
{
	if (state->values[FINISHED])
		return "finished";
	return state->values[CURSOR] < state->values[TOTAL] ? "accepted" : "running";
}

static void print_json(const struct job_state *state, const char *id, const char *tenant)
{
	struct outbuf out = {0};

	outbuf_byte(&out, '{');
	outbuf_json_text(&out, "job", slice_of(id));
	outbuf_json_text(&out, "tenant", slice_of(tenant));
	outbuf_json_text(&out, "state", slice_of(state_name(state)));
	for (int i = 0; i < CURSOR; i++)
		if (i < CREATED || state->values[i])
			outbuf_json_number(&out, names[i], state->values[i]);
	outbuf_add(&out, SLICE("}\n"));
	console_print(&out);
	outbuf_free(&out);
}

static void print_text(const struct job_state *state, const char *id)
{
	char room[TIME_TEXT_MAX];

	printf("job        %s, %s\n", id, state_name(state));
	for (int i = 0; i < CREATED; i++)
		if (i == TOTAL || state->values[i])
			printf("%-10s %llu\n", names[i], (unsigned long long)state->values[i]);
	for (int i = CREATED; i <= FINISHED; i++)
		if (state->values[i])
			printf("%-10s %.*s\n", names[i], SLICE_ARG(time_text(state->values[i], room)));
}

static int show(struct client *client, const struct arguments *arguments)
{
	const char *id = arguments->words[0], *tenant = argument_value(arguments, "--tenant");
	struct job_state state = {.found = false};
	unsigned shards = client_shards(client);

	tenant = tenant ? tenant : "";
	for (unsigned i = 0; client->redis && i < shards; i++)
		add(client, client_key(client, "{%u}:job:%s:%s", i, tenant, id), &state);
	if (client->redis && !state.found) {
		add(client, client_key(client, "job:%s:%s", tenant, id), &state);
		state.values[CURSOR] = state.values[TOTAL];
	}
	if (client->status)
		return client->status;
	if (!state.found) {
		console_say("there is no job \"%s\"%s%s%s; jobs are known until some days after they have finished", id,
			    *tenant ? " of tenant \"" : "", tenant, *tenant ? "\"" : "");
		return EXIT_FAILED;
	}
	if (arguments->json)
		print_json(&state, id, tenant);
	else
		print_text(&state, id);
	return EXIT_DONE;
}

int command_job(const struct arguments *arguments)
{
	struct client client;
	int status = client_open(&client, arguments);

	if (status == EXIT_DONE)
		status = show(&client, arguments);
	client_close(&client);
	return status;
}
