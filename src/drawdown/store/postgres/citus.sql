-- What only a database with Citus has: its catalogue and its functions.

-- name: has_citus
SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')

-- 0 is the coordinator.
-- name: local_group
SELECT groupid FROM pg_dist_local_group

-- name: distributed_tables
SELECT c.relname::text FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid

-- name: make_reference
SELECT create_reference_table($1::text::regclass)

-- name: make_first_distributed
SELECT create_distributed_table($1::text::regclass, 'slot', colocate_with => 'none')

-- name: make_distributed
SELECT create_distributed_table($1::text::regclass, 'slot', colocate_with => 'customer')

-- Where each shard is; nowhere to connect to (null) is with the coordinator. One that is being moved is
-- where it was until it is finalized (1) there.
-- name: shards
SELECT s.shardid, CASE WHEN n.groupid <> 0 AND n.metadatasynced THEN n.nodename END, n.nodeport
FROM pg_dist_shard s
JOIN pg_dist_placement p ON p.shardid = s.shardid AND p.shardstate = 1
JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'
WHERE s.logicalrelid = 'customer'::regclass
ORDER BY s.shardid

-- name: slot_shards
SELECT get_shard_id_for_distribution_column('customer', s)
FROM generate_series(0, 16383) AS s ORDER BY s
