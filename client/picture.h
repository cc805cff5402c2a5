/* client/picture.h: figures as files: svg, png, and gif with a figure a frame.
 *
 * Drawn by cairo and giflib where the build has them (meson's option
 * `pictures`); elsewhere picture_write() is ERR_STATE with a line that says so.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include "client/plot.h"
#include "common/error.h"

enum picture_kind { PICTURE_SVG, PICTURE_PNG, PICTURE_GIF };

enum { GIF_FRAME_CENTISECONDS = 100 };  // the notebook's one frame a second

bool picture_can(void);                 // this build draws
int  picture_write(enum picture_kind kind, const struct figure *figures, int n,
                   FILE *out, struct error *err);
