/* What is said about the mailbox in words that are also said of other things, now that those have been looked for; and
 * the codes of RFC 3463 that mean it. Only what names the address suppresses it: "unavailable" is RFC 5321's own word
 * for half a dozen causes. Phrases in the form of verdict_phrases.h. */
#include "smtp/verdict_rules.h"

/* clang-format off */
static const struct verdict_rule rules[] = {
	/* RFC 3463 x.2.2, where no better word was said. */
	{"full-code", ANYWHERE, "4 5", "x.2.2", "", "",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_MAILBOX_FULL, SUPPRESS_NOT,
	 "rcpt 552 5.2.2 Cannot store it"},
	{"asleep-weak", AT_RCPT | AT_DATA | AT_END, "5", "", "",
	 "suspended|disabled|locked|inactive|frozen|expired|closed|deleted|stopped using|hold|desactive-|desactivad-|desativad-|"
	 "disattivat-|disabilitat-|zablokowan-|заблокирован-|отключен|冻结|锁定|禁用|注销",
	 ACTION_BY_STAGE, SCOPE_BY_STAGE, CATEGORY_INACTIVE_MAILBOX, SUPPRESS_NOT,
	 "rcpt 550 ann: suspended"},
	/* Today it takes nothing; said of a mailbox that is there. */
	{"unavailable-later", AT_RCPT | AT_DATA | AT_END, "4", "", "",
	 "mailbox temporarily|mailbox is temporarily|mailbox unavailable|mailbox is unavailable|mailbox not available|"
	 "recipient temporarily|user temporarily|account temporarily|mailbox is currently|user is currently|recipient unavailable|"
	 "mailbox * temporarily|recipient * temporarily|user * temporarily",
	 ACTION_LATER, SCOPE_BY_STAGE, CATEGORY_REMOTE_ERROR, SUPPRESS_NOT,
	 "rcpt 450 4.2.0 The recipient is temporarily unavailable"},
	/* The words of nobody, by verbs that domains and senders have too; those were looked for before. */
	{"nobody-weak", ANYWHERE, "5", "", "",
	 "user * unknown|recipient * unknown|mailbox * unknown|address * unknown|account * unknown|user * not found|mailbox * not found|"
	 "recipient * not found|account * not found|address * not found|address not found|address could not be found|couldnt be found|could not be found|cannot be found|"
	 "@ not found|@ unknown|unknown @|@ is unknown|@ is not known|does not exist|doesnt exist|dont exist|do not exist|not exist|not exists|"
	 "no exist|isnt exist|is not exist|not existing|nonexistent|non existent|not there|no such|no such address|is not here|not known|not known here|"
	 "not known at this|unknown here|no account|no mailbox|no mailbox for|no user|no users|no user here|no recipient|no recipients|"
	 "no matching|not match any|no local mailbox|no local user|no one here|nobody here|no address|no alias|bad address|bad destination|"
	 "bad destination mailbox|bad recipient|bad mailbox|bad user|badrcptto|invalid address|invalid email|"
	 "invalid mail address|invalid email address|invalid destination|invalid rcpt|invalid local|invalid account|invalid alias|invalid to|address is invalid|"
	 "address invalid|address is not valid|address not valid|not a valid|not valid|not a valid address|not valid address|not valid recipient|not valid mailbox|"
	 "not a legal|illegal user|illegal alias|illegal recipient|illegal address|wrong recipient|wrong address|incorrect recipient|undeliverable address|undeliverable to|"
	 "not undeliverable|is undeliverable|unroutable address|unrouteable address|unroutable|unrouteable|unrouteable recipient|unable to find|"
	 "recipient * not exist-|user * not exist-|account * not valid|not a customer|does not match|not registered|isnt registered|is not registered|not on this system|"
	 "not on this server|not at this|not handled here|not our user|not one of our users|not one of our|never heard|nonlocal|not hosted|not listed|isnt listed|"
	 "email address lookup|address lookup * failed|recipient lookup|lookup failed|cannot be verified|can not be verified|could not be verified|verification failed|"
	 "callout verification failure|failed verification|recipient failed|recipient * not ok|not ok|account is not|is not @|doesnt have a|"
	 "recipient address rejected user|empfanger unbekannt|empfaenger unbekannt|empfanger * unbekannt|unbekannter empfanger|"
	 "unbekannter empfaenger|unbekannter benutzer|benutzer unbekannt|benutzer * nicht|benutzer existiert|existiert nicht|nicht vorhanden|"
	 "nicht gefunden|adresse unbekannt|adresse * unbekannt|unbekannte adresse|ungultige adresse|ungultiger empfanger|unbekannt-|"
	 "kein postfach|kein solcher|kein benutzer|keine mailbox|utilisateur inconnu|utilisateur * inconnu|destinataire inconnu|"
	 "destinataire * inconnu|destinataire invalide|destinataire * invalide|destinataire inexistant|destinataire inexistante|adresse inconnue|adresse * inconnue|"
	 "adresse inexistante|adresse * inexistante|adresse invalide|adresse * invalide|nexiste pas|compte inexistant|compte * inexistant|boite inconnue|"
	 "boite inexistante|boite * inexistante|inconnu|inconnue|introuvable|usuario desconocido|usuario no existe|usuario inexistente|usuario no encontrado|"
	 "usuario invalido|destinatario desconocido|destinatario no existe|destinatario inexistente|destinatario invalido|no existe|inexistente|desconocido|"
	 "no encontrado|no encontrada|direccion no valida|buzon no|cuenta no|usuario desconhecido|usuario nao existe|usuario nao encontrado|destinatario desconhecido|"
	 "destinatario nao existe|destinatario nao encontrado|nao existe|nao encontrado|nao encontrada|desconhecido|nao cadastrado|utente sconosciuto|"
	 "utente inesistente|utente non trovato|utente non valido|destinatario sconosciuto|destinatario inesistente|destinatario non valido|"
	 "non esiste|inesistente|sconosciuto|sconosciuta|non trovato|non trovata|nieznany uzytkownik|uzytkownik nieznany|nieznany adresat|nieznany odbiorca|"
	 "nie istnieje|nie ma takiego|nie ma takiej|brak takiego|brak uzytkownika|brak skrzynki|nie znaleziono|nieznany|uzivatel neexistuje|neexistuje|"
	 "neznamy uzivatel|neznamy prijemce|neznamy|nenalezen|nenalezena|neexistujici|не найден|не существует|нет такого|неизвестный пользователь|"
	 "пользователь неизвестен|неизвестный получатель|неизвестен|несуществующ|не обслуживается|отсутствует|不存在|无此|無此|没有此|沒有此|查无|查無|"
	 "找不到|未找到|无效的收件人|無效的收件人|无效用户|未知用户|存在しません|見つかりません|宛先不明|該当|존재하지|찾을 수|없는 사용자|없는 계정|onbekende gebruiker|"
	 "gebruiker onbekend|onbekend|bestaat niet|kullanici bulunamadi|bulunamadi|ukendt|okand|ukjent|tuntematon|ismeretlen|nem letezik|necunoscut|nu exista",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS_IF_CODED,
	 "rcpt 550 <ann@b.example> could not be found"},
	{"nobody-weak-says-4", AT_RCPT, "450 451 452 4", "", "",
	 "does not exist|doesnt exist|not exist|no exist|address not found|unknown @|@ unknown|@ not found|user * unknown|recipient * unknown|mailbox * unknown",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 450 <ann@b.example> does not exist"},
	{"unavailable", ANYWHERE, "5", "", "",
	 "mailbox unavailable|mailbox is unavailable|mailbox not available|mailbox is not available|mailbox * unavailable|mailbox * not available|"
	 "user unavailable|user not available|user is not available|user is unavailable|recipient not available|recipient unavailable|"
	 "recipient is unavailable|account not available|account unavailable|address not available|mailbox name not allowed|"
	 "user not local|user * not local|not allowed mailbox|unavailable mailbox|no mail for|mailbox rejected",
	 ACTION_NEVER, SCOPE_BY_STAGE, CATEGORY_INVALID_RECIPIENT, SUPPRESS_NOT,
	 "rcpt 550 The mailbox is unavailable"},
};
/* clang-format on */

const struct verdict_table verdict_rules_mailbox = VERDICT_TABLE("what is said about the mailbox", rules);
