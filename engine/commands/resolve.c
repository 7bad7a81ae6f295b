/* What the engine would do with a domain, and why: the same functions find its routes, its site and its limits. */
#include "client.h"
#include "console.h"
#include "home.h"
#include "protection.h"
#include "route_finder.h"
#include "site_key.h"
#include "sts_finder.h"

#include "queue/mailbox.h"

#include <string.h>

struct resolved {
	const struct config *config;
	struct slice domain;
	struct routes *routes;
	const struct config_site *site; /* configured or built in; NULL: none */
	struct outbuf site_name;
	struct sts_found sts;
};

/* "connections 10: hikyaku.conf:14 domain \"*\"" apart. */
struct limit_line {
	struct slice key, value, decided;
};

static bool next_limit(struct slice *why, struct limit_line *line)
{
	struct slice rest = slice_until(why, '\n');
	const char *colon = rest.len ? memmem(rest.ptr, rest.len, ": ", 2) : NULL;

	if (!colon)
		return false;
	line->decided = slice_skip(rest, (size_t)(colon + 2 - rest.ptr));
	rest = slice_head(rest, (size_t)(colon - rest.ptr));
	line->key = slice_until(&rest, ' ');
	line->value = rest;
	return true;
}

static struct slice addresses_of(const struct routes *routes, unsigned host, bool json, struct outbuf *out)
{
	char room[ADDRESS_TEXT_MAX];
	unsigned n = 0;

	outbuf_reset(out);
	for (unsigned i = 0; i < routes->nroutes; i++) {
		if (routes->nhosts && routes->route[i].host != host)
			continue;
		struct address address = routes_address(routes, i);

		outbuf_printf(out, "%s", n++ == 0 ? "" : json ? "," : ", ");
		if (json)
			outbuf_json_string(out, address_text(&address, room));
		else
			outbuf_add(out, address_text(&address, room));
	}
	return outbuf_slice(out);
}

static unsigned preference_of(const struct routes *routes, unsigned host)
{
	for (unsigned i = 0; i < routes->nroutes; i++)
		if (routes->route[i].host == host)
			return routes->route[i].preference;
	return 0;
}

static const char *origin_of(const struct resolved *resolved)
{
	const struct config_domain *section = config_route(resolved->config, resolved->domain);

	if (resolved->config->divert != DIVERT_NONE)
		return "divert";
	if (section && section->via)
		return "relay";
	if (section && section->nroutes)
		return "route";
	return resolved->routes->implicit ? "implicit" : "mx";
}

static void print_hosts(const struct resolved *resolved, struct outbuf *out)
{
	const struct routes *routes = resolved->routes;
	struct outbuf addresses = {0};

	for (unsigned i = 0; i < routes->nhosts; i++) {
		struct slice list = addresses_of(routes, i, false, &addresses);

		outbuf_printf(out, "%-9s %u %.*s  %.*s\n", origin_of(resolved), preference_of(routes, i),
			      SLICE_ARG(routes->hosts[i]), list.len ? (int)list.len : 10,
			      list.len ? list.ptr : "no address");
	}
	if (routes->nhosts == 0 && routes->nroutes) {
		struct slice list = addresses_of(routes, 0, false, &addresses);

		outbuf_printf(out, "%-9s %.*s\n", origin_of(resolved), SLICE_ARG(list));
	}
	outbuf_free(&addresses);
}

static void print_relay(const struct resolved *resolved, struct outbuf *out)
{
	const struct config_relay *relay = config_relay_of(resolved->config, resolved->domain);

	if (!relay)
		return;
	outbuf_printf(out, "relay     %.*s: %.*s port %u, TLS by %s, ", SLICE_ARG(relay->name),
		      SLICE_ARG(relay->host_name), relay->port, relay->implicit_tls ? "the first byte" : "STARTTLS");
	outbuf_printf(out, relay->user.len ? "we log in as %.*s\n" : "we do not log in%.*s\n", SLICE_ARG(relay->user));
}

