/* What servers say, and what we make of it: one row a rule, from the particular to the general, the first that fits
 * decides. What is said about us or about the message comes before what is said about the mailbox, because servers
 * give "550 5.1.1" for anything, and calling a living address dead is the one mistake nobody repairs. Then the enhanced
 * code, then words that say little, then the bare code. English first; a word of another language where it is common.
 *
 * Rejected: regular expressions (a row of words is read by an administrator, and one pass of substrings is fast
 * enough for what is said on refusals only), and weights (nobody can say why they said what they said). */
#include "smtp/verdict_rules.h"

enum {
	ANYWHERE = 0,
	AT_CONNECT = 1 << STAGE_CONNECT,
	AT_EHLO = 1 << STAGE_EHLO,
	AT_MAIL = 1 << STAGE_MAIL,
	AT_RCPT = 1 << STAGE_RCPT,
	AT_DATA = 1 << STAGE_DATA,
	AT_END = 1 << STAGE_EOM,
};

/* clang-format off */
const struct verdict_rule verdict_rules[] = {
	/* ---- Told to come back: nothing is wrong with anybody. */

	/* A first try is turned away on purpose (RFC 6647). */
	{"greylist", ANYWHERE, "4 5", "",
	 "greylist|graylist|grey list|gray list|grey-list",
	 ACTION_LATER, SCOPE_COUNT, CATEGORY_GREYLISTED, false,
	 "rcpt 451 4.7.1 Greylisted, please come back in 5 minutes"},
	/* One mailbox takes no more for now; the lane is not at fault. */
	{"recipient-rate", AT_RCPT, "4 5", "",
	 "user*receiving mail*quick|user*receiving mail*rate|recipient*exceeded*rate limit|"
	 "recipient*exceeded*limit*per hour|recipient*too many recent messages|user*too many messages",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_RATE_LIMITED, false,
	 "rcpt 450 4.2.1 This user is receiving mail too quickly, try again"},
	/* Before any mail: the server is at its limit of connections. */
	{"too-many-connections", ANYWHERE, "4 5", "",
	 "too many connections|too many concurrent|maximum number of*connections|too many sessions|"
	 "connection limit|connection rate|trop de connexions",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, false,
	 "connect 421 4.7.0 Too many connections from 192.0.2.10"},
	/* We are told to slow down; servers that say so with a 5yz mean it no less. REQUIREMENTS RTY-6. */
	{"rate", ANYWHERE, "4 5", "",
	 "rate limit|rate-limit|ratelimit|throttl|slow down|too fast|too much mail|too many messages|"
	 "too many emails|too many mails|excessive volume|volume*exceed|unusual rate|message rate|"
	 "sending rate|frequency limit|limit*per hour|hourly limit|daily limit|daily quota|"
	 "sender*exceeded*limit|max message per connection|messages per connection|too many recipients*hour",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, false,
	 "eom 451 4.7.1 You send too fast, slow down"},
	/* RFC 3463 and its registry: mail flood, rate of unsolicited mail. */
	{"rate-code", ANYWHERE, "4 5", "x.7.28 x.4.5", "",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, false,
	 "eom 421 4.7.28 See our guidelines for senders"},
	/* What we did wrong is counted, not what we sent. */
	{"too-many-errors", ANYWHERE, "4 5", "",
	 "too many errors|too many invalid recipients|too many unknown",
	 ACTION_LATER, SCOPE_CONNECTION, CATEGORY_RATE_LIMITED, false,
	 "rcpt 421 4.7.0 Too many errors on this connection"},

	/* ---- What the message carries. */

	{"virus", ANYWHERE, "4 5", "",
	 "virus|malware|infected|trojan|illegal attachment|banned file|forbidden attachment|"
	 "attachment type*not allowed|blocked attachment|executable*not allowed",
	 ACTION_COUNT, SCOPE_MESSAGE, CATEGORY_VIRUS, false,
	 "eom 554 5.7.1 The attachment carries a virus"},
	/* SPF, DKIM, DMARC, ARC: the sender's own records refuse it. RFC 7372. */
	{"authentication", ANYWHERE, "4 5", "",
	 "dmarc|dkim|spf |spf-|spf:|(spf)|sender policy framework|unauthenticated|not authenticated email|"
	 "spoof|sender id check|mail from is mismatch|mailfrom failed",
	 ACTION_COUNT, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, false,
	 "eom 550 5.7.1 Refused by the DMARC policy of news.example"},
	/* The same by code. */
	{"authentication-code", ANYWHERE, "4 5", "x.7.20 x.7.21 x.7.22 x.7.23 x.7.24 x.7.26 x.7.29 x.7.32", "",
	 ACTION_COUNT, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, false,
	 "eom 550 5.7.26 This mail has not been proved yours"},

	/* ---- Who we are: the address we come from and its names. */

	{"reverse-dns", ANYWHERE, "4 5", "",
	 "ptr record|dns ptr|reverse dns|rdns|reverse lookup|no ptr|reverse hostname|"
	 "cannot find your hostname|cannot find your reverse|helo*reject|helo command rejected|invalid helo|"
	 "invalid ehlo|bad helo|helo name|helo*not resolve",
	 ACTION_COUNT, SCOPE_LANE, CATEGORY_PTR_OR_HELO, false,
	 "rcpt 554 5.7.1 Your address has no PTR record"},
	/* The same by code (RFC 7372). */
	{"reverse-dns-code", ANYWHERE, "4 5", "x.7.25", "",
	 ACTION_COUNT, SCOPE_LANE, CATEGORY_PTR_OR_HELO, false,
	 "mail 550 5.7.25 Fix your network names"},
	/* Lists of domains are about what the message links to, not about the address it comes from. */
	{"content-list", ANYWHERE, "4 5", "",
	 "uribl|surbl|dbl.|blocked url|spam url|bad url|url*blacklist|domain*in*body*listed",
	 ACTION_COUNT, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, false,
	 "eom 554 5.7.1 A link in it is on multi.surbl.example"},
	/* Turned away for now because of what came from here before. */
	{"reputation-later", ANYWHERE, "4", "",
	 "blocklist|block list|blacklist|black list|denylist|dnsbl|rbl|reputation|spamhaus|barracuda|"
	 "spamcop|senderscore|listed at|listed in|listed by|user complaints|complaints*deferred|"
	 "temporarily deferred|suspicious activity|unsolicited",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_REPUTATION, false,
	 "connect 421 4.7.0 Deferred because of the reputation of 192.0.2.10"},
	/* The address we send from is on a list. Says nothing of the recipient. */
	{"blocklist", ANYWHERE, "5", "",
	 "blocklist|block list|block-list|blacklist|black list|black-list|denylist|dnsbl|rbl|spamhaus|"
	 "barracuda|spamcop|sorbs|senderbase|sender score|senderscore|reputation|client host*blocked|"
	 "client*blocked using|blocked using|your ip*blocked|your ip*denied|ip address*blocked|"
	 "ip address*rejected|ip address*banned|ip*is listed|is listed at|listed at |listed in |listed by |"
	 "server ip*in the|mail server*blocked|host*blocked|network*blocked|from ip*banned|denyip|"
	 "ip*not allowed|ip*refused|spam source|spammer|blocked by*list|on our list|dynamic ip|"
	 "dynamic address|dial-up|dialup|dynablock|residential|delist|complaints",
	 ACTION_COUNT, SCOPE_LANE, CATEGORY_REPUTATION, false,
	 "connect 554 5.7.1 192.0.2.10 is on a blocklist"},
	{"spam", AT_MAIL | AT_RCPT | AT_DATA | AT_END, "4 5", "",
	 "spam|junk mail|junkmail|unsolicited|bulk mail|content*reject|content*denied|content*refused|"
	 "banned content|message filtered|message*filtered|profile*internet community|high score|scored too|"
	 "phish|suspicio|mail data refused",
	 ACTION_COUNT, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, false,
	 "eom 554 5.7.1 This looks like spam to us"},

	/* ---- The way. */

	/* They do not take mail for this domain at all: their fault or the DNS's, hardly the address's. */
	{"relay", AT_MAIL | AT_RCPT | AT_DATA | AT_END, "4 5", "",
	 "relay*denied|relay*not permitted|relay*not allowed|relay*prohibited|relay*disallowed|"
	 "unable to relay|cannot relay|permitted to relay|as a relay|open relay|unauthorized relay|"
	 "relay access|we do not relay|rcpthosts|not a gateway|not local host|local user only|relaying",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_RELAY_DENIED, false,
	 "rcpt 550 5.7.1 Relaying to other.example is not permitted"},
	/* The envelope sender or its domain is refused; it holds for this sender, not for the recipients. */
	{"sender-rejected", AT_MAIL | AT_RCPT, "4 5", "",
	 "sender address rejected|sender rejected|sender is rejected|sender address does not|"
	 "sender*domain*not exist|domain of sender|sender denied|sender*not wanted|invalid sender|"
	 "sender*invalid|blocked sender|sender not allowed|sender email|sender*not accepted|return path|"
	 "dns mx or a|valid sender domain|emetteur invalide",
	 ACTION_COUNT, SCOPE_SENDER, CATEGORY_SENDER_REJECTED, false,
	 "mail 550 5.1.0 Sender address rejected"},
	/* The same by code. */
	{"sender-rejected-code", ANYWHERE, "4 5", "x.1.7 x.1.8 x.7.27", "",
	 ACTION_COUNT, SCOPE_SENDER, CATEGORY_SENDER_REJECTED, false,
	 "rcpt 550 5.1.8 Whose mail is this"},
	{"bad-domain", AT_RCPT | AT_DATA | AT_END, "4 5", "",
	 "host unknown|unknown host|domain not found|unrouteable|unroutable|no such domain|unknown domain|"
	 "domain*does not exist|invalid host|invalid domain|no-domain|name server timeout|specified domain",
	 ACTION_COUNT, SCOPE_RECIPIENT, CATEGORY_BAD_DOMAIN, false,
	 "rcpt 550 Unrouteable address"},
	/* The same by code. */
	{"bad-domain-code", AT_RCPT, "4 5", "x.1.2", "",
	 ACTION_COUNT, SCOPE_RECIPIENT, CATEGORY_BAD_DOMAIN, false,
	 "rcpt 550 5.1.2 The part after the sign is wrong"},

	/* ---- The mailbox. */

	/* Full is never for ever at the first try (REQUIREMENTS D09); expiry decides. */
	{"mailbox-full", AT_RCPT | AT_END, "4 5", "",
	 "mailbox*full|mailbox is full|over quota|overquota|over-quota|quota exceed|quota*exceeded|"
	 "exceed*quota|exceeds*quota|quota violation|exceeded storage|storage*exceed|exceeds allowed size|"
	 "exhausted*storage|storage full|mailbox size limit|not enough space|enough space|"
	 "does not have*space|pleine|zuviele mails|mailbox*quota|out of space",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_MAILBOX_FULL, false,
	 "rcpt 552 The mailbox of ann is full"},
	/* RFC 3463 x.2.2, where no better word was said. */
	{"mailbox-full-code", AT_RCPT | AT_END, "4 5", "x.2.2", "",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_MAILBOX_FULL, false,
	 "rcpt 552 5.2.2 Cannot store it"},
	/* The mailbox exists and rests: it may come back, so it is not suppressed at once. */
	{"inactive", AT_RCPT, "4 5", "",
	 "account*disabled|mailbox*disabled|user*disabled|user disabled|mailbox*inactive|account*inactive|"
	 "user*inactive|inactive user|inactive mailbox|inactivity|not activated|account*suspended|"
	 "user*suspended|mailbox*suspended|account*locked|user*locked|account expired|account has expired|"
	 "account closed|account*deactivated|mailbox*deactivated|no longer active|no longer valid|"
	 "no longer exists|no longer available|mailbox*restricted|discontinued|"
	 "that*you tried to reach is disabled|mailbox unallocated|rejected: inactive|disabled with",
	 ACTION_COUNT, SCOPE_RECIPIENT, CATEGORY_INACTIVE_MAILBOX, false,
	 "rcpt 550 5.1.1 The account of ann has been disabled"},
	/* The same by code. */
	{"inactive-code", AT_RCPT, "4 5", "x.2.1", "",
	 ACTION_COUNT, SCOPE_RECIPIENT, CATEGORY_INACTIVE_MAILBOX, false,
	 "rcpt 550 5.2.1 Not today"},
	/* The names of nobody: only a 5yz to RCPT suppresses, and only where the text names the mailbox. */
	{"unknown-user", AT_RCPT, "5", "",
	 "user unknown|unknown user|user*unknown|no such user|no such mailbox|no such recipient|"
	 "no such address|no such person|user not found|mailbox not found|mailbox*not found|"
	 "recipient not found|address not found|address*could not be found|does not exist|doesn't exist|"
	 "not exist|no exist|unknown recipient|recipient*unknown|recipient unknown|addressee unknown|"
	 "unknown mailbox|unknown address|unknown local|invalid recipient|invalid-recipient|invalid user|"
	 "invalid mailbox|invalid address|not a valid recipient|not a valid mailbox|not a valid email|"
	 "not a valid rfc|no valid recipient|no mailbox|no user|not have an account|doesn't have a|"
	 "does not have an|not our customer|bad address|bad destination|is not a known user|"
	 "undeliverable address|not in recipient list|marked as invalid|wrong recipient|"
	 "recipient*cannot be verified|recipients are invalid|not a member|address lookup*failed|"
	 "mailbox not available",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, true,
	 "rcpt 550 No such user here: ann"},
	/* A mailbox that is not there today. */
	{"unknown-user-later", AT_RCPT, "4", "",
	 "user unknown|unknown user|no such user|does not exist|not exist|no exist|invalid recipient|"
	 "mailbox not found|mailbox unavailable",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, false,
	 "rcpt 450 User unknown in our table, perhaps later"},
	{"loop", ANYWHERE, "4 5", "",
	 "loop detected|mail loop|too many hops|hop count|points back to|routing loop",
	 ACTION_COUNT, SCOPE_MESSAGE, CATEGORY_NETWORK, false,
	 "eom 554 5.4.6 Mail loop: too many hops"},

	/* ---- The message's form. */

	{"too-large", ANYWHERE, "5", "",
	 "too large|too big|larger than|size limit|message size|exceeds*maximum*size|exceeds size|"
	 "exceeds*size limit|exceeded*size",
	 ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_MESSAGE_TOO_LARGE, false,
	 "mail 552 The message is too big for us"},
	/* RFC 1870 6 and RFC 3463 x.2.3, x.3.4. */
	{"too-large-code", ANYWHERE, "5", "x.2.3 x.3.4", "",
	 ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_MESSAGE_TOO_LARGE, false,
	 "mail 552 5.3.4 No"},
	{"malformed", AT_DATA | AT_END, "4 5", "",
	 "invalid header|headers are not|header*rfc|rfc 5322|rfc5322|rfc 2822|mime error|mime/reject|"
	 "bare lf|bare cr|bare newline|line*too long|missing*header|missing a valid|from: header|"
	 "from header|multiple*header|duplicate header|invalid structure",
	 ACTION_COUNT, SCOPE_MESSAGE, CATEGORY_CONTENT, false,
	 "eom 550 The From: header is missing"},
	/* RFC 3463 x.6.*. */
	{"malformed-code", ANYWHERE, "4 5", "x.6.*", "",
	 ACTION_COUNT, SCOPE_MESSAGE, CATEGORY_CONTENT, false,
	 "eom 554 5.6.0 No"},

	/* ---- The channel. */

	/* The server wants TLS (RFC 3207 4): a matter of how we come, not of the mail. */
	{"must-starttls", AT_MAIL | AT_RCPT, "5", "",
	 "starttls|must use tls|tls required|encryption required|requires encryption",
	 ACTION_LATER, SCOPE_SITE, CATEGORY_TLS, false,
	 "mail 530 5.7.0 Say STARTTLS first"},
	/* The same by code. */
	{"tls-code", ANYWHERE, "4 5", "x.7.10 x.7.30", "",
	 ACTION_LATER, SCOPE_SITE, CATEGORY_TLS, false,
	 "mail 550 5.7.10 Come in armour"},
	/* A relay that wants AUTH from us takes nothing from strangers. */
	{"must-auth", AT_MAIL | AT_RCPT, "5", "",
	 "authentication required|auth required|must authenticate|authentication is required|"
	 "requires authentication|authenticate first|auth failed|please log in",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_RELAY_DENIED, false,
	 "mail 530 Authentication required here"},
	/* Their name servers or their network. */
	{"their-network", ANYWHERE, "4", "x.4.*", "",
	 ACTION_LATER, SCOPE_COUNT, CATEGORY_NETWORK, false,
	 "rcpt 450 4.4.3 Cannot look it up"},

	/* ---- What is left, by the enhanced code (RFC 3463, RFC 5248 and its registry). */

	/* Access denied to all recipients, a hosting's way to say that nobody of that name is there; not proof enough
	 * to suppress. */
	{"no-such-tenant", AT_RCPT, "5", "x.4.1", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, false,
	 "rcpt 550 5.4.1 Access denied"},
	/* RFC 3463 x.1.1 to x.1.6. */
	{"unknown-user-code", AT_RCPT, "501 550 551 553 554", "x.1.1 x.1.6 x.1.10", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, true,
	 "rcpt 550 5.1.1 No"},
	/* An address with bad form may be a fault of ours: not suppressed. */
	{"bad-address", AT_RCPT, "5", "x.1.0 x.1.3 x.1.4 x.1.5", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, false,
	 "rcpt 501 5.1.3 The address has a bad form"},
	{"unknown-user-code-later", AT_RCPT, "4", "x.1.*", "",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, false,
	 "rcpt 450 4.1.1 Being looked up"},
	{"no-route", AT_RCPT, "5", "x.4.4 x.4.6 x.4.*", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_NO_ROUTE, false,
	 "rcpt 550 5.4.4 Cannot get there"},
	/* The recipient's host has trouble, whatever the words. */
	{"remote-error-code", ANYWHERE, "4 5", "x.3.* x.2.0", "",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_REMOTE_ERROR, false,
	 "rcpt 451 4.3.0 Trouble"},
	{"too-many-recipients", AT_RCPT, "4 5", "x.5.3", "",
	 ACTION_LATER, SCOPE_MESSAGE, CATEGORY_RATE_LIMITED, false,
	 "rcpt 452 4.5.3 That is enough"},

	/* ---- Words that say little. */

	{"remote-error", ANYWHERE, "4 5", "",
	 "temporary*problem|temporary*error|temporary*failure|temporarily unavailable|service unavailable|"
	 "service is currently|service not available|server busy|system*busy|internal*error|internal server|"
	 "i/o error|configuration error|system config|insufficient system|insufficient*storage|"
	 "insufficient*resource|resources temporarily|local problem|try again later|try later|database|"
	 "license expired|timeout|timed out|read error|connection reset|unable to*read|domain failure|"
	 "cannot open|can't create",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_REMOTE_ERROR, false,
	 "eom 451 Temporary problem on our side"},
	{"policy", ANYWHERE, "4 5", "",
	 "policy|policies|prohibit|administrativ|not permitted|no permit|blocked|block-|-block|"
	 "access denied|access-denied|denied|refused|not allowed|not accepted|not welcome|"
	 "rejected by recipient|rejected by destination|is rejected|message rejected|user refused",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_POLICY, false,
	 "rcpt 550 Administrative decision"},
	/* RFC 3463: 7.1 is policy unless a text said more; so is the rest of class 7. */
	{"policy-code", ANYWHERE, "4 5", "x.7.*", "",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_POLICY, false,
	 "rcpt 550 5.7.1 No"},
	{"unavailable-mailbox", AT_RCPT, "5", "",
	 "unavailable|not available|not ok|recipient*rejected|recipient rejected",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, false,
	 "rcpt 550 The mailbox is unavailable"},
	/* RFC 5321 4.1.4: the order is wrong, and we keep it: the session is out of step, the mail is not at fault. */
	{"out-of-sequence", ANYWHERE, "503", "", "",
	 ACTION_LATER, SCOPE_CONNECTION, CATEGORY_PROTOCOL, false,
	 "data 503 Out of order"},
	/* We said something they did not understand. */
	{"protocol", ANYWHERE, "500 501 502 504 555", "", "",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_PROTOCOL, false,
	 "mail 555 Which parameter is that"},
	{"protocol-code", ANYWHERE, "4 5", "x.5.*", "",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_PROTOCOL, false,
	 "rcpt 550 5.5.1 What"},
	/* RFC 5321 4.2.3: out of storage. Theirs, for now. */
	{"storage", ANYWHERE, "452", "", "",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_REMOTE_ERROR, false,
	 "mail 452 No room"},
	/* RFC 5321 4.2.3 and RFC 1870 6.3: fixed maximum, or the mailbox's. */
	{"storage-exceeded", AT_MAIL | AT_DATA | AT_END, "552", "", "",
	 ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_MESSAGE_TOO_LARGE, false,
	 "eom 552 Over the top"},
	/* The same to RCPT is the mailbox. */
	{"storage-of-mailbox", AT_RCPT, "552 422", "", "",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_MAILBOX_FULL, false,
	 "rcpt 552 Over the top"},
	/* RFC 5321 3.4: moved, with an address we do not follow by ourselves. */
	{"moved", AT_RCPT, "551", "", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, false,
	 "rcpt 551 Please try cat@b.example"},
	/* RFC 5321 4.2.3: the name is not allowed. */
	{"name-not-allowed", AT_RCPT, "553", "", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, false,
	 "rcpt 553 Not like this"},
	/* RFC 5321 4.2.3: the mailbox or policy. Nobody can tell which: final, never suppressed. */
	{"mailbox-or-policy", AT_RCPT, "550", "", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_UNDETERMINED, false,
	 "rcpt 550 No"},
	{"local-error", ANYWHERE, "451 421", "", "",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_REMOTE_ERROR, false,
	 "eom 451 Hmm"},
	/* RFC 5321 4.2.3: transaction failed, or no service here. */
	{"no-service", AT_CONNECT | AT_EHLO, "5", "", "",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_POLICY, false,
	 "connect 554 No service for you"},
	{"undetermined", ANYWHERE, "4 5", "", "",
	 ACTION_COUNT, SCOPE_COUNT, CATEGORY_UNDETERMINED, false,
	 "eom 554 Hmm"},
};
/* clang-format on */

const unsigned verdict_rules_count = sizeof(verdict_rules) / sizeof(verdict_rules[0]);
