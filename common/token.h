/* common/token.h: the secret that the daemon asks for and the client sends.
 *
 * It lies in a file that only its owner can read, so whoever can read the file
 * is whoever may use the daemon. It is never on a command line, in a variable
 * of the environment, in an address or in a log.
 */
#pragma once
#include <stdbool.h>
#include "common/error.h"

// 22 characters of base64 are 132 bits.
enum { TOKEN_LEAST = 22, TOKEN_MOST = 256 };

// Letters, digits and ".-_~", TOKEN_LEAST to TOKEN_MOST of them: nothing that
// a header or a cookie would have to quote.
bool  token_is_valid(const char *text);

// The file's first line, which the caller owns; what follows must be blank.
// ERR_NOT_FOUND when there is no such file, ERR_IO when it cannot be read,
// ERR_USAGE when that is not a token. No message has the file's content.
int   token_read(const char *path, char **out, struct error *err);

// As token_read(), but a file that is not there is made first (mode 0600,
// 256 bits of the kernel's randomness), and one that others can read is
// ERR_USAGE.
int   token_make(const char *path, char **out, struct error *err);

// 32 random bytes in hexadecimal. Caller owns.
char *token_random(void);

// Whether both are the same, in a time that does not tell where they differ.
bool  token_equal(const char *a, const char *b);

// The directory where a daemon that is told nothing keeps its state: the token
// is its file `token`. What a service manager says (STATE_DIRECTORY) is first.
// Caller owns.
char *token_state_dir(void);
