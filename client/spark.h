/* client/spark.h: histograms and axes out of block characters.
 *
 * An axis is a range of whole decades over a number of columns. Heights are
 * drawn in eighths of a row, upwards; in a locale without UTF-8 by characters
 * of growing darkness.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct axis { int low, high, columns; };        // log10 of the ends

// Grows the axis until 10^x lies on it; an axis with low > high is empty.
void spark_widen(struct axis *a, double log10_least, double log10_most);

// Adds the mass of a bin to the columns that it covers.
void spark_add(const struct axis *a, double log10_left, double log10_right,
               double mass, double *columns);

// One row of text of a picture `rows` high (row 0 is the top), without a
// newline. A column of `most` fills the picture; zero is blank.
void   spark_row(FILE *out, const double *columns, int n, double most, int row,
                 int rows, bool utf8);
double spark_most(const double *columns, int n);

// The axis as two lines of text with a newline each, `indent` blanks before:
// ticks at decades, labels where there is room, always at both ends.
void spark_axis(FILE *out, const struct axis *a, int indent, bool utf8);

// A bar of n columns, filled to `share` of 1, without a newline.
void spark_bar(FILE *out, double share, int n, bool utf8);
