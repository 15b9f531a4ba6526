/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: any location to any location goes through an OCI layout: the
 * source is brought into one (or is one), then taken from there.  So each kind of
 * location is written once for each direction.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/archive/archive_image.h"
#include "image-tools/command.h"
#include "image-tools/registry/mirrors.h"

struct registry_options registry_flags_options(struct arena *a, const struct registry_flags *f)
{
	struct registry_options o = { .authfile = f->authfile, .cacert = f->cacert, .insecure = f->insecure.items };

	if (f->user) {
		char *user = arena_strdup(a, f->user), *colon = strchr(user, ':');

		if (colon)
			*colon++ = '\0';
		o.user = user;
		o.password = colon ? colon : "";
	}
	return o;
}

static int use_endpoint(struct program *p, const struct registry_options *flags, const struct endpoint *e,
	registry_use *fn, void *opaque, struct error *err)
{
	struct registry_options o = *flags;
	struct registry *r;
	int rc;

	o.plain = e->plain;
	o.skip_verify = e->skip_verify;
	o.insecure_host = e->insecure;
	o.ns = e->ns;
	o.cas = &e->cas;
	o.cert = e->cert;
	o.key = e->key;
	o.headers = &e->headers;
	/* What was given on the command line is for the registry itself. */
	if (!e->origin)
		o.user = o.password = NULL;
	rc = registry_open(&r, e->ref.domain, e->server, &o, err);
	if (rc < 0)
		return rc;
	rc = fn(r, &e->ref, opaque, err);
	registry_close(r);
	(void)p;
	return rc;
}

int registry_with(struct program *p, const struct registry_flags *f, const struct reference *ref, bool mirrors,
	registry_use *fn, void *opaque, struct error *err)
{
	struct registry_options o = registry_flags_options(&p->arena, f);
	struct endpoints e;
	int rc = endpoints_find(&p->arena, ref, mirrors, &e, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; mirrors && i < f->mirror.count; i++) {
		struct endpoint one = { .ref = *ref };
		struct error local = { 0 };

		one.ref.domain = f->mirror.items[i];
		rc = use_endpoint(p, &o, &one, fn, opaque, &local);
		if (rc == 0)
			return 0;
		log_warning("mirror %s: %s", one.ref.domain, local.msg);
	}
	for (size_t i = 0; i < e.count; i++) {
		struct error local = { 0 };

		rc = use_endpoint(p, &o, &e.items[i], fn, opaque, &local);
		if (rc == 0)
			break;
		if (i + 1 < e.count)
			log_warning("mirror %s: %s", e.items[i].server ? e.items[i].server : e.items[i].ref.domain, local.msg);
		else if (err)
			*err = local;
	}
	return rc;
}

struct get_request {
	struct program *p;
	const struct layout *layout;
	struct fetch_options o;
	struct descriptor *d;
};

static int get_from_registry(struct registry *r, const struct reference *ref, void *opaque, struct error *err)
{
	struct get_request *g = opaque;

	return registry_fetch(r, ref, g->layout, &g->p->arena, &g->o, g->d, err);
}

static int find_in_layout(const struct layout *l, struct arena *a, const struct location *src, struct descriptor *d,
	const char **name, struct error *err)
{
	struct image_index x;
	size_t matches = 0;
	int r = layout_index_read(l, a, &x, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < x.manifests_count; i++) {
		const char *have = string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME);

		if (src->digest.algorithm ? !digest_equal(&src->digest, &x.manifests[i].digest) :
					    src->name && (!have || strcmp(have, src->name) != 0))
			continue;
		*d = x.manifests[i];
		*name = have;
		matches++;
	}
	if (matches == 0)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "%s: no such image", location_describe(a, src));
	if (matches > 1 && !src->name)
		return error_set(err, ERR_USAGE, EINVAL, "%s holds several images; say which (oci:DIR:NAME)", src->path);
	return 0;
}

/* "linux/amd64,linux/arm64" */
static int parse_platforms(struct program *p, const char *text, struct fetch_options *o, struct error *err)
{
	char *copy = arena_strdup(&p->arena, text), *save = NULL;
	struct platform *list = arena_array(&p->arena, struct platform, strlen(text) + 1);
	int r = 0;

	for (char *one = strtok_r(copy, ",", &save); r == 0 && one; one = strtok_r(NULL, ",", &save))
		r = platform_parse(&p->arena, one, &list[o->several_count++], err);
	o->several = list;
	return r;
}

int location_get(struct program *p, const struct location *src, const struct transfer_flags *f, struct layout *into,
	struct descriptor *d, const char **name, struct error *err)
{
	struct platform platform;
	struct get_request g = { .p = p, .d = d };
	struct store_image found;
	int r = 0;

