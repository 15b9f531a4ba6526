/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the small grammars of unpack's options: volumes, ports, sizes. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image-tools/bundle/bundle.h"

int bundle_parse_size(const char *text, int64_t *bytes, struct error *err)
{
	static const char units[] = "bkmgt";
	unsigned long long v;
	const char *unit;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (end == text || *text == '-' || errno)
		goto bad;
	if (*end) {
		char c = *end | 0x20;

		unit = strchr(units, c);
		if (!unit || !c)
			goto bad;
		end++;
		if ((*end | 0x20) == 'b' && c != 'b')
			end++;
		if (*end)
			goto bad;
		for (long i = unit - units; i > 0; i--) {
			if (v > INT64_MAX / 1024)
				goto bad;
			v *= 1024;
		}
	}
	if (v > INT64_MAX)
		goto bad;
	*bytes = (int64_t)v;
	return 0;
bad:
	return error_set(err, ERR_USAGE, EINVAL, "size \"%.40s\": a number with b, k, m, g or t expected", text);
}

static bool valid_volume_name(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > 128 || *s == '.' || *s == '-')
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n;
}

int bundle_parse_volume(struct arena *a, const char *text, struct bundle_volume *v, struct error *err)
{
	char *work = arena_strdup(a, text), *target = strchr(work, ':'), *options;

	*v = (struct bundle_volume){ 0 };
	if (!target)
		return error_set(err, ERR_USAGE, EINVAL, "volume \"%.200s\": SRC:DST[:ro] expected", text);
	*target++ = '\0';
	options = strchr(target, ':');
	if (options) {
		*options++ = '\0';
		if (strcmp(options, "ro") == 0)
			v->read_only = true;
		else if (strcmp(options, "rw") != 0)
			return error_set(err, ERR_USAGE, EINVAL, "volume \"%.200s\": option \"%.40s\": ro or rw expected", text, options);
	}
	v->source = work;
	v->target = target;
	v->named = *work != '/';
	if (*target != '/')
		return error_set(err, ERR_USAGE, EINVAL, "volume \"%.200s\": the target must be an absolute path", text);
	if (*work == '.' && (work[1] == '/' || work[1] == '.')) {
		char *full = realpath(work, NULL);

		if (!full)
			return error_sys(err, errno, "volume \"%.200s\"", text);
		v->source = arena_strdup(a, full);
		free(full);
		v->named = false;
	} else if (v->named && !valid_volume_name(work)) {
		return error_set(err, ERR_USAGE, EINVAL, "volume \"%.200s\": neither an absolute path nor a volume's name", text);
	}
	return 0;
}

static bool parse_port_number(const char *s, unsigned int *port)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (!*s || *end || strspn(s, "0123456789") != strlen(s) || v == 0 || v > 65535)
		return false;
	*port = (unsigned int)v;
	return true;
}

int bundle_parse_port(struct arena *a, const char *text, struct port_mapping *p, struct error *err)
{
	char *work = arena_strdup(a, text), *protocol = strchr(work, '/'), *container, *host;
	struct in_addr ip;

	*p = (struct port_mapping){ .protocol = "tcp" };
	if (protocol) {
		*protocol++ = '\0';
		p->protocol = protocol;
		if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0 && strcmp(protocol, "sctp") != 0)
			goto bad;
	}
	container = strrchr(work, ':');
	if (!container)
		goto bad;
	*container++ = '\0';
	host = strrchr(work, ':');
	if (host) {
		*host++ = '\0';
		if (inet_pton(AF_INET, work, &ip) != 1)
			goto bad;
		p->address = work;
	} else {
		host = work;
	}
	if (parse_port_number(host, &p->host) && parse_port_number(container, &p->container))
		return 0;
bad:
	return error_set(err, ERR_USAGE, EINVAL, "port \"%.80s\": [ADDRESS:]HOST:CONTAINER[/tcp|udp] expected", text);
}

static bool overlap(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
	return a < b + bn && b < a + an;
}

int bundle_parse_id_range(const char *text, struct id_map *map, struct error *err)
{
	unsigned long long v[3];
	const char *p = text;

	for (int i = 0; i < 3; i++) {
		char *end;

		errno = 0;
		v[i] = strtoull(p, &end, 10);
		if (*p < '0' || *p > '9' || errno || *end != (i < 2 ? ':' : '\0') || v[i] > UINT32_MAX)
			return error_set(err, ERR_USAGE, EINVAL, "id map \"%.80s\": CONTAINER:HOST:SIZE expected", text);
		p = end + 1;
	}
	if (v[2] == 0 || v[0] + v[2] > UINT32_MAX || v[1] + v[2] > UINT32_MAX)
		return error_set(err, ERR_USAGE, EINVAL, "id map \"%.80s\": not a range of ids", text);
	if (map->count == ID_RANGES_MAX)
		return error_set(err, ERR_USAGE, E2BIG, "id map \"%.80s\": at most %d ranges", text, ID_RANGES_MAX);
	for (size_t i = 0; i < map->count; i++)
		if (overlap(v[0], v[2], map->ranges[i].inside, map->ranges[i].count) ||
			overlap(v[1], v[2], map->ranges[i].outside, map->ranges[i].count))
			return error_set(err, ERR_USAGE, EINVAL, "id map \"%.80s\": overlaps another", text);
	map->ranges[map->count++] = (struct id_range){ (uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2] };
	return 0;
}
