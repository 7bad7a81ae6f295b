/* One dialogue, shown live, with the server that the engine would talk to first; the next one if it does not answer. */
#include "client.h"
#include "console.h"
#include "dialogue_shown.h"
#include "site_key.h"
#include "sts_finder.h"

#include "base/log.h"
#include "queue/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct trial {
	const struct arguments *arguments;
	const struct config *config;
	struct mailbox mailbox;
	struct slice sender;
	struct message *message; /* owned */
	struct outbuf lines;	 /* the dialogue, as JSON */
	struct tls *tls;	 /* owned */
	const char *plan;	 /* how the connection is to be protected */
	struct sts_found sts;
	bool waives;			   /* the message asks for no TLS */
	bool may_be_clear, may_be_lenient; /* the next connection to the host at hand, if TLS fails */
	char host[ADDRESS_TEXT_MAX];
};

static void on_line(void *who, bool ours, struct slice line)
{
	struct trial *trial = who;
	struct slice rest = line;

	if (trial->arguments->json) {
		outbuf_printf(&trial->lines, trial->lines.len ? ",{" : "{");
		outbuf_json_text(&trial->lines, "from", ours ? SLICE("us") : SLICE("server"));
		outbuf_json_text(&trial->lines, "line", line);
		outbuf_byte(&trial->lines, '}');
		return;
	}
	do {
		struct slice one = slice_until(&rest, '\n');

		printf("%s%s %s%s\n", console_colour(stdout, ours ? COLOUR_FAINT : COLOUR_PLAIN), ours ? ">" : "<",
		       log_printable((char[4200]){0}, 4200, slice_trim(one)), console_colour(stdout, COLOUR_PLAIN));
	} while (rest.len);
	fflush(stdout);
}

static bool read_message(struct trial *trial)
{
	const char *path = argument_value(trial->arguments, "--send");
	struct message_limits limits = {.bytes_max = trial->config->queue.message_bytes_max};
	struct outbuf stored = {0};
	struct mail_error error;
	FILE *file;
	size_t n;

	if (!path)
		return true;
	file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (!file) {
		console_say("opening %s: %s", path, strerror(errno));
		return false;
	}
	outbuf_byte(&stored, 'R');
	while ((n = fread(outbuf_room(&stored, 65536), 1, 65536, file)) > 0 && stored.len <= limits.bytes_max + 1)
		stored.len += n;
	if (file != stdin)
		fclose(file);
	trial->message = message_compile(outbuf_slice(&stored), &limits, &error);
	if (!trial->message)
		console_say("%s: %s: %s", path, error.code, error.message);
	outbuf_free(&stored);
	return trial->message != NULL;
}

/* The source that the domain's pool begins with. */
static const struct config_source *source_of(const struct config *config, const struct limits *limits)
{
	const struct config_pool *pool = config_pool_named(config, limits->pool);

	if (pool)
		return config_source_named(config, pool->sources[0].source);
	return config->nsources ? &config->sources[0] : NULL;
}

/* How the host is met now, in words; notes how it may be met next, if TLS fails. */
static const char *make_plan(struct trial *trial, const struct routes *routes, unsigned route, int tls,
			     enum dialogue_manner manner)
{
	unsigned host = routes->route[route].host;
	bool waived = trial->waives && tls == TLS_OPPORTUNISTIC;
	enum session_tls wish = protection_wish(tls, routes_security(routes, host));

	trial->may_be_lenient = manner == MEET_AS_PLANNED && wish == SESSION_TLS_MUST && waived;
	trial->may_be_clear = manner == MEET_LENIENTLY || (manner == MEET_AS_PLANNED && wish == SESSION_TLS_IF_OFFERED);
	if (manner == MEET_IN_CLEAR)
		return "once more in clear, for its TLS does not work";
	return manner == MEET_LENIENTLY ? "once more as if it had no TLSA records, for the message waives TLS"
					: protection_plan(tls, routes, host, trial->sts.policy);
}

