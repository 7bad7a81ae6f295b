/* The shelf of compiled messages: found by digest, the least recently used make room, and what is in use stays. */
#include "shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct slice stored = {"RFrom: a@b.example\r\n\r\nx\r\n", 25};

static struct slice name(char *room, unsigned n)
{
	snprintf(room, DIGEST_HEX, "%064u", n);
	return (struct slice){room, DIGEST_HEX - 1};
}

static struct message *compile(void)
{
	struct mail_error error;
	struct message *message = message_compile(stored, &(struct message_limits){0}, &error);

	assert_non_null(message);
	return message;
}

static void found_by_name(void **state)
{
	struct shelf shelf;
	char room[DIGEST_HEX];

	(void)state;
	shelf_init(&shelf);
	assert_null(shelf_find(&shelf, name(room, 1)));
	struct shelf_message *put = shelf_put(&shelf, name(room, 1), compile(), stored.len);

	put->stored_until_s = 7;
	assert_ptr_equal(shelf_find(&shelf, name(room, 1)), put);
	assert_null(shelf_find(&shelf, name(room, 2)));
	shelf_forget(&shelf);
	assert_int_equal(put->stored_until_s, 0);
	shelf_free(&shelf);
}

static void oldest_makes_room(void **state)
{
	struct shelf shelf;
	char room[DIGEST_HEX];

	(void)state;
	shelf_init(&shelf);
	for (unsigned i = 0; i < SHELF_MESSAGES_MAX; i++)
		shelf_put(&shelf, name(room, i), compile(), 1);
	struct message *mine = message_keep(shelf_find(&shelf, name(room, 1))->message);

	shelf_find(&shelf, name(room, 0)); /* used: 2 is the oldest now */
	shelf_put(&shelf, name(room, SHELF_MESSAGES_MAX), compile(), 1);
	assert_int_equal(shelf.messages.count, SHELF_MESSAGES_MAX);
	assert_null(shelf_find(&shelf, name(room, 2)));
	assert_non_null(shelf_find(&shelf, name(room, 0)));
	assert_non_null(shelf_find(&shelf, name(room, 1)));
	/* One that is larger than the shelf is there alone. */
	shelf_put(&shelf, name(room, 5000), compile(), SHELF_BYTES_MAX + 1);
	assert_int_equal(shelf.messages.count, 1);
	assert_non_null(shelf_find(&shelf, name(room, 5000)));
	shelf_put(&shelf, name(room, 5001), compile(), 1);
	assert_null(shelf_find(&shelf, name(room, 5000)));
	assert_int_equal(shelf.bytes, 1);
	shelf_free(&shelf);
	assert_true(message_is_shared(mine)); /* still ours */
	message_free(mine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_name),
		cmocka_unit_test(oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
