/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the names of the store, with what an index or manifest says about each. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"

struct options {
	bool digests;
	const char *format;
	struct string_list filters;
};

static const struct option_spec specs[] = {
	{ "digests", 0, OPTION_FLAG, offsetof(struct options, digests), NULL, "show whole digests" },
	{ "format", 0, OPTION_STRING, offsetof(struct options, format), "TEXT",
		"a line each, with {{.Name}} .Repository .Tag .ID .Digest .Platform .CreatedAt .Size" },
	{ "filter", 'f', OPTION_LIST, offsetof(struct options, filters), "KEY=VALUE",
		"reference=PATTERN, label=KEY[=VALUE], dangling=true|false; all have to fit" },
	{ 0 },
};

struct row {
	const char *name, *id, *digest, *platform, *created, *repository, *tag;
	const struct string_map *labels;
	bool dangling;
	uint64_t size;
};

static void describe(struct program *p, const struct descriptor *d, struct row *row)
{
	struct image *opened = arena_new(&p->arena, struct image), image;
	struct platform want = d->platform;
	char hex[DIGEST_TEXT_MAX];

	row->digest = d->digest_text;
	row->id = arena_strdup(&p->arena, digest_hex(&d->digest, hex));
	row->platform = media_role(d->media_type) == MEDIA_INDEX ? "index" : "";
	row->created = "";
	if (image_load(&p->store.layout, &p->arena, d, want.os ? &want : NULL, &image, NULL) < 0)
		return;
	row->id = arena_strdup(&p->arena, digest_hex(&image.manifest.config.digest, hex));
	if (!*row->platform) {
		struct platform of = { image.config.os, image.config.architecture, image.config.variant };

		row->platform = platform_format(&p->arena, &of);
	}
	row->created = image.config.created ? image.config.created : "";
	*opened = image;
	row->labels = &opened->config.config.labels;
	row->size = (uint64_t)image.manifest.config.size + image.manifest_length;
	for (size_t i = 0; i < image.manifest.layers_count; i++)
		row->size += (uint64_t)image.manifest.layers[i].size;
}

static void print_row(struct program *p, const struct options *o, const struct row *row)
{
	if (o->digests)
		printf("%-40s %-72s %-16s %s\n", row->name, row->digest, row->platform, human_size(&p->arena, row->size));
	else
		printf("%-40s %.12s  %-16s %-20.19s %s\n", row->name, row->id, row->platform, row->created,
			human_size(&p->arena, row->size));
}

static bool name_matches(const char *pattern, const char *canonical, const char *familiar)
{
	return fnmatch(pattern, familiar, 0) == 0 || (canonical && strstr(canonical, pattern));
}

/* 1: the row fits all filters, 0: not, or a negative errno. */
static int fits(struct program *p, const struct options *o, const char *canonical, const struct row *row, struct error *err)
{
	for (size_t i = 0; i < o->filters.count; i++) {
		const char *text = o->filters.items[i], *value = strchr(text, '=');
		bool fit;

		if (value && strncmp(text, "reference=", 10) == 0) {
			fit = name_matches(value + 1, canonical, row->name);
		} else if (value && strncmp(text, "label=", 6) == 0) {
			const char *equals = strchr(++value, '=');
			const char *have = row->labels ? string_map_get(row->labels,
				equals ? arena_strndup(&p->arena, value, (size_t)(equals - value)) : value) : NULL;

			fit = have && (!equals || strcmp(have, equals + 1) == 0);
		} else if (strcmp(text, "dangling=true") == 0 || strcmp(text, "dangling=false") == 0) {
			fit = row->dangling == (value[1] == 't');
		} else {
			return error_set(err, ERR_USAGE, EINVAL,
				"--filter %.80s: reference=PATTERN, label=KEY[=VALUE] or dangling=true|false expected", text);
		}
		if (!fit)
			return 0;
	}
	return 1;
}

