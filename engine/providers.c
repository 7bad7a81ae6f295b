/* The table may be as long as it likes: a row for each provider. Few of them publish how many connections they take;
 * where no figure is known the row says so, and has one that nobody was seen to refuse: learning (scheduler/) finds
 * what is really taken, these are only where it may not go beyond. What a provider counts is mostly one address of
 * ours, as these limits do (a lane). Figures go out of date; a site of the same name in the configuration corrects
 * them. */
#include "providers.h"

#define UNPUBLISHED "cautious default, no published figure"

const struct provider providers[] = {
	/* --- worldwide --- */
	/* Gmail and Workspace are one: the same exchangers. */
	{"google", "*.google.com *.googlemail.com", "", 20, 100, 0,
	 UNPUBLISHED " (Google, Email sender guidelines: rates grow with reputation)"},
	/* outlook.com, hotmail, live, msn. */
	{"microsoft", "*.olc.protection.outlook.com", "", 20, 100, 0,
	 "Outlook.com Postmaster, policies: at most 500 connections at a time without arrangement; 20 is our caution"},
	/* Exchange Online: every tenant behind the same front. */
	{"microsoft-business", "*.mail.protection.outlook.com *.mx.microsoft", "", 20, 100, 0,
	 UNPUBLISHED " (Microsoft, Exchange Online receive limits, are those of a mailbox: 3600 messages an hour)"},
	/* With AOL, Verizon and Cox, which are on its exchangers. */
	{"yahoo", "*.yahoodns.net", "", 10, 20, 100,
	 "Yahoo, Guidelines for establishing SMTP connections: 20 messages a connection; connections not published"},
	{"apple", "*.mail.icloud.com", "", 10, 100, 0, UNPUBLISHED " (Apple, iCloud Mail postmaster information)"},
	{"zoho", "*.zoho.com *.zoho.eu *.zoho.in", "", 5, 50, 0, UNPUBLISHED},
	{"fastmail", "*.messagingengine.com", "", 5, 100, 0, UNPUBLISHED},
	{"proton", "*.protonmail.ch", "", 5, 50, 0, UNPUBLISHED},

	/* --- Europe --- */
	/* GMX, web.de, mail.com, and the hosting of 1&1 and IONOS. */
	{"gmx",
	 "*.gmx.net *.web.de *.mail.com *.kundenserver.de *.perfora.net *.1and1.com *.1and1.co.uk *.1and1.fr "
	 "*.1and1.es "
	 "*.ionos.com *.ionos.de *.ionos.co.uk *.ionos.fr *.ionos.es *.ionos.it",
	 "", 5, 50, 0, UNPUBLISHED " (GMX Postmaster)"},
	{"t-online", "*.t-online.de", "", 4, 50, 0, UNPUBLISHED " (Telekom Postmaster)"},
	{"freenet", "*.freenet.de", "", 4, 50, 0, UNPUBLISHED},
	{"strato", "*.rzone.de", "", 5, 50, 0, UNPUBLISHED},
	/* With Wanadoo. */
	{"orange", "*.orange.fr *.wanadoo.fr", "", 2, 100, 100,
	 "Orange postmaster: 2 connections an address, 100 messages a connection, 100 recipients a message"},
	{"free", "*.free.fr", "", 2, 50, 0, UNPUBLISHED},
	{"sfr", "*.sfr.fr", "", 2, 50, 0, UNPUBLISHED},
	{"laposte", "*.laposte.net", "", 2, 50, 0, UNPUBLISHED},
	{"ovh", "*.mail.ovh.net", "", 5, 50, 0, UNPUBLISHED},
	/* With Virgilio. */
	{"libero", "*.libero.it *.virgilio.it *.iol.it", "", 4, 50, 0, UNPUBLISHED " (Italiaonline Postmaster)"},
	{"seznam", "*.seznam.cz", "", 5, 50, 0, UNPUBLISHED},
	{"wp", "*.wp.pl", "", 5, 50, 0, UNPUBLISHED},
	{"onet", "*.onet.pl", "", 5, 50, 0, UNPUBLISHED},
	{"mail.ru", "*.mail.ru", "", 10, 50, 0, UNPUBLISHED " (Mail.ru Postmaster)"},
	{"yandex", "*.yandex.ru *.yandex.net", "", 10, 50, 0, UNPUBLISHED " (Yandex Postmaster)"},

	/* --- Asia --- */
	{"yahoo-japan", "*.mail.yahoo.co.jp", "yahoo.co.jp ybb.ne.jp", 5, 50, 0, UNPUBLISHED},
	/* The carriers ask for few sessions and slow sending; mail is pushed to telephones. */
	{"docomo", "*.docomo.ne.jp", "", 2, 50, 100,
	 "NTT docomo, notes on sending: 100 recipients a session; sessions at a time not published, few are asked for"},
	{"au", "*.ezweb.ne.jp *.au.com", "", 2, 50, 0, UNPUBLISHED " (KDDI asks not to hold many sessions at a time)"},
	{"softbank", "*.softbank.ne.jp *.softbank.jp", "", 2, 50, 0,
	 UNPUBLISHED " (SoftBank, notes on sending: take time)"},
	{"qq", "*.qq.com", "", 4, 20, 0, UNPUBLISHED " (Tencent QQ Mail postmaster)"},
	{"163", "*.netease.com *.163.com", "", 4, 20, 0, UNPUBLISHED " (NetEase, anti-spam answers)"},
	{"naver", "*.naver.com", "", 5, 50, 0, UNPUBLISHED},
	{"daum", "*.daum.net *.hanmail.net *.kakao.com", "", 5, 50, 0, UNPUBLISHED},

	/* --- North America --- */
	{"comcast", "*.comcast.net", "", 25, 100, 100,
	 "Comcast postmaster: 25 connections an address, 100 recipients a message"},
	{"charter", "*.charter.net *.rr.com *.twc.com", "", 4, 50, 0,
	 UNPUBLISHED " (Spectrum limits connections by reputation, AUP#In-1340)"},
	{"cox", "*.cox.net", "", 4, 50, 0, UNPUBLISHED " (Cox postmaster)"},
	{"rackspace", "*.emailsrvr.com", "", 5, 100, 0, UNPUBLISHED},
	{"godaddy", "*.secureserver.net", "", 5, 50, 0, UNPUBLISHED},

	/* --- filters in front of others' servers: many companies, one that counts --- */
	{"mimecast", "*.mimecast.com *.mimecast.co.za *.mimecast-offshore.com", "", 20, 100, 0, UNPUBLISHED},
	{"proofpoint", "*.pphosted.com *.ppe-hosted.com", "", 20, 100, 0, UNPUBLISHED},
	{"barracuda", "*.barracudanetworks.com", "", 10, 100, 0, UNPUBLISHED},
	{"cisco", "*.iphmx.com", "", 10, 100, 0, UNPUBLISHED},
	{"symantec", "*.messagelabs.com", "", 10, 100, 0, UNPUBLISHED},
	{"trend-micro", "*.tmes.trendmicro.com *.tmes.trendmicro.eu *.hes.trendmicro.com *.hes.trendmicro.eu", "", 10,
	 100, 0, UNPUBLISHED},
};

const unsigned nproviders = sizeof(providers) / sizeof(providers[0]);

static void print_figures(const struct provider *provider, struct outbuf *out)
{
	outbuf_printf(out, "connections %d, messages-per-connection %d", provider->connections,
		      provider->messages_per_connection);
	if (provider->recipients_per_message)
		outbuf_printf(out, ", recipients-per-message %d", provider->recipients_per_message);
}

void providers_print(struct outbuf *out)
{
	outbuf_printf(out, "built-in sites: a section site of the same name goes before, key by key\n");
	for (unsigned i = 0; i < nproviders; i++) {
		outbuf_printf(out, "  %-24s %s\n      ", providers[i].name, providers[i].mx);
		print_figures(&providers[i], out);
		outbuf_printf(out, "\n      %s\n", providers[i].source);
	}
}
