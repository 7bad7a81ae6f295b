/* What is said about the way: that mail for this domain is not taken, that the sender or the domain is not known,
 * how the channel must be, that the network failed. None of it is the address's fault, whatever code comes with it.
 * Phrases in the form of verdict_phrases.h. */
#include "smtp/verdict_rules.h"

/* clang-format off */
static const struct verdict_rule rules[] = {
	/* The envelope sender or its domain is refused; it holds for this sender, not for the recipients. */
	{"sender", ANYWHERE, "4 5", "", "",
	 "sender address rejected|sender rejected|sender is rejected|sender refused|sender denied|"
	 "sender address * reject-|sender address * denied|sender address * block-|sender address * not|sender address * invalid|"
	 "sender * domain * not exist|sender domain|senders domain|domain of sender|domain of the sender|domain of your|sender not|"
	 "sender * not wanted|sender * not accept-|sender * not allowed|sender * not permitted|sender * not valid|sender is not|"
	 "sender * not found|sender unknown|unknown sender|invalid sender|sender * invalid|bad sender|illegal sender|"
	 "sender banned|banned senders|sender email|sender * resolve|"
	 "sender mail|mail from is mismatch-|mismatch- * mail from|mail from * mismatch-|mismatch- * client|from address|from domain|mail from address|mail from domain|mailfrom|your domain|"
	 "originator|envelope sender|envelope from|envelope blocked|return path|reverse path|"
	 "dns mx or a|mx or a|null sender|empty sender|null return|badmailfrom|bad mail from|"
	 "without a valid sender|"
	 "mail from domain * not|domain must resolve|domain name required|domain may not exist|domain not exist or|"
	 "not owned by|expediteur|emetteur|absender-|absenderadresse|remitente|"
	 "remetente|mittente|nadawc-|nadawca|odesilatel|отправител|发件人|寄件人|寄件者|送信元|差出人|送信者|보낸 사람|발신자|"
	 "mail from @ * not|mail from @ * invalid|mail from @ * reject-|mail from @ * refused|mail from @ * denied|"
	 "mail from @ * block-|mail from @ rejected|message from @ * reject-|bogus mail from|sender address|"
	 "envelope senders|unroutable sender|return address|bogus sender|valid from|sender unauthorized|"
	 "sender unauthorised|sender has no|aaaa or mx|sender address * not exist|sender * domain * not",
	 ACTION_BY_STAGE, SCOPE_SENDER, CATEGORY_SENDER_REJECTED, SUPPRESS_NOT,
	 "mail 550 5.1.0 Sender address rejected"},
	{"sender-code", ANYWHERE, "4 5", "x.1.7 x.1.8 x.7.27", "", "",
	 ACTION_BY_STAGE, SCOPE_SENDER, CATEGORY_SENDER_REJECTED, SUPPRESS_NOT,
	 "rcpt 550 5.1.8 Whose mail is this"},

	{"domain", ANYWHERE, "4 5", "", "",
	 "host unknown|unknown host|host not found|host or domain name not found|domain not found|domain unknown|unknown domain|"
	 "domain name not found|no such domain|no such host|domain * not exist|domain * doesnt exist|domain isnt|nonexistent domain|"
	 "non existent domain|invalid host|invalid domain|bad domain|no domain|domain is not valid|domain invalid|"
	 "domain * not valid|domain * expired|domain * suspended|domain * disabled|domain * inactive|domain is not hosted|"
	 "domain * not hosted|domain * not configured|domain * not found|not a valid domain|not hosted here|we do not host|"
	 "we dont host|no mx record for|no mx for|null mx|does not accept mail|does not accept email|domain does not accept|"
	 "not accept mail for * domain|specified domain|domain is not allowed|domain is no longer|domain no longer|"
	 "couldnt find any host|no host by that name|bad destination host|bad destination system|mx record * not|"
	 "name service error|domain lookup failed|name server timeout|nxdomain|unrouteable mail domain|unresolvable|dns lookup fail-|"
	 "not one of our domains|not our domain|dont handle mail for|do not handle mail for|domaine inconnu|domaine inexistant|"
	 "domaine * nexiste pas|domane * unbekannt|domain unbekannt|unbekannte domain|domain existiert nicht|dominio * no existe|"
	 "dominio desconocido|dominio inexistente|dominio desconhecido|dominio nao existe|dominio nao encontrado|dominio sconosciuto|"
	 "dominio * non esiste|domena nie istnieje|nieznana domena|domena neexistuje|neznama domena|домен * не|неизвестный домен|"
	 "域名不存在|网域|ドメインが|ドメイン名|domain is not reachable|domain must exist|recipient domain|mail domain * unknown|"
	 "name or service not known|no mx record found|no mx records|mx records for|domain * unknown|"
	 "mail domain mentioned|no valid mx|has no mx|no mail exchanger|no mx",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_BAD_DOMAIN, SUPPRESS_NOT,
	 "rcpt 550 Host unknown"},
	{"domain-code", AT_RCPT, "4 5", "x.1.2 x.4.12", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_BAD_DOMAIN, SUPPRESS_NOT,
	 "rcpt 550 5.1.2 The part after the sign is wrong"},

	/* ---- The channel. */

	/* The server wants TLS (RFC 3207 4): a matter of how we come, not of the mail. */
	{"tls", ANYWHERE, "4 5", "", "",
	 "starttls|must use tls|tls required|tls is required|requires tls|require tls|tls connection|use tls|without tls|not encrypted|"
	 "encryption required|encryption is required|requires encryption|encrypted connection|secure connection|tls not available|tls negotiation|"
	 "tls handshake|tls version|ssl required|unencrypted|ciphers|tlsa|dane|dnssec|certificate",
	 ACTION_LATER, SCOPE_SITE, CATEGORY_TLS, SUPPRESS_NOT,
	 "mail 530 5.7.0 Say STARTTLS first"},
	{"tls-code", ANYWHERE, "4 5", "x.7.10 x.7.30", "", "",
	 ACTION_LATER, SCOPE_SITE, CATEGORY_TLS, SUPPRESS_NOT,
	 "mail 530 5.7.10 Not in the open"},
	{"timeout", ANYWHERE, "421 442 447", "", "",
	 "timeout|timed out|time out|time limit|took too long|idle for too long|idle too long|idle connection|"
	 "allowable connection time|session time|zeituberschreitung|delai * depasse|delai dattente|tiempo de espera|"
	 "tempo limite|tempo esgotado|tempo scaduto|время ожидания|таймаут|超时|逾時|タイムアウト",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_TIMEOUT, SUPPRESS_NOT,
	 "mail 421 4.4.2 Timeout, good bye"},
	{"timeout-code", ANYWHERE, "4 5", "x.4.2", "",
	 "timeout|timed out|time out",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_TIMEOUT, SUPPRESS_NOT,
	 "data 451 4.4.2 Timeout, closing"},
	{"network", ANYWHERE, "4 5", "", "",
	 "connection reset|connection refused by|connection dropped|connection was dropped|connection lost|lost connection|"
	 "connection closed|connection failed|connection failure|cannot connect|could not connect|unable to connect|"
	 "couldnt connect|no route to host|network is unreachable|network unreachable|host is unreachable|network error|no answer from host|"
	 "host * not respond-|server * not respond-|establish an smtp connection|communication error|broken pipe|read error|"
	 "delivery time expired|message expired|connection timed out|connection timeout|connect timeout|"
	 "session timed out|connection expired",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_NETWORK, SUPPRESS_NOT,
	 "rcpt 451 4.4.1 No answer from host mx.b.example"},
	{"network-code", ANYWHERE, "4 5", "x.4.2 x.4.7", "", "",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_NETWORK, SUPPRESS_NOT,
	 "rcpt 451 4.4.2 Bad line"},
	/* Something behind them took too long, a lookup or a filter. */
	{"timeout-behind", ANYWHERE, "4 5", "", "",
	 "timeout|timed out|time out|time limit|took too long|zeituberschreitung|delai dattente|tiempo de espera|tempo limite|tempo esgotado|"
	 "tempo scaduto|время ожидания|таймаут|超时|逾時|タイムアウト",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "rcpt 451 4.3.0 The lookup timed out"},
};
/* clang-format on */

const struct verdict_table verdict_rules_way = VERDICT_TABLE("what is said about the way", rules);
