/* common/log.h: one message a line to stderr: time, level, text; or the same as
 * a JSON object.
 *
 * error: someone must act. warn: went on, but not as asked. info: a few lines
 * per job. debug: never per step. Safe to call from any thread.
 */
#pragma once

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

void log_set_level(enum log_level most);        // LOG_INFO at the start
void log_set_format(enum log_format format);    // LOG_TEXT at the start
__attribute__((format(printf, 2, 3)))
void log_line(enum log_level level, const char *fmt, ...);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
