/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: four ways to tell the same events.  plain: one line per event,
 * "#3 0.21 text".  json: one object per event.  quiet: nothing.  terminal: finished
 * steps scroll away as lines, below them live the running ones with their last lines of
 * output; that live part is erased and drawn again at every event and, by a thread of
 * its own, five times a second, so that the clocks go on.  Control bytes of programs
 * never reach the terminal: they could repaint what stands there.
 */
#include "image-tools/build/progress.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/json_write.h"

#define TAIL_LINES 24
#define LIVE_LINES 5
#define LINE_MAX_BYTES 2000

struct step {
	struct step *next;
	int number;
	char *label, *text;
	struct timespec begin;
	char line[LINE_MAX_BYTES]; /* what came since the last newline */
	size_t line_length;
	char *tail[TAIL_LINES];
	size_t lines;
	bool running;
};

struct build_progress {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t ticker;
	bool ticking, stop;
	enum build_progress_mode mode;
	struct step *steps, *last;
	int count, drawn;
};

static double seconds_since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

static int columns(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

/* As much as fits, without control bytes. */
static void put_clean(const char *s, int room)
{
	for (; *s && room > 0; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '\t')
			c = ' ';
		if (c < ' ' || c == 127)
			continue;
		fputc(c, stderr);
		room -= (c & 0xc0) != 0x80;
	}
}

static void erase(struct build_progress *p)
{
	if (p->drawn)
		fprintf(stderr, "\033[%dA\033[J", p->drawn);
	p->drawn = 0;
}

static void draw(struct build_progress *p)
{
	int width = columns();

	for (struct step *s = p->steps; s; s = s->next) {
		size_t n = s->lines < LIVE_LINES ? s->lines : LIVE_LINES;
		char clock[32];

		if (!s->running)
			continue;
		snprintf(clock, sizeof clock, "%6.1fs ", seconds_since(&s->begin));
		fprintf(stderr, "%s\033[1m", clock);
		put_clean(s->label, width - 10);
		fputs(" ", stderr);
		put_clean(s->text, width - 12 - (int)strlen(s->label));
		fputs("\033[0m\n", stderr);
		p->drawn++;
		for (size_t i = s->lines - n; i < s->lines; i++) {
			fputs("         \033[2m", stderr);
			put_clean(s->tail[i % TAIL_LINES], width - 10);
			fputs("\033[0m\n", stderr);
			p->drawn++;
		}
	}
	fflush(stderr);
}

static void *tick(void *opaque)
{
	struct build_progress *p = opaque;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct timespec t;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += 200000000;
		if (t.tv_nsec >= 1000000000) {
			t.tv_sec++;
			t.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&p->wake, &p->lock, &t);
		erase(p);
		draw(p);
	}
	erase(p);
	fflush(stderr);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct build_progress *build_progress_open(enum build_progress_mode mode)
{
	struct build_progress *p = calloc(1, sizeof *p);

	if (!p)
		abort();
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	if (mode == BUILD_PROGRESS_AUTO)
		mode = isatty(STDERR_FILENO) ? BUILD_PROGRESS_TERMINAL : BUILD_PROGRESS_PLAIN;
	p->mode = mode;
	if (mode == BUILD_PROGRESS_TERMINAL)
		p->ticking = pthread_create(&p->ticker, NULL, tick, p) == 0;
	return p;
}

void build_progress_close(struct build_progress *p)
{
	if (!p)
		return;
	if (p->ticking) {
		pthread_mutex_lock(&p->lock);
		p->stop = true;
		pthread_cond_signal(&p->wake);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->ticker, NULL);
	}
	for (struct step *s = p->steps, *next; s; s = next) {
		next = s->next;
		for (size_t i = 0; i < TAIL_LINES; i++)
			free(s->tail[i]);
		free(s->label);
		free(s->text);
		free(s);
	}
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct step *find(struct build_progress *p, int number)
{
	for (struct step *s = p->steps; s; s = s->next)
		if (s->number == number)
			return s;
	return NULL;
}

/* One event as JSON; with quiet, nothing. */
static void json_event(
	const struct build_progress *p, const struct step *s, const char *event, const char *key, const char *value)
{
	struct arena a = ARENA_INIT;
	struct json_writer w;

	if (p->mode != BUILD_PROGRESS_JSON)
		return;
	json_writer_init(&w, &a, false);
	json_write_object(&w);
	json_write_member_string(&w, "event", event);
	if (s) {
		json_write_member_u64(&w, "step", (uint64_t)s->number);
		json_write_member_u64(&w, "milliseconds", (uint64_t)(seconds_since(&s->begin) * 1000));
	}
	if (key)
		json_write_member_string(&w, key, value);
	if (s && strcmp(event, "begin") == 0)
		json_write_member_string(&w, "text", s->text);
	json_write_end_object(&w);
	fprintf(stderr, "%s\n", json_writer_finish(&w, NULL));
	arena_free(&a);
}

