#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "town.h"

int main(int argc, char **argv)
{
    if (argc < 4 || argc % 2 != 0) {
        fprintf(stderr, "usage: nearest TOWNS LATITUDE LONGITUDE [LATITUDE LONGITUDE]...\n");
        return 2;
    }
    struct towns towns;
    long wrong = towns_read(&towns, argv[1]);
    if (wrong != 0) {
        if (wrong < 0)
            fprintf(stderr, "nearest: %s: %s\n", argv[1], strerror(errno));
        else
            fprintf(stderr, "nearest: %s:%ld: expected latitude, longitude, name\n", argv[1], wrong);
        return 1;
    }
    for (int i = 2; i + 1 < argc; i += 2) {
        struct point place = { strtod(argv[i], NULL), strtod(argv[i + 1], NULL) };
        const struct town *town = towns_nearest(&towns, place);
        if (town == NULL)
            printf("%.4f %.4f: there are no towns\n", place.latitude, place.longitude);
        else
            printf("%.4f %.4f: %s, %.1f km away, of %zu towns\n", place.latitude, place.longitude, town->name,
                   distance(town->place, place), towns.count);
    }
    towns_free(&towns);
    return 0;
}
