/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: a table of lines under one mutex, redrawn at most ten times a second with cursor movements. */
#include "image-tools/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX 128

static struct {
	pthread_mutex_t lock;
	bool quiet, terminal;
	int count, drawn;
	uint64_t last_ms;
	struct {
		char label[64], result[32];
		uint64_t done, total;
	} lines[LINES_MAX];
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .quiet = true };

void progress_init(bool quiet)
{
	state.quiet = quiet;
	state.terminal = isatty(STDERR_FILENO);
}

static void draw(bool force)
{
	struct timespec ts;
	uint64_t ms;

	if (!state.terminal || state.quiet)
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (!force && ms - state.last_ms < 100)
		return;
	state.last_ms = ms;
	if (state.drawn)
		fprintf(stderr, "\033[%dA", state.drawn);
	for (int i = 0; i < state.count; i++) {
		double mb = (double)state.lines[i].done / 1e6, all = (double)state.lines[i].total / 1e6;

		if (state.lines[i].result[0])
			fprintf(stderr, "\033[2K%s  %s\n", state.lines[i].label, state.lines[i].result);
		else
			fprintf(stderr, "\033[2K%s  %.1f / %.1f MB\n", state.lines[i].label, mb, all);
	}
	state.drawn = state.count;
	fflush(stderr);
}

int progress_add(const char *label, uint64_t total)
{
	int line = -1;

	pthread_mutex_lock(&state.lock);
	if (!state.quiet && state.count < LINES_MAX) {
		line = state.count++;
		snprintf(state.lines[line].label, sizeof state.lines[line].label, "%s", label);
		state.lines[line].total = total;
		state.lines[line].done = 0;
		state.lines[line].result[0] = '\0';
		draw(true);
	}
	pthread_mutex_unlock(&state.lock);
	return line;
}

void progress_update(int line, uint64_t done)
{
	if (line < 0)
		return;
	pthread_mutex_lock(&state.lock);
	state.lines[line].done = done;
	draw(false);
	pthread_mutex_unlock(&state.lock);
}

void progress_end(int line, const char *result)
{
	if (line < 0)
		return;
	pthread_mutex_lock(&state.lock);
	snprintf(state.lines[line].result, sizeof state.lines[line].result, "%s", result);
	if (!state.terminal)
		fprintf(stderr, "%s  %s  %.1f MB\n", state.lines[line].label, result, (double)state.lines[line].total / 1e6);
	draw(true);
	pthread_mutex_unlock(&state.lock);
}

void progress_finish(void)
{
	pthread_mutex_lock(&state.lock);
	draw(true);
	state.count = state.drawn = 0;
	pthread_mutex_unlock(&state.lock);
}