int build_progress_begin(struct build_progress *p, const char *label, const char *text)
{
	struct step *s = calloc(1, sizeof *s);
	int number;

	if (!s)
		abort();
	pthread_mutex_lock(&p->lock);
	s->number = number = ++p->count;
	s->label = strdup(label);
	s->text = strdup(text);
	s->running = true;
	clock_gettime(CLOCK_MONOTONIC, &s->begin);
	*(p->last ? &p->last->next : &p->steps) = s;
	p->last = s;
	if (p->mode == BUILD_PROGRESS_PLAIN) {
		fprintf(stderr, "#%d %s ", number, label);
		put_clean(text, 1 << 20);
		fputc('\n', stderr);
	}
	json_event(p, s, "begin", "label", label);
	if (p->mode == BUILD_PROGRESS_TERMINAL) {
		erase(p);
		draw(p);
	}
	pthread_mutex_unlock(&p->lock);
	return number;
}

static void line_done(struct build_progress *p, struct step *s)
{
	char **slot = &s->tail[s->lines++ % TAIL_LINES];

	s->line[s->line_length] = '\0';
	free(*slot);
	*slot = strdup(s->line);
	s->line_length = 0;
	if (p->mode == BUILD_PROGRESS_PLAIN) {
		fprintf(stderr, "#%d %.3f ", s->number, seconds_since(&s->begin));
		put_clean(s->line, 1 << 20);
		fputc('\n', stderr);
	}
	json_event(p, s, "output", "line", s->line);
}

void build_progress_output(struct build_progress *p, int step, const char *text, size_t len)
{
	struct step *s;

	pthread_mutex_lock(&p->lock);
	s = find(p, step);
	for (size_t i = 0; s && i < len; i++) {
		/* A carriage return repaints a line: what stood there before is of no interest. */
		if (text[i] == '\n')
			line_done(p, s);
		else if (text[i] == '\r' && !(i + 1 < len && text[i + 1] == '\n'))
			s->line_length = 0;
		else if (text[i] != '\r')
			s->line[s->line_length++] = text[i];
		if (s->line_length == sizeof s->line - 1)
			line_done(p, s);
	}
	pthread_mutex_unlock(&p->lock);
}

void build_progress_end(struct build_progress *p, int step, const char *result)
{
	struct step *s;

	pthread_mutex_lock(&p->lock);
	s = find(p, step);
	if (s && s->running) {
		bool timed = strcmp(result, "CACHED") != 0;

		if (s->line_length)
			line_done(p, s);
		s->running = false;
		if (p->mode == BUILD_PROGRESS_TERMINAL) {
			erase(p);
			if (timed)
				fprintf(stderr, "%6.1fs ", seconds_since(&s->begin));
			else
				fputs(" cached ", stderr);
			put_clean(s->label, columns() - 10);
			fputs(" ", stderr);
			put_clean(s->text, columns() - 12 - (int)strlen(s->label));
			fprintf(stderr, "%s\n",
				strcmp(result, "DONE") == 0 || !timed ? "" : " \033[1;31mfailed\033[0m");
			draw(p);
		} else if (p->mode == BUILD_PROGRESS_PLAIN) {
			fprintf(stderr, "#%d %s", step, result);
			if (timed)
				fprintf(stderr, " %.1fs", seconds_since(&s->begin));
			fputc('\n', stderr);
		}
		json_event(p, s, "end", "result", result);
	}
	pthread_mutex_unlock(&p->lock);
}

void build_progress_note(struct build_progress *p, int step, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&p->lock);
	if (p->mode == BUILD_PROGRESS_JSON) {
		json_event(p, find(p, step), "note", "text", text);
	} else if (p->mode != BUILD_PROGRESS_QUIET) {
		if (p->mode == BUILD_PROGRESS_TERMINAL)
			erase(p);
		if (step)
			fprintf(stderr, "#%d ", step);
		put_clean(text, 1 << 20);
		fputc('\n', stderr);
		if (p->mode == BUILD_PROGRESS_TERMINAL)
			draw(p);
	}
	pthread_mutex_unlock(&p->lock);
}

void build_progress_failure(struct build_progress *p, int step)
{
	struct step *s;

	pthread_mutex_lock(&p->lock);
	s = find(p, step);
	if (s && (p->mode == BUILD_PROGRESS_TERMINAL || p->mode == BUILD_PROGRESS_QUIET)) {
		size_t n = s->lines < TAIL_LINES ? s->lines : TAIL_LINES;

		erase(p);
		for (size_t i = s->lines - n; i < s->lines; i++) {
			fputs("         ", stderr);
			put_clean(s->tail[i % TAIL_LINES], 1 << 20);
			fputc('\n', stderr);
		}
		if (p->mode == BUILD_PROGRESS_TERMINAL)
			draw(p);
	}
	pthread_mutex_unlock(&p->lock);
}
