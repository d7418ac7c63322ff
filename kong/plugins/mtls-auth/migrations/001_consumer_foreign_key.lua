-- Tables of 0.1.0 have the foreign key without a name. Kong takes the one that Postgres
-- made up for that of the workspace, so an unknown consumer was answered 500.
return {
  postgres = {
    up = [[
      DO $$
      BEGIN
        ALTER TABLE IF EXISTS ONLY "mtls_auth_credentials"
          RENAME CONSTRAINT "mtls_auth_credentials_consumer_id_ws_id_fkey" TO "mtls_auth_credentials_consumer_id_fkey";
      EXCEPTION WHEN UNDEFINED_OBJECT THEN
        -- It has its name.
      END$$;
    ]],
  },
}
