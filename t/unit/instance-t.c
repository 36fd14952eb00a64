#include "lib/instance.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/unit.h"

static struct instance
an_instance(const char *lifecycle, const char *status)
{
	struct instance i = {.id = "0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01",
		.name = "vendas",
		.phone = "5511988887777@c.us",
		.profile = "Maria"};

	strcpy(i.lifecycle, lifecycle);
	strcpy(i.status, status);
	return i;
}

START_TEST(online_is_assigned_and_working)
{
	static const struct {
		const char *lifecycle, *status;
		bool online;
	} cases[] = {{"assigned", "WORKING", true}, {"assigned", "FAILED", false},
		{"assigned", "MISSING", false}, {"assigned", "working", false},
		{"recycling", "WORKING", false}, {"standby", "STOPPED", false}};

	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		struct instance i = an_instance(cases[k].lifecycle, cases[k].status);

		ck_assert_msg(instance_is_online(&i) == cases[k].online, "%s %s",
			cases[k].lifecycle, cases[k].status);
		ck_assert_str_eq(instance_status(&i),
			cases[k].online ? "connected" : "disconnected");
	}
}
END_TEST

START_TEST(phones_are_in_the_json_only_if_asked_for)
{
	struct instance i = an_instance("assigned", "WORKING");
	json_t *with = instance_json(&i, true), *without = instance_json(&i, false);
	char *text = json_dumps(without, 0);

	ck_assert_str_eq(json_string_value(json_object_get(with, "numero_telefone")),
		"5511988887777@c.us");
	ck_assert_str_eq(
		json_string_value(json_object_get(with, "profileName")), "Maria");
	ck_assert_ptr_null(strstr(text, "5511988887777"));
	ck_assert_ptr_null(strstr(text, "Maria"));
	free(text);
	json_decref(with);
	json_decref(without);
}
END_TEST

START_TEST(what_is_not_there_is_null)
{
	struct instance i = an_instance("standby", "STOPPED");
	json_t *o = instance_json(&i, true);

	ck_assert(json_is_null(json_object_get(o, "userId")));
	ck_assert(json_is_null(json_object_get(o, "pairedAt")));
	ck_assert(json_is_null(json_object_get(o, "healthReason")));
	ck_assert(json_is_false(json_object_get(o, "online")));
	json_decref(o);
}
END_TEST

START_TEST(events_without_a_duration_have_none)
{
	struct instance_event rows[] = {{.at = "2026-11-21T02:57:36.725Z",
						.kind = "command",
						.duration_ms = -1},
		{.at = "2026-11-21T02:57:37.000Z", .kind = "repair", .duration_ms = 0}};
	struct instance_trail trail = {.rows = rows, .n = 2};
	json_t *list = instance_trail_json(&trail);

	ck_assert(json_is_null(json_object_get(json_array_get(list, 0), "durationMs")));
	ck_assert_int_eq(json_integer_value(json_object_get(
				 json_array_get(list, 1), "durationMs")),
		0);
	json_decref(list);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {online_is_assigned_and_working,
		phones_are_in_the_json_only_if_asked_for, what_is_not_there_is_null,
		events_without_a_duration_have_none, NULL};

	return unit_main(unit_suite("instance", tests));
}