static struct dialogue_result talk(struct trial *trial, struct route_finder *finder, const struct routes *routes,
				   unsigned route, enum dialogue_manner manner)
{
	const struct config *config = trial->config;
	const struct config_site *site = site_key_configured(config, mailbox_domain(&trial->mailbox), routes);
	struct limits limits = config_limits(config, mailbox_domain(&trial->mailbox), site ? site->name : SLICE_NONE,
					     SLICE_NONE, NULL);
	struct session_limits session_limits = config_session_limits(&limits);
	const struct config_source *source = source_of(config, &limits);
	struct address address = routes_address(routes, route);
	struct merge merge = {.address = mailbox_address(&trial->mailbox),
			      .rcpt = SLICE("0"),
			      .hostname = config->hostname,
			      .date_ms = console_wall_ms(),
			      .nonce = console_wall_ms()};
	struct dialogue_setup setup = {
		.ring = finder->ring,
		.limits = &session_limits,
		.to = &address,
		.from = source ? &source->address : NULL,
		.helo = source ? source->helo : config->hostname,
		.sender = trial->sender,
		.recipient = mailbox_address(&trial->mailbox),
		.tls = trial->tls,
		.protection = {.routes = routes,
			       .route = route,
			       .tls = limits.tls,
			       .demands = protection_demanded(&limits, routes),
			       .domain = mailbox_domain(&trial->mailbox),
			       .sts = trial->sts.policy,
			       .waived = trial->waives && limits.tls <= TLS_OPPORTUNISTIC,
			       .manner = manner},
		.relay = config_relay_of(config, mailbox_domain(&trial->mailbox)),
		.connect_s = (unsigned)limits.timeout_s[TIMEOUT_CONNECT],
		.message = trial->message,
		.merge = &merge,
		.line = on_line,
		.who = trial,
	};

	session_limits.window_max = 1;
	address_text(setup.to, trial->host);
	trial->plan = make_plan(trial, routes, route, limits.tls, manner);
	struct slice host = routes->nhosts ? routes->hosts[routes->route[route].host] : SLICE_NONE;

	if (!trial->arguments->json && slice_starts(slice_of(trial->host), host)) /* a route without a name */
		console_say("connecting to %s: %s", trial->host, trial->plan);
	else if (!trial->arguments->json)
		console_say("connecting to %.*s at %s: %s", SLICE_ARG(host), trial->host, trial->plan);
	return dialogue_show(&setup);
}

static void print_json(const struct trial *trial, const struct dialogue_result *result, bool good)
{
	const struct outcome *outcome = &result->outcome;
	struct outbuf out = {0}, lines = {0};

	outbuf_printf(&lines, "[%.*s]", SLICE_ARG(outbuf_slice(&trial->lines)));
	outbuf_byte(&out, '{');
	outbuf_json_text(&out, "address", mailbox_address(&trial->mailbox));
	outbuf_json_text(&out, "host", slice_of(trial->host));
	outbuf_json_text(&out, "tls_plan", slice_of(trial->plan));
	sts_print_json(&trial->sts, &out);
	if (result->tls[0])
		outbuf_json_text(&out, "tls", slice_of(result->tls));
	outbuf_json_raw(&out, "accepted", good ? SLICE("true") : SLICE("false"));
	if (result->error) {
		outbuf_json_text(&out, "error", slice_of(strerror(result->error)));
	} else if (!result->taken) {
		outbuf_json_text(&out, "action", slice_of(action_name(outcome->verdict.action)));
		outbuf_json_text(&out, "category", slice_of(category_name(outcome->verdict.category)));
		outbuf_json_text(&out, "stage", slice_of(stage_name(outcome->stage)));
		outbuf_json_number(&out, "code", outcome->code);
		outbuf_json_text(&out, "enhanced", slice_of(outcome->enhanced));
		outbuf_json_text(&out, "reply", slice_of(result->text));
	}
	outbuf_json_raw(&out, "dialogue", outbuf_slice(&lines));
	outbuf_add(&out, SLICE("}\n"));
	console_print(&out);
	outbuf_free(&out);
	outbuf_free(&lines);
}

static void print_text(const struct trial *trial, const struct dialogue_result *result)
{
	const struct outcome *outcome = &result->outcome;

	if (result->tls[0])
		console_say("tls: %s", result->tls);
	if (result->error)
		console_say("connecting to %s: %s", trial->host, strerror(result->error));
	else if (result->taken)
		console_say("the server takes mail for this address; nothing was sent");
	else
		console_say("%s%s%s at %s: %u %s %s", action_name(outcome->verdict.action),
			    outcome->verdict.category ? ", " : "", category_name(outcome->verdict.category),
			    stage_name(outcome->stage), outcome->code, outcome->enhanced,
			    LOG_TEXT(slice_of(result->text)));
}

