/* What is said about the message: what it carries, how it looks, how large it is, how far it has gone. At end of data
 * nearly every refusal is one of these; said at RCPT they hold for the message all the same, and never for the address.
 * Spam comes in two strengths: words that only a filter says stand here, and "spam" by itself, which is in the names
 * and the links of many servers, stands after the mailbox. Phrases in the form of verdict_phrases.h. */
#include "smtp/verdict_rules.h"

/* clang-format off */
static const struct verdict_rule rules[] = {
	{"virus", ANYWHERE, "4 5", "", "",
	 "virus|viruses|viral|malware|infected|trojan|worm|clamav|worms|ransomware|illegal attachment|"
	 "banned file|banned attachment|banned name|banned extension|forbidden attachment|prohibited attachment|"
	 "attachment * not allowed|attachment * not accepted|attachment * forbidden|attachment * prohibited|"
	 "attachment * reject-|attachment * block-|attachment * banned|attachment type|attachment types|blocked attachment|"
	 "attachments * not allowed|attachments * not accepted|attachments * block-|unsafe attachment|dangerous attachment|"
	 "dangerous file|suspicious attachment|reject- * attachment|bad attachment|"
	 "executable|executables|macro|macros|potential security issue|security threat|harmful content|eicar|"
	 "file type * not allowed|file types|file name * not allowed|file extension|filename * banned|encrypted archive|"
	 "piece jointe|pieces jointes|anhang * nicht|dateianhang|anhange * nicht|archivo adjunto|anexo|allegato|zalacznik|"
	 "priloha|вирус|вложени|病毒|附件|ウイルス|ウィルス|添付ファイル|바이러스|첨부",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_VIRUS, SUPPRESS_NOT,
	 "eom 554 5.7.1 The attachment carries a virus"},

	/* The message's form (RFC 5322), before its taste. */
	{"form", ANYWHERE, "4 5", "", "",
	 "rfc 5322|rfc5322|rfc 2822|rfc2822|rfc 822|not rfc compliant|rfc compliant|rfc compliance|not compliant|bare lf|bare cr|bare newline|"
	 "bare linefeed|stray newline|smtplf|line * too long|lines * too long|lines longer|line length|long lines|"
	 "missing * header|header * missing|headers missing|missing * from|missing a valid|missing or invalid header|"
	 "missing required header-|missing date|missing message id|missing subject|multiple from|multiple * headers|"
	 "multiple * header fields|multiple addresses in from|duplicate header-|duplicate headers|duplicated header-|invalid header-|"
	 "invalid structure|invalid mime|mime error|mime reject|bad mime|malformed|bad header-|header syntax|headers fail syntax|"
	 "headers are not|header contains|header field|header is not|header * invalid|header line|no from header|"
	 "from header|valid from address|syntax error in header|8 bit * header|"
	 "non ascii * header|non printable|null character|nul character|nul characters|message format|message structure|invalid data in message|"
	 "improperly formatted|invalid message|unparsable|unparseable|unbalanced|nested too deep-|too many mime|"
	 "too many attachments|too many header-|too many received headers|messageid|message id * invalid|invalid message id|"
	 "date header|invalid date|date * future|date * past|unacceptable header-|encoding * not|character set|charset|"
	 "en tete|kopfzeile-|cabecera-|cabecalho-|intestazione|naglowek|hlavicka|заголов|header error|header are not|"
	 "headers not|blank from|as a from address|corrupt|corrupted",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_CONTENT, SUPPRESS_NOT,
	 "eom 550 The From: header is missing"},

	{"taste", AT_MAIL | AT_RCPT | AT_DATA | AT_END, "4 5", "", "",
	 "detected as spam|identified as spam|identified as possible spam|classified as spam|considered spam|considered as spam|recognized as spam|"
	 "recognised as spam|marked as spam|tagged as spam|reported as spam|rejected as spam|blocked as spam|treated as spam|"
	 "flagged as spam|deemed spam|deemed to be spam|believed to be spam|determined to be spam|appears to be spam|"
	 "appeared to be spam|looks like spam|look like spam|seems to be spam|seem to be spam|seems spam|is spam|are spam|be spam|"
	 "as spam|like spam|likely spam|probably spam|possible spam|possibly spam|suspected spam|suspected to be spam|"
	 "suspicion of spam|suspected as spam|spam message|spam messages|spam mail|spam email|spam emails|spam content|"
	 "spam detected|spam detection|spam rejected|spam refused|spam blocked|spam denied|spam not accepted|spam is not|"
	 "spam probability|probability of spam|spam score|spam scored|spam points|spam level|spam threshold|spam rule-|"
	 "spam filter|spam filters|spamfilter|spam signature|spam pattern|spam suspect-|spam check|spam reject|"
	 "spam found|spamassassin|rspamd|spam engine|spam control|spam like|spamlike|spammy|no spam|"
	 "junk mail|junkmail|junk email|junk|unsolicited|bulk mail|bulk email|ube|uce|mass mail-|mailing is not|"
	 "content * reject-|reject- * content|content * denied|content * refused|content * not accept-|content * block-|content * spam|"
	 "content filter-|content scan-|content policy|content analysis|content restriction-|"
	 "content of * message|message content|messages content|mail content|email content|unacceptable content|objectionable|"
	 "inappropriate|offensive|prohibited content|restricted content|forbidden content|message filtered|mail filtered|email filtered|"
	 "message * filter-|filtered|profile * internet community|high score|scored too|score too high|score exceed-|too high score|"
	 "phish-|scam|fraud-|suspicio-|dubious|mail data refused|bayes-|fingerprint|dcc|razor|pyzor|"
	 "indesirable|pourriel|courrier indesirable|contenu * refuse|werbung|werbe-|unerwunscht-|unerwuenscht-|spamverdacht|spam verdacht|"
	 "no deseado|correo basura|contenido * rechazado|nao solicitado|conteudo * rejeitado|lixo eletronico|indesiderata|"
	 "posta indesiderata|contenuto * rifiutato|niechciana|niechcian-|nevyzadan-|спам|как спам|рассылк|垃圾邮件|垃圾郵件|垃圾信|"
	 "广告|廣告|内容|內容|反垃圾|迷惑メール|スパム|스팸|banned content|pattern detection|spamprofiler|spam profiler|advertising|"
	 "advertisement|advert",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_SPAM_CONTENT, SUPPRESS_NOT,
	 "eom 554 5.7.1 This message scores as spam with us"},

	/* Too far, or in a circle. */
	{"loop", ANYWHERE, "4 5", "", "",
	 "loop detected|mail loop|mail loops|mail is looping|message is looping|looping|loops back|loop back|too many hops|hop count|"
	 "maximum hop-|too many received|points back to|routing loop|loop|loops|bucle|boucle|schleife|too many forwards|"
	 "hops",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_NETWORK, SUPPRESS_NOT,
	 "eom 554 5.4.6 Mail loop: too many hops"},
	{"loop-code", ANYWHERE, "4 5", "x.4.6 x.4.14", "", "",
	 ACTION_BY_STAGE, SCOPE_MESSAGE, CATEGORY_NETWORK, SUPPRESS_NOT,
	 "eom 554 5.4.6 It has been here before"},

	{"too-large", ANYWHERE, "5", "", "",
	 "too large|too big|too long message|larger than|size limit-|message size|email size|mail size|size exceed-|size of * message|"
	 "exceeds * maximum * size|exceeds * size limit|exceeded * size|exceeds fixed|maximum size|max size|"
	 "maximum message|maximum permitted|maximum length|message length exceed-|message is longer|exceeds the size|databytes limit|"
	 "exceeds administrative|too much data|trop volumineu-|trop gros|trop lourd|taille * message|taille maximale|zu gross|"
	 "maximale grosse|grosse * uberschr-|demasiado grande|tamano * mensaje|tamano maximo|excede el tamano|muito grande|"
	 "tamanho * mensagem|tamanho maximo|excede o tamanho|troppo grande|dimensione massima|dimensioni massime|zbyt duza|"
	 "za duza|prilis velka|слишком больш|размер|邮件过大|邮件太大|大小|郵件過大|サイズ|크기|file size|taille limite",
	 ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_MESSAGE_TOO_LARGE, SUPPRESS_NOT,
	 "mail 552 The message is too big for us"},
	/* RFC 1870 6 and RFC 3463 x.2.3, x.3.4. Where a text says "policy" it means another limit. */
	{"too-large-code", ANYWHERE, "5", "x.3.4", "", "",
	 ACTION_NEVER, SCOPE_MESSAGE, CATEGORY_MESSAGE_TOO_LARGE, SUPPRESS_NOT,
	 "mail 552 5.3.4 No"},
};
/* clang-format on */

const struct verdict_table verdict_rules_message = VERDICT_TABLE("what is said about the message", rules);
