-- As much of Citus as the store asks of it, on plain PostgreSQL: its catalogue, its functions, and a map of
-- four shards. Every shard is on a server of its own, all of which are this one. Unlike Citus it does not
-- bear with a transaction of a server of the ledger that writes into two shards.
CREATE TABLE pg_dist_local_group (groupid int);
INSERT INTO pg_dist_local_group VALUES (0);
CREATE TABLE pg_dist_partition (logicalrelid regclass PRIMARY KEY, partmethod "char", colocated text);
CREATE TABLE pg_dist_shard (logicalrelid regclass, shardid bigint);
CREATE TABLE pg_dist_placement (shardid bigint, shardstate int, groupid int);
CREATE TABLE pg_dist_node
  (groupid int, nodename text, nodeport int, noderole text, metadatasynced boolean);
INSERT INTO pg_dist_node SELECT n, :'host', 5432, 'primary', true FROM generate_series(1, 4) n;

CREATE FUNCTION stay_in_one_shard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  here text := coalesce(NEW.slot, OLD.slot) % 4;
  before text := current_setting('fake.shard', true);
BEGIN
  IF current_setting('application_name') = 'drawdown' THEN
    IF before <> '' AND before <> here THEN
      RAISE EXCEPTION 'a transaction writes into shards % and % (%)', before, here, TG_TABLE_NAME;
    END IF;
    PERFORM set_config('fake.shard', here, true);
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;

CREATE FUNCTION create_reference_table(t regclass) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pg_dist_partition VALUES (t, 'n')
$$;

CREATE FUNCTION create_distributed_table(t regclass, by_column text, colocate_with text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pg_dist_partition SELECT t, 'h', colocate_with FROM pg_attribute
    WHERE attrelid = t AND attname = by_column;
  INSERT INTO pg_dist_shard SELECT t, 102000 + t::oid::bigint * 10 + n FROM generate_series(1, 4) n;
  INSERT INTO pg_dist_placement
    SELECT 102000 + t::oid::bigint * 10 + n, 1, n FROM generate_series(1, 4) n;
  EXECUTE format('CREATE TRIGGER stay_in_one_shard BEFORE INSERT OR UPDATE OR DELETE ON %s '
    'FOR EACH ROW EXECUTE FUNCTION stay_in_one_shard()', t);
END $$;

CREATE FUNCTION get_shard_id_for_distribution_column(t regclass, slot int) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT min(shardid) + slot % 4 FROM pg_dist_shard WHERE logicalrelid = t
$$;

SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT 16000, 'citus', oid, 2200, false, '13.2-1' FROM pg_roles WHERE rolname = current_user;
