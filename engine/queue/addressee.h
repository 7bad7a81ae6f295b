/* An addressee: one recipient as the job has it, an element of a job's "to", read and checked.
 *
 *     "ann@a.example"
 *     {"address": "bob@b.example", "id": "4711", "name": "Bob B.", "vars": {…}, "tags": {…}, "from": "…",
 *      "headers": {…}, "not_before": "…", "expires": "…"}
 *
 * One that cannot be taken has a refusal; whether that refuses the whole job is the job's business ("partial"). */
#pragma once

#include "queue/document.h"

#include "base/arena.h"
#include "base/map.h"

struct addressee {
	struct map_far node;  /* in the job's map of addresses while "dedupe" is looked at */
	uint32_t index;	      /* in "to" */
	bool utf8;	      /* the local part needs SMTPUTF8 */
	bool has_from;	      /* its own envelope sender, which may be empty */
	bool has_expires;     /* it or its job says when it expires; else the configuration does */
	struct slice address; /* as it goes on the wire; refused: as given, if it was a string */
	struct slice domain;  /* lower-case A-labels; part of address */
	struct slice id, name, from;
	struct slice vars, headers;	    /* packs */
	struct slice tags;		    /* a JSON object, or empty */
	uint64_t not_before_ms, expires_ms; /* 0: it does not say */
	struct refusal *refusal;	    /* parent: the job's arena; NULL: it is fine */
};

struct addressee_limits {
	size_t variables_bytes_max, tags_bytes_max, headers_bytes_max;
};

/* Reads the element with that index; every text is copied into the arena. scratch is for the reader and may be reset
 * by anybody afterwards. False, and recipient->refusal, when it cannot be taken. */
bool addressee_read(struct addressee *recipient, const json_t *element, uint32_t index,
		    const struct addressee_limits *limits, struct arena *arena, struct outbuf *scratch);
/* Gives it a refusal, unless it has one: the first is told. */
void addressee_refuse(struct addressee *recipient, const struct refusal *refusal, struct arena *arena);
/* An envelope sender: empty, a mailbox, or one with {{variables}}, which stand for something later. The canonical form
 * goes into the arena. */
bool sender_read(const json_t *value, const char *field, struct slice *from, struct arena *arena,
		 struct refusal *refusal);
