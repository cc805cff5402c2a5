/* manual/pages.h: what the manual says beyond the tables. */
#pragma once
#include <stdio.h>

void page_gradwatch(FILE *out);         // gradwatch.1
void page_gradwatchd(FILE *out);        // gradwatchd.8
void page_train(FILE *out);             // gradwatch-train.1
void page_config(FILE *out);            // gradwatchd.conf.5
void sample_config(FILE *out);          // gradwatchd.conf, all of it comments