/* {{.Field}} is replaced; \t and \n are what they are elsewhere. */
static int print_formatted(struct program *p, const char *format, const struct row *row, struct error *err)
{
	const struct {
		const char *name, *value;
	} fields[] = { { "Name", row->name }, { "Repository", row->repository }, { "Tag", row->tag },
		{ "ID", arena_strndup(&p->arena, row->id, 12) }, { "Digest", row->digest }, { "Platform", row->platform },
		{ "CreatedAt", row->created }, { "Size", human_size(&p->arena, row->size) } };

	for (const char *c = format; *c; c++) {
		const char *end = strncmp(c, "{{", 2) == 0 ? strstr(c, "}}") : NULL;
		size_t i = 0, n;

		if (*c == '\\' && (c[1] == 't' || c[1] == 'n')) {
			putchar(*++c == 't' ? '\t' : '\n');
			continue;
		}
		if (strncmp(c, "{{", 2) != 0) {
			putchar(*c);
			continue;
		}
		c += 2 + strspn(c + 2, " ");
		n = strspn(c + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
		while (end && *c == '.' && i < sizeof fields / sizeof fields[0] &&
			!(strlen(fields[i].name) == n && strncmp(fields[i].name, c + 1, n) == 0))
			i++;
		if (!end || *c != '.' || i == sizeof fields / sizeof fields[0] || c + 1 + n + strspn(c + 1 + n, " ") != end)
			return error_set(err, ERR_USAGE, EINVAL, "--format: \"%.40s\": only fields are known: {{.Name}} "
				"{{.Repository}} {{.Tag}} {{.ID}} {{.Digest}} {{.Platform}} {{.CreatedAt}} {{.Size}}", c);
		fputs(fields[i].value, stdout);
		c = end + 1;
	}
	putchar('\n');
	return 0;
}

static void write_row(struct json_writer *w, const char *name, const struct row *row)
{
	json_write_object(w);
	json_write_member_string(w, "name", name);
	json_write_member_string(w, "familiarName", row->name);
	json_write_member_string(w, "id", row->id);
	json_write_member_string(w, "digest", row->digest);
	json_write_member_string(w, "platform", row->platform);
	json_write_member_string(w, "created", row->created);
	json_write_member_u64(w, "size", row->size);
	json_write_end_object(w);
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct json_writer w;
	struct image_index x;
	int r = program_store(p, err);

	if (r == 0)
		r = layout_index_read(&p->store.layout, &p->arena, &x, err);
	if (r < 0)
		return r;
	if (p->json) {
		json_writer_init(&w, &p->arena, true);
		json_write_array(&w);
	}
	for (size_t i = 0; i < x.manifests_count; i++) {
		const char *name = string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME);
		struct reference ref;
		struct row row = { .name = name ? name : "<none>", .repository = "<none>", .tag = "<none>", .dangling = !name };

		if (name && reference_parse(&p->arena, name, &ref, NULL) == 0) {
			row.name = reference_familiar(&p->arena, &ref);
			row.tag = ref.tag ? ref.tag : "<none>";
			ref.tag = NULL;
			ref.digest.algorithm = DIGEST_NONE;
			row.repository = reference_familiar(&p->arena, &ref);
		}
		if (argc > 0 && !name_matches(argv[0], name, row.name))
			continue;
		describe(p, &x.manifests[i], &row);
		r = fits(p, o, name, &row, err);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (p->json)
			write_row(&w, name, &row);
		else if (o->format && print_formatted(p, o->format, &row, err) < 0)
			return -EINVAL;
		else if (!o->format && p->quiet)
			printf("%s\n", row.id);
		else if (!o->format)
			print_row(p, o, &row);
	}
	if (p->json) {
		json_write_end_array(&w);
		print_json(&w);
	}
	return 0;
}

const struct command command_images = { "images", "[PATTERN]", "list the images of the store (also: ls)", specs,
	sizeof(struct options), 0, 1, run };
