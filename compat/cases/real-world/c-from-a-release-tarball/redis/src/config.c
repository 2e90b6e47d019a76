#include <stdio.h>

#define createBoolConfig(name, alias, flags, value, end) { name, value }

struct { const char *name; int value; } configs[] = {
    createBoolConfig("protected-mode", NULL, 0, 1, 0),
};

int main(void) { return printf("%s %d\n", configs[0].name, configs[0].value) < 0; }
