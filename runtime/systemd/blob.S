/* SPDX-License-Identifier: Apache-2.0 */
/* The systemd helper's ELF file as bytes; see helper.c. */
	.section .rodata
	.globl systemd_helper_begin
	.globl systemd_helper_end
	.balign 4096
systemd_helper_begin:
	.incbin "runtime/systemd/helper.bin"
systemd_helper_end:
	.byte 0
	.section .note.GNU-stack, "", %progbits
