/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_JSON_WRITE_H
#define OCI_RT_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/*
 * A JSON writer.  The text grows in the arena; strings that are not UTF-8 are
 * repaired with U+FFFD, so the result is always valid JSON.  Calling the
 * functions in an order that is no JSON (a value without a name in an object)
 * is a programming error and aborts.
 *
 *     struct json_writer w;
 *     json_writer_init(&w, &arena, false);
 *     json_write_object(&w);
 *     json_write_member_string(&w, "id", id);
 *     json_write_end_object(&w);
 *     text = json_writer_finish(&w, &len);
 */
struct json_writer {
	struct arena *arena;
	void *gen;
	char *text;
	size_t len, capacity;
};

/* indented: two spaces per level and a newline at the end; otherwise one line without one. */
void json_writer_init(struct json_writer *w, struct arena *a, bool indented);
/* The text, NUL-terminated, in the arena; len may be NULL. */
const char *json_writer_finish(struct json_writer *w, size_t *len);

void json_write_object(struct json_writer *w);
void json_write_end_object(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_end_array(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *name);

void json_write_string(struct json_writer *w, const char *s); /* NULL: null */
void json_write_string_n(struct json_writer *w, const char *s, size_t len);
void json_write_i64(struct json_writer *w, int64_t v);
void json_write_u64(struct json_writer *w, uint64_t v);
void json_write_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w);
/* Text that is JSON already, as it is. */
void json_write_raw(struct json_writer *w, const char *json, size_t len);

/* A member: its name and its value. */
void json_write_member_string(struct json_writer *w, const char *name, const char *s);
void json_write_member_i64(struct json_writer *w, const char *name, int64_t v);
void json_write_member_u64(struct json_writer *w, const char *name, uint64_t v);
void json_write_member_bool(struct json_writer *w, const char *name, bool v);
void json_write_member_object(struct json_writer *w, const char *name);
void json_write_member_array(struct json_writer *w, const char *name);

#endif
