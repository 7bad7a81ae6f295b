/* What is left: words that say little, and codes. Weak words come before codes where the code is one that everybody
 * gives for everything (5.7.1, 5.1.1 with "policy"), after it where the code says more. The last row fits every 4yz and
 * 5yz: stage and class decide then, and the category is honest about it. */
#include "smtp/verdict_rules.h"

/* clang-format off */
static const struct verdict_rule rules[] = {
	/* Spam by itself: in the names and links of many servers. */
	{"spam", AT_MAIL | AT_RCPT | AT_DATA | AT_END, "4 5", "", "",
	 "spam|antispam|spamming|spams|anti spam|unwanted",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, SUPPRESS_NOT,
	 "eom 554 5.7.1 Refused: spam"},
	/* Said before the message was seen, it is about us. */
	{"spam-early", AT_CONNECT | AT_EHLO | AT_TLS | AT_AUTH, "4 5", "", "",
	 "spam|antispam|spamming|suspicio-|unsolicited|detected as spam",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 554 No spam here"},
	/* RFC 4954: they want us to say who we are, which a receiver of mail does not. */
	{"authentication", ANYWHERE, "530 535 538", "", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_RELAY_DENIED, SUPPRESS_NOT,
	 "mail 530 Authentication required"},
	{"authentication-words", ANYWHERE, "5", "", "",
	 "authentication required|authentication is required|requires authentication|must authenticate|please authenticate|"
	 "auth required|authentifizierung erforderlich|authentification requise|autenticacion requerida|authenticate first|"
	 "incorrect authentication|failed to authenticate|invalid credentials",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_RELAY_DENIED, SUPPRESS_NOT,
	 "rcpt 550 Authentication required"},
	{"too-many-recipients", AT_RCPT | AT_DATA | AT_END, "4 5", "", "",
	 "too many recipients|too many rcpt|trop de destinataires|zu viele empfanger|demasiados destinatarios|muitos destinatarios|troppi destinatari|"
	 "zbyt wielu odbiorcow|слишком много получателей|收件人过多|收件人數",
	 ACTION_LATER, SCOPE_MESSAGE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "rcpt 452 Too many recipients"},
	{"too-many-recipients-code", AT_RCPT | AT_DATA | AT_END, "4 5", "x.5.3", "", "",
	 ACTION_LATER, SCOPE_MESSAGE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "rcpt 452 4.5.3 That is enough"},
	{"mailing-list", AT_RCPT | AT_DATA | AT_END, "4 5", "x.2.4", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "rcpt 550 5.2.4 The list cannot be expanded"},

	/* Whatever the class, they ask us to come again. */
	{"again", ANYWHERE, "4 5", "", "",
	 "later|temporary|temporarily|tempfail-|temp fail-|currently unavailable|transient|in a few minutes|"
	 "in a few hours|try again in|retry in|retry after|nochmal|spater|spaeter|erneut|voruber-|"
	 "voruebergehend|momentan|zeitweilig|derzeit nicht|ulterieurement|reessayer|reessayez|plus tard|"
	 "temporairement|mas tarde|intente|intentelo|reintente|temporalmente|mais tarde|tente novamente|"
	 "temporariamente|piu tardi|riprova-|temporaneamente|pozniej|ponownie|tymczasow-|chwilowo|pozdeji|"
	 "docasn-|позже|позднее|повторите|временно|稍后|稍候|稍後|暂时|暫時|重试|しばらく|後ほど|再度|一時的|잠시 후|나중에|일시적",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "eom 554 Something failed, come back later"},
	{"policy", ANYWHERE, "4 5", "", "",
	 "policy|policies|prohibit-|administrativ-|not permitted|no permit|permission|permissions|permit|blocked|block|blocking|access denied|denied|deny|refused|refuse|refuses|not allowed|not accepted|"
	 "not authorized|not authorised|unauthorized|not welcome|not wanted|forbidden|rejected by destination|is rejected|message rejected|mail rejected|email rejected|"
	 "go away|not acceptable|unacceptable|restricted|restriction|restrictions|disallowed|banned|filter|filtering|filters|firewall|rule|rules|acl|"
	 "command rejected|milter|content|attachment|gesperrt|abgelehnt|verweigert|nicht erlaubt|nicht gestattet|refuse|rejete|interdit|bloque|non autorise|"
	 "denegado|denegada|rechazado|rechazada|rechazo|bloqueado|bloqueada|no permitido|prohibido|rejeitado|rejeitada|negado|recusado|recusada|nao permitido|rifiutato|rifiutata|"
	 "bloccato|non consentito|negato|odrzucon-|zabronion-|odmowa|zamitnut-|odmitnut-|blokovan-|запрещен-|отклонен-|отказано|拒绝|拒絕|禁止|拒收|拒否|거부|차단",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "rcpt 550 Administrative decision"},

	/* ---- By the enhanced code (RFC 3463, RFC 5248 and its registry). */

	{"asleep-code", AT_RCPT, "4 5", "x.2.1", "", "",
	 ACTION_BY_STAGE, SCOPE_RECIPIENT, CATEGORY_INACTIVE_MAILBOX, SUPPRESS_NOT,
	 "rcpt 550 5.2.1 Not today"},
	/* RFC 3463 x.1.1, x.1.6. */
	{"nobody-code", AT_RCPT, "501 511 550 551 552 553 554", "x.1.1 x.1.6 x.1.10", "", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS,
	 "rcpt 550 5.1.1 No"},
	/* RFC 5321 4.1.4: the order is wrong, and we keep it: the session is out of step, the mail is not at fault. */
	{"out-of-sequence", ANYWHERE, "503", "", "", "",
	 ACTION_LATER, SCOPE_CONNECTION, CATEGORY_PROTOCOL, SUPPRESS_NOT,
	 "data 503 Out of order"},
	/* RFC 5321 4.2.3 has 552 for what is over its allocation: here the mailbox. */
	{"full-552", AT_RCPT, "552 422 522", "", "",
	 "storage|space|insufficient|capacity|allocation",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_MAILBOX_FULL, SUPPRESS_NOT,
	 "rcpt 552 Insufficient storage"},
	/* Their trouble, by its names. */
	{"trouble", ANYWHERE, "4 5", "", "",
	 ""
	 ""
	 "service unavailable|service currently|service is currently|service not available|service is not available|service is unavailable|server unavailable|"
	 "server is unavailable|server busy|server is busy|system busy|system is busy|too busy|is busy|busy|overload-|overloaded|load too high|load average|high load|internal error|"
	 "internal server|internal resource|internal * error|internal failure|unexpected error|unexpected failure|processing error|i o error|io error|"
	 "disk full|disk space|disk is full|no space left|no space|write error|file write|queue file|queue full|configuration error|configuration problem|config error|misconfigur-|"
	 "system config|insufficient system|insufficient disk|insufficient storage|insufficient resource-|insufficient memory|out of memory|cannot allocate|resources|"
	 "resource unavailable|resource limit|local problem|local error|local configuration|error in processing|database|ldap|mysql|sql|backend|license|domain failure|lookup failure|lookup error|"
	 "cannot open|cant open|unable to open|cant create|cannot create|unable to create|cannot write|unable to write|unable to read|unable to process|unable to accept|unable to complete|"
	 "could not process|could not complete|cannot process|cannot accept|cant accept|not accepting mail|not accepting messages|not accepting network|not accepting|maintenance|shutting down|"
	 "restarting|closing connection|going down|out of service|not responding|system not|dns error|dns failure|server error|system error|"
	 "system failure|server failure|software error|program error|unable to correctly|unable to check|unable to determine|"
	 "qq trouble|qq|crashed|"
	 ""
	 "nicht verfugbar|indisponible|no disponible|"
	 "indisponivel|non disponibile|"
	 "недоступен|系统忙|繁忙|try again|retry|wait|system call|encountered an error|error occurred|error while|no mdb|"
	 "unable to queue|cannot queue|could not queue|file system full|filesystem full|system full|could not load|"
	 "unable to contact|cannot contact|could not contact|ended early|incorrect hostname",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "eom 451 Internal error on our side"},
	/* An address with bad form may be a fault of ours: not suppressed. */
	{"address-code", ANYWHERE, "5", "x.1.*", "", "",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 501 5.1.3 The address has a bad form"},
	{"protocol-words", ANYWHERE, "4 5", "", "",
	 "syntax|syntax error|unrecognized|unrecognised|unknown command|not implemented|not recognized|not recognised|bad sequence|out of sequence|sequence of commands|"
	 "command unrecognized|invalid command|invalid parameter|invalid argument|bad command|pipelining|parameters|polite people|unsupported|not supported|protocol",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_PROTOCOL, SUPPRESS_NOT,
	 "rcpt 550 Syntax error in your line"},
	/* One word of it, of a recipient: likely, no more. */
	{"nobody-faint", AT_RCPT, "5", "", "",
	 "unknown|not found|not present|undeliverable|no one|nobody|wrong|"
	 "rejected recipients|nessun utente|desconocida|inconnus|not email addresses|not local|not a local|invalid|not an email|no longer",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 550 ann? Nobody"},
	{"full-faint", AT_RCPT | AT_DATA | AT_END, "4 5", "", "",
	 "quota|quotas|storage|full|over the limit",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_MAILBOX_FULL, SUPPRESS_NOT,
	 "rcpt 550 ann: quota"},
	{"rate-faint", ANYWHERE, "4 5", "", "",
	 "limit exceeded|limit reached|limit has been|exceeds limit|exceeds the limit|exceeded limit|exceeded the limit|exceeded a limit|limits exceeded|"
	 "too many|limit is|slower",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "eom 451 You exceeded the limit"},
	{"nobody-code-later", AT_RCPT, "4", "x.1.1", "", "",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 450 4.1.1 Being looked up"},
	{"network-no-route", AT_RCPT | AT_DATA | AT_END, "5", "x.4.4", "", "",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_BAD_DOMAIN, SUPPRESS_NOT,
	 "rcpt 550 5.4.4 Cannot get there"},
	{"way-code", ANYWHERE, "4 5", "x.4.*", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_NETWORK, SUPPRESS_NOT,
	 "rcpt 450 4.4.0 Cannot get there now"},
	{"form-code", ANYWHERE, "4 5", "x.6.*", "", "",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_CONTENT, SUPPRESS_NOT,
	 "eom 554 5.6.0 No"},
	{"too-large-for-mailbox", ANYWHERE, "5", "x.2.3", "", "",
	 ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_MESSAGE_TOO_LARGE, SUPPRESS_NOT,
	 "eom 552 5.2.3 No"},
	/* RFC 3463: 7.1 is policy unless a text said more; so is the rest of class 7. */
	{"policy-code", ANYWHERE, "4 5", "x.7.*", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "rcpt 550 5.7.1 No"},
	/* The recipient's host has trouble, whatever the words. */
	{"trouble-code", ANYWHERE, "4 5", "x.3.* x.2.0", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "rcpt 451 4.3.0 Hm"},

	/* ---- By the code. */

	/* We said something they did not understand. */
	{"protocol", ANYWHERE, "500 501 502 504 555", "", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_PROTOCOL, SUPPRESS_NOT,
	 "mail 555 Which is that"},
	{"protocol-code", ANYWHERE, "4 5", "x.5.*", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_PROTOCOL, SUPPRESS_NOT,
	 "rcpt 550 5.5.1 What"},
	/* RFC 5321 4.2.3: out of storage. Theirs, for now. */
	{"storage", ANYWHERE, "452", "", "", "",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "mail 452 No room"},
	/* RFC 5321 4.2.3 and RFC 1870 6.3: fixed maximum, or the mailbox's. */
	{"storage-exceeded", AT_MAIL | AT_DATA | AT_END, "552", "", "", "",
	 ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_MESSAGE_TOO_LARGE, SUPPRESS_NOT,
	 "eom 552 Over the top"},
	/* The same to RCPT is the mailbox. */
	{"storage-of-mailbox", AT_RCPT, "552 422 522", "", "", "",
	 ACTION_LATER, SCOPE_RECIPIENT, CATEGORY_MAILBOX_FULL, SUPPRESS_NOT,
	 "rcpt 552 Over the top"},
	/* RFC 5321 3.4: moved, with an address we do not follow by ourselves; and Courier's and chkuser's 511. */
	{"moved", AT_RCPT, "551 511", "", "", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 551 Please write to cat@b.example"},
	/* RFC 5321 4.2.3: the name is not allowed. */
	{"name-not-allowed", AT_RCPT, "553", "", "", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 553 Not like this"},
	/* "Rejected", "unavailable" and no more, of a recipient. */
	{"refused-recipient", AT_RCPT, "5", "", "",
	 "recipient rejected|recipient address rejected|address rejected|unavailable|not available|recipient|user|mailbox|account",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 550 <ann@b.example> recipient rejected"},
	{"refused-words", ANYWHERE, "5", "", "",
	 "rejected|reject|unavailable|not available|error",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "eom 554 Rejected"},
	/* RFC 5321 4.2.3: the mailbox or policy. Nobody can tell which: final, never suppressed. */
	{"mailbox-or-policy", AT_RCPT, "550", "", "", "",
	 ACTION_NEVER, SCOPE_RECIPIENT, CATEGORY_UNDETERMINED, SUPPRESS_NOT,
	 "rcpt 550 No"},
	{"local-error", ANYWHERE, "450 451 421", "", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "eom 451 Hmm"},
	/* RFC 5321 4.2.3: transaction failed, or no service here. */
	{"no-service", AT_CONNECT | AT_EHLO, "5", "", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_POLICY, SUPPRESS_NOT,
	 "connect 554 No to you"},
	{"undetermined", ANYWHERE, "4 5", "", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_UNDETERMINED, SUPPRESS_NOT,
	 "eom 554 Hmm"},
};
/* clang-format on */

const struct verdict_table verdict_rules_codes = VERDICT_TABLE("what is left", rules);
