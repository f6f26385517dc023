\set number random(0, :customers - 1)
\set key random(1, 9000000000000000000)
SELECT debit('cus_' || lpad((:number)::text, 8, '0'), 'api', 3, :key || '-' || :client_id);
