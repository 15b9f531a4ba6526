/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_BENCH_BENCH_H
#define OCI_RT_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/faults/support.h"

#define MAX_PEERS 8

/* A program that is measured.  The floor takes other arguments and knows run and exec only. */
struct peer {
	const char *name;
	const char *path;  /* inside the world */
	const char *state; /* its --root */
	bool is_floor;
	bool broken; /* does not work here: said once, then left out */
};

struct bench {
	struct peer peer[MAX_PEERS];
	int peers;
	int rounds, batch_rounds;
	int gap_ms;
	bool v2;
	const char *const *hierarchies;
	const char *seccomp; /* text, or NULL */
	const char *tools;
	const char *only; /* comma-separated cases, or NULL */
	FILE *csv;
};

/* One sample: "bench,unit,peer,value". */
void sample(const struct bench *b, const char *bench, const char *unit, const struct peer *p, double value);

/* Is the case asked for? */
bool wanted(const struct bench *b, const char *name);

/* Make all bundles of the cases. */
void cases_prepare(const struct bench *b);

/* Interleaved rounds: every case of every peer once per round, in random order. */
void cases_measure(struct bench *b);

/* 100 containers, one after the other and 20 at a time. */
void batches_measure(struct bench *b);

/* Single figures: peak memory, smallest memory limit, number of system calls. */
void figures_measure(struct bench *b);

/* How steady the machine is: one calibrated spin, in milliseconds. */
double noise_spin(void);

/* Command lines.  Valid until the next call; NULL when the peer has no such command. */
enum verb {
	VERB_RUN,
	VERB_CREATE,
	VERB_START,
	VERB_STATE,
	VERB_EXEC,
	VERB_KILL,
	VERB_DELETE,
	VERB_DELETE_FORCE,
	VERB_COUNT
};

struct call {
	enum verb verb;
	const char *bundle; /* run, create */
	const char *id;
	const char *pid; /* of the container, for the floor's exec */
};

char *const *call_argv(const struct bench *b, const struct peer *p, const struct call *c);

/* Run it to its end; dies unless the status is 0 or any is set. */
struct outcome call_run(const struct bench *b, const struct peer *p, const struct call *c, bool any);

#define BUNDLE_PLAIN WORLD_DIR "/plain"
#define BUNDLE_SECCOMP WORLD_DIR "/seccomp"
#define BUNDLE_PAUSE WORLD_DIR "/pause"

#endif
