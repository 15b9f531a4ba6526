/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the plot of a benchmark, written by hand as SVG 1.1 so that
 * it needs no library and shows in any browser and on any forge.  One block per
 * time bench, one bar per peer; each block has its own scale, from zero, because
 * the benches differ by a factor of a thousand.
 */
#include <string.h>

#include "tests/bench/report.h"

#define LABEL 150
#define BAR 420
#define WIDTH (LABEL + BAR + 130)
#define ROW 15
#define HEAD 22

static const char *colour(const char *peer)
{
	if (!strcmp(peer, SUBJECT))
		return "#1b7f4b";
	if (!strcmp(peer, "crun"))
		return "#c98a1b";
	if (!strcmp(peer, "runc"))
		return "#3b6fb6";
	if (!strcmp(peer, "floor"))
		return "#9aa0a6";
	return "#8a5fb0";
}

static int plotted(const struct group *g)
{
	return !strcmp(g->unit, "ms") && strcmp(g->name, "spin") && strcmp(g->name, "spin v2");
}

static double scale_of(const struct group *g)
{
	double largest = 0;

	for (size_t i = 0; i < g->count; i++) {
		double high = series_quantile(&g->series[i], 0.75);

		largest = high > largest ? high : largest;
	}
	return largest > 0 ? BAR / largest : 1;
}

static int put_block(const struct group *g, FILE *out, int y)
{
	double scale = scale_of(g);

	fprintf(out, "<text x=\"8\" y=\"%d\" font-weight=\"bold\">%s</text>\n", y + 14, g->name);
	y += HEAD;
	for (size_t i = 0; i < g->count; i++, y += ROW) {
		const struct series *s = &g->series[i];
		double low = series_quantile(s, 0) * scale, middle = series_quantile(s, 0.5) * scale,
		       high = series_quantile(s, 0.75) * scale;

		fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LABEL - 6, y + 11, s->peer);
		fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LABEL, y + 2,
			middle, ROW - 4, colour(s->peer));
		fprintf(out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#222\"/>\n", LABEL + low,
			LABEL + high, y + ROW / 2.0, y + ROW / 2.0);
		fprintf(out, "<text x=\"%.1f\" y=\"%d\">%.1f ms</text>\n", LABEL + (high > middle ? high : middle) + 5,
			y + 11, series_quantile(s, 0.5));
	}
	return y + 8;
}

void svg_write(const struct table *t, FILE *out)
{
	int height = 34, y = 28;

	for (size_t i = 0; i < t->count; i++)
		if (plotted(&t->group[i]))
			height += HEAD + 8 + ROW * (int)t->group[i].count;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
		"font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text x=\"8\" y=\"18\" font-size=\"13\">bar: median; line: minimum to third quartile; less is "
		"better</text>\n",
		WIDTH, height);
	for (size_t i = 0; i < t->count; i++)
		if (plotted(&t->group[i]))
			y = put_block(&t->group[i], out, y);
	fputs("</svg>\n", out);
}
