#include <stdio.h>

int main(int count, char **words) {
    FILE *file = fopen("written", "w");
    for (int i = 1; i < count; i++)
        fprintf(file, "%s\n", words[i]);
    return fclose(file);
}
