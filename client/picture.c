#include "client/picture.h"

#include <cairo-svg.h>
#include <gif_lib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "client/draw.h"
#include "common/mem.h"

enum { COLOURS = 256, SHADES = 28, FIVE_BITS = 1 << 15, CHANNEL = 5 };

bool picture_can(void)
{
    return true;
}

/* ---- svg, png ---- */

static cairo_status_t take_bytes(void *out, const unsigned char *bytes,
                                 unsigned n)
{
    return fwrite(bytes, 1, n, out) == n ? CAIRO_STATUS_SUCCESS
                                         : CAIRO_STATUS_WRITE_ERROR;
}

static int check(cairo_status_t status, struct error *err)
{
    return status ? fail(err, ERR_IO, "cannot draw: %s",
                         cairo_status_to_string(status)) : 0;
}

static int write_svg(const struct figure *f, FILE *out, struct error *err)
{
    cairo_surface_t *s = cairo_svg_surface_create_for_stream(
        take_bytes, out, PLOT_WIDTH, draw_height(f));
    cairo_t *cr = cairo_create(s);

    cairo_svg_surface_set_document_unit(s, CAIRO_SVG_UNIT_PX);
    draw_figure(cr, f);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    cairo_surface_finish(s);
    status = status ? status : cairo_surface_status(s);
    cairo_surface_destroy(s);
    return check(status, err);
}

// A picture in memory; ERR_IO and NULL, else the caller destroys it.
static int paint(const struct figure *f, cairo_surface_t **s,
                 struct error *err)
{
    *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, PLOT_WIDTH,
                                    draw_height(f));
    cairo_t *cr = cairo_create(*s);

    draw_figure(cr, f);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    cairo_surface_flush(*s);
    if (status) {
        cairo_surface_destroy(*s);
        *s = NULL;
    }
    return check(status, err);
}

static int write_png(const struct figure *f, FILE *out, struct error *err)
{
    cairo_surface_t *s;

    if (paint(f, &s, err))
        return err->code;
    cairo_status_t status = cairo_surface_write_to_png_stream(s, take_bytes,
                                                              out);
    cairo_surface_destroy(s);
    return check(status, err);
}

/* ---- gif ---- */

struct palette {
    GifColorType colours[COLOURS];
    int          n;
    short        nearest[FIVE_BITS];    // by five bits a channel; -1: not yet
};

static void add_colour(struct palette *p, double r, double g, double b)
{
    p->colours[p->n++] = (GifColorType){(GifByteType)(r * 255 + 0.5),
        (GifByteType)(g * 255 + 0.5), (GifByteType)(b * 255 + 0.5)};
}

// The colours of curves and ink, each in shades up to white, which is what
// smooth edges and grids are made of. No picture is looked at: all frames
// share the palette, and no colour flickers.
static void make_palette(struct palette *p)
{
    p->n = 0;
    for (int k = -1; k < draw_n_series; k++)
        for (int i = 0; i < SHADES; i++) {
            struct draw_colour c = k < 0 ? (struct draw_colour){0}
                                         : draw_series[k];
            double t = (double)i / (SHADES - 1);
            add_colour(p, c.r + t * (1 - c.r), c.g + t * (1 - c.g),
                       c.b + t * (1 - c.b));
        }
    memset(p->nearest, -1, sizeof p->nearest);
}

static int distance(const GifColorType *c, int r, int g, int b)
{
    int dr = c->Red - r, dg = c->Green - g, db = c->Blue - b;

    return dr * dr + dg * dg + db * db;
}

static GifPixelType colour_at(struct palette *p, uint32_t pixel)
{
    int r = pixel >> 16 & 255, g = pixel >> 8 & 255, b = pixel & 255;
    int key = r >> 3 << 2 * CHANNEL | g >> 3 << CHANNEL | b >> 3, best = 0;

    if (p->nearest[key] >= 0)
        return (GifPixelType)p->nearest[key];
    // Of the pixel that came first; the others are at most 7 away.
    for (int i = 1; i < p->n; i++)
        if (distance(&p->colours[i], r, g, b) <
            distance(&p->colours[best], r, g, b))
            best = i;
    p->nearest[key] = (short)best;
    return (GifPixelType)best;
}

static int take_gif(GifFileType *gif, const GifByteType *bytes, int n)
{
    return (int)fwrite(bytes, 1, (size_t)n, gif->UserData);
}

// Plays for ever, as browsers have understood it since Netscape's.
static bool put_loop(GifFileType *gif)
{
    static const char name[] = "NETSCAPE2.0";
    static const unsigned char for_ever[] = {1, 0, 0};

    return EGifPutExtensionLeader(gif, APPLICATION_EXT_FUNC_CODE) &&
           EGifPutExtensionBlock(gif, sizeof name - 1, name) &&
           EGifPutExtensionBlock(gif, sizeof for_ever, for_ever) &&
           EGifPutExtensionTrailer(gif);
}

static bool put_frame(GifFileType *gif, cairo_surface_t *s, struct palette *p)
{
    GraphicsControlBlock control = {
        .DisposalMode = DISPOSE_DO_NOT, .DelayTime = GIF_FRAME_CENTISECONDS,
        .TransparentColor = NO_TRANSPARENT_COLOR};
    int width = gif->SWidth, height = gif->SHeight;
    int stride = cairo_image_surface_get_stride(s);
    const unsigned char *pixels = cairo_image_surface_get_data(s);
    GifByteType block[4];
    GifPixelType *line = xmalloc((size_t)width);

    EGifGCBToExtension(&control, block);
    bool fine = EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, sizeof block,
                                 block) &&
                EGifPutImageDesc(gif, 0, 0, width, height, false, NULL);
    for (int y = 0; y < height && fine; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)
                              (pixels + (size_t)y * (size_t)stride);
        for (int x = 0; x < width; x++)
            line[x] = colour_at(p, row[x]);
        fine = EGifPutLine(gif, line, width);
    }
    free(line);
    return fine;
}

static int write_gif(const struct figure *figures, int n, FILE *out,
                     struct error *err)
{
    struct palette *p = xmalloc(sizeof *p);
    cairo_surface_t *s;
    int reason = 0, rc = 0;
    GifFileType *gif = EGifOpen(out, take_gif, &reason);

    make_palette(p);
    ColorMapObject *map = GifMakeMapObject(COLOURS, NULL);
    memcpy(map->Colors, p->colours, (size_t)p->n * sizeof *p->colours);
    EGifSetGifVersion(gif, true);
    bool fine = EGifPutScreenDesc(gif, PLOT_WIDTH, draw_height(figures), 8, 0,
                                  map) && put_loop(gif);
    for (int i = 0; i < n && fine && !rc; i++) {
        rc = paint(&figures[i], &s, err);
        if (!rc) {
            fine = put_frame(gif, s, p);
            cairo_surface_destroy(s);
        }
    }
    if (!fine)
        rc = fail(err, ERR_IO, "cannot draw: %s",
                  GifErrorString(gif->Error));
    EGifCloseFile(gif, &reason);
    GifFreeMapObject(map);
    free(p);
    return rc;
}

int picture_write(enum picture_kind kind, const struct figure *figures, int n,
                  FILE *out, struct error *err)
{
    switch (kind) {
    case PICTURE_SVG:
        return write_svg(figures, out, err);
    case PICTURE_PNG:
        return write_png(figures, out, err);
    default:
        return write_gif(figures, n, out, err);
    }
}
