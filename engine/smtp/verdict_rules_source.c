/* What is said about us: that we are too fast, too many, unknown, badly named, or of bad repute. It comes before what
 * is said about the mailbox, because servers give "550 5.1.1" for anything, and calling a living address dead is the
 * one mistake nobody repairs. Within it the particular comes first: a first try turned away on purpose; limits, by what
 * is limited; proofs of the sender (SPF, DKIM, DMARC); names (PTR, HELO); lists and reputation. Phrases in the form of
 * verdict_phrases.h; a row is English first, then other languages. */
#include "smtp/verdict_rules.h"

/* clang-format off */
static const struct verdict_rule rules[] = {
	/* ---- Told to come back: nothing is wrong with anybody. */

	/* A first try is turned away on purpose (RFC 6647). */
	{"greylist", ANYWHERE, "4 5", "", "",
	 "greylist-|graylist-|grey list-|gray list-|first time * sender * later|not seen before * later|"
	 "postgrey-|gl01|sqlgrey|grisliste|liste grise|liste grigie|lista gris|lista cinza|серый список|"
	 "серого списка|серых списков|灰名单|灰名單|グレイリスト|szara lista|szarej listy|szarej liscie",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_GREYLISTED, SUPPRESS_NOT,
	 "rcpt 451 4.7.1 Greylisted, please come back in 5 minutes"},

	/* ---- Limits. */

	/* Recipients of one message, or of one transaction: the rest goes in another one. */
	{"recipients-of-message", AT_RCPT | AT_DATA | AT_END, "4 5", "", "",
	 "too many recipients per message|too many recipients in * message|maximum * recipients per message|"
	 "too many recipients for this message|too many recipients specified|too many recipients in transaction|"
	 "too many recipients in a single|recipients per message|recipients per transaction|recipients per session|"
	 "limit of recipients|maximum number of recipients|recipient limit|recipients limit|max recipients",
	 ACTION_LATER, SCOPE_MESSAGE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "rcpt 452 4.5.3 Too many recipients per message, 50 at most"},
	/* The server is at its limit of connections, or of ours. */
	{"connections", ANYWHERE, "4 5", "", "",
	 "too many connections|too many concurrent|too many simultaneous|too many sessions|too many open connections|"
	 "too many smtp connections|too many smtp sessions|too much connections|many connections|maximum connections|"
	 "maximum number of * connections|maximum * connections * reached|max connections|max number of connections|"
	 "connection limit-|connections limit-|connection rate-|connection frequency|concurrent connection-|"
	 "connection count|number of concurrent|number of simultaneous|number of connections|excessive connection-|"
	 "connection throttl-|connections * exceed-|simultaneous connections|connections from your|"
	 "parallel connections|reached * limit of connections|too many transactions|maximum sessions|session limit|"
	 "trop de connexions|trop de connexion|zu viele verbindungen|zu viele gleichzeitige|demasiadas conexiones|"
	 "muitas conexoes|excesso de conexoes|numero maximo de conexoes|troppe connessioni|zbyt wiele polaczen|"
	 "zbyt duzo polaczen|prilis mnoho spojeni|prilis mnoho pripojeni|слишком много соединений|"
	 "слишком много подключений|слишком много одновременных|连接过多|連線過多|连接数|連線數|连接频率|同時接続|接続数|too many * sessions|"
	 "too many * connections",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "connect 421 4.7.0 Too many connections from 192.0.2.10"},
	/* As many messages as this connection may carry; another connection goes on. */
	{"messages-of-connection", ANYWHERE, "4 5", "", "",
	 "messages per connection|message per connection|messages per session|mails per connection|mails per session|"
	 "messages in this session|messages in this connection|too many messages in|too many messages on this|"
	 "messages in a single session|messages on this connection|mails in this session|message limit per session|"
	 "maximum messages|maximum number of messages per",
	 ACTION_LATER, SCOPE_CONNECTION, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "mail 452 4.5.3 At most 20 messages per connection"},
	/* What we did wrong is counted, not what we sent. */
	{"errors", ANYWHERE, "4 5", "", "",
	 "too many errors|too many invalid commands|too many bad commands|too many unrecognized|too many syntax|"
	 "too many failed|too many protocol errors|too many nonmail|trop derreurs|zu viele fehler|demasiados errores|"
	 "muitos erros|troppi errori|too many rejected|error limit exceeded",
	 ACTION_LATER, SCOPE_CONNECTION, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "rcpt 421 4.7.0 Too many errors on this connection"},
	/* Proof of the sender is missing, and therefore mail is slowed: the cause is what there is to mend. */
	{"rate-for-proof", ANYWHERE, "4 5", "", "",
	 "rate limit- * unauthenticated|rate limit- * dkim|rate limit- * dmarc|rate limit- * spf|"
	 "rate limit- * not authenticated|rate limit- * not pass|unauthenticated * rate limit-",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, SUPPRESS_NOT,
	 "eom 421 4.7.32 Your mail has been rate limited since it lacks DMARC alignment"},
	/* Proof of the network's names likewise. */
	{"rate-for-ptr", ANYWHERE, "4 5", "", "",
	 "rate limit- * ptr|ptr * rate limit-|rate limit- * reverse dns",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_PTR_OR_HELO, SUPPRESS_NOT,
	 "connect 421 4.7.23 Your mail is rate limited: 192.0.2.10 lacks a PTR record"},
	/* Slowed for what came from here before, not for how fast we are. */
	{"rate-for-reputation", ANYWHERE, "4 5", "", "",
	 "rate limited due to * reputation|rate limit- * poor reputation|rate limit- * ip reputation|"
	 "deferred due to * user complaints|deferred due to unexpected volume or|temporarily deferred due to * complaints|"
	 "user complaints|throttl- * reputation|rate limited because of * reputation",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "eom 451 4.7.650 192.0.2.10 is rate limited because of its poor reputation"},
	/* Recipients in an hour, from us. */
	{"recipients-rate", ANYWHERE, "4 5", "", "",
	 "too many recipients * hour|too many recipients received|recipients * per hour|recipients * per day|"
	 "recipients * per minute|recipients this hour|too many recipients today|too many rcpts|"
	 "recipient rate * exceed-|recipients * rate exceed-",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "rcpt 452 4.5.3 Too many recipients received this hour"},
	/* We are told to slow down; servers that say so with a 5yz mean it no less. REQUIREMENTS RTY-6. */
	{"rate", ANYWHERE, "4 5", "", "",
	 "rate limit-|ratelimit-|rate control-|rate exceed-|rate is too high|throttl-|slow down|"
	 "too fast|too quickly|too frequent-|too often|too much mail|too much email|too many messages|too many emails|"
	 "too many mails|too many email|too many mail|too many requests|too many deliveries|excessive volume|"
	 "excessive number|excessive rate|excessive messages|volume * exceed-|message limit-|messages limit-|"
	 "unusual rate|message rate|sending rate|mail rate|frequency limit-|ip frequency|domain frequency|"
	 "limit * per hour|limit * per minute|limit * per day|hourly limit|daily limit|"
	 "hourly volume|daily volume|quota * per hour|quota * per day|"
	 "traffic limit-|volume limit-|flood-|unsolicitedratelimiterror|reduce your sending|reduce the rate|"
	 "outbound thread limit|trop de messages|trop de mails|trop demails|debit * depasse|limite denvoi|"
	 "zu viele nachrichten|zu viele mails|zu viele emails|zu schnell|demasiados mensajes|demasiados correos|"
	 "limite de envios|limite de envio|muitas mensagens|muitos emails|muitos e mails|excesso de mensagens|"
	 "excesso de envios|troppi messaggi|troppe email|troppe mail|zbyt wiele wiadomosci|zbyt duzo wiadomosci|"
	 "prilis mnoho zprav|слишком много сообщений|слишком много писем|превышен лимит|превышено количество|"
	 "слишком часто|发送频率|发信频率|频率过高|頻率過高|发送过多|发信过多|超过限制|送信数|送信制限|流量制限|次数过多|try again slower|sending limit reached",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "eom 451 4.7.1 You send too fast, slow down"},
	/* RFC 3463 and its registry: mail flood, rate of unsolicited mail. */
	{"rate-code", ANYWHERE, "4 5", "x.7.28", "", "",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "eom 421 4.7.28 See our guidelines for senders"},

	/* ---- Proofs of the sender. RFC 7372. */

	{"proof", ANYWHERE, "4 5", "", "",
	 "dmarc|dkim|domainkeys|spf|sender policy framework|senderid|sender id|arc validation|unauthenticated|"
	 "unauthenticated email|not pass authentication|does not pass * authentication|"
	 "failed authentication checks|authentication checks|sender authentication|email authentication|"
	 "authentication results|domain authentication|permitted sender|designate * as permitted|"
	 "not authorized to send * domain|not authorized by the domain|not permitted by the domain owner|"
	 "not allowed to send mail from|not allowed to send mails for|not allowed to send emails from|"
	 "not authorised to send * domain|spoof-|forgery|"
	 "mailfrom failed|auth failed|"
	 "header from * not match|from address * not match|envelope * not match * header|openspf-|"
	 "nicht autorisiert * absender|non autorise a envoyer|no autorizado para enviar|nao autorizado a enviar|"
	 "non autorizzato a inviare|подделк-|поддельн|impersonation|discourages use of this host|impersonating user|"
	 "impersonating sender",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, SUPPRESS_NOT,
	 "eom 550 5.7.1 Refused by the DMARC policy of news.example"},
	{"proof-code", ANYWHERE, "4 5", "x.7.20 x.7.21 x.7.22 x.7.23 x.7.24 x.7.26 x.7.29 x.7.32 x.7.509 x.7.515", "", "",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_AUTH_FAILURE, SUPPRESS_NOT,
	 "eom 550 5.7.26 This mail has not been proved yours"},

	/* ---- Who we are: the names of the address we come from. */

	{"names", ANYWHERE, "4 5", "", "",
	 "ptr|reverse dns|rdns|reverse lookup|reverse hostname|reverse ip|reverse name|reverse address|reverse resolution|"
	 "reverse mapping|reverse record|dns reverse|forward confirmed|fcrdns|generic hostname|generic host name|"
	 "cannot find your hostname|cannot find your reverse|cant find your hostname|cannot resolve your|"
	 "ip name lookup failed|ip name possibly forged|possibly forged hostname|no hostname for|unresolvable hostname|"
	 "helo * reject-|reject- * helo|helo command rejected|ehlo command rejected|invalid helo|invalid ehlo|bad helo|"
	 "bad ehlo|helo name|ehlo name|helo * not resolve|helo * invalid|ehlo * invalid|helo * not match|helo argument|"
	 "ehlo argument|helo hostname|helo domain|helo should|helo is|helo must|correct helo|forged helo|"
	 "improper helo|helo check-|need fully qualified hostname|your hostname|inverso * dns|dns inverso|dns inverse|"
	 "reverso|dns reverso|resolution inverse|обратная запись|обратной зоны|обратной записи|反向解析|反解|逆引き|"
	 "обратный dns|обратного dns|обратной dns|helo mismatch|ehlo mismatch|hostname does not resolve|"
	 "hostname not resolve|your host name|servers hostname|unresolvable relay host|no reverse|"
	 "impersonating domain|host impersonating|dns check failed",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_PTR_OR_HELO, SUPPRESS_NOT,
	 "rcpt 554 5.7.1 Your address has no PTR record"},
	{"names-code", ANYWHERE, "4 5", "x.7.25", "", "",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_PTR_OR_HELO, SUPPRESS_NOT,
	 "mail 550 5.7.25 Fix your network names"},

	/* ---- Lists and reputation. */

	/* Lists of domains are about what the message links to, not about the address it comes from. */
	{"list-of-domains", ANYWHERE, "4 5", "", "",
	 "uribl|uribl com|surbl|dbl spamhaus|rhsbl|ivmuri|blocked url-|spam url-|bad url-|url * blacklist-|url * listed|"
	 "url * blocklist-|uri * blacklist-|uri * blocklist-|link * blacklist-|domain * in * body * listed|"
	 "links * listed|query domain|urls * spam|contains * url * listed|blacklisted url|blocklisted url|"
	 "listed url|url in message",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, SUPPRESS_NOT,
	 "eom 554 5.7.1 A link in it is on multi.surbl.example"},
	/* Turned away for now because of what came from here before. */
	{"reputation-later", ANYWHERE, "4", "", "",
	 "blocklist-|block list-|blocked using|blacklist-|black list-|denylist-|dnsbl|rbl|dnsrbl|reputation|spamhaus|"
	 "spamcop|sorbs|barracuda|senderscore|sender score|listed at|listed in|listed by|listed on|complaints|"
	 "suspicious activity|sending spam|spam source|unsolicited|poor standing|temporarily blacklisted|ip * blocked|"
	 "ip * temporarily blocked|due to spam|spam activity|spam from|bad sender|exploited|"
	 "ip * temporairement bloque-|ip * gesperrt|черном списке|черный список|黑名单|黑名單|信誉|ブラックリスト|senderbase|sbrs|"
	 "poor score|intrusion prevention|from your ip address has been",
	 ACTION_SLOWER, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 421 4.7.0 Deferred because of the reputation of 192.0.2.10"},
	/* The address we send from is on a list, or known for what it sent. Says nothing of the recipient. */
	{"reputation", ANYWHERE, "5", "", "",
	 "blocklist-|block list-|blocked list|blacklist-|black list-|black listed|denylist-|deny list-|denyip|dnsbl|dnsbls|"
	 "rbl|rbls|dnsrbl|spamhaus|spamcop|sorbs|barracuda reputation|barracudacentral|barracudanetworks com reputation|"
	 "senderbase|sbrs|senderscore|sender score|reputation|blocked using|listed at|listed in|listed by|listed on|"
	 "currently listed|found on one or more|found in * rbl|hostkarma|junkemailfilter|backscatterer|uceprotect|"
	 "manitu|nixspam|psbl|mail abuse|abuseat|cbl abuseat|invaluement|mailspike|lashback|spfbl|truncate gbudb|spamrats|"
	 "abusix|cloudmark|csi mimecast|ipcheck|exploits|xbl|sbl|pbl|spam list|list of spam-|spam database|"
	 "client host * blocked|client host blocked|client * blocked|your host * rejected|"
	 "mail server * blocked|your server * blocked|mta * blocked|"
	 "your ip * block-|your ip * denied|your ip * rejected|your ip * banned|due to your ip|ip address * block-|"
	 "ip address * rejected|ip address * banned|ip * banned|banned ip|banned host|ip * bloque-|"
	 "ip * bloccato|ip bloccato|ip * blocked|ip * denied|ip * refused|ip * rejected|ip blocked|ip is blocked|bad ip|blocked ip|"
	 "ip range|ip * not allowed|ip * not authorized|ip * not welcome|ip * abus-|mail from ip|messages from # * blocked|"
	 "messages from # * sent|messages from # * accepted|mail from # * refused|mail from # * rejected|mail from # * blocked|"
	 "mail from # * denied|connections from # * refused|connections from # * accepted|connection from # * refused|"
	 "connection from # * rejected|connection from # * denied|access from # * denied|access from # * blocked|"
	 "# * is blocked|# blocked|# is blocked|# rejected|# has been blocked|# denied|# banned|# refused|# * is not allowed|"
	 "blocked * #|blocked for abuse|block * abuse|blocked for spam-|due to abuse|abuse from|"
	 "spammer-|spam source-|source of spam|known spam-|spam sending|sending spam|sends spam|send spam|sent spam|"
	 "spam sent from|spam from * your|spam from your|spam received from|received spam from|open proxy|open proxies|"
	 "proxy detected|botnet|bot net|compromised|infected host|exploited|spamtrap|spam trap-|spamtraps|dynamic ip|dynamic address-|"
	 "dynamic ips|dynamic pool|dynamic host|dial up-|dialup-|dynablock|residential|dsl pool|end user ip|adsl|delist-|"
	 "whitelist request|unblock request|unblock-|remove your ip|removal request|request removal|complaints|bad neighborhood|country|geoip|"
	 "geo block-|geoblock-|your network|your access to * mail system|"
	 "access to submit messages|not allowed to connect|not authorized to connect|not permitted to connect|"
	 "not allowed to send mail to this server|connection rejected by policy|connections not accepted from|"
	 "not accept mail from * ip|not accepting mail from|"
	 "liste noire|lista nera|lista negra|schwarze liste|schwarzen liste|sperrliste|czarna lista|czarnej liscie|"
	 "cerna listina|blacklistis|черном списке|черный список|черные списки|заблокирован * ip|ip * заблокирован|ваш ip|"
	 "黑名单|黑名單|信誉|信譽|您的 ip|你的 ip|可疑 ip|ブラックリスト|ブラックリスト登録|차단된 ip|ip * gesperrt|"
	 "ip adresse * blockiert|adresse ip * bloquee|direccion ip * bloqueada|endereco ip * bloqueado|indirizzo ip * bloccato|"
	 "# is listed|# listed|ip * is listed|"
	 "ip * listed|host * is listed|server * is listed|"
	 "access from mail server|smtp server of your isp|"
	 "confirm this mail server|requires confirmation|use your isp|your isps smtp|your isps mail|"
	 "blocked due to spam from|blocked due to spamming|host # * blocked|your host * blocked|network is blocked|"
	 "network has been blocked|your network * blocked|intrusion prevention|from your server|from your ip|"
	 "from your host|from your mail server|not accept mail from your|accepting mail from your|"
	 "refuse mail from your|refuses mail from your|refused mail from your|unknown users|nonexistent users|"
	 "non existent users|invalid users|open relay|open relays|an open relay",
	 ACTION_BY_STAGE, SCOPE_LANE, CATEGORY_REPUTATION, SUPPRESS_NOT,
	 "connect 554 5.7.1 192.0.2.10 is on a blocklist"},
};
/* clang-format on */

const struct verdict_table verdict_rules_source = VERDICT_TABLE("what is said about us", rules);
