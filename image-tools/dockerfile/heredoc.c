/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a heredoc is a whole word [digits]<<[-]NAME of an instruction that takes them.  Words are found
 * with expand_words() over the complete instruction, variables, quotes and escapes left as they are; a line on which a
 * quote is not closed announces none.  The name is the word without its quotes; when it had any, the body is not
 * expanded.  The escape character here is always the backslash, whatever "# escape=" says: the words are those that the
 * shell will see.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "image-tools/dockerfile/internal.h"

static size_t count_quotes(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '"' || *s == '\'';
	return n;
}

int heredoc_word(struct arena *a, const char *word, struct dockerfile_heredoc *h, struct error *err)
{
	struct expand_options o = { .skip_unset = true };
	struct string_list plain, raw;
	unsigned long descriptor = 0;
	int r;

	*h = (struct dockerfile_heredoc){ 0 };
	for (; *word >= '0' && *word <= '9'; word++)
		if (descriptor < UINT_MAX)
			descriptor = descriptor * 10 + (unsigned long)(*word - '0');
	if (word[0] != '<' || word[1] != '<')
		return 0;
	word += 2;
	h->chomp = *word == '-';
	word += h->chomp;
	if (!*word || strchr(word, '<'))
		return 0;
	r = expand_words(a, word, &o, &plain, err);
	if (r < 0)
		return r;
	if (plain.count != 1)
		return 0;
	o.raw_quotes = true;
	r = expand_words(a, word, &o, &raw, err);
	if (r < 0)
		return r;
	if (raw.count != 1)
		return 0;
	h->name = plain.items[0];
	h->expand = count_quotes(plain.items[0]) == count_quotes(raw.items[0]);
	h->descriptor = descriptor > UINT_MAX ? UINT_MAX : (unsigned)descriptor;
	return 1;
}

int heredocs_announced(struct arena *a, const char *line, struct dockerfile_heredoc **out, size_t *count, struct error *err)
{
	struct expand_options o = { .raw_quotes = true, .raw_escapes = true, .skip_unset = true };
	struct string_list words;

	*out = NULL;
	*count = 0;
	if (!strstr(line, "<<") || expand_words(a, line, &o, &words, NULL) < 0)
		return 0;
	for (size_t i = 0; i < words.count; i++) {
		struct dockerfile_heredoc h;
		int r = heredoc_word(a, words.items[i], &h, err);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (*count == 0)
			*out = arena_array(a, struct dockerfile_heredoc, words.count);
		(*out)[(*count)++] = h;
	}
	return 0;
}

const char *heredoc_chomp(struct arena *a, const char *content)
{
	struct text t = { .arena = a };

	while (*content) {
		size_t n;

		content += strspn(content, "\t");
		n = strcspn(content, "\n");
		n += content[n] == '\n';
		text_add(&t, content, n);
		content += n;
	}
	return text_finish(&t);
}
