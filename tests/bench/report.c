/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: statistics of the samples that the benches wrote
 * (bench,unit,peer,value; lines with # are notes), as a Markdown table, a CSV of
 * the same, an SVG plot, and the goals:
 *
 *	bench-report --samples FILE... --out DIR [--goals FILE]
 *
 * A goal line reads "text | bench | factor | reference bench | reference peer":
 * the median of oci-rt in bench must be at most factor times the reference's;
 * without a reference the factor is the limit itself.  Goals whose bench was not
 * measured are said to be so, never met.
 */
#include "tests/bench/report.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/support.h"

static const char *const reference[] = {"crun", "runc", "floor"};

/* ------------------------------------------------------------ the table */

const struct group *table_find(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (!strcmp(t->group[i].name, name))
			return &t->group[i];
	return NULL;
}

const struct series *group_find(const struct group *g, const char *peer)
{
	for (size_t i = 0; i < g->count; i++)
		if (!strcmp(g->series[i].peer, peer))
			return &g->series[i];
	return NULL;
}

static void *grow(void *array, size_t count, size_t size)
{
	array = realloc(array, count * size);
	if (!array)
		die("out of memory");
	return array;
}

static void add_value(struct table *t, const char *name, const char *unit, const char *peer, double value)
{
	struct group *g = (struct group *)(uintptr_t)table_find(t, name);
	struct series *s;

	if (!g) {
		t->group = grow(t->group, t->count + 1, sizeof *t->group);
		g = &t->group[t->count++];
		*g = (struct group){.name = strdup(name), .unit = strdup(unit)};
	}
	s = (struct series *)(uintptr_t)group_find(g, peer);
	if (!s) {
		g->series = grow(g->series, g->count + 1, sizeof *g->series);
		s = &g->series[g->count++];
		*s = (struct series){.peer = strdup(peer)};
	}
	if (s->count == s->size) {
		s->size = s->size ? s->size * 2 : 64;
		s->value = grow(s->value, s->size, sizeof *s->value);
	}
	s->value[s->count++] = value;
}

static void add_note(struct table *t, const char *line)
{
	const char *first = strchr(line, ','), *second = first ? strchr(first + 1, ',') : NULL;
	char *more;

	if (!second)
		return;
	more = fmt_text("%s- %.*s: %s\n", t->notes ? t->notes : "", (int)(second - first - 1), first + 1, second + 1);
	if (t->notes && strstr(t->notes, strrchr(more, '-') ? second + 1 : "")) {
		free(more);
		return;
	}
	free(t->notes);
	t->notes = more;
}

static void load(struct table *t, const char *path)
{
	char *text = read_text(path), *save = NULL;

	if (!text)
		die("cannot read %s", path);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char name[128], unit[32], peer[64];
		double value;

		if (*l == '#')
			add_note(t, l);
		else if (sscanf(l, "%127[^,],%31[^,],%63[^,],%lf", name, unit, peer, &value) == 4)
			add_value(t, name, unit, peer, value);
	}
	free(text);
}

static int rank(const char *peer)
{
	return !strcmp(peer, SUBJECT)	? 0
	       : !strcmp(peer, "crun")	? 1
	       : !strcmp(peer, "runc")	? 2
	       : !strcmp(peer, "floor") ? 9
					: 3;
}

static int by_peer(const void *a, const void *b)
{
	const struct series *x = a, *y = b;

	return rank(x->peer) != rank(y->peer) ? rank(x->peer) - rank(y->peer) : strcmp(x->peer, y->peer);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->name, ((const struct group *)b)->name);
}

static void sort_all(struct table *t)
{
	qsort(t->group, t->count, sizeof *t->group, by_name);
	for (size_t i = 0; i < t->count; i++) {
		struct group *g = &t->group[i];

		qsort(g->series, g->count, sizeof *g->series, by_peer);
		for (size_t j = 0; j < g->count; j++)
			qsort(g->series[j].value, g->series[j].count, sizeof(double), by_value);
	}
}

double series_quantile(const struct series *s, double q)
{
	double at = q * (double)(s->count - 1);
	size_t i = (size_t)at;

	return i + 1 < s->count ? s->value[i] + (at - (double)i) * (s->value[i + 1] - s->value[i]) : s->value[i];
}

/* -------------------------------------------------------------- output */

static void put_ratio(
	const struct group *g, const struct series *s, const char *peer, FILE *out, const char *none, const char *end)
{
	const struct series *r = group_find(g, peer);

	if (r && strcmp(r->peer, s->peer) && series_quantile(r, 0.5) > 0)
		fprintf(out, "%.2f%s", series_quantile(s, 0.5) / series_quantile(r, 0.5), end);
	else
		fprintf(out, "%s%s", none, end);
}

static void put_markdown(const struct table *t, FILE *out)
{
	fputs("| bench | unit | program | n | min | median | p75 | /crun | /runc | /floor |\n"
	      "|---|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
		out);
	for (size_t i = 0; i < t->count; i++) {
		const struct group *g = &t->group[i];

		for (size_t j = 0; j < g->count && strncmp(g->name, "spin", 4); j++) {
			const struct series *s = &g->series[j];
			const char *strong = strcmp(s->peer, SUBJECT) ? "" : "**";

			fprintf(out, "| %s | %s | %s%s%s | %zu | %.2f | %s%.2f%s | %.2f | ", j ? "" : g->name,
				j ? "" : g->unit, strong, s->peer, strong, s->count, series_quantile(s, 0), strong,
				series_quantile(s, 0.5), strong, series_quantile(s, 0.75));
			for (size_t r = 0; r < ARRAY_SIZE(reference); r++)
				put_ratio(g, s, reference[r], out, "", r + 1 < ARRAY_SIZE(reference) ? " | " : " |\n");
		}
	}
}

