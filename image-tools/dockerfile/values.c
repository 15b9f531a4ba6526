/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the small grammars of values: durations and truth values as Go spells them, sizes, ports, signals,
 * and the suggestion for a misspelt word.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image-tools/dockerfile/internal.h"

#define MAX_ALL_PORTS (3 * DOCKERFILE_MAX_PORTS)

static int not_a(struct error *err, const char *what, const char *text)
{
	return error_set(err, ERR_CONFIG, EINVAL, "\"%.80s\": %s is expected", text, what);
}

/* --- durations ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	int64_t ns;
} time_units[] = { { "ns", 1 }, { "us", 1000 }, { "\xc2\xb5s", 1000 }, { "\xce\xbcs", 1000 }, { "ms", 1000000 },
	{ "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 } };

/* One "1.5h"; returns what follows, or NULL. */
static const char *time_part(const char *s, double *exact, uint64_t *ns)
{
	uint64_t whole = 0;
	double fraction = 0, scale = 1;
	size_t digits = 0;

	for (; *s >= '0' && *s <= '9'; s++, digits++) {
		if (whole > (UINT64_C(1) << 63) / 10)
			return NULL;
		whole = whole * 10 + (uint64_t)(*s - '0');
	}
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, digits++) {
			scale *= 10;
			fraction += (*s - '0') / scale;
		}
	if (digits == 0)
		return NULL;
	for (size_t i = sizeof time_units / sizeof *time_units; i-- > 0;) {
		size_t n = strlen(time_units[i].name);

		/* "m" is the begin of "ms": a unit ends where the next number begins */
		if (strncmp(s, time_units[i].name, n) != 0 || (s[n] && s[n] != '.' && !isdigit((unsigned char)s[n])))
			continue;
		*exact += ((double)whole + fraction) * (double)time_units[i].ns;
		*ns += whole * (uint64_t)time_units[i].ns + (uint64_t)(fraction * (double)time_units[i].ns + 1e-6);
		return s + n;
	}
	return NULL;
}

int dockerfile_parse_duration(const char *text, int64_t *nanoseconds, struct error *err)
{
	const char *s = text;
	bool negative = *s == '-';
	double exact = 0;
	uint64_t ns = 0;

	*nanoseconds = 0;
	if (*s == '-' || *s == '+')
		s++;
	if (strcmp(s, "0") == 0)
		return 0;
	do {
		s = time_part(s, &exact, &ns);
		if (!s || exact >= 9.2e18) {
			not_a(err, "a duration", text);
			error_hint(err, "durations are numbers with units: 30s, 1m30s, 500ms");
			return -EINVAL;
		}
	} while (*s);
	*nanoseconds = negative ? -(int64_t)ns : (int64_t)ns;
	return 0;
}

/* --- sizes, truth, numbers -------------------------------------------------------------- */

int dockerfile_parse_size(const char *text, int64_t *bytes, struct error *err)
{
	static const char units[] = "kmgtp";
	size_t n = strspn(text, "0123456789.");
	const char *s = text + n, *unit;
	char number[64];
	double v;
	char *end;

	if (n == 0 || n >= sizeof number || *text == '.')
		return not_a(err, "a size", text);
	memcpy(number, text, n);
	number[n] = 0;
	v = strtod(number, &end);
	if (*end)
		return not_a(err, "a size", text);
	s += *s == ' ';
	if (*s && strcasecmp(s, "b") != 0) {
		unit = strchr(units, tolower((unsigned char)*s));
		if (!unit || (s[1] && strcasecmp(s + 1, "b") != 0 && strcasecmp(s + 1, "ib") != 0)) {
			not_a(err, "a size", text);
			error_hint(err, "sizes are numbers with an optional unit: 512k, 64m, 1.5g");
			return -EINVAL;
		}
		v = ldexp(v, 10 * (int)(unit - units + 1));
	}
	if (v >= 9.2e18)
		return not_a(err, "a smaller size", text);
	*bytes = (int64_t)v;
	return 0;
}

int dockerfile_parse_bool(const char *text, bool *value)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		if (strcmp(text, yes[i]) != 0 && strcmp(text, no[i]) != 0)
			continue;
		*value = strcmp(text, yes[i]) == 0;
		return 0;
	}
	return -EINVAL;
}

/* --- ports --------------------------------------------------------------------------------- */

static bool port_number(const char *s, size_t len, unsigned *out)
{
	unsigned v = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
		if (v > 65535)
			return false;
	}
	*out = v;
	return true;
}

static bool port_range(const char *s, size_t len, unsigned *first, unsigned *last)
{
	const char *dash = memchr(s, '-', len);

	if (!dash) {
		if (!port_number(s, len, first))
			return false;
		*last = *first;
		return true;
	}
	return port_number(s, (size_t)(dash - s), first) &&
		port_number(dash + 1, (size_t)(s + len - dash - 1), last) && *first <= *last;
}

