/* common/job_kind_own.h: what job_kind.c has for job_rules.c. Not for others.
 */
#pragma once
#include "common/job_kind.h"

#define KIND(stem, reader, writer, ...) \
    const struct job_kind kind_##stem = \
        { .read = reader, .write = writer, .wants = __VA_ARGS__ }

// A field's place in a job.
void       *job_member(const struct job_field *f, struct job *job);
const void *job_member_of(const struct job_field *f, const struct job *job);

// The place of a word in "sgd|adam|adamw", or -1.
int job_word_find(const char *values, const char *text);

// Copies a string that fits; its content has been checked.
int     job_text_store(const struct job_field *f, const json_t *v,
                       struct job *job);
json_t *job_text_write(const struct job_field *f, const struct job *job);

// 16.0 and 1e3 are whole numbers too: languages with one number type write them
// so. Limits are at most 2^53, so a double holds every good value.
bool job_whole_number(const json_t *v, double low, double high, int64_t *out);
bool job_real_number(const json_t *v, double low, double high, double *out);
void job_store_whole(const struct job_field *f, int64_t x, struct job *job);
int  job_integer_read(const struct job_field *f, const json_t *v,
                      struct job *job);
json_t *job_integer_write(const struct job_field *f, const struct job *job);