	*name = NULL;
	if (src->kind == LOCATION_LAYOUT) {
		r = layout_open(into, src->path, false, NULL, err);
		return r < 0 ? r : find_in_layout(into, &p->arena, src, d, name, err);
	}
	if (src->kind == LOCATION_REGISTRY && f->direct)
		*into = *f->direct;
	else if ((r = program_store(p, err)) == 0)
		*into = p->store.layout;
	if (r < 0)
		return r;
	if (src->kind == LOCATION_ARCHIVE)
		return archive_read_image(p, src, d, name, err);
	if (src->kind == LOCATION_STORE && store_find_reference(&p->store, &src->ref, &found, NULL) == 0) {
		*d = found.descriptor;
		*name = found.name;
		return 0;
	}
	if (f->platform && strchr(f->platform, ',')) {
		r = parse_platforms(p, f->platform, &g.o, err);
	} else if (f->platform) {
		r = platform_parse(&p->arena, f->platform, &platform, err);
		g.o.platform = &platform;
	}
	if (r < 0)
		return r;
	g.o.foreign = f->foreign;
	g.layout = into;
	g.o.all_platforms = f->all;
	g.o.jobs = (unsigned int)f->jobs;
	if (f->unpack) {
		r = store_run_dir(&p->store, err);
		if (r < 0)
			return r;
		g.o.unpack = &p->store;
	}
	*name = reference_canonical(&p->arena, &src->ref);
	return registry_with(p, &f->registry, &src->ref, true, get_from_registry, &g, err);
}

static int copy_blob(const struct layout *from, const struct layout *to, const struct descriptor *d, struct error *err)
{
	struct blob_writer b;
	char buf[65536];
	ssize_t n = 0;
	_cleanup_fd_ int fd = -1;
	int r;

	if (!d->digest.algorithm || layout_blob_exists(to, &d->digest, d->size))
		return 0;
	fd = layout_blob_open(from, &d->digest, NULL);
	if (fd < 0)
		return media_role(d->media_type) == MEDIA_FOREIGN_LAYER ? 0 :
				error_set(err, ERR_NOT_FOUND, ENOENT, "blob %s is not in %s", d->digest_text, from->path);
	r = blob_begin(&b, to, d->digest.algorithm, err);
	if (r < 0)
		return r;
	while (r == 0 && (n = read(fd, buf, sizeof buf)) > 0)
		r = blob_write(&b, buf, (size_t)n, err);
	if (n < 0)
		r = error_sys(err, errno, "read blob %s", d->digest_text);
	if (r < 0) {
		blob_abort(&b);
		return r;
	}
	return blob_commit(&b, &d->digest, NULL, err);
}

int layout_copy(const struct layout *from, const struct layout *to, struct arena *a, const struct descriptor *d,
	struct error *err)
{
	enum media_role role;
	struct image_index x;
	struct manifest m;
	char *buf;
	size_t len;
	int r = layout_blob_read(from, d, MANIFEST_MAX, a, &buf, &len, err);

	if (r == 0)
		r = document_role(buf, len, d->media_type, a, &role, err);
	if (r < 0)
		return r;
	if (role == MEDIA_INDEX) {
		r = index_parse(buf, len, "index", a, &x, err);
		for (size_t i = 0; r == 0 && i < x.manifests_count; i++)
			if (layout_blob_exists(from, &x.manifests[i].digest, -1))
				r = layout_copy(from, to, a, &x.manifests[i], err);
	} else {
		r = manifest_parse(buf, len, "manifest", a, &m, err);
		if (r == 0)
			r = copy_blob(from, to, &m.config, err);
		for (size_t i = 0; r == 0 && i < m.layers_count; i++)
			r = copy_blob(from, to, &m.layers[i], err);
	}
	return r < 0 ? r : copy_blob(from, to, d, err);
}

struct put_request {
	struct program *p;
	const struct layout *from;
	const struct descriptor *d;
	struct push_options o;
};

static int put_to_registry(struct registry *r, const struct reference *ref, void *opaque, struct error *err)
{
	struct put_request *q = opaque;

	return registry_push(r, ref, q->from, &q->p->arena, q->d, &q->o, err);
}

int location_put(struct program *p, const struct layout *from, const struct descriptor *d, const struct location *dst,
	const char *source_name, const struct transfer_flags *f, struct error *err)
{
	struct put_request q = { .p = p, .from = from, .d = d,
		.o = { .chunk = f->chunk, .jobs = (unsigned int)f->jobs } };
	struct descriptor plain = *d;
	struct layout to;
	int r;

	plain.annotations = (struct string_map){ 0 };
	switch (dst->kind) {
	case LOCATION_REGISTRY: {
		struct reference source;

		/* Another repository of the same registry may have the blobs: mount them. */
		if (source_name && reference_parse(&p->arena, source_name, &source, NULL) == 0 &&
			strcmp(source.domain, dst->ref.domain) == 0 && strcmp(source.path, dst->ref.path) != 0)
			q.o.mount_from = source.path;
		return registry_with(p, &f->registry, &dst->ref, false, put_to_registry, &q, err);
	}
	case LOCATION_LAYOUT:
		r = layout_open(&to, dst->path, true, NULL, err);
		if (r == 0)
			r = layout_copy(from, &to, &p->arena, &plain, err);
		if (r == 0)
			r = layout_set_name(&to, &p->arena, dst->name ? dst->name : "", &plain, err);
		layout_close(&to);
		return r;
	case LOCATION_STORE:
		r = program_store(p, err);
		if (r == 0 && from->dir != p->store.layout.dir)
			r = layout_copy(from, &p->store.layout, &p->arena, &plain, err);
		return r < 0 ? r : store_name(&p->store, reference_canonical(&p->arena, &dst->ref), &plain, err);
	case LOCATION_ARCHIVE: {
		const char *name = dst->name ? dst->name : source_name;

		return archive_write_images(p, from, &plain, &name, 1, dst, f->format, err);
	}
	}
	return -EINVAL;
}