static void print_relay_json(const struct resolved *resolved, struct outbuf *out)
{
	const struct config_relay *relay = config_relay_of(resolved->config, resolved->domain);

	if (!relay)
		return;
	outbuf_json_text(out, "relay", relay->name);
	outbuf_json_text(out, "relay_host", relay->host_name);
	outbuf_json_number(out, "relay_port", relay->port);
	outbuf_json_raw(out, "relay_implicit_tls", relay->implicit_tls ? SLICE("true") : SLICE("false"));
	outbuf_json_text(out, "relay_user", relay->user);
}

static int tls_of(const struct resolved *resolved)
{
	return config_limits(resolved->config, resolved->domain, resolved->site ? resolved->site->name : SLICE_NONE,
			     SLICE_NONE, NULL)
		.tls;
}

/* How each host is met, and what the DNS says of it; which line of the configuration decides is among the limits. */
static void print_protection(const struct resolved *resolved, struct outbuf *out)
{
	const struct routes *routes = resolved->routes;

	for (unsigned i = 0; i < routes->nhosts; i++) {
		const struct host_security *security = routes_security(routes, i);

		outbuf_printf(out, "tls       %.*s: %s (DNSSEC: %s", SLICE_ARG(routes->hosts[i]),
			      protection_plan(tls_of(resolved), routes, i, resolved->sts.policy),
			      security_meaning(security->kind));
		if (security->kind == SECURITY_TLSA)
			outbuf_printf(out, " of %.*s, %u, of them usable %u", SLICE_ARG(security->base),
				      security->nrecords, protection_records(security, 0));
		outbuf_printf(out, "; %s)\n",
			      routes->fixed || config_relay_of(resolved->config, resolved->domain)
				      ? "named in the configuration"
			      : routes->mx_signed ? "MX signed"
						  : "MX not signed");
	}
}

static void print_protection_json(const struct resolved *resolved, unsigned host, struct outbuf *out)
{
	const struct host_security *security = routes_security(resolved->routes, host);

	outbuf_json_text(out, "tls",
			 slice_of(protection_plan(tls_of(resolved), resolved->routes, host, resolved->sts.policy)));
	outbuf_json_text(out, "dnssec", slice_of(security_name(security->kind)));
	if (security->kind != SECURITY_TLSA)
		return;
	outbuf_json_text(out, "tlsa_base", security->base);
	outbuf_json_number(out, "tlsa_records", security->nrecords);
	outbuf_json_number(out, "tlsa_usable", protection_records(security, 0));
}

/* A line for each limit, of those lines that the configuration explained. */
static void print_why(struct outbuf *why, struct outbuf *out)
{
	struct slice rest = outbuf_slice(why);
	struct limit_line line;

	while (next_limit(&rest, &line))
		outbuf_printf(out, "  %-24.*s %-26.*s %.*s\n", SLICE_ARG(line.key), SLICE_ARG(line.value),
			      SLICE_ARG(line.decided));
	outbuf_reset(why);
}

static struct limits explained(const struct resolved *resolved, struct slice source, struct outbuf *why)
{
	return config_limits(resolved->config, resolved->domain, resolved->site ? resolved->site->name : SLICE_NONE,
			     source, why);
}

/* Who sends, unless the job or its tenant has a pool of its own. */
static void print_pool(const struct resolved *resolved, struct outbuf *out)
{
	const struct config *config = resolved->config;
	const struct config_pool *pool = config_pool_named(config, explained(resolved, SLICE_NONE, NULL).pool);

	outbuf_printf(out, "pool      %.*s", pool ? (int)pool->name.len : 11, pool ? pool->name.ptr : "all sources");
	for (unsigned i = 0; pool && i < pool->nsources; i++)
		outbuf_printf(out, "%s %.*s, weight %u", i ? ";" : ":", SLICE_ARG(pool->sources[i].source),
			      pool->sources[i].weight);
	outbuf_byte(out, '\n');
}

/* What a source may send at any site. */
static void print_sources(const struct config *config, struct outbuf *why, struct outbuf *out)
{
	for (unsigned i = 0; i < config->nsources; i++) {
		const struct config_source *source = &config->sources[i];

		config_axis_explain(&source->limits, "source", source->name, why);
		if (why->len)
			outbuf_printf(out, "limits    of source %.*s over all sites\n", SLICE_ARG(source->name));
		print_why(why, out);
	}
}

