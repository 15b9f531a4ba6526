/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher's ELF file as bytes; see launcher.c. */
	.section .rodata
	.globl launcher_begin
	.globl launcher_end
launcher_begin:
#if defined __x86_64__ || defined __aarch64__
	.incbin "runtime/launcher/launcher.bin"
#endif
launcher_end:
	.byte 0
	.section .note.GNU-stack, "", %progbits
