/* Phrases with one meaning wherever they are said: in the tables of mail servers' own sources, or so tight that nobody
 * says them of anything else. They come before all others, because the replies that have them often quote more: a
 * name that was looked up, a link with "spam" in it, the reply of another server. The order within: what quotes another
 * reply; who may send through them; the mailbox. Phrases in the form of verdict_phrases.h. */
#include "smtp/verdict_rules.h"

/* clang-format off */
static const struct verdict_rule rules[] = {
	/* ---- What quotes another server. */

	/* They asked the sender's server whether our sender exists: its "no such user" is about the sender (Exim). */
	{"sender-verification", ANYWHERE, "4 5", "", "",
	 "sender verify|sender verification|verify sender|verify the sender|verifying sender|sender callout|"
	 "sender address rejected undeliverable|sender address rejected unverified|sender address verification|"
	 "sender address could not be verified|sender could not be verified|sender cannot be verified|sender callback|"
	 "verify mailfrom|verify mail from|verify your sender|verify return path|sender address has been null routed|"
	 "sender address rejected user unknown|sender address rejected unknown|"
	 "sender address rejected * user unknown|sender user unknown|sender * unknown user|sender * no such user|"
	 "return path * user unknown|mail from * user unknown|sender address does not exist|sender does not exist",
	 ACTION_BY_STAGE, SCOPE_SENDER, CATEGORY_SENDER_REJECTED, SUPPRESS_NOT,
	 "rcpt 550 550 No such user here: sender verify failed"},
	/* They asked the server behind them, which knows nobody of that name (Postfix). Final, though said with 450. */
	{"unverified-dead", AT_RCPT, "4 5", "", "",
	 "unverified address * unknown|unverified address * not exist|unverified address * doesnt exist|unverified address * no such|"
	 "unverified address * not found|unverified address * invalid|undeliverable address * unknown|undeliverable address * not exist|"
	 "undeliverable address * doesnt exist|undeliverable address * no such|undeliverable address * not found|"
	 "undeliverable address * invalid|undeliverable address * unavailable",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 450 4.1.1 unverified address: host mx.b.example said: 550 5.1.1 unknown"},
	/* They ask it still, or got no answer. */
	{"unverified", ANYWHERE, "4", "", "",
	 "unverified address|unverified recipient|recipient verify|recipient verification|address verification in progress|"
	 "verification in progress|verifying recipient|cannot verify recipient|could not verify recipient|unable to verify recipient|"
	 "unable to verify the recipient|unable to verify user|cannot verify user|unable to validate recipient|callout",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "rcpt 450 4.1.1 Recipient address rejected: unverified address: address verification in progress"},
	/* A hosting's sentence with all its reasons in it; the first is the usual one (cPanel). */
	{"may-not-exist", ANYWHERE, "5", "", "",
	 "account or domain may not exist|may not exist * blacklisted * missing|no valid recipients|"
	 "no valid recipient|recipients are invalid|all recipients invalid|recipients were invalid",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 550 The account or domain may not exist, or they may be blacklisted"},

	/* ---- Us, and who may send through them. */

	/* Counted errors of ours: they say how old our lists are, and nothing of this address. */
	{"unknown-recipients-limit", ANYWHERE, "4 5", "", "",
	 "too many invalid recipients|too many unknown recipients|too many unknown users|too many bad recipients|"
	 "too many invalid recipient|too many invalid addresses|too many nonexistent|too many non existent|"
	 "too many unknown|directory harvest-|dictionary attack-|harvest attack-|too many wrong recipients|"
	 "too many recipients do not exist|too many rcpt errors|too many bad rcpt|trop de destinataires invalides|"
	 "invalid recipients exceed-|unknown recipients exceed-|invalid recipient limit|invalid recipients limit|"
	 "limit of invalid recipients|number of invalid|number of unknown|rate of unknown|rate of invalid|"
	 "percentage of invalid|many invalid recipients|many unknown recipients|many unknown users|"
	 "many invalid users|invalid recipient count|unknown recipient count|unknown user count",
	 ACTION_LATER, SCOPE_CONNECTION, CATEGORY_UNDETERMINED, SUPPRESS_NOT,
	 "rcpt 550 Too many invalid recipients in this session"},

	/* One mailbox takes no more for now; the lane is not at fault. */
	{"recipient-rate", ANYWHERE, "4 5", "", "",
	 "user * receiving mail * quickly|user * receiving mail at a rate|receivingrate|mailbox * receiving * too fast|"
	 "recipient * exceeded * limit * receive|recipient * exceeded * per hour|recipient * too many recent messages|"
	 "mailbox * too many messages * later|user * receiving * too many|mailbox * busy|user is receiving|"
	 "recipient rate limit-|mailbox rate limit-|rate limit- * for this recipient|ratelimit exceeded for mailbox|"
	 "limit * can receive per|limit for the number of messages * receive|messages they can send to this recipient|"
	 "recipient * over * hourly limit|recipient * hit a limit|frequency of receiving",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "rcpt 450 4.2.1 This user is receiving mail too quickly, try again"},
	/* Microsoft: the mailbox's hour is full (x.2.121 of one sender, x.2.122 of all). */
	{"recipient-rate-code", ANYWHERE, "4 5", "x.2.121 x.2.122", "", "",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "eom 554 5.2.122 Enough for this hour"},
	/* The envelope sender has used up what it may send. */
	{"sender-quota", ANYWHERE, "4 5", "", "",
	 "sender * exceeded * limit|sender * exceeded * quota|sender frequency limit-|sender * rate limit-|"
	 "sender throttled|sending limit * exceeded|daily user sending|daily sending quota|daily sending limit|"
	 "exceeded * sending quota|sending quota|sender rate * exceed-|reached * daily limit|reached * sending limit|"
	 "exceeded * outbound|max emails per hour|max defers and failures|exceeded the max|outgoing message limit|"
	 "from user * limit|sent too many messages|sender has sent too many|sending too many messages from * sender|"
	 "account * exceeded * messages|user * exceeded * sending|rate of messages from * sender|message quota|"
	 "messages quota|daily quota|hourly quota|email quota|emails quota|quota for messages|quota for today|"
	 "quota of messages|quota for sending",
	 ACTION_SLOWER, SCOPE_SENDER, CATEGORY_RATE_LIMITED, SUPPRESS_NOT,
	 "mail 452 4.7.1 The sender has exceeded its hourly limit"},
	/* It is the sender that is on a list, the recipient's own or the site's. */
	{"sender-listed", ANYWHERE, "4 5", "", "",
	 "sender is on|sender blacklisted|sender is blacklisted|sender has been blacklisted|blacklisted sender|blocked sender|blocked senders|"
	 "address that has been blacklisted|sender address is on|sender blocked|sender is blocked|sender has been blocked|"
	 "your email address has been blocked|your address has been blocked|your email address is blocked|"
	 "sender is not allowed|sender on * blacklist|sender in * blacklist|sender in * blocklist|rejected sender|"
	 "permissions to send as this|not allowed to send as",
	 ACTION_BY_STAGE, SCOPE_SENDER, CATEGORY_SENDER_REJECTED, SUPPRESS_NOT,
	 "rcpt 550 5.7.1 The sender is on our list of those not wanted"},
	/* They do not take mail for this domain at all. */
	{"relay", ANYWHERE, "4 5", "", "",
	 "relay access denied|relay denied|relaying denied|relay not permitted|relaying not permitted|relay not allowed|relaying not allowed|"
	 "relay * prohibited|relaying disallowed|relay disallowed|relaying is not|relaying * not allowed|relaying * not permitted|"
	 "relaying * denied|relaying * prohibited|relaying blocked|relay reject-|relay attempt-|relay operation|unable to relay|cannot relay|"
	 "cant relay|do not relay|dont relay|does not relay|not relay|wont relay|not permitted to relay|not allowed to relay|"
	 "not authorized to relay|permission to relay|relay permission|as a relay|relay for|mail relay denied|unauthorized relay-|"
	 "relaying mail|relaying to|relaying|no relay-|relay is not|relay is prohibited|open relay not allowed|"
	 "third party relay-|attributed to your tenant|relay this message|relay recipient not|relay rights|relay this mail|rcpthosts|not a gateway|"
	 "not local host|local users only|local user only|not a local domain|local domains only|"
	 "only local|smtp authentication is required|smtp authentication required|requires authentication when|authentication is required to|"
	 "relay authentication|login to * before sending|turn on smtp authentication|authentication required for relay|"
	 "kein relay|relay verboten|weiterleitung nicht|relais * interdit|relais * refuse|relai refuse|no se permite relay|relay no permitido|"
	 "relay negado|relay nao permitido|relay non consentito|relay non autorizzato|relay zabroniony|relay neni povolen|релей|"
	 "пересылка запрещена|中继|轉發|中継|not a local host|insecure mail relay|insecure relay|non local recipient|"
	 "non local e mail|non local email|non local domain|non local address|client was not authenticated|"
	 "client not authenticated|credentials for relay",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_RELAY_DENIED, SUPPRESS_NOT,
	 "rcpt 550 5.7.1 Relaying to other.example is not permitted"},

	/* ---- The mailbox. */

	/* Full is never for ever at the first try (REQUIREMENTS D09); expiry decides. */
	{"full", ANYWHERE, "4 5", "", "",
	 "mailbox full|mailbox is full|mailbox * is full|mailbox * full|mail box full|mail box is full|inbox is full|inbox full|"
	 "mailfolder is full|folder is full|maildrop full|maildir * full|account is full|user is full|account full|recipient is full|"
	 "over quota|overquota|over the quota|over its quota|over their quota|over his quota|over disk quota|over storage|out of quota|"
	 "above quota|beyond quota|quota exceed-|quota has been exceeded|quota is exceeded|quota * exceeded|quota is full|quota full|"
	 "quota violation|quota reached|quota limit-|quota usage exceeded|exceed- * quota|exceeding * quota|exceeded storage|"
	 "exceeds allowed size|exceeded allowed size|storage * exceed-|storage limit-|storage full|storage is full|"
	 "exceeded * storage|exhausted * storage|mailbox size|mailbox exceed-|mailbox * exceeds * size|mailbox has exceeded|"
	 "mailbox over|mailbox too large|mailbox is too large|mailbox limit-|mailbox has reached|"
	 "maximum mailbox|not enough space|not enough storage|enough storage space|enough space|no space left in mailbox|"
	 "insufficient mailbox|insufficient space in|does not have * space|out of space|has no space|no more space|"
	 "overquotatemp|overquotaperm|quotaexceeded|shutoffquota-|sendquota|box is full|"
	 "postfach * voll|postfach ist voll|postfach voll|mailbox ist voll|mailbox voll|postfach * uberfull-|zuviele mails|"
	 "speicherplatz|quota uberschritten|quota ueberschritten|kontingent-|boite * pleine|boite pleine|boite aux lettres pleine|"
	 "bal pleine|quota depasse|quota * depasse|espace * insuffisant|espace disque|buzon lleno|buzon * lleno|casilla llena|"
	 "bandeja llena|cuota excedida|cuota superada|cuota * excedid-|sin espacio|caixa cheia|caixa * cheia|caixa postal cheia|"
	 "caixa * lotada|cota excedida|cota * excedida|quota excedida|sem espaco|casella piena|casella * piena|quota superata|"
	 "spazio esaurito|spazio insufficiente|skrzynka pelna|skrzynka * pelna|skrzynka * przepelniona|przepelnion-|zapelnion-|"
	 "przekroczony limit skrzynki|brak miejsca|schranka * plna|schranka plna|plna schranka|переполнен|превышена квота|"
	 "квота превышена|квоты|邮箱已满|郵箱已滿|信箱已滿|信箱已满|邮箱空间|容量不足|容量已|空间不足|空間不足|邮箱满|超过容量|"
	 "いっぱい|一杯|容量超過|容量を超|용량 초과|용량이 초과|postvak vol|mailbox vol|mailboxen ar full|posta kutusu dolu|kota asimi|"
	 "postfach * ueberfuell-|full mailbox|allowed quota|reached * quota|maximum allowed storage|"
	 "space has been used up|too many messages on the server|saturee|mailbox is over|receiving limits|"
	 "mail file size exceeds|account * exceeding",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_MAILBOX_FULL, SUPPRESS_NOT,
	 "rcpt 552 The mailbox of ann is full"},
	/* The name is in no table of theirs, said so that it cannot be the sender's or the domain's. */
	{"nobody", ANYWHERE, "5", "", "",
	 "user unknown|unknown user|user is unknown|no such user|no such users|no such mailbox|no such recipient|no such account|no such person|"
	 "no such email address|no such local user|no such local part|user not found|users not found|user was not found|user could not be found|"
	 "mailbox not found|mailbox was not found|mailbox could not be found|recipient not found|recipients not found|recipientnotfound|recipnotfound|"
	 "nosuchuser|user does not exist|user doesnt exist|user not exist|user dont exist|user do not exist|mailbox does not exist|mailbox doesnt exist|"
	 "mailbox not exist|recipient does not exist|recipient doesnt exist|recipient not exist|account does not exist|account doesnt exist|"
	 "account not exist|recipient address does not exist|email account that you tried to reach does not exist|email account does not exist|"
	 "addressee unknown|unknown addressee|recipient unknown|unknown recipient|unknown recipient address|recipient is unknown|unknown mailbox|mailbox unknown|"
	 "unknown local|unknown or illegal alias|unknown user account|unknown account|unknown email|unknown email address|invalid recipient|"
	 "invalid recipients|recipient invalid|recipient is invalid|invalid mailbox|invalid user|invalid local part|nonexistent user|"
	 "nonexistent mailbox|nonexistent recipient|non existent user|non existent recipient|non existent mailbox|non existent account|non existent address|"
	 "not a valid user|not a valid mailbox|not a valid recipient|not a known user|not a known recipient|is not a known|unknown to this server|"
	 "not in recipient list|not listed in domino|not listed in * directory|not listed in public|not in our directory|not in directory|not in * recipient list|"
	 "not in our user|no mailbox here|no mailbox by that name|no user by that name|no account by that name|not have an account|"
	 "doesnt have an account|does not have a mailbox|doesnt have a * account|does not have a * account|not our customer|no longer a customer|"
	 "mailbox not available on this server|marked as invalid|chkuser|"
	 "exrecipnotfound|address unknown|unknown address|unknown recipient domain and user|"
	 "not present in directory|not present in * directory|not in name directory|no * in name directory|"
	 "cant accept user|addresses were unknown|recipients unknown|unknown virtual user|"
	 "validrcptto|badrecipientto|users email name|address not recognized|user not recognized|"
	 "recipient not recognized|doesnt have an * account|does not have an * account|user doesnt have|"
	 "has no account|has no mailbox",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS,
	 "rcpt 550 No such user here: ann"},
	/* The same for now, they say; but who is unknown today is unknown tomorrow, and one in fifteen of all 4yz is
	 * such. Final for this delivery, and the address stays. */
	{"nobody-says-4", AT_RCPT, "450 451 452 4", "", "",
	 "user unknown in|unknown user|no such user|no such mailbox|no such recipient|user not found|mailbox not found|recipient not found|"
	 "user does not exist|user doesnt exist|mailbox does not exist|recipient does not exist|account does not exist|invalid recipient|"
	 "unknown recipient|recipient unknown|user unknown|invalid mailbox|invalid user|nosuchuser|recipientnotfound|addressee unknown|"
	 "email account that you tried to reach does not exist|unknown mailbox|mailbox unknown",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 450 4.1.1 User unknown in our table"},
	/* It lies still: it may come back, so it is not suppressed at once. */
	{"asleep", ANYWHERE, "4 5", "", "",
	 "inactivity|inactive user|inactive mailbox|inactive account|inactive recipient|user inactive|user is inactive|user * inactive|"
	 "mailbox inactive|mailbox is inactive|account inactive|account is inactive|account * inactive|address is inactive|recipient inactive|"
	 "mailbox * inactive|inactivated|not activated|not been activated|deactivated|account disabled|account is disabled|"
	 "account has been disabled|account * is disabled|mailbox disabled|mailbox is disabled|mailbox has been disabled|"
	 "user disabled|user is disabled|user * disabled|account that you tried to reach is disabled|"
	 "recipient disabled|recipient is disabled|address disabled|address is disabled|address has been disabled|email disabled|"
	 "mailbox * is disabled|disableduser|disabled account|disabled user|disabled mailbox|account suspended|account is suspended|"
	 "account has been suspended|account * suspended|user suspended|user is suspended|user * suspended|mailbox suspended|mailbox * suspended|"
	 "suspended account|suspended user|suspended mailbox|suspended recipient|account locked|account is locked|account * locked|user locked|user is locked|"
	 "mailbox locked|mailbox is locked|account expired|account has expired|account is expired|mailbox expired|mailbox has expired|user expired|"
	 "account closed|account is closed|account has been closed|account * closed|mailbox closed|mailbox has been closed|mailbox is closed|"
	 "closed account|account cancelled|account canceled|account terminated|account has been terminated|account blocked|account is blocked|"
	 "account has been blocked|mailbox blocked|mailbox is blocked|mailbox has been blocked|user is blocked|user blocked|account frozen|account is frozen|"
	 "mailbox frozen|mailbox is frozen|mailbox is dormant|dormant|hibernated|no longer active|no longer in use|not active|mailbox * not active|"
	 "no longer valid|no longer exists|no longer available|no longer exist|no longer in service|no longer accept-|no longer with|no longer works|no longer at|"
	 "no longer here|no longer an employee|no longer employed|left the company|no longer on server|discontinued|decommissioned|retired|"
	 "mailbox unallocated|is not enabled|not enabled|abandoned|restricted mailbox|mailbox restricted|account restricted|has been deleted|"
	 "was deleted|account deleted|mailbox deleted|user deleted|has been removed|konto * deaktiviert|konto * gesperrt|postfach * gesperrt|"
	 "postfach * deaktiviert|postfach * geschlossen|nicht mehr gultig|nicht mehr aktiv|nicht mehr vorhanden|nicht mehr verwendet|"
	 "nicht mehr erreichbar|compte * desactive|compte * suspendu|compte * ferme|compte * bloque|compte * cloture|compte desactive|"
	 "boite * desactivee|boite * inactive|boite * fermee|adresse * desactivee|nexiste plus|cuenta * desactivada|cuenta * suspendida|"
	 "cuenta * inactiva|cuenta * bloqueada|cuenta * deshabilitada|cuenta * cancelada|buzon * desactivado|buzon * inactivo|"
	 "conta * desativada|conta * suspensa|conta * inativa|conta * bloqueada|conta * cancelada|caixa * inativa|caixa * desativada|"
	 "caixa * bloqueada|caixa postal * desativada|usuario inativo|casella * disabilitata|casella * sospesa|casella * non attiva|"
	 "casella * disattivata|casella * bloccata|casella * scaduta|account * disabilitato|account * sospeso|account * disattivato|"
	 "account * bloccato|utente disabilitato|utente sospeso|konto * zablokowan-|konto * nieaktywn-|konto * zawieszon-|konto * wylaczon-|"
	 "konto * usuniet-|skrzynka * zablokowana|skrzynka * nieaktywna|schranka * zablokovana|schranka * zrusena|schranka * deaktivovana|"
	 "ucet * zablokovan|ucet * zrusen|ящик * заблокирован|аккаунт * заблокирован|пользователь заблокирован|ящик * отключ-|"
	 "ящик отключ|неактив|удален|已停用|已禁用|被禁用|已冻结|被冻结|已凍結|已被停用|被锁定|已锁定|已注销|停權|停用|已停權|休眠|"
	 "無効になって|停止されて|휴면|해지|account * has been disabled|mailbox * has been disabled|user * has been disabled|"
	 "account * is closed|account * has been closed|archivee|archived recipient|suspend the service|"
	 "usuario bloqueado|utente bloccato|temporary locked|temporarily locked|wird nicht mehr|not an active",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_INACTIVE_MAILBOX, SUPPRESS_NOT,
	 "rcpt 550 5.1.1 The account of ann has been disabled"},
};
/* clang-format on */

const struct verdict_table verdict_rules_sure = VERDICT_TABLE("what has one meaning", rules);
