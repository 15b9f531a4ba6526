/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: any bytes through the reader with a descriptor that has
 * every kind of member and can nest without end, and any bytes as a string
 * through the writer and back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

struct node {
	const char *s, *raw, *unit, *key;
	bool b, has;
	struct opt_bool ob;
	int8_t i;
	uint16_t u;
	int64_t i64;
	uint64_t u64, bits;
	struct opt_i64 oi;
	struct opt_u64 ou;
	int e;
	const char **strings;
	size_t strings_count;
	uint32_t *numbers;
	size_t numbers_count;
	struct node *child;
	struct node *children;
	size_t children_count;
	struct node *keyed;
	size_t keyed_count;
	struct json_key_value *map;
	size_t map_count;
};

static const struct json_name names[] = {{"x", 1}, {"y", 2}, {NULL, 0}};
static const struct json_enum letters = {"letter", names};
static const struct json_object node_object;

#define N struct node
static const struct json_field node_fields[] = {
	JSON_F(JSON_STRING, N, s, "s", .required = true),
	JSON_F(JSON_STRING, N, unit, "t", .names = &letters, .empty_is_absent = true),
	JSON_F(JSON_RAW, N, raw, "r"),
	JSON_F(JSON_BOOL, N, b, "b", JSON_F_SET(N, has)),
	JSON_F(JSON_OPT_BOOL, N, ob, "o"),
	JSON_F(JSON_INT, N, i, "i"),
	JSON_F(JSON_UINT, N, u, "u"),
	JSON_F(JSON_INT, N, i64, "j"),
	JSON_F(JSON_UINT, N, u64, "v"),
	JSON_F(JSON_OPT_I64, N, oi, "k"),
	JSON_F_RANGE(JSON_OPT_U64, N, ou, "w", 5, 500),
	JSON_F(JSON_ENUM, N, e, "e", .names = &letters),
	JSON_F(JSON_STRINGS_TAKE, N, bits, "f", .names = &letters, .take = json_take_flag),
	JSON_F_ARRAY(JSON_STRINGS, N, strings, "a"),
	JSON_F_ARRAY(JSON_U32S, N, numbers, "n", .max_elements = 8),
	JSON_F(JSON_OBJECT_PTR, N, child, "p", .object = &node_object),
	JSON_F_ARRAY(JSON_OBJECTS, N, children, "c", .object = &node_object),
	JSON_F_ARRAY(JSON_KEYED, N, keyed, "d", .object = &node_object, .key_offset = offsetof(N, key)),
	JSON_F_ARRAY(JSON_MAP, N, map, "m"),
	JSON_F_BARE(JSON_IGNORED, "x"),
};
static const struct json_object node_object = JSON_OBJECT_OF("node", N, node_fields);

/* Touch everything that the reader says is there. */
static size_t walk(const struct node *n)
{
	size_t sum = (n->s ? strlen(n->s) : 0) + (n->raw ? strlen(n->raw) : 0) + (n->key ? strlen(n->key) : 0);

	for (size_t i = 0; i < n->strings_count; i++)
		sum += n->strings[i] ? strlen(n->strings[i]) : 0;
	for (size_t i = 0; i < n->numbers_count; i++)
		sum += n->numbers[i];
	for (size_t i = 0; i < n->map_count; i++)
		sum += strlen(n->map[i].key) + strlen(n->map[i].value);
	for (size_t i = 0; i < n->children_count; i++)
		sum += walk(&n->children[i]);
	for (size_t i = 0; i < n->keyed_count; i++)
		sum += walk(&n->keyed[i]);
	return n->child ? sum + walk(n->child) : sum;
}

static void write_and_read(struct arena *a, const char *text, size_t size)
{
	struct json_errors errors = {0};
	struct node n = {0};
	struct json_writer w;
	const char *out;
	size_t len;

	json_writer_init(&w, a, size & 1);
	json_write_object(&w);
	json_write_key(&w, "s");
	json_write_string_n(&w, text, size);
	json_write_end_object(&w);
	out = json_writer_finish(&w, &len);
	if (json_read(&node_object, out, len, a, &n, &errors) != 0) {
		MUST(errors.count == 1 && strstr(errors.items[0].msg, "NUL"));
		return;
	}
	/* Valid UTF-8 comes back as it was, everything else no shorter. */
	MUST(strlen(n.s) >= size);
	MUST(strlen(n.s) > size || memcmp(n.s, text, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct json_errors errors = {0};
	struct node n = {0};
	int r = json_read(&node_object, (const char *)data, size, &a, &n, &errors);

	MUST((r == 0) == (errors.count == 0));
	MUST(walk(&n) != SIZE_MAX);
	write_and_read(&a, (const char *)data, size);
	arena_free(&a);
	return 0;
}
