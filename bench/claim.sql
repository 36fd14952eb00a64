\set n random(1, 1000000)
SELECT outcome FROM pool_claim(('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid, '', NULL, 0);
WITH c AS MATERIALIZED (SELECT id FROM instances WHERE lifecycle IN ('provisioning', 'recycling') ORDER BY work_next_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
UPDATE instances i SET lifecycle = 'standby', work_token = gen_random_uuid() FROM c WHERE i.id = c.id;
SELECT pool_release(('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid, NULL, 'bench');
