#include "geo.h"

#include <math.h>

static const double EARTH_RADIUS = 6371.0;
static const double RADIANS = 3.14159265358979323846 / 180.0;

double distance(struct point a, struct point b)
{
    double north = sin((b.latitude - a.latitude) * RADIANS / 2);
    double east = sin((b.longitude - a.longitude) * RADIANS / 2);
    double h = north * north + cos(a.latitude * RADIANS) * cos(b.latitude * RADIANS) * east * east;
    return 2 * EARTH_RADIUS * asin(sqrt(h < 1 ? h : 1));
}

double latitude_distance(double a, double b)
{
    return fabs(a - b) * RADIANS * EARTH_RADIUS;
}
