/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the order of the checks, which is the order of the
 * configuration's sections in the specification, and the few rules of the top
 * level itself.  The subjects are in check_*.c.
 */
#include "runtime/config/check_internal.h"

#include <stdarg.h>
#include <string.h>

const char *check_at(struct check *c, const char *fmt, ...)
{
	const char *path;
	va_list ap;

	if (c->errors->count == JSON_MAX_ERRORS)
		return "";
	va_start(ap, fmt);
	path = arena_vprintf(c->arena, fmt, ap);
	va_end(ap);
	return *c->prefix ? arena_printf(c->arena, "%s%s", c->prefix, path) : path;
}

bool check_failed(const struct check *c, const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < c->errors->count; i++) {
		const char *p = c->errors->items[i].path;

		if (strncmp(p, path, n) == 0 && (p[n] == '\0' || p[n] == '.' || p[n] == '['))
			return true;
	}
	return false;
}

void check_error(struct check *c, const char *path, const char *fmt, ...)
{
	va_list ap;

	/* A full list only counts; looking through it again and again would be slow. */
	if (c->errors->count < JSON_MAX_ERRORS && check_failed(c, path))
		return;
	va_start(ap, fmt);
	json_errors_vadd(c->errors, c->arena, path, fmt, ap);
	va_end(ap);
}

void check_warning(struct check *c, const char *path, const char *fmt, ...)
{
	va_list ap;

	if (c->errors->count == JSON_MAX_ERRORS)
		return;
	va_start(ap, fmt);
	json_errors_vadd(c->warnings, c->arena, path, fmt, ap);
	va_end(ap);
}

static void check_version(struct check *c, const char *version)
{
	unsigned long major;

	if (!version)
		return;
	if (!text_is_semver(version, &major))
		check_error(c, "ociVersion", "expected a version as in \"1.3.0\" (semantic versioning 2.0.0), found %s",
			json_quote(c->arena, version));
	else if (major != 1)
		check_error(c, "ociVersion", "version %s is not supported: only 1.x is", json_quote(c->arena, version));
}

/* 64: the kernel's __NEW_UTS_LEN. */
static void check_uts_name(struct check *c, const char *path, const char *name)
{
	if (!name)
		return;
	if (strlen(name) > 64)
		check_error(c, path, "has %zu bytes: the limit is 64", strlen(name));
	else if (text_has_control(name))
		check_error(c, path, "contains a control character");
	else if (!c->namespaces[CONFIG_NS_UTS])
		check_error(c, path, "needs a namespace of type \"uts\" in linux.namespaces: it would rename the host");
}

static void check_annotations(struct check *c)
{
	const struct config_map *map = &c->config->annotations;

	for (size_t i = 0; i < map->count; i++)
		if (map->items[i].key && *map->items[i].key == '\0')
			check_error(c, "annotations[\"\"]", "an annotation's name must not be empty");
}

void config_check(
	const struct config *config, struct arena *a, struct json_errors *errors, struct json_errors *warnings)
{
	struct check c = {.config = config, .prefix = "", .arena = a, .errors = errors, .warnings = warnings};
	const struct config_linux *linux = config->linux;

	check_version(&c, config->oci_version);
	if (config->root && config->root->path && *config->root->path == '\0')
		check_error(&c, "root.path", "must not be empty");
	/* First of all, because others ask which namespaces there are. */
	check_namespaces(&c);
	if (config->process) {
		c.prefix = "process.";
		check_process(&c, config->process);
		c.prefix = "";
	}
	check_uts_name(&c, "hostname", config->hostname);
	check_uts_name(&c, "domainname", config->domainname);
	check_mounts(&c);
	if (config->hooks)
		check_hooks(&c, config->hooks);
	check_annotations(&c);
	check_linux(&c);
	check_sysctl(&c);
	check_devices(&c);
	if (linux->resources) {
		c.prefix = "linux.resources.";
		check_resources(&c, linux->resources);
		c.prefix = "";
	}
	if (linux->seccomp)
		check_seccomp(&c, linux->seccomp);
}

void process_check(
	const struct config_process *process, struct arena *a, struct json_errors *errors, struct json_errors *warnings)
{
	struct check c = {.prefix = "", .arena = a, .errors = errors, .warnings = warnings};

	check_process(&c, process);
}

void resources_check(const struct config_resources *resources, struct arena *a, struct json_errors *errors,
	struct json_errors *warnings)
{
	struct check c = {.prefix = "", .arena = a, .errors = errors, .warnings = warnings};

	check_resources(&c, resources);
}
