/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see wire.h.  A text is its bytes with the final NUL, or no bytes at all for NULL. */
#include "runtime/systemd/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

static char *grow(struct wire *w, size_t len)
{
	char *p;

	if (w->room - w->len < len) {
		size_t room = (w->len + len) * 2 + 512;
		char *data = arena_alloc(w->arena, room);

		if (w->len)
			memcpy(data, w->data, w->len);
		w->data = data;
		w->room = room;
	}
	p = w->data + w->len;
	w->len += len;
	return p;
}

void wire_put_u64(struct wire *w, uint64_t value)
{
	memcpy(grow(w, sizeof value), &value, sizeof value);
}

void wire_put_bytes(struct wire *w, const void *data, size_t len)
{
	wire_put_u64(w, len);
	if (len)
		memcpy(grow(w, len), data, len);
}

void wire_put_text(struct wire *w, const char *text)
{
	wire_put_bytes(w, text, text ? strlen(text) + 1 : 0);
}

void wire_put_properties(struct wire *w, const struct property_list *list)
{
	wire_put_u64(w, list->count);
	for (size_t i = 0; i < list->count; i++) {
		const struct property *p = &list->items[i];

		wire_put_text(w, p->name);
		wire_put_u64(w, p->type);
		wire_put_u64(w, p->optional);
		switch (p->type) {
		case PROPERTY_STRING:
			wire_put_text(w, p->string);
			break;
		case PROPERTY_STRINGS:
		case PROPERTY_DEVICES:
			wire_put_u64(w, p->count);
			for (size_t k = 0; k < p->count; k++)
				wire_put_text(w, p->strings[k]);
			break;
		case PROPERTY_BYTES:
			wire_put_bytes(w, p->bytes, p->count);
			break;
		default:
			wire_put_bytes(w, &p->u, sizeof p->u); /* every other value is in the union's eight bytes */
			break;
		}
	}
}

uint64_t wire_get_u64(struct wire *w)
{
	uint64_t value = 0;

	if (w->bad || w->len - w->at < sizeof value) {
		w->bad = true;
		return 0;
	}
	memcpy(&value, w->data + w->at, sizeof value);
	w->at += sizeof value;
	return value;
}

const void *wire_get_bytes(struct wire *w, size_t *len)
{
	uint64_t n = wire_get_u64(w);
	const void *p;

	*len = 0;
	if (w->bad || w->len - w->at < n) {
		w->bad = true;
		return NULL;
	}
	p = w->data + w->at;
	w->at += n;
	*len = n;
	return n ? p : NULL;
}

const char *wire_get_text(struct wire *w)
{
	size_t len;
	const char *text = wire_get_bytes(w, &len);

	if (text && text[len - 1] != '\0') {
		w->bad = true;
		return NULL;
	}
	return text;
}

static void get_value(struct wire *w, struct property *p)
{
	const void *value;
	size_t len;

	switch (p->type) {
	case PROPERTY_STRING:
		p->string = wire_get_text(w);
		w->bad |= !p->string;
		break;
	case PROPERTY_STRINGS:
	case PROPERTY_DEVICES:
		p->count = wire_get_u64(w);
		w->bad |= p->count > w->len;
		if (w->bad)
			return;
		p->strings = arena_alloc(w->arena, (p->count + 1) * sizeof *p->strings);
		for (size_t i = 0; i < p->count && !w->bad; i++) {
			p->strings[i] = wire_get_text(w);
			w->bad |= !p->strings[i];
		}
		break;
	case PROPERTY_BYTES:
		p->bytes = wire_get_bytes(w, &p->count);
		break;
	default:
		value = wire_get_bytes(w, &len);
		if (len == sizeof p->u)
			memcpy(&p->u, value, sizeof p->u);
		else
			w->bad = true;
		break;
	}
}

void wire_get_properties(struct wire *w, struct property_list *list)
{
	uint64_t count = wire_get_u64(w);

	*list = (struct property_list){ .arena = w->arena };
	w->bad |= count > w->len;
	if (w->bad)
		return;
	list->items = arena_alloc(w->arena, (count + 1) * sizeof *list->items);
	memset(list->items, 0, (count + 1) * sizeof *list->items);
	list->room = count;
	for (uint64_t i = 0; i < count && !w->bad; i++) {
		struct property *p = &list->items[i];

		p->name = wire_get_text(w);
		p->type = (enum property_type)wire_get_u64(w);
		p->optional = wire_get_u64(w);
		w->bad |= !p->name;
		get_value(w, p);
		list->count++;
	}
}

static int send_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int wire_send(int fd, const struct wire *w)
{
	uint32_t len = (uint32_t)w->len;
	int r;

	if (w->len > WIRE_MAX)
		return -EMSGSIZE;
	r = send_all(fd, &len, sizeof len);
	return r < 0 ? r : send_all(fd, w->data, w->len);
}

int wire_receive(int fd, struct wire *w)
{
	uint32_t len = 0;
	ssize_t n = fd_read_full(fd, &len, sizeof len);

	if (n <= 0)
		return (int)n;
	if (n != sizeof len || len > WIRE_MAX)
		return -EBADMSG;
	w->data = arena_alloc(w->arena, len + 1U);
	w->len = w->room = len;
	w->at = 0;
	w->bad = false;
	n = fd_read_full(fd, w->data, len);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 1 : -EBADMSG;
}
