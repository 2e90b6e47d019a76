#include "town.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

long towns_read(struct towns *towns, const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return -1;
    size_t room = 16;
    char line[128];
    towns->count = 0;
    towns->items = malloc(room * sizeof *towns->items);
    for (long number = 1; towns->items != NULL && fgets(line, sizeof line, file) != NULL; number++) {
        struct town town;
        if (sscanf(line, "%lf\t%lf\t%47[^\n]", &town.place.latitude, &town.place.longitude, town.name) != 3) {
            fclose(file);
            towns_free(towns);
            return number;
        }
        if (towns->count == room) {
            room *= 2;
            struct town *grown = realloc(towns->items, room * sizeof *grown);
            if (grown == NULL)
                break;
            towns->items = grown;
        }
        towns->items[towns->count++] = town;
    }
    fclose(file);
    return towns->items == NULL ? -1 : 0;
}

/* The first town that is not south of a latitude. */
static size_t lower_bound(const struct towns *towns, double latitude)
{
    size_t low = 0, high = towns->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (towns->items[middle].place.latitude < latitude)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct town *towns_nearest(const struct towns *towns, struct point place)
{
    const struct town *best = NULL;
    double best_distance = INFINITY;
    size_t north = lower_bound(towns, place.latitude), south = north;

    /* Outwards in both directions, until latitude alone is farther away than the best. */
    while (north < towns->count || south > 0) {
        const struct town *next[2] = {
            north < towns->count ? &towns->items[north++] : NULL,
            south > 0 ? &towns->items[--south] : NULL,
        };
        for (int i = 0; i < 2; i++) {
            if (next[i] == NULL)
                continue;
            if (latitude_distance(next[i]->place.latitude, place.latitude) > best_distance) {
                if (i == 0)
                    north = towns->count;
                else
                    south = 0;
                continue;
            }
            double d = distance(next[i]->place, place);
            if (d < best_distance) {
                best_distance = d;
                best = next[i];
            }
        }
    }
    return best;
}

void towns_free(struct towns *towns)
{
    free(towns->items);
    towns->items = NULL;
    towns->count = 0;
}