/* "[IP:][HOST:]" in front of the container's port: allowed by other builders and of no effect (lint says so). */
static bool host_part_is_valid(struct arena *a, const char *s, size_t len, unsigned count)
{
	const char *host = s, *colon = memrchr(s, ':', len);
	unsigned first, last;
	char *ip, address[16];

	if (colon)
		host = colon + 1;
	if (host < s + len && (!port_range(host, (size_t)(s + len - host), &first, &last) ||
				      (last - first + 1 != count && count != 1)))
		return false;
	if (!colon || colon == s)
		return true;
	ip = arena_strndup(a, s, (size_t)(colon - s));
	if (*ip == '[' && ip[strlen(ip) - 1] == ']') {
		ip[strlen(ip) - 1] = 0;
		ip++;
	}
	return inet_pton(AF_INET, ip, address) == 1 || inet_pton(AF_INET6, ip, address) == 1;
}

int instruction_ports(struct arena *a, const struct string_list *words, struct dockerfile_instruction *in,
	struct error *err)
{
	static const char *const protocols[] = { "tcp", "udp", "sctp", NULL };
	size_t capacity = 0;

	in->ports = NULL;
	in->ports_count = 0;
	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->items[i], *colon = strrchr(word, ':'), *s = colon ? colon + 1 : word;
		const char *slash = strchr(s, '/'), *protocol = slash && slash[1] ? slash + 1 : "tcp";
		unsigned first, last, p = 0;

		while (protocols[p] && strcasecmp(protocols[p], protocol) != 0)
			p++;
		if (!protocols[p])
			return fail_unknown(err, "protocol", protocol, protocols);
		if (!port_range(s, slash ? (size_t)(slash - s) : strlen(s), &first, &last) ||
			(colon && !host_part_is_valid(a, word, (size_t)(colon - word), last - first + 1))) {
			not_a(err, "a port", word);
			error_hint(err, "write PORT or FIRST-LAST from 0 to 65535, perhaps with /tcp, /udp or /sctp");
			return -EINVAL;
		}
		if (in->ports_count + (last - first + 1) > MAX_ALL_PORTS)
			return error_set(err, ERR_CONFIG, E2BIG, "more than %u ports", MAX_ALL_PORTS);
		while (in->ports_count + (last - first + 1) > capacity) {
			size_t more = capacity ? 2 * capacity : 8;

			in->ports = arena_grow(a, in->ports, capacity * sizeof *in->ports, more * sizeof *in->ports);
			capacity = more;
		}
		for (; first <= last; first++)
			in->ports[in->ports_count++] = (struct dockerfile_port){ (uint16_t)first, protocols[p] };
	}
	return 0;
}

/* --- signals --------------------------------------------------------------------------------- */

bool signal_is_known(const char *text)
{
	static const char *const names[] = { "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO",
		"IOT", "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
		"TTIN", "TTOU", "UNUSED", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX" };
	char *end;
	long n;

	if (*text >= '0' && *text <= '9') {
		n = strtol(text, &end, 10);
		return !*end && n >= 1 && n <= 64;
	}
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcasecmp(text, names[i]) == 0)
			return true;
	if (strncasecmp(text, "RTMIN+", 6) != 0 && strncasecmp(text, "RTMAX-", 6) != 0)
		return false;
	n = strtol(text + 6, &end, 10);
	return text[6] >= '0' && text[6] <= '9' && !*end && n >= 1 && n <= (text[5] == '+' ? 15 : 14);
}

/* --- suggestions -------------------------------------------------------------------------------- */

#define LONGEST_WORD 40

/* Edits between two words in any case: insertions, deletions, replacements, swaps of neighbours. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[3][LONGEST_WORD + 1];

	if (n > LONGEST_WORD || m > LONGEST_WORD)
		return LONGEST_WORD;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
			unsigned d = last[j - 1] + (x != y);

			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]) &&
				before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
		}
	}
	return row[n % 3][m];
}

const char *dockerfile_suggest(const char *word, const char *const *names)
{
	size_t len = strlen(word);
	unsigned best = len <= 3 ? 2 : 3; /* one more than what is near */
	const char *found = NULL;

	for (; *names; names++) {
		unsigned d = distance(word, *names);

		if (d < best && d < len && d < strlen(*names)) {
			best = d;
			found = *names;
		}
	}
	return found;
}

/* --- names of arguments ---------------------------------------------------------------------------- */

bool dockerfile_is_proxy_argument(const char *name)
{
	static const char *const names[] = { "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy",
		"https_proxy", "ftp_proxy", "no_proxy", "all_proxy" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

bool dockerfile_is_platform_argument(const char *name)
{
	static const char *const parts[] = { "PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT" };
	const char *part = name + (strncmp(name, "BUILD", 5) == 0 ? 5 : strncmp(name, "TARGET", 6) == 0 ? 6 : 0);

	if (strcmp(name, "TARGETSTAGE") == 0)
		return true;
	for (size_t i = 0; part > name && i < sizeof parts / sizeof *parts; i++)
		if (strcmp(part, parts[i]) == 0)
			return true;
	return false;
}
