\set fifth random(1, 5)
\set other random(1, :customers - 1)
\set number case when :fifth = 1 then 0 else :other end
\set key random(1, 9000000000000000000)
SELECT debit('cus_' || lpad((:number)::text, 8, '0'), 'api', 3, :key || '-' || :client_id);