/* As the engine comes again where TLS fails: on a new connection, with less asked of it, if nobody demands more. */
static struct dialogue_result talk_to(struct trial *trial, struct route_finder *finder, const struct routes *routes,
				      unsigned route)
{
	struct dialogue_result result = talk(trial, finder, routes, route, MEET_AS_PLANNED);

	if (result.insecure && trial->may_be_lenient)
		result = talk(trial, finder, routes, route, MEET_LENIENTLY);
	if (result.insecure && trial->may_be_clear)
		result = talk(trial, finder, routes, route, MEET_IN_CLEAR);
	return result;
}

static void say_policy(const struct trial *trial)
{
	struct outbuf text = {0};

	sts_print(&trial->sts, &text);
	console_say("%.*s", SLICE_ARG(slice_trim(outbuf_slice(&text))));
	outbuf_free(&text);
}

static int talk_to_first(struct trial *trial, struct route_finder *finder, const struct routes *routes)
{
	struct dialogue_result result = {.error = EHOSTUNREACH};
	bool good;

	if (routes->result != ROUTES_FOUND) {
		console_say("%.*s has no route: %s%s%s", SLICE_ARG(mailbox_domain(&trial->mailbox)),
			    routes_result_name(routes->result), routes->reason[0] ? ", " : "", routes->reason);
		return EXIT_UNDELIVERED;
	}
	sts_find(&trial->sts, finder, mailbox_domain(&trial->mailbox), routes);
	if (!trial->arguments->json)
		say_policy(trial);
	for (unsigned i = 0; i < routes->nroutes && (result.error || result.passed_over); i++) {
		result = talk_to(trial, finder, routes, i);
		if ((result.error || result.passed_over) && i + 1 < routes->nroutes)
			print_text(trial, &result);
	}
	good = !result.error && (result.taken || (result.told && result.outcome.verdict.action == ACTION_DELIVERED));
	if (trial->arguments->json)
		print_json(trial, &result, good);
	else
		print_text(trial, &result);
	return good ? EXIT_DONE : EXIT_UNDELIVERED;
}

static int attempt(struct trial *trial)
{
	struct route_finder finder;
	struct routes *routes;
	char why[TLS_WHY_MAX];
	int status;

	if (trial->config->divert == DIVERT_DISCARD) {
		console_say("divert is \"discard\": nothing leaves this machine%s",
			    trial->config->is_default ? ", because there is no configuration file" : "");
		return EXIT_FAILED;
	}
	trial->tls = tls_new(NULL, why);
	if (!trial->tls) {
		console_say("%s", why);
		return EXIT_FAILED;
	}
	if (!route_finder_open(&finder, trial->config)) {
		tls_free(trial->tls);
		return EXIT_FAILED;
	}
	routes = route_finder_ask(&finder, mailbox_domain(&trial->mailbox));
	status = talk_to_first(trial, &finder, routes);
	routes_free(routes);
	route_finder_close(&finder);
	tls_free(trial->tls);
	return status;
}

static bool read_address(const char *what, const char *text, struct mailbox *mailbox)
{
	enum mailbox_fault fault = mailbox_read(slice_of(text), mailbox);

	if (fault)
		console_say("%s \"%.200s\" %s", what, text, mailbox_fault_sentence(fault));
	return fault == MAILBOX_FINE;
}

int command_try(const struct arguments *arguments)
{
	const char *from = argument_value(arguments, "--from");
	struct trial trial = {.arguments = arguments};
	struct config *config;
	struct mailbox sender;
	struct outbuf postmaster = {0};
	int status = EXIT_USAGE;

	if (!read_address("the address", arguments->words[0], &trial.mailbox))
		return EXIT_USAGE;
	if (from && *from && !read_address("--from", from, &sender))
		return EXIT_USAGE;
	config = client_config(arguments);
	if (!config)
		return EXIT_USAGE;
	trial.config = config;
	outbuf_printf(&postmaster, "postmaster@%.*s", SLICE_ARG(config->hostname));
	trial.sender = !from ? outbuf_slice(&postmaster) : *from ? mailbox_address(&sender) : SLICE_NONE;
	status = EXIT_FAILED;
	if (read_message(&trial)) {
		trial.waives = trial.message && message_waives_tls(trial.message, SLICE_NONE);
		status = attempt(&trial);
	}
	sts_found_free(&trial.sts);
	if (trial.message)
		message_free(trial.message);
	outbuf_free(&trial.lines);
	outbuf_free(&postmaster);
	config_free(config);
	return status;
}
