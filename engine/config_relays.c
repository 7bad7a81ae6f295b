/* Relays: what can only be told when all is read. A password is said to whoever has proved to be the relay, or at least
 * where nobody listens: what would say it in clear is refused here, and the session holds to that too. */
#include "config_read.h"

#include <ctype.h>

enum { SUBMISSION_PORT = 587, SUBMISSIONS_PORT = 465 };

/* "smtp.relay.example:587", "smtp.relay.example", or an address. */
static bool read_host(struct config *config, struct config_relay *relay)
{
	struct slice rest = relay->host;
	char room[ADDRESS_TEXT_MAX];
	uint64_t port = SUBMISSION_PORT;

	if (address_parse(&relay->address, rest, SUBMISSION_PORT)) {
		relay->port = address_port(&relay->address);
		relay->host_name = arena_copy(&config->arena, address_ip_text(&relay->address, room));
		return relay->address.sa.sa_family != AF_UNIX;
	}
	relay->address.len = 0;
	char *name = arena_string(&config->arena, slice_until(&rest, ':'));

	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	relay->host_name = slice_of(name);
	if (rest.ptr > relay->host.ptr && rest.len && (!slice_number(rest, 65535, &port) || port == 0))
		return false;
	relay->port = (unsigned)port;
	return config_is_domain(relay->host_name);
}

static void check_login(struct config_reading *reading, struct config_relay *relay)
{
	if (!relay->user.len != !relay->password_file.len)
		config_problem_at(reading, relay->place, "the relay \"%.*s\" has no %s, expected both or neither",
				  SLICE_ARG(relay->name), relay->user.len ? "password-file" : "user");
	if (slice_find(relay->user, '\0') < relay->user.len)
		config_problem_at(reading, relay->place, "the user of the relay \"%.*s\" has a zero byte",
				  SLICE_ARG(relay->name));
	if (relay->password_file.len)
		relay->password = config_secret(reading, relay->password_file, relay->place);
}

static void check_protection(struct config_reading *reading, struct config_relay *relay)
{
	int tls = relay->limits.tls == LIMIT_UNSET ? TLS_VERIFIED : relay->limits.tls;
	bool names_nobody = relay->address.len && tls > TLS_REQUIRED;

	relay->implicit_tls |= relay->port == SUBMISSIONS_PORT;
	relay->protection = limits_unset();
	relay->protection.tls = tls;
	relay->protection.sts = 0;
	relay->protection.places = relay->limits.places;
	if (relay->user.len && tls < TLS_REQUIRED)
		config_problem_at(reading, relay->place,
				  "the relay \"%.*s\" has a password that would go in clear; expected tls = "
				  "\"verified\", \"dane\" or \"required\"",
				  SLICE_ARG(relay->name));
	else if (relay->implicit_tls && tls < TLS_REQUIRED)
		config_problem_at(
			reading, relay->place,
			"the relay \"%.*s\" has TLS from the first byte on, which contradicts its tls; expected "
			"\"verified\", \"dane\" or \"required\"",
			SLICE_ARG(relay->name));
	if (names_nobody)
		config_problem_at(
			reading, relay->place,
			"the relay \"%.*s\" is an address, and certificates name hosts; expected a name, or tls "
			"= \"required\"",
			SLICE_ARG(relay->name));
}

static void check_relay(struct config_reading *reading, struct config_relay *relay)
{
	if (!config_is_plain_name(relay->name))
		config_problem_at(reading, relay->place,
				  "relay \"%.*s\": expected a name of at most 64 letters, digits, - _ and dots",
				  SLICE_ARG(relay->name));
	if (!read_host(reading->config, relay))
		config_problem_at(reading, relay->place,
				  "the host of the relay \"%.*s\" is \"%.*s\", expected a name or an address, and its "
				  "port: \"smtp.relay.example:587\"",
				  SLICE_ARG(relay->name), SLICE_ARG(slice_head(relay->host, 80)));
	check_login(reading, relay);
	check_protection(reading, relay);
}

static void find_relay(struct config_reading *reading, struct config_domain *domain)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->nrelays && !domain->via; i++)
		if (slice_is(config->relays[i].name, domain->relay))
			domain->via = &config->relays[i];
	if (domain->relay.len && !domain->via)
		config_problem_at(reading, domain->place, "unknown relay \"%.*s\"; there is no section relay \"%.*s\"",
				  SLICE_ARG(domain->relay), SLICE_ARG(domain->relay));
	if (domain->via && domain->nroutes)
		config_problem_at(reading, domain->place,
				  "the domain \"%.*s\" has a route and a relay, expected one of them",
				  SLICE_ARG(domain->name));
}

void config_check_relays(struct config_reading *reading)
{
	struct config *config = reading->config;

	for (unsigned i = 0; i < config->nrelays; i++)
		check_relay(reading, &config->relays[i]);
	for (unsigned i = 0; i < config->ndomains; i++)
		find_relay(reading, &config->domains[i]);
}
