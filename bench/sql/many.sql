\set key random(1, 9000000000000000000)
SELECT debit('cus_many', 'api', 3, :key || '-' || :client_id);
