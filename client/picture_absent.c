/* Pictures in a build without cairo and giflib. */
#include "client/picture.h"

bool picture_can(void)
{
    return false;
}

int picture_write(enum picture_kind kind, const struct figure *figures, int n,
                  FILE *out, struct error *err)
{
    (void)kind;
    (void)figures;
    (void)n;
    (void)out;
    return fail(err, ERR_STATE, "this gradwatch was built without pictures; "
                "install libcairo2-dev and libgif-dev and build it with "
                "-Dpictures=enabled");
}
