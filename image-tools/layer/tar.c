/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see tar.h.  POSIX.1-2001 pax interchange format. */
#include "image-tools/layer/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct records {
	struct arena a;
	char *text;
	size_t len;
};

/* "LEN key=value\n", where LEN counts itself. */
static void add_record(struct records *r, const char *key, const void *value, size_t size)
{
	size_t body = strlen(key) + size + 3, total = body;
	char digits[32];
	int n;

	for (;;) {
		n = snprintf(digits, sizeof digits, "%zu", total);
		if (body + (size_t)n == total)
			break;
		total = body + (size_t)n;
	}
	r->text = arena_grow(&r->a, r->text, r->len, r->len + total + 1);
	r->len += (size_t)sprintf(r->text + r->len, "%s %s=", digits, key);
	memcpy(r->text + r->len, value, size);
	r->len += size;
	r->text[r->len++] = '\n';
}

static void octal(char *field, size_t width, uint64_t value)
{
	snprintf(field, width, "%0*llo", (int)width - 1, (unsigned long long)value);
}

static int header(struct tar_writer *w, const struct tar_entry *e, const char *path, char type, uint64_t size, struct error *err)
{
	char block[512] = { 0 };
	unsigned int sum = 0;
	size_t n = strlen(path), link = e->link ? strlen(e->link) : 0;

	memcpy(block, path, n < 100 ? n : 100);
	octal(block + 100, 8, e->mode & 07777);
	octal(block + 108, 8, e->uid < 1u << 21 ? e->uid : 0);
	octal(block + 116, 8, e->gid < 1u << 21 ? e->gid : 0);
	octal(block + 124, 12, size < 1ull << 33 ? size : 0);
	octal(block + 136, 12, e->mtime >= 0 && e->mtime < 1ll << 33 ? (uint64_t)e->mtime : 0);
	memset(block + 148, ' ', 8);
	block[156] = type;
	if (link && type != 'x')
		memcpy(block + 157, e->link, link < 100 ? link : 100);
	memcpy(block + 257, "ustar\00000", 8);
	octal(block + 329, 8, e->major);
	octal(block + 337, 8, e->minor);
	for (size_t i = 0; i < sizeof block; i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	block[155] = ' ';
	return w->sink(w->opaque, block, sizeof block, err);
}

static int compare_attributes(const void *a, const void *b)
{
	return strcmp(((const struct tar_attribute *)a)->name, ((const struct tar_attribute *)b)->name);
}

static void collect(struct records *r, const struct tar_entry *e)
{
	struct tar_attribute *sorted = arena_array(&r->a, struct tar_attribute, e->attributes_count + 1);
	char text[64];

	if (e->attributes_count) {
		memcpy(sorted, e->attributes, e->attributes_count * sizeof *sorted);
		qsort(sorted, e->attributes_count, sizeof *sorted, compare_attributes);
	}
	for (size_t i = 0; i < e->attributes_count; i++)
		add_record(r, arena_printf(&r->a, "SCHILY.xattr.%s", sorted[i].name), sorted[i].value, sorted[i].size);
	if (e->gid >= 1u << 21)
		add_record(r, "gid", text, (size_t)snprintf(text, sizeof text, "%u", e->gid));
	if (e->link && strlen(e->link) > 100)
		add_record(r, "linkpath", e->link, strlen(e->link));
	if (e->mtime_nsec || e->mtime < 0 || e->mtime >= 1ll << 33) {
		int n = e->mtime_nsec ? snprintf(text, sizeof text, "%lld.%09u", (long long)e->mtime, e->mtime_nsec) :
					snprintf(text, sizeof text, "%lld", (long long)e->mtime);

		add_record(r, "mtime", text, (size_t)n);
	}
	if (strlen(e->path) > 100)
		add_record(r, "path", e->path, strlen(e->path));
	if (e->size >= 1ull << 33)
		add_record(r, "size", text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)e->size));
	if (e->uid >= 1u << 21)
		add_record(r, "uid", text, (size_t)snprintf(text, sizeof text, "%u", e->uid));
}

static int pad(struct tar_writer *w, uint64_t size, struct error *err)
{
	static const char zeros[512];
	size_t n = (size_t)(-size & 511);

	return n ? w->sink(w->opaque, zeros, n, err) : 0;
}

int tar_begin(struct tar_writer *w, const struct tar_entry *e, struct error *err)
{
	struct records r = { .a = ARENA_INIT };
	struct tar_entry plain = { .mode = 0644 };
	int rc = 0;

	collect(&r, e);
	if (r.len) {
		rc = header(w, &plain, "pax_header", 'x', r.len, err);
		if (rc == 0)
			rc = w->sink(w->opaque, r.text, r.len, err);
		if (rc == 0)
			rc = pad(w, r.len, err);
	}
	arena_free(&r.a);
	if (rc == 0)
		rc = header(w, e, e->path, e->type, e->size, err);
	w->left = e->size;
	w->padding = (unsigned int)(-e->size & 511);
	return rc;
}

int tar_data(struct tar_writer *w, const void *buf, size_t size, struct error *err)
{
	int r;

	if (size > w->left)
		return error_set(err, ERR_SYSTEM, EIO, "a file grew while it was archived");
	r = w->sink(w->opaque, buf, size, err);
	w->left -= size;
	if (r == 0 && w->left == 0 && w->padding) {
		r = pad(w, 512 - w->padding, err);
		w->padding = 0;
	}
	return r;
}

int tar_file(struct tar_writer *w, int fd, struct error *err)
{
	char *buf = malloc(1 << 18);
	int r = buf ? 0 : error_sys(err, ENOMEM, "archive a file");

	while (r == 0 && w->left > 0) {
		ssize_t n = read(fd, buf, w->left < 1 << 18 ? (size_t)w->left : 1 << 18);

		if (n < 0)
			r = error_sys(err, errno, "read a file to archive");
		else if (n == 0)
			r = error_set(err, ERR_SYSTEM, EIO, "a file shrank while it was archived");
		else
			r = tar_data(w, buf, (size_t)n, err);
	}
	free(buf);
	return r;
}

int tar_finish(struct tar_writer *w, struct error *err)
{
	static const char zeros[1024];

	return w->sink(w->opaque, zeros, sizeof zeros, err);
}

bool tar_is_header(const uint8_t h[static 512])
{
	unsigned long sum = 0, said = 0;
	const uint8_t *p = h + 148;

	if (h[0] == 0)
		return false;
	for (int i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	while (p < h + 156 && *p == ' ')
		p++;
	if (p == h + 156 || *p < '0' || *p > '7')
		return false;
	for (; p < h + 156 && *p >= '0' && *p <= '7'; p++)
		said = said * 8 + (unsigned long)(*p - '0');
	return sum == said;
}
