/* client/draw.h: figures on a cairo surface. */
#pragma once
#include <cairo.h>
#include "client/plot.h"

// Red, green and blue from 0 to 1.
struct draw_colour { double r, g, b; };
extern const struct draw_colour draw_series[];
extern const int                draw_n_series;

int  draw_height(const struct figure *f);       // pixels; PLOT_WIDTH wide
void draw_figure(cairo_t *cr, const struct figure *f);
