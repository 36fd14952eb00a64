#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/load/load.h"

static int
by_us(const void *a, const void *b)
{
	const struct outcome *x = a, *y = b;

	return x->us < y->us ? -1 : x->us > y->us;
}

static void
print_statuses(const struct outcome *all, size_t n)
{
	size_t count[600] = {0};
	const char *comma = "";

	for (size_t i = 0; i < n; i++)
		count[all[i].status < 600 ? all[i].status : 0]++;
	printf("\"statuses\": {");
	for (int s = 0; s < 600; s++)
		if (count[s] > 0) {
			printf("%s\"%d\": %zu", comma, s, count[s]);
			comma = ", ";
		}
	printf("}");
}

void
report(struct outcome *all, size_t n, double seconds, const char *more)
{
	static const double points[] = {1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100};
	const char *comma = "";

	printf("{\"requests\": %zu, \"seconds\": %.3f, \"per_second\": %.1f, ", n,
		seconds, seconds > 0 ? (double)n / seconds : 0);
	print_statuses(all, n);
	qsort(all, n, sizeof(*all), by_us);
	printf(", \"ms\": {");
	for (size_t i = 0; n > 0 && i < sizeof(points) / sizeof(points[0]); i++) {
		size_t at = (size_t)ceil(points[i] / 100 * (double)n);

		printf("%s\"p%g\": %.3f", comma, points[i],
			all[at > 0 ? at - 1 : 0].us / 1000.0);
		comma = ", ";
	}
	printf("}%s}\n", more);
}
