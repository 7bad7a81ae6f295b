/* Intrusive doubly linked lists.
 *
 * The link is a field of the thing listed, so putting it on a list allocates nothing and taking it off needs
 * no search. A head is a link too; an empty one points to itself.
 *
 *     struct lane { struct list waiting; };
 *     struct delivery { struct list link; };
 *     list_push(&lane->waiting, &delivery->link);
 *     struct delivery *first = LIST_OWNER(list_first(&lane->waiting), struct delivery, link); */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

/* The structure that holds this link as its field. */
#define LIST_OWNER(link, type, field) ((type *)((char *)(link)-offsetof(type, field)))

/* Walks the list; the entry at hand may be removed meanwhile. */
#define LIST_EACH(link, head)                                                             \
	for (struct list *link = (head)->next, *link##_next = link->next; link != (head); \
	     link = link##_next, link##_next = link->next)

/* Also makes a link that is on no list. */
static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

/* NULL when empty. */
static inline struct list *list_first(const struct list *head)
{
	return list_is_empty(head) ? NULL : head->next;
}

static inline void list_insert(struct list *before, struct list *link)
{
	link->prev = before->prev;
	link->next = before;
	before->prev->next = link;
	before->prev = link;
}

/* At the end; at the front. The link must be on no list. */
static inline void list_push(struct list *head, struct list *link)
{
	list_insert(head, link);
}

static inline void list_push_front(struct list *head, struct list *link)
{
	list_insert(head->next, link);
}

/* Off its list, if it is on one; it may be put on another then. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* The first one, off the list; NULL when empty. */
static inline struct list *list_pop(struct list *head)
{
	struct list *first = list_first(head);

	if (first)
		list_remove(first);
	return first;
}