/* What a tenant may send in all, wherever. */
static void print_tenants(const struct config *config, struct outbuf *why, struct outbuf *out)
{
	for (unsigned i = 0; i < config->ntenants; i++) {
		const struct config_tenant *tenant = &config->tenants[i];

		config_axis_explain(&tenant->limits, "tenant", tenant->name, why);
		if (why->len)
			outbuf_printf(out, "limits    of tenant %.*s over everything\n", SLICE_ARG(tenant->name));
		print_why(why, out);
	}
}

static void print_text(const struct resolved *resolved, struct outbuf *out)
{
	const struct routes *routes = resolved->routes;
	struct outbuf why = {0};

	outbuf_printf(out, "domain    %.*s: %s%s%s\n", SLICE_ARG(resolved->domain), routes_result_name(routes->result),
		      routes->reason[0] ? ", " : "", routes->reason);
	if (resolved->config->divert == DIVERT_DISCARD)
		outbuf_printf(out, "divert    everything is discarded: nothing is sent anywhere\n");
	print_relay(resolved, out);
	print_hosts(resolved, out);
	print_protection(resolved, out);
	sts_print(&resolved->sts, out);
	outbuf_printf(out, "site      %.*s%s\n", SLICE_ARG(outbuf_slice(&resolved->site_name)),
		      !resolved->site	      ? ""
		      : resolved->site->place ? " (configured)"
					      : " (built-in)");
	print_pool(resolved, out);
	outbuf_printf(out, "limits    of each source\n");
	explained(resolved, SLICE_NONE, &why);
	print_why(&why, out);
	for (unsigned i = 0; resolved->site && i < resolved->site->nsources; i++) {
		outbuf_printf(out, "limits    of source %.*s\n", SLICE_ARG(resolved->site->sources[i].source));
		explained(resolved, resolved->site->sources[i].source, &why);
		print_why(&why, out);
	}
	print_sources(resolved->config, &why, out);
	print_tenants(resolved->config, &why, out);
	outbuf_free(&why);
}

static void print_hosts_json(const struct resolved *resolved, struct outbuf *out)
{
	const struct routes *routes = resolved->routes;
	struct outbuf addresses = {0}, text = {0};

	outbuf_json_raw(out, "hosts", SLICE("["));
	for (unsigned i = 0; i < routes->nhosts || (i == 0 && routes->nroutes); i++) {
		struct slice list = addresses_of(routes, i, true, &addresses);

		outbuf_reset(&text);
		outbuf_printf(&text, "[%.*s]", SLICE_ARG(list));
		outbuf_printf(out, i ? ",{" : "{");
		if (i < routes->nhosts) {
			outbuf_json_text(out, "host", routes->hosts[i]);
			outbuf_json_number(out, "preference", preference_of(routes, i));
			print_protection_json(resolved, i, out);
		}
		outbuf_json_raw(out, "addresses", outbuf_slice(&text));
		outbuf_byte(out, '}');
	}
	outbuf_byte(out, ']');
	outbuf_free(&addresses);
	outbuf_free(&text);
}

static void print_why_json(struct outbuf *why, struct outbuf *out)
{
	struct slice rest = outbuf_slice(why);
	struct limit_line line;
	char key[64];

	outbuf_byte(out, '{');
	while (next_limit(&rest, &line)) {
		snprintf(key, sizeof(key), "%.*s", SLICE_ARG(line.key));
		outbuf_json_raw(out, key, SLICE("{"));
		outbuf_json_text(out, "value", line.value);
		outbuf_json_text(out, "by", line.decided);
		outbuf_byte(out, '}');
	}
	outbuf_byte(out, '}');
	outbuf_reset(why);
}

/* A member for something that has limits of its own; its name, and what why says of them. */
static void print_named_json(struct slice name, bool is_first, struct outbuf *why, struct outbuf *out)
{
	outbuf_printf(out, is_first ? "" : ",");
	outbuf_json_string(out, name);
	outbuf_byte(out, ':');
	print_why_json(why, out);
}

