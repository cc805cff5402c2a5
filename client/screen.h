/* client/screen.h: a watched job as a picture that is redrawn in place.
 */
#pragma once
#include "client/client.h"
#include "client/run.h"
#include "client/spark.h"

// The picture as lines of text, at most c->rows - 1 of them and none wider
// than c->columns - 1; *axis grows with what is drawn and is kept from call to
// call, starting with low > high. The caller owns the text.
char *screen_compose(const struct client *c, const struct run *run, bool lost,
                     struct axis *axis);

// Draws over what was drawn before; the cursor is hidden from the first
// screen_draw() to screen_end(), which leaves the picture where it is.
void screen_draw(const struct client *c, const char *picture);
void screen_end(void);
