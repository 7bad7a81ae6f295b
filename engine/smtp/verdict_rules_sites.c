/* What some sites and products say in codes and sentences of their own, which their postmaster pages explain; and the
 * marks each is known by when only the text is at hand. A row with a site holds for it alone: a code of its own making,
 * or plain words that mean something special there. A row without one has words nobody else uses. Phrases in the form
 * of verdict_phrases.h, so "OFR_417" is "ofr 417". */
#include "smtp/verdict_rules.h"

/* clang-format off */
const struct verdict_site verdict_sites[] = {
	{"google", "gsmtp|support google com|mail google com|google"},
	{"yahoo", "yahoo com|yahooinc com|yahoo|postmaster yahoo|yahoodns|aol com|aol"},
	{"microsoft", "outlook com|hotmail com|office com|microsoft com|protection outlook|mail protection|live com|msn com|hotmail"},
	{"apple", "support apple com|icloud com|me com|apple com"},
	{"gmx", "gmx net|gmx de|web de|kundenserver de|mail com|1and1|1und1|nemesis"},
	{"orange", "ofr-|orange fr|wanadoo fr"},
	{"mailru", "mail ru|corp mail"},
	{"yandex", "yandex ru|yandex|ya cc"},
	{"qq", "mail qq com|qq com"},
	{"netease", "mail 163 com|163 com|126 com|netease com"},
	{"comcast", "comcast net|comcast"},
	{"zoho", "zoho com|zoho"},
	{"mimecast", "mimecast com|mimecast org|mimecast"},
	{"barracuda", "cuda nsu|cudamail|barracuda"},
	{"symantec", "symanteccloud com|messagelabs com|broadcom com|symantec"},
};
const unsigned verdict_sites_count = sizeof(verdict_sites) / sizeof(verdict_sites[0]);

