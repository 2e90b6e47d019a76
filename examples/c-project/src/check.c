/* Compares the search by halves with the plain one, which looks at every town. */
#include <math.h>
#include <stdio.h>

#include "town.h"

int main(void)
{
    struct town items[64];
    struct towns towns = { items, sizeof items / sizeof *items };
    for (size_t i = 0; i < towns.count; i++) {
        snprintf(items[i].name, sizeof items[i].name, "town %zu", i);
        items[i].place.latitude = -80.0 + 2.5 * (double)i;
        items[i].place.longitude = fmod((double)i * 77.7, 360.0) - 180.0;
    }
    for (double latitude = -89; latitude <= 89; latitude += 7)
        for (double longitude = -179; longitude <= 179; longitude += 11) {
            struct point place = { latitude, longitude };
            double best = INFINITY;
            for (size_t i = 0; i < towns.count; i++)
                best = fmin(best, distance(items[i].place, place));
            double found = distance(towns_nearest(&towns, place)->place, place);
            if (fabs(found - best) > 1e-9) {
                fprintf(stderr, "%.1f %.1f: found %.3f km, the nearest is %.3f km\n", latitude, longitude, found, best);
                return 1;
            }
        }
    puts("check: the nearest town is found everywhere");
    return 0;
}