static void put_csv(const struct table *t, FILE *out)
{
	fputs("bench,unit,program,n,min,median,p75,per_crun,per_runc,per_floor\n", out);
	for (size_t i = 0; i < t->count; i++)
		for (size_t j = 0; j < t->group[i].count; j++) {
			const struct series *s = &t->group[i].series[j];

			fprintf(out, "%s,%s,%s,%zu,%.4f,%.4f,%.4f,", t->group[i].name, t->group[i].unit, s->peer,
				s->count, series_quantile(s, 0), series_quantile(s, 0.5), series_quantile(s, 0.75));
			for (size_t r = 0; r < ARRAY_SIZE(reference); r++)
				put_ratio(&t->group[i], s, reference[r], out, "",
					r + 1 < ARRAY_SIZE(reference) ? "," : "\n");
		}
}

static void put_noise(const struct table *t, FILE *out)
{
	static const char *const spins[] = {"spin", "spin v2"};

	for (size_t i = 0; i < ARRAY_SIZE(spins); i++) {
		const struct group *g = table_find(t, spins[i]);

		if (g)
			fprintf(out,
				"- noise%s: a fixed spin takes %.2f ms in the median, p95/p50 %.2f, max/min %.2f "
				"(n=%zu)\n",
				spins[i] + 4, series_quantile(g->series, 0.5),
				series_quantile(g->series, 0.95) / series_quantile(g->series, 0.5),
				series_quantile(g->series, 1) / series_quantile(g->series, 0), g->series->count);
	}
}

/* -------------------------------------------------------------- goals */

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = '\0';
	return s;
}

static const struct series *lookup(const struct table *t, const char *bench, const char *peer)
{
	const struct group *g = table_find(t, bench);

	return g ? group_find(g, peer) : NULL;
}

/* -1 not measured, 0 not met, 1 met. */
static int put_goal(const struct table *t, char *line, FILE *out)
{
	char *field[5] = {NULL}, *save = NULL;
	const struct series *own, *other = NULL;
	double limit, value;
	int n = 0;

	for (char *f = strtok_r(line, "|", &save); f && n < 5; f = strtok_r(NULL, "|", &save))
		field[n++] = trim(f);
	if (n < 3)
		return -1;
	limit = atof(field[2]);
	own = lookup(t, field[1], SUBJECT);
	if (n == 5)
		other = lookup(t, field[3], field[4]);
	if (!own || (n == 5 && !other)) {
		fprintf(out, "| %s | not measured | | |\n", field[0]);
		return -1;
	}
	value = series_quantile(own, 0.5) / (other ? series_quantile(other, 0.5) : 1);
	fprintf(out, "| %s | %s | %.2f | ", field[0], value <= limit ? "met" : "**not met**", value);
	if (other)
		fprintf(out, "%.2f |\n", series_quantile(own, 0) / series_quantile(other, 0));
	else
		fprintf(out, "%.2f |\n", series_quantile(own, 0));
	return value <= limit;
}

static void put_goals(const struct table *t, const char *path, FILE *out)
{
	char *text = read_text(path), *save = NULL;
	int met = 0, missed = 0;

	if (!text)
		die("cannot read %s", path);
	fputs("| goal | | by medians | by minima |\n|---|---|--:|--:|\n", out);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		int r;

		if (*l == '#' || !*trim(l))
			continue;
		r = put_goal(t, l, out);
		met += r == 1;
		missed += r == 0;
	}
	fprintf(out, "\n%d met, %d not met.\n", met, missed);
	free(text);
}

static FILE *create(const char *dir, const char *name)
{
	char *path = fmt_text("%s/%s", dir, name);
	FILE *f = fopen(path, "we");

	if (!f)
		die("cannot write %s", path);
	free(path);
	return f;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"samples", 1, NULL, 's'}, {"out", 1, NULL, 'o'}, {"goals", 1, NULL, 'g'}, {0}};
	const char *dir = NULL, *goals = NULL;
	struct table t = {0};
	FILE *f;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			load(&t, optarg);
		else if (opt == 'o')
			dir = optarg;
		else if (opt == 'g')
			goals = optarg;
		else
			dir = NULL;
	}
	if (!dir || !t.count)
		die("usage: bench-report --samples FILE... --out DIR [--goals FILE]");
	sort_all(&t);
	f = create(dir, "bench.md");
	fprintf(f, "%s", t.notes ? t.notes : "");
	put_noise(&t, f);
	fputs("\n", f);
	put_markdown(&t, f);
	if (goals) {
		fputs("\n", f);
		put_goals(&t, goals, f);
	}
	fclose(f);
	f = create(dir, "bench.csv");
	put_csv(&t, f);
	fclose(f);
	f = create(dir, "bench.svg");
	svg_write(&t, f);
	fclose(f);
	return 0;
}