/* A member for each source that has limits of its own, here or everywhere. */
static void print_source_limits_json(const struct resolved *resolved, struct outbuf *why, struct outbuf *out)
{
	outbuf_json_raw(out, "source_limits", SLICE("{"));
	for (unsigned i = 0; resolved->site && i < resolved->site->nsources; i++) {
		explained(resolved, resolved->site->sources[i].source, why);
		print_named_json(resolved->site->sources[i].source, i == 0, why, out);
	}
	outbuf_byte(out, '}');
	outbuf_json_raw(out, "sources", SLICE("{"));
	for (unsigned i = 0; i < resolved->config->nsources; i++) {
		const struct config_source *source = &resolved->config->sources[i];

		config_axis_explain(&source->limits, "source", source->name, why);
		print_named_json(source->name, i == 0, why, out);
	}
	outbuf_byte(out, '}');
}

static void print_tenant_limits_json(const struct resolved *resolved, struct outbuf *why, struct outbuf *out)
{
	outbuf_json_raw(out, "tenants", SLICE("{"));
	for (unsigned i = 0; i < resolved->config->ntenants; i++) {
		const struct config_tenant *tenant = &resolved->config->tenants[i];

		config_axis_explain(&tenant->limits, "tenant", tenant->name, why);
		print_named_json(tenant->name, i == 0, why, out);
	}
	outbuf_byte(out, '}');
}

static void print_json(const struct resolved *resolved, struct outbuf *out)
{
	const struct routes *routes = resolved->routes;
	struct outbuf why = {0};

	outbuf_byte(out, '{');
	outbuf_json_text(out, "domain", resolved->domain);
	outbuf_json_text(out, "result", slice_of(routes_result_name(routes->result)));
	outbuf_json_text(out, "reason", slice_of(routes->reason));
	outbuf_json_text(out, "origin", slice_of(origin_of(resolved)));
	print_relay_json(resolved, out);
	outbuf_json_raw(out, "mx_signed", routes->mx_signed ? SLICE("true") : SLICE("false"));
	print_hosts_json(resolved, out);
	sts_print_json(&resolved->sts, out);
	outbuf_json_text(out, "site", outbuf_slice(&resolved->site_name));
	outbuf_json_raw(out, "site_configured",
			resolved->site && resolved->site->place ? SLICE("true") : SLICE("false"));
	outbuf_json_raw(out, "limits", SLICE(""));
	explained(resolved, SLICE_NONE, &why);
	print_why_json(&why, out);
	print_source_limits_json(resolved, &why, out);
	print_tenant_limits_json(resolved, &why, out);
	outbuf_add(out, SLICE("}\n"));
	outbuf_free(&why);
}

static int resolve(const struct config *config, struct slice domain, bool json)
{
	struct resolved resolved = {.config = config, .domain = domain};
	struct route_finder finder;
	struct outbuf out = {0};
	int status = EXIT_FAILED;

	if (!route_finder_open(&finder, config))
		return EXIT_FAILED;
	resolved.routes = route_finder_ask(&finder, domain);
	resolved.site = site_key_configured(config, domain, resolved.routes);
	site_key_name(config, domain, resolved.routes, &resolved.site_name);
	sts_find(&resolved.sts, &finder, domain, resolved.routes);
	if (resolved.routes->result == ROUTES_FOUND)
		status = EXIT_DONE;
	if (json)
		print_json(&resolved, &out);
	else
		print_text(&resolved, &out);
	console_print(&out);
	outbuf_free(&out);
	outbuf_free(&resolved.site_name);
	sts_found_free(&resolved.sts);
	routes_free(resolved.routes);
	route_finder_close(&finder);
	return status;
}

int command_resolve(const struct arguments *arguments)
{
	struct config *config = client_config(arguments);
	struct mailbox mailbox;
	char address[512];
	enum mailbox_fault fault;
	int status;

	if (!config)
		return EXIT_USAGE;
	/* A domain is read as that of an address, so that it gets the same form and the same checks. */
	snprintf(address, sizeof(address), "postmaster@%s", arguments->words[0]);
	fault = mailbox_read(slice_of(address), &mailbox);
	if (fault) {
		console_say("the address \"%s\" %s", address, mailbox_fault_sentence(fault));
		status = EXIT_USAGE;
	} else {
		status = resolve(config, mailbox_domain(&mailbox), arguments->json);
	}
	config_free(config);
	return status;
}
