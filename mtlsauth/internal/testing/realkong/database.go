package realkong

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// PostgresVariable names, in the environment, a database for Kong, as
// host:port/database. Its user is kong, with no password, and everything in it is
// lost: so its name has to have "test" in it.
const PostgresVariable = "MTLS_AUTH_POSTGRES"

// Postgres is Kong's database.
type Postgres struct {
	Host, Port string
	Database   string
	// First empties the database at the start, and puts there Kong's tables and
	// the configuration of the options. A further node finds what is there.
	First bool
}

// ParsePostgres reads what PostgresVariable has.
func ParsePostgres(text string) (Postgres, error) {
	address, database, _ := strings.Cut(text, "/")
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || !strings.Contains(database, "test") {
		return Postgres{}, fmt.Errorf("%s: invalid value %q: host:port/database, the database's name with test in it, is allowed", PostgresVariable, text)
	}
	return Postgres{Host: host, Port: port, Database: database}, nil
}

// settings are those of kong.conf.
func (p *Postgres) settings(set func(name, value string)) {
	set("database", "postgres")
	set("pg_host", p.Host)
	set("pg_port", p.Port)
	set("pg_user", "kong")
	set("pg_database", p.Database)
}

// nothingToReset is what Kong says, and fails, where the database is empty.
const nothingToReset = "not bootstrapped, nothing to reset"

// prepareDatabase does what has to be done before a first node starts.
func (k *Kong) prepareDatabase(ctx context.Context) error {
	if k.opts.Postgres == nil || !k.opts.Postgres.First {
		return nil
	}
	for _, args := range [][]string{
		{"migrations", "reset", "--yes"},
		{"migrations", "bootstrap"},
		{"config", "db_import", k.config},
	} {
		err := k.run(ctx, append(args, "-c", k.conf, "-p", k.opts.Prefix)...)
		if err != nil && !strings.Contains(err.Error(), nothingToReset) {
			return fmt.Errorf("preparing the database %s: %w", k.opts.Postgres.Database, err)
		}
	}
	return nil
}
