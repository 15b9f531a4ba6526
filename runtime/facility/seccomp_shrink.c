/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the kernel runs a new filter once for every system call
 * number and architecture to find those that are always allowed, and compiles
 * it; libseccomp's programs for the usual profiles have a thousand instructions
 * and make that the slowest system call of a container's start.  This file
 * finds a small program with the same answers.
 *
 * It is partial evaluation.  For an architecture, the numbers fall into
 * intervals inside which no comparison of the program changes.  For one number
 * of an interval, what is left of the program when architecture and number are
 * known is an answer, or a graph of tests of arguments that ends in answers.
 * Equal graphs are one (hash-consing), neighbouring intervals with the same
 * graph are one, and a balanced tree of comparisons selects among the rest.
 *
 * Nothing here knows what a rule means.  What comes out is compared with what
 * went in (seccomp_equal) and thrown away when it differs.
 *
 * Jumps of classic BPF reach forward only, so code is emitted from its end.
 */
#include <string.h>

#include "runtime/facility/seccomp_program.h"

#define NODES_MAX ((size_t)4096)
#define CODE_MAX ((size_t)2 * BPF_MAXINSNS)
#define EFFORT_MAX 20000000u /* instructions evaluated */
#define FAILED UINT32_MAX

/* An answer, or a test of a word of the arguments. */
struct node {
	uint16_t code; /* BPF_RET | BPF_K, or the jump's */
	uint16_t offset;
	uint32_t mask, k; /* RET: k is the answer */
	uint32_t t, f;	  /* nodes */
	/* Where it was emitted, counted from the end of the program; 0: not yet. */
	uint32_t entry; /* loads the word */
	uint32_t body;	/* the word is in the accumulator */
};

struct interval {
	uint32_t first; /* it ends before the next one */
	uint32_t node;
};

struct shrinker {
	const struct seccomp_program *in;
	struct arena *arena;
	struct node *nodes;
	uint32_t nodes_count;
	uint32_t *hash; /* node + 1, 2 × NODES_MAX slots */
	uint32_t arch, nr;
	uint32_t *memo, *memo_run, run; /* node of the load at an instruction, valid in this run */
	uint32_t effort;
	struct sock_filter *code; /* last instruction first */
	uint32_t len;
	bool failed;
};

/* The accumulator: a known value, or a word of the arguments after a mask. */
struct value {
	bool known;
	uint32_t number; /* known */
	uint16_t offset;
	uint32_t mask;
};

static uint32_t make_node(struct shrinker *s, const struct node *n)
{
	uint32_t h = ((((n->code * 31u + n->offset) * 31u + n->mask) * 31u + n->k) * 31u + n->t) * 31u + n->f;
	uint32_t slot = (h ^ h >> 15) * 2654435761u >> 19; /* 13 bits */

	for (;; slot = (slot + 1) % (2 * NODES_MAX)) {
		const struct node *o;

		if (s->hash[slot] == 0)
			break;
		o = &s->nodes[s->hash[slot] - 1];
		if (o->code == n->code && o->offset == n->offset && o->mask == n->mask && o->k == n->k &&
			o->t == n->t && o->f == n->f)
			return s->hash[slot] - 1;
	}
	if (s->nodes_count == NODES_MAX)
		return FAILED;
	s->nodes[s->nodes_count] = *n;
	s->hash[slot] = ++s->nodes_count;
	return s->nodes_count - 1;
}

static bool compare(uint16_t op, uint32_t a, uint32_t k)
{
	switch (op) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	default:
		return a & k;
	}
}

static uint32_t evaluate(struct shrinker *s, size_t pc, struct value a);

static uint32_t evaluate_test(struct shrinker *s, size_t pc, struct value a)
{
	const struct sock_filter *i = &s->in->insns[pc];
	struct node n = {.code = i->code, .offset = a.offset, .mask = a.mask, .k = i->k};

	n.t = evaluate(s, pc + 1 + i->jt, a);
	n.f = evaluate(s, pc + 1 + i->jf, a);
	if (n.t == FAILED || n.f == FAILED)
		return FAILED;
	return n.t == n.f ? n.t : make_node(s, &n);
}

/* What is left of the program from pc on.  Its instructions were checked by seccomp_constants(). */
static uint32_t evaluate(struct shrinker *s, size_t pc, struct value a)
{
	for (;; pc++) {
		const struct sock_filter *i = &s->in->insns[pc];

		if (s->effort++ > EFFORT_MAX)
			return FAILED;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k < offsetof(struct seccomp_data, args)) {
				a = (struct value){.known = true,
					.number = i->k == offsetof(struct seccomp_data, nr) ? s->nr : s->arch};
				continue;
			}
			if (s->memo_run[pc] != s->run) {
				s->memo_run[pc] = s->run;
				s->memo[pc] = evaluate(
					s, pc + 1, (struct value){.offset = (uint16_t)i->k, .mask = UINT32_MAX});
			}
			return s->memo[pc];
		case BPF_ALU | BPF_AND | BPF_K:
			a.number &= i->k;
			a.mask &= i->k;
			continue;
		case BPF_RET | BPF_K:
			return make_node(s, &(struct node){.code = i->code, .k = i->k});
		case BPF_JMP | BPF_JA:
			pc += i->k;
			continue;
		default:
			if (!a.known)
				return evaluate_test(s, pc, a);
			pc += compare(BPF_OP(i->code), a.number, i->k) ? i->jt : i->jf;
		}
	}
}

/* --- code, from its end -------------------------------------------------------- */

/* Emit an instruction; its label. */
static uint32_t emit(struct shrinker *s, struct sock_filter i)
{
	if (s->len == CODE_MAX) {
		s->failed = true;
		return s->len;
	}
	s->code[s->len++] = i;
	return s->len;
}

