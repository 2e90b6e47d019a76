#ifndef TOWN_H
#define TOWN_H

#include <stddef.h>

#include "geo.h"

struct town {
    char name[48];
    struct point place;
};

/* Towns, sorted from south to north. */
struct towns {
    struct town *items;
    size_t count;
};

/* Reads "latitude TAB longitude TAB name" lines. Returns 0, or the number of the line that is wrong, or -1 with errno. */
long towns_read(struct towns *towns, const char *path);

/* The town nearest to a place; NULL where there are none. */
const struct town *towns_nearest(const struct towns *towns, struct point place);

void towns_free(struct towns *towns);

#endif
