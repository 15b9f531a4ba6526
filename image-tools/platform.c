/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: uname's machine becomes Go's name by a table; variants are compared as small numbers. */
#include "image-tools/platform.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

static const struct {
	const char *machine, *architecture, *variant;
} machines[] = {
	{ "x86_64", "amd64", NULL }, { "aarch64", "arm64", NULL },     { "armv7l", "arm", "v7" },
	{ "armv6l", "arm", "v6" },   { "i686", "386", NULL },	       { "i386", "386", NULL },
	{ "ppc64le", "ppc64le", NULL }, { "s390x", "s390x", NULL },    { "riscv64", "riscv64", NULL },
	{ "loongarch64", "loong64", NULL }, { "mips64", "mips64le", NULL },
};

struct platform platform_host(void)
{
	static struct utsname u;
	struct platform p = { .os = "linux", .architecture = "amd64" };

	uname(&u);
	p.architecture = u.machine;
	for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
		if (strcmp(u.machine, machines[i].machine) == 0) {
			p.architecture = machines[i].architecture;
			p.variant = machines[i].variant;
		}
	}
	return p;
}

int platform_parse(struct arena *a, const char *text, struct platform *p, struct error *err)
{
	char *work = arena_strdup(a, text), *save = NULL;
	const char *part[4] = { 0 };
	int n = 0;

	for (char *t = strtok_r(work, "/", &save); t && n < 4; t = strtok_r(NULL, "/", &save))
		part[n++] = t;
	if (n == 0 || n > 3 || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789/_.-") != strlen(text))
		return error_set(err, ERR_USAGE, EINVAL, "platform \"%.80s\": os/architecture[/variant] expected", text);
	*p = (struct platform){ .os = n == 1 ? "linux" : part[0], .architecture = n == 1 ? part[0] : part[1], .variant = part[2] };
	if (strcmp(p->architecture, "x86_64") == 0)
		p->architecture = "amd64";
	else if (strcmp(p->architecture, "aarch64") == 0)
		p->architecture = "arm64";
	return 0;
}

const char *platform_format(struct arena *a, const struct platform *p)
{
	return arena_printf(a, "%s/%s%s%s", p->os ? p->os : "unknown", p->architecture ? p->architecture : "unknown",
		p->variant && *p->variant ? "/" : "", p->variant ? p->variant : "");
}

/* "v7" → 7; none → the architecture's default. */
static int variant_number(const struct platform *p, int otherwise)
{
	if (!p->variant || !*p->variant)
		return otherwise;
	if (p->variant[0] == 'v' && p->variant[1] >= '0' && p->variant[1] <= '9' && !p->variant[2])
		return p->variant[1] - '0';
	return -1;
}

int platform_match(const struct platform *want, const struct platform *have)
{
	bool arm = false;
	int otherwise = 0, w, h;

	if (!have->os || !have->architecture || strcmp(want->os, have->os) != 0 ||
		strcmp(want->architecture, have->architecture) != 0)
		return 0;
	if (strcmp(want->architecture, "amd64") == 0)
		otherwise = 1;
	else if (strcmp(want->architecture, "arm64") == 0)
		otherwise = 8;
	else if (strcmp(want->architecture, "arm") == 0)
		otherwise = 7, arm = true;
	w = variant_number(want, otherwise);
	h = variant_number(have, otherwise);
	if (w < 0 || h < 0)
		return want->variant && have->variant && strcmp(want->variant, have->variant) == 0 ? 100 : 0;
	if (h > w || (arm && h < 5))
		return 0;
	return 100 - (w - h);
}