static const struct verdict_rule rules[] = {
	/* ---- Google. support.google.com, "SMTP errors and codes". */

	{"google-tls", ANYWHERE, "4 5", "x.7.29", "google", "",
	 ACTION_LATER, SCOPE_SITE, CATEGORY_TLS, SUPPRESS_NOT,
	 "eom 421 4.7.29 Come by another way - gsmtp"},
	{"google-proof", ANYWHERE, "4 5", "x.7.27 x.7.30 x.7.32 x.7.40", "google", "",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, SUPPRESS_NOT,
	 "eom 421 4.7.32 From: does not align - gsmtp"},
	{"google-names", ANYWHERE, "4 5", "x.7.23", "google", "",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_PTR_OR_HELO, SUPPRESS_NOT,
	 "eom 421 4.7.23 Your network is not in order - gsmtp"},
	/* Addresses of clients at home may not deliver. */
	{"google-direct", ANYWHERE, "5", "", "google",
	 "not authorized to send * directly|notauthorizederror",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "eom 550 5.7.1 192.0.2.10 is not authorized to send email directly - gsmtp"},
	{"google-reputation", ANYWHERE, "4 5", "", "google",
	 "very low reputation|low reputation|bad reputation",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "eom 550 5.7.1 Sent from a network of low reputation - gsmtp"},
	{"google-busy", ANYWHERE, "4", "x.3.0 x.4.5", "google", "",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "connect 421 4.3.0 Come back - gsmtp"},

	/* ---- Yahoo and AOL. postmaster.yahooinc.com, "error codes". */

	{"yahoo-ts", ANYWHERE, "4 5", "", "",
	 "ts01|ts02|ts03|ts04|tss01|tss02|tss03|tss04|tss05|tss06|tss07|tss08|tss09|tss10|tss11|tss12|tss13|tss14|bl21|bl22|bl23",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "eom 421 4.7.0 [TSS04] Deferred"},
	/* AOL's, in parentheses: routes, dynamic addresses, connections; names; links. */
	{"aol-reputation", ANYWHERE, "4 5", "", "",
	 "rtr bb|rtr bl|rtr rp|rtr du|dyn t1|dyn t2|con b1|con a1|rly b1|rly b2|rly b3|dns bl",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 554 (RTR:BB) not taken"},
	{"aol-names", ANYWHERE, "4 5", "", "",
	 "dns nr|dns b1|dns b2",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_PTR_OR_HELO, SUPPRESS_NOT,
	 "connect 521 5.2.1 : (DNS:NR) not taken"},
	{"aol-links", ANYWHERE, "4 5", "", "",
	 "hvu b1|hvu b2|hvu b3",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, SUPPRESS_NOT,
	 "eom 554 5.2.1 : (HVU:B1) not taken"},
	{"yahoo-policy", ANYWHERE, "4 5", "", "",
	 "ph01|ph02|ph03|ph04|ph05|ph06|ph07|ph08|ph09|not accepted for policy reasons|policy related reasons",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "eom 554 Not taken [PH01]"},
	{"yahoo-sender", ANYWHERE, "4 5", "", "",
	 "unresolvable rfc * domain",
	 ACTION_BY_STAGE, SCOPE_SENDER, CATEGORY_SENDER_REJECTED, SUPPRESS_NOT,
	 "mail 451 Deferred because of unresolvable RFC.5321 from domain"},
	{"yahoo-busy", ANYWHERE, "4", "", "yahoo",
	 "resources temporarily unavailable|mail server * overloaded|temporarily deferred|requested action aborted",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "eom 451 Resources temporarily unavailable, mta1.mail.yahoo.com"},
	{"yahoo-gone", AT_RCPT | AT_END, "5", "", "",
	 "delivery error dd * disabled",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INACTIVE_MAILBOX, SUPPRESS_NOT,
	 "rcpt 554 delivery error: dd ann@b.example: disabled"},

	/* ---- Microsoft: outlook.com and 365. */

	/* S3140 and S3150 are lists, SC, DY and OU classes of reputation. */
	{"microsoft-reputation", ANYWHERE, "4 5", "", "",
	 "s3140|s3150|part of their network|sc 001|sc 002|sc 003|sc 004|dy 001|dy 002|ou 001|ou 002|as 001|"
	 "banned sending ip|banned sender|abuse detected from|sender * ip * banned|block list s3140|weren t sent",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "mail 550 5.7.1 Part of their network is here (S3150)"},
	/* RP-001 to RP-003: rates of an address whose reputation allows no more. */
	{"microsoft-rate", ANYWHERE, "4 5", "", "",
	 "rp 001|rp 002|rp 003|resource forest",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "mail 421 RP-001 192.0.2.10 is over it"},
	{"microsoft-reputation-code", ANYWHERE, "5", "x.7.606 x.7.607 x.7.608 x.7.609 x.7.610 x.7.511 x.7.513 x.7.107 x.7.501 x.7.502 x.7.503 x.7.507", "", "",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "rcpt 550 5.7.606 Access denied"},
	/* "Server busy" means suspicion here. */
	{"microsoft-busy", ANYWHERE, "4", "x.7.500 x.7.501 x.7.502 x.7.503 x.7.504 x.7.505", "", "",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "rcpt 451 4.7.500 Server busy"},
	/* A tenant sends too much or too badly: the sender's side. */
	{"microsoft-tenant", ANYWHERE, "5", "x.7.705 x.7.708 x.7.750 x.7.508 x.1.90", "", "",
	 ACTION_SLOWER, SCOPE_SENDER, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "mail 550 5.7.705 Tenant is over its threshold"},
	/* The mailbox or group takes mail of some people only (RESOLVER.RST.*). */
	{"restricted", AT_RCPT | AT_DATA | AT_END, "5", "", "",
	 "resolver rst not authorized|resolver rst authrequired|resolver rst notauthorized|resolver rst restricted|resolver rst recipsizelimit|"
	 "recipnotauthorized|not permitted to send * recipient|dont have permission to send|"
	 "not allowed to send to this|only accepts messages from|only accepts mail from|accept mail only from|"
	 "restricted recipient|delivery not authorized|"
	 "authentication required to send to|only accepting mail from|only accept mail from|only accepts message|"
	 "only accept messages|by non member|closed mailing list|mailing list|organizational settings|"
	 "allowed senders list|recipient preferences|not accepting any mail from|user reject|not allowed to send to|"
	 "not allowed to post|not subscribed|moderated|not authorized to send to|"
	 "not authorised to send to|cannot send to this|delivery restriction-|does not accept mail from you|"
	 "not accept mail from you|has restricted|members only list|not have permission|not have permissions",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "rcpt 550 5.7.1 RESOLVER.RST.AuthRequired; authentication required"},
	{"restricted-code", AT_RCPT | AT_DATA | AT_END, "5", "x.7.124 x.7.129 x.7.133 x.7.134 x.7.135 x.7.136 x.7.12 x.7.13", "", "",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "rcpt 550 5.7.133 Members only"},
	/* Directory based blocking: nobody of that name in the tenant. Also said while a whole tenant is set up
	 * wrongly, so it does not suppress. */
	{"microsoft-nobody", AT_RCPT, "5", "x.4.1", "",
	 "access denied",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 550 5.4.1 Recipient address rejected: Access denied"},
	{"microsoft-nobody-code", AT_RCPT, "5", "x.1.10 x.5.0", "",
	 "mailbox unavailable",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS,
	 "rcpt 550 5.5.0 Requested action not taken: mailbox unavailable"},
	{"exchange-store", ANYWHERE, "4 5", "", "",
	 "storedrv|mapiexception-|resolver grp|agent generated",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "eom 451 4.2.0 STOREDRV.Deliver; delivery failed"},

	/* ---- Apple. */

	{"apple-reputation", ANYWHERE, "4 5", "", "",
	 "hm01|hm02|hm03|hm04|hm05|hm06|hm07|hm09",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "eom 554 5.7.1 [HM07] Not taken"},
	{"apple-policy", ANYWHERE, "4 5", "", "",
	 "cs01|hm08|rejected due to local policy",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "eom 554 5.7.1 [CS01] Not taken"},

	/* ---- GMX, web.de, 1&1. postmaster.gmx.net, "error messages". */

	{"gmx-policy", ANYWHERE, "5", "", "",
	 "policy restrictions|reject due to policy|reject due to blacklist policy",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "eom 554 Transaction failed, reject due to policy restrictions"},
	{"gmx-nobody", AT_RCPT, "5", "", "gmx",
	 "mailbox unavailable|requested action not taken mailbox unavailable",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS,
	 "rcpt 550 Mailbox unavailable, see https://postmaster.gmx.net/"},

	/* ---- France: Orange's OFR, La Poste's and SFR's LPN. */

	{"orange-spam", ANYWHERE, "4 5", "", "",
	 "ofr 506|ofr 501|ofr 502|lpn 506",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, SUPPRESS_NOT,
	 "eom 550 5.2.0 Mail rejete. OFR_506"},
	{"laposte-proof", ANYWHERE, "4 5", "", "",
	 "lpn- * 401|is not allowed to send mail lpn-",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, SUPPRESS_NOT,
	 "mail 550 5.5.0 a.example is not allowed so. LPN004_401"},
	{"orange-nobody", ANYWHERE, "5", "", "",
	 "ofr- * 416|lpn- * 416|lpn416",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS,
	 "rcpt 550 5.1.1 Adresse OFR_416"},
	{"orange-refused", ANYWHERE, "4 5", "", "",
	 "service refuse veuillez|service refused please try",
	 ACTION_LATER, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "mail 421 mwinf5 ME Service refuse. Veuillez essayer plus tard. OFR004_104"},
	{"orange-blocked", ANYWHERE, "4 5", "", "",
	 "adresse ip source bloquee|incident de spam|spamming issues",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "mail 550 mwinf5 ME incident de spam OFR006_102"},

	/* ---- Russia. */

	{"mailru-dynamic", ANYWHERE, "4 5", "", "",
	 "dynamic ip or generic dns ptr|hosts with dynamic ip|generic dns ptr",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_PTR_OR_HELO, SUPPRESS_NOT,
	 "rcpt 550 We take no mail from hosts with dynamic IP or generic DNS PTR-records"},
	/* Here it is the mailbox that is blocked. */
	{"rambler-blocked", AT_RCPT, "540", "", "",
	 "recipient address rejected blocked",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INACTIVE_MAILBOX, SUPPRESS_NOT,
	 "rcpt 540 5.7.1 Recipient address rejected: Blocked, ann"},

	/* ---- China: QQ's sentences, NetEase's codes (help.163.com). */

	{"qq-refused", ANYWHERE, "5", "", "",
	 "mailbox unavailable or access denied",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 550 That mailbox unavailable or access denied"},
	{"qq-reputation", ANYWHERE, "5", "", "",
	 "suspected bounce attack-|suspected spam ip|connection denied",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "mail 550 Suspected spam ip"},
	{"recipient-refuses", ANYWHERE, "5", "", "",
	 "rejected by recipients|rejected by recipient|rejected by the recipient|refused by recipient|refused by the recipient|"
	 "recipient refuses|blocked by recipient|blocked by the recipient|blocked by user|rejected by user|rejected by this user|rejected by the user|user refused|"
	 "recipient does not want|recipient has blocked|recipient has rejected|user has blocked|recipient declined|"
	 "recipient refuses * from you|recipient * blocked by user|envelope blocked user",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "rcpt 550 This mail was rejected by recipients"},
	{"netease-spam", ANYWHERE, "4 5", "", "",
	 "dt spm|mi spm|spm",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, SUPPRESS_NOT,
	 "eom 554 DT:SPM 163 smtp1"},
	{"netease-proof", ANYWHERE, "4 5", "", "",
	 "dt sum|mi spf",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, SUPPRESS_NOT,
	 "eom 554 DT:SUM 163 smtp1"},
	{"netease-rate", ANYWHERE, "4 5", "", "",
	 "hl icc|hl ifc|hl mep|hl itc|mi dmc|mi ccl|mi cel|mi sfq|mi stc|mi sqc|rp rcl|rp trc|rp cel|rp drc|rp qrc",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "rcpt 450 RP:TRC 163 smtp1"},
	{"netease-reputation", ANYWHERE, "4 5", "", "",
	 "hl rep|hl ipb|hl ihu|hl hld|mi spb|mi srf",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 421 HL:REP 163 smtp1"},

	/* ---- America: Comcast's codes and AT&T's, GoDaddy's IB, Cox's CX, Spectrum's AUP. */

	{"comcast-rate", ANYWHERE, "4 5", "", "",
	 "rl000001|rl000002|rl000003|rl000010",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "connect 421 mx.b.example RL000001"},
	{"comcast-names", ANYWHERE, "4 5", "", "",
	 "pt000000|pt000001|pt000002",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_PTR_OR_HELO, SUPPRESS_NOT,
	 "connect 554 mx.b.example PT000000"},
	{"comcast-reputation", ANYWHERE, "4 5", "", "",
	 "bl0000-|attrbl",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 554 mx.b.example BL000010"},
	{"america-reputation", ANYWHERE, "4 5", "", "",
	 "ib102|ib103|ib104|ib105|ib106|ib107|ib110|ib111|ib112|ib113|cxbl|cdrbl|ipbl-|aup i 10-|aup i 12-|aup 1000|aup 12-",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 554 mx.b.example ESMTP IB103"},
	{"america-names", ANYWHERE, "4 5", "", "",
	 "ib108|cxdns|aup i 11-|aup 11-",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_PTR_OR_HELO, SUPPRESS_NOT,
	 "connect 421 Temporarily rejected. IB108"},
	{"america-rate", ANYWHERE, "4 5", "", "",
	 "ib007|ib504|ib510|ib607|cxcnct|cxmxrt|aup i 13-|aup i 14-|aup 13-|aup 14-",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "mail 421 cox 192.0.2.10 rejected AUP#CXCNCT"},
	{"america-proof", ANYWHERE, "4 5", "", "",
	 "ib508|cxsndr",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, SUPPRESS_NOT,
	 "eom 550 Check your records. IB508"},
	{"america-spam", ANYWHERE, "4 5", "", "",
	 "ib212|urlbl-",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, SUPPRESS_NOT,
	 "eom 552 Judged so by the community. IB212"},
	{"deutsche-telekom", ANYWHERE, "4 5", "", "",
	 "tosa rx|a problem occurred ask your postmaster|ask your postmaster for help|transmit addresses",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 554 IP=192.0.2.10 - A problem occurred. (Ask your postmaster for help)"},

	/* ---- Filters before the servers. */

	/* Its greylisting does not say so; it comes with a link to its community. */
	{"mimecast-greylist", ANYWHERE, "451", "", "",
	 "internal resource temporarily unavailable",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_GREYLISTED, SUPPRESS_NOT,
	 "rcpt 451 Internal resource temporarily unavailable, see the community pages"},
	{"free-spams", ANYWHERE, "4 5", "", "",
	 "many spams from your",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 421 There were many spams from your address today"},
	{"mimecast-sender", ANYWHERE, "4 5", "", "",
	 "header based manually",
	 ACTION_BY_STAGE, SCOPE_SENDER, CATEGORY_SENDER_REJECTED, SUPPRESS_NOT,
	 "eom 550 Rejected, header based manually"},
	{"filter-rules", ANYWHERE, "4 5", "", "",
	 "anti spoofing policy|content examination|security policies|administrative prohibition|header based anti|"
	 "over ipv6|host network not allowed|failed to disabled|inbounds disabled|outbounds disabled",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "eom 554 Rejected due to security policies"},
	/* It is the appliance's verdict on our address, said of our access. */
	{"cisco-reputation", ANYWHERE, "5", "", "",
	 "poor reputation|your access to this mail system|access to submit messages to this",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 554 Your access to this mail system has been rejected"},
	{"filter-policy", ANYWHERE, "5", "", "",
	 "ers customized block|block rcpt|local policy violation|mailpolicy violation|delivery failure policy error|rejected by destination domain|"
	 "mail rejected by destination|sieve",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "rcpt 550 5.7.1 Recipient address rejected: BLOCK-RCPT."},
	{"trend-lists", ANYWHERE, "4 5", "", "",
	 "ers dul|ers rbl|ers qil|trend micro rbl|trend micro email reputation",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "rcpt 550 5.7.1 Blocked by ERS-DUL"},
	{"symantec-aborted", ANYWHERE, "4", "", "symantec",
	 "requested action aborted",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "rcpt 450 Requested action aborted [9], see https://knowledge.broadcom.com/"},
};
/* clang-format on */

const struct verdict_table verdict_rules_sites = VERDICT_TABLE("what sites say in their own way", rules);
