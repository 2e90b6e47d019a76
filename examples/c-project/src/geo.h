#ifndef GEO_H
#define GEO_H

/* A place on the earth, in degrees. */
struct point {
    double latitude;
    double longitude;
};

/* The length of the shortest way between two places, in kilometres. */
double distance(struct point a, struct point b);

/* A lower bound for the distance of two places that lie on these latitudes: cheap to compute. */
double latitude_distance(double a, double b);

#endif
