/* One state machine (party_step) knows quotes, comments and angle brackets; splitting a list is walking it to the
 * next comma that stands outside all three. A full RFC 5322 parser was rejected: it would refuse what receivers take,
 * and the obsolete forms it must know are half of it. */
#include "mail/party.h"

#include <string.h>

enum { ADDRESS_MAX = 254, DOMAIN_MAX = 255, LABEL_MAX = 63 };

void party_step(struct party_place *state, char c)
{
	if (state->escaped) {
		state->escaped = false;
	} else if (c == '\\' && (state->quoted || state->comment)) {
		state->escaped = true;
	} else if (state->quoted) {
		state->quoted = c != '"';
	} else if (state->comment) {
		state->comment += c == '(';
		state->comment -= c == ')';
	} else if (c == '"') {
		state->quoted = true;
	} else if (c == '(') {
		state->comment = 1;
	} else if (c == '<' || c == '>') {
		state->angle = c == '<';
	}
}

static bool is_outside(const struct party_place *state)
{
	return !state->quoted && !state->comment && !state->angle;
}

/* What the walk over one item saw. */
struct item {
	size_t len, open, close; /* where < and > are; len if not there */
	bool colon, twice;
	struct party_place end;
};

static struct item item_scan(struct slice list)
{
	struct item item = {.open = list.len, .close = list.len};
	struct party_place state = {0};
	size_t i = 0;

	for (; i < list.len; i++) {
		char c = list.ptr[i];
		struct party_place before = state;

		if (is_outside(&state) && c == ',')
			break;
		item.colon |= is_outside(&state) && (c == ':' || c == ';');
		party_step(&state, c);
		bool opened = state.angle && !before.angle, closed = before.angle && !state.angle;

		item.twice |= (opened && item.open < list.len) || (c == '<' && before.angle && !before.quoted) ||
			      (c == '>' && is_outside(&before));
		if (opened && item.open == list.len)
			item.open = i;
		if (closed && item.close == list.len)
			item.close = i;
	}
	item.len = i;
	item.end = state;
	return item;
}

static bool is_empty_group(struct slice item)
{
	size_t n = slice_find(item, ':');

	return n > 0 && n < item.len && slice_is(slice_trim(slice_skip(item, n + 1)), SLICE(";"));
}

/* Only a comment may follow the address in its brackets. */
static bool rest_is_comment(struct slice rest)
{
	rest = slice_trim(rest);
	return rest.len == 0 || (rest.ptr[0] == '(' && rest.ptr[rest.len - 1] == ')');
}

static const char *item_fault(struct slice text, const struct item *item)
{
	if (!is_outside(&item->end))
		return "a quote, comment or < is not closed";
	if (item->twice)
		return "more than one < or >";
	if (item->colon && !is_empty_group(text))
		return "a colon or semicolon; groups are not possible here, and a name with one wants quotes";
	if (item->close < text.len && !rest_is_comment(slice_skip(text, item->close + 1)))
		return "something follows the >; addresses are separated by commas";
	return NULL;
}

enum party_kind party_next(struct slice *list, struct party *party, struct mail_error *error)
{
	*list = slice_trim(*list);
	if (list->len == 0)
		return PARTY_END;
	struct item item = item_scan(*list);
	struct slice text = slice_head(*list, item.len);

	item.open = item.open < item.len ? item.open : item.len;
	item.close = item.close < item.len ? item.close : item.len;
	if (item_fault(text, &item)) {
		mail_fail(error, "E_ADDRESS", "\"%.*s\" is not an address: %s", SLICE_ARG(slice_head(text, 100)),
			  item_fault(text, &item));
		return PARTY_BAD;
	}
	*list = slice_skip(*list, item.len + 1);
	party->angle = item.open < item.len;
	if (party->angle) {
		party->name = slice_trim(slice_head(text, item.open));
		party->address = slice_trim(slice_skip(slice_head(text, item.close), item.open + 1));
	} else {
		party->name = SLICE_NONE;
		party->address = slice_trim(text);
	}
	return PARTY_ONE;
}

void party_name_text(struct outbuf *out, struct slice name)
{
	struct party_place state = {0};

	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		struct party_place before = state;

		party_step(&state, c);
		bool mark = state.escaped || (c == '"' && !before.escaped && !before.comment);

		if (!mark)
			outbuf_byte(out, c);
	}
}

static bool is_atom(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80 ||
	       (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

void party_escape(struct outbuf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			outbuf_byte(out, '\\');
		outbuf_byte(out, text.ptr[i]);
	}
}

bool party_name_is_atoms(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_atom(text.ptr[i]) && text.ptr[i] != ' ')
			return false;
	/* Atoms can look like an encoded-word, and would be read as one. */
	return text.len > 0 && !memmem(text.ptr, text.len, "=?", 2);
}

static bool local_is_valid(struct slice local)
{
	if (local.len >= 2 && local.ptr[0] == '"') {
		struct party_place state = {0};

		for (size_t i = 0; i < local.len; i++) {
			if ((unsigned char)local.ptr[i] <= ' ' || local.ptr[i] == 0x7f)
				return false;
			party_step(&state, local.ptr[i]);
			if (!state.quoted && i + 1 < local.len)
				return false;
		}
		return !state.quoted;
	}
	char last = '.';

	for (size_t i = 0; i < local.len; i++) {
		char c = local.ptr[i];

		if (c == '.' ? last == '.' : !is_atom(c))
			return false;
		last = c;
	}
	return last != '.';
}

static bool is_label(struct slice label)
{
	if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.ptr[i];

		if (!is_atom(c) || (c && strchr("!#$%&'*+/=?^`{|}~", c)))
			return false;
	}
	return true;
}

static bool literal_is_valid(struct slice literal)
{
	if (literal.len < 3 || literal.ptr[literal.len - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < literal.len; i++) {
		char c = literal.ptr[i];

		if (!is_atom(c) && c != ':' && c != '.')
			return false;
	}
	return true;
}

static bool domain_is_valid(struct slice domain)
{
	if (domain.len == 0 || domain.len > DOMAIN_MAX)
		return false;
	if (domain.ptr[0] == '[')
		return literal_is_valid(domain);
	if (domain.ptr[domain.len - 1] == '.')
		return false;
	while (domain.len)
		if (!is_label(slice_until(&domain, '.')))
			return false;
	return true;
}

bool party_address_is_valid(struct slice address)
{
	size_t at = slice_find_last(address, '@');

	return at < address.len && address.len <= ADDRESS_MAX && local_is_valid(slice_head(address, at)) &&
	       domain_is_valid(slice_skip(address, at + 1));
}
