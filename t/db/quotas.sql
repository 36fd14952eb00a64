-- Quotas: the hours and days that counters count, in the hosting's time zone.
BEGIN;
SELECT no_plan();

-- Hours and days --------------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.zone(p_tz text) RETURNS void LANGUAGE sql AS $$ UPDATE installation SET tz = p_tz $$;

SELECT is((SELECT tz FROM installation), 'America/Sao_Paulo', 'the hosting is in São Paulo unless it says otherwise');
SELECT is(quota_hour('2026-03-10 15:34:56.7+00'), '2026-03-10 15:00+00', 'an hour begins at its full minute');
SELECT is(quota_day('2026-03-10 02:59:59+00'), date '2026-03-09', 'a day of São Paulo lasts until 03:00 UTC');
SELECT is(quota_day('2026-03-10 03:00:00+00'), date '2026-03-10', 'and then the next one begins');
SELECT is(quota_day_end('2026-03-10'), '2026-03-11 03:00+00', 'when that is');

SELECT pg_temp.zone('Asia/Kolkata');
SELECT is(quota_hour('2026-03-10 15:29:59+00'), '2026-03-10 14:30+00', 'half an hour from Greenwich, hours begin at :30');

SELECT pg_temp.zone('America/New_York');
SELECT is(quota_hour('2026-11-01 05:30+00'), '2026-11-01 05:00+00', 'the hour before the clocks go back');
SELECT is(quota_hour('2026-11-01 06:30+00'), '2026-11-01 06:00+00', 'and the same hour once more: two hours');
SELECT is(quota_hour('2026-03-08 07:10+00'), '2026-03-08 07:00+00', 'when clocks go forward, the next hour follows');
SELECT is(quota_day_end('2026-11-01') - quota_day_end('2026-10-31'), interval '25 hours', 'that day has 25 hours');
SELECT is(quota_day_end('2026-03-08') - quota_day_end('2026-03-07'), interval '23 hours', 'and that one 23');
SELECT is((SELECT count(DISTINCT quota_hour(t)) FROM generate_series('2026-11-01 04:00+00'::timestamptz,
	'2026-11-02 04:59+00', '1 minute') t), 25::bigint, 'each of its hours is one window');
SELECT is((SELECT bool_and(quota_hour(t) <= t AND t < quota_hour(t) + interval '1 hour')
	FROM generate_series('2026-10-31 00:00+00'::timestamptz, '2026-11-03 00:00+00', '7 minutes') t), true,
	'and everything lies in the window of its time');

SELECT is(installation_tz('Europe/Lisbon'), true, 'another zone is taken');
SELECT is(installation_tz('Europe/Lisbon'), false, 'once');
SELECT throws_ok($$SELECT installation_tz('Mars/Olympus')$$, '22023', NULL, 'one that is none is not');
SELECT pg_temp.zone('UTC');

-- Counters ------------------------------------------------------------------------------------------------

SELECT make('a', 'standby');
SELECT is((SELECT (capacidade_hora, capacidade_dia, msgs_enviadas_hora, msgs_enviadas_dia, prioridade)::text
	FROM instance('a')), '(20,100,0,0,1)', 'what an instance may send');
UPDATE instances SET msgs_enviadas_hora = 7, quota_hour = '2026-03-10 15:00+00', msgs_enviadas_dia = 30,
	quota_day = '2026-03-10' WHERE name = 'a';
SELECT is(used_hour(instance('a'), '2026-03-10 15:00+00'), 7, 'of this hour');
SELECT is(used_hour(instance('a'), '2026-03-10 16:00+00'), 0, 'the next one begins with none');
SELECT is(used_hour(instance('a'), '2026-03-10 14:00+00'), 7, 'a clock set back gives nothing twice');
SELECT is(used_day(instance('a'), '2026-03-10'), 30, 'of this day');
SELECT is(used_day(instance('a'), '2026-03-11'), 0, 'the next one begins with none');
SELECT is(used_day(instance('a'), '2026-03-09'), 30, 'a clock set back gives nothing twice');

SELECT is(quotas_reset_hour(), 1, 'the hourly job empties what is over');
SELECT is((SELECT (msgs_enviadas_hora, msgs_enviadas_dia)::text FROM instance('a')), '(0,30)', 'only that');
SELECT is((instance('a')).quota_hour, quota_hour(clock_timestamp()), 'and begins the running one, so that a clock set back gives nothing twice');
SELECT is(quotas_reset_day(), 1, 'the daily one the day');
SELECT is((SELECT msgs_enviadas_dia FROM instance('a')), 0, 'of each');
UPDATE instances SET msgs_enviadas_hora = 3, quota_hour = quota_hour(clock_timestamp()), msgs_enviadas_dia = 3,
	quota_day = quota_day(clock_timestamp()) WHERE name = 'a';
SELECT is(quotas_reset_hour() + quotas_reset_day(), 0, 'run in between, they change nothing');

UPDATE instances SET quota_hour = quota_hour - interval '1 hour' WHERE name = 'a';
SELECT is(quotas_roll(), 1, 'the helper rolls them');
UPDATE instances SET msgs_enviadas_hora = 3 WHERE name = 'a';
SELECT is(quotas_roll(), 0, 'once an hour');

SELECT finish();
ROLLBACK;
