/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: classic BPF as seccomp(2) defines it, for checking
 * programs without loading them.  Only what the kernel accepts in a filter:
 * aligned 32-bit loads from struct seccomp_data, jumps forward, arithmetic on
 * the accumulator, scratch memory, a constant or the accumulator returned.
 */
#include "runtime/facility/seccomp_program.h"

#include <string.h>

static bool alu(uint16_t op, uint32_t *a, uint32_t v)
{
	switch (op) {
	case BPF_ADD:
		*a += v;
		return true;
	case BPF_SUB:
		*a -= v;
		return true;
	case BPF_AND:
		*a &= v;
		return true;
	case BPF_OR:
		*a |= v;
		return true;
	case BPF_XOR:
		*a ^= v;
		return true;
	case BPF_LSH:
		*a = v < 32 ? *a << v : 0;
		return true;
	case BPF_RSH:
		*a = v < 32 ? *a >> v : 0;
		return true;
	default:
		return false;
	}
}

bool seccomp_run(const struct seccomp_program *p, const struct seccomp_data *data, uint32_t *result, bool *looked)
{
	uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = {0};

	for (size_t pc = 0; pc < p->count; pc++) {
		const struct sock_filter *i = &p->insns[pc];
		uint32_t v = BPF_SRC(i->code) == BPF_X ? x : i->k;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k % 4 || i->k > sizeof *data - 4)
				return false;
			memcpy(&a, (const char *)data + i->k, 4);
			if (looked && i->k > offsetof(struct seccomp_data, arch))
				*looked = true;
			continue;
		case BPF_LD | BPF_IMM:
			a = i->k;
			continue;
		case BPF_LDX | BPF_IMM:
			x = i->k;
			continue;
		case BPF_LD | BPF_MEM:
		case BPF_LDX | BPF_MEM:
		case BPF_ST:
		case BPF_STX:
			if (i->k >= BPF_MEMWORDS)
				return false;
			if (i->code == (BPF_LD | BPF_MEM))
				a = mem[i->k];
			else if (i->code == (BPF_LDX | BPF_MEM))
				x = mem[i->k];
			else
				mem[i->k] = i->code == BPF_ST ? a : x;
			continue;
		case BPF_MISC | BPF_TAX:
			x = a;
			continue;
		case BPF_MISC | BPF_TXA:
			a = x;
			continue;
		case BPF_RET | BPF_K:
			*result = i->k;
			return true;
		case BPF_RET | BPF_A:
			*result = a;
			return true;
		case BPF_JMP | BPF_JA:
			if (i->k >= p->count - pc)
				return false;
			pc += i->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JEQ | BPF_X:
			pc += a == v ? i->jt : i->jf;
			continue;
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_X:
			pc += a > v ? i->jt : i->jf;
			continue;
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_X:
			pc += a >= v ? i->jt : i->jf;
			continue;
		case BPF_JMP | BPF_JSET | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_X:
			pc += a & v ? i->jt : i->jf;
			continue;
		default:
			if (BPF_CLASS(i->code) != BPF_ALU || !alu(BPF_OP(i->code), &a, v))
				return false;
		}
	}
	return false;
}