/* A label that a conditional jump emitted at most three instructions later can reach. */
static uint32_t reachable(struct shrinker *s, uint32_t label)
{
	struct sock_filter i = s->code[label - 1];

	if (s->len - label + 3 <= UINT8_MAX)
		return label;
	if (i.code == (BPF_RET | BPF_K))
		return emit(s, i);
	return emit(s, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, s->len - label));
}

static uint32_t emit_jump(struct shrinker *s, uint16_t code, uint32_t k, uint32_t t, uint32_t f)
{
	if (t == f)
		return t;
	t = reachable(s, t);
	f = reachable(s, f);
	return emit(s, (struct sock_filter)BPF_JUMP(code, k, (uint8_t)(s->len - t), (uint8_t)(s->len - f)));
}

static uint32_t emit_node(struct shrinker *s, uint32_t id);

/* A label for going from a test of the same word, or of another. */
static uint32_t emit_next(struct shrinker *s, const struct node *from, uint32_t id)
{
	uint32_t entry = emit_node(s, id);
	const struct node *n = &s->nodes[id];

	return n->body && n->offset == from->offset && n->mask == from->mask ? n->body : entry;
}

static uint32_t emit_node(struct shrinker *s, uint32_t id)
{
	struct node *n = &s->nodes[id];
	uint32_t t, f;

	if (n->code == (BPF_RET | BPF_K)) {
		/* A copy costs no more than the jump to a far one. */
		if (n->entry == 0 || s->len - n->entry > 200)
			n->entry = emit(s, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, n->k));
		return n->entry;
	}
	if (n->entry)
		return n->entry;
	f = emit_next(s, n, n->f);
	t = emit_next(s, n, n->t);
	n->body = emit_jump(s, n->code, n->k, t, f);
	if (n->mask != UINT32_MAX)
		emit(s, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, n->mask));
	n->entry = emit(s, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, n->offset));
	return n->entry;
}

/* With the number in the accumulator: select among intervals. */
static uint32_t emit_tree(struct shrinker *s, const struct interval *v, size_t count)
{
	uint32_t left, right;

	if (count == 1)
		return emit_node(s, v->node);
	if (count == 3 && v[0].node == v[2].node && v[2].first - v[1].first == 1) {
		right = emit_node(s, v[1].node);
		left = emit_node(s, v[0].node);
		return emit_jump(s, BPF_JMP | BPF_JEQ | BPF_K, v[1].first, right, left);
	}
	right = emit_tree(s, v + count / 2, count - count / 2);
	left = emit_tree(s, v, count / 2);
	return emit_jump(s, BPF_JMP | BPF_JGE | BPF_K, v[count / 2].first, right, left);
}

static uint32_t emit_arch(struct shrinker *s, const struct interval *v, size_t count)
{
	uint32_t label = emit_tree(s, v, count);

	if (count == 1)
		return label;
	/* The tree's first instruction was emitted last. */
	return emit(s, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
}

/* The intervals of an architecture.  0: failed. */
static size_t divide(struct shrinker *s, const struct seccomp_constants *c, uint32_t arch, struct interval *out)
{
	size_t n = 0;

	s->arch = arch;
	for (size_t i = 0; i < c->numbers_count; i++) {
		uint32_t node;

		s->nr = c->numbers[i];
		s->run++;
		node = evaluate(s, 0, (struct value){.known = true});
		if (node == FAILED)
			return 0;
		if (n == 0 || out[n - 1].node != node)
			out[n++] = (struct interval){s->nr, node};
	}
	return n;
}

static bool emit_program(struct shrinker *s, const struct seccomp_constants *c)
{
	struct interval *v = arena_array(s->arena, struct interval, c->numbers_count);
	uint32_t *labels = arena_array(s->arena, uint32_t, c->archs_count), rest;
	uint32_t other = 0;
	size_t n;

	/* An architecture that no comparison names. */
	for (bool found = true; found;) {
		found = false;
		for (size_t i = 0; i < c->archs_count; i++)
			found = found || c->archs[i] == other;
		other += found;
	}
	for (size_t i = c->archs_count; i-- > 0;) {
		n = divide(s, c, c->archs[i], v);
		if (n == 0)
			return false;
		labels[i] = emit_arch(s, v, n);
	}
	n = divide(s, c, other, v);
	if (n == 0)
		return false;
	rest = emit_arch(s, v, n);
	for (size_t i = c->archs_count; i-- > 0;)
		rest = emit_jump(s, BPF_JMP | BPF_JEQ | BPF_K, c->archs[i], labels[i], rest);
	if (rest != s->len)
		return false; /* one answer for all: not worth it */
	emit(s, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
	return !s->failed;
}

bool seccomp_shrink(const struct seccomp_program *in, struct arena *a, struct seccomp_program *out)
{
	struct seccomp_constants c = {0};
	struct shrinker s = {.in = in, .arena = a};
	struct seccomp_program p;

	if (!seccomp_constants(in, a, &c))
		return false;
	s.nodes = arena_array(a, struct node, NODES_MAX);
	s.hash = arena_array(a, uint32_t, 2 * NODES_MAX);
	s.memo = arena_array(a, uint32_t, in->count);
	s.memo_run = arena_array(a, uint32_t, in->count);
	s.code = arena_array(a, struct sock_filter, CODE_MAX);
	if (!emit_program(&s, &c) || s.len >= in->count)
		return false;
	p.count = s.len;
	p.insns = arena_array(a, struct sock_filter, p.count);
	for (size_t i = 0; i < p.count; i++)
		p.insns[i] = s.code[p.count - 1 - i];
	if (!seccomp_equal(in, &p, a))
		return false;
	*out = p;
	return true;
}
