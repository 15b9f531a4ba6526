/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_TASK_H
#define OCI_RT_SHIM_TASK_H

#include "shim/container.h"
#include "shim/ttrpc.h"

/* The task service: one handler per method.  task_services are the names it is served under. */
extern const struct method task_methods[];
extern const char *const task_services[];

void task_create(struct call *call); /* task-create.c */
void task_start(struct call *call);  /* task-start.c */
void task_exec(struct call *call);   /* task-start.c */
void task_delete(struct call *call); /* task-delete.c */
void task_kill(struct call *call);   /* task-control.c */
void task_pause(struct call *call);
void task_resume(struct call *call);
void task_update(struct call *call);
void task_checkpoint(struct call *call);
void task_close_io(struct call *call);
void task_resize_pty(struct call *call);
void task_state(struct call *call); /* task-query.c */
void task_wait(struct call *call);
void task_pids(struct call *call);
void task_stats(struct call *call);
void task_connect(struct call *call);
void task_shutdown(struct call *call);

/* Answer a Wait with the exit of p. */
void task_answer_wait(struct call *call, const struct proc *p);

/* Answer with the empty message. */
void task_reply_empty(struct call *call);

/* End of the shim (server.c): Shutdown was asked for; a container has left the table. */
void server_shutdown(void);
void server_container_gone(void);

#endif
