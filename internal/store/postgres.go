package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"gorm.io/driver/postgres"
)

const (
	// poolSize is the number of connections unless the URL says pool_max_conns.
	poolSize = 16
	// connectTimeout bounds an attempt to connect unless the URL says connect_timeout.
	connectTimeout = 5 * time.Second
)

func (s *Store) openPostgres(ctx context.Context, databaseURL string) error {
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		// The parser's text may hold parts of the URL, and so of the password.
		return errors.New("the PostgreSQL database URL is malformed")
	}
	if !strings.Contains(databaseURL, "pool_max_conns=") {
		cfg.MaxConns = poolSize
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	cfg.PingTimeout = connectTimeout
	setDefaults(cfg.ConnConfig.RuntimeParams, map[string]string{
		"application_name":  "orgbridge",
		"timezone":          "UTC",
		"statement_timeout": "30s",
		"lock_timeout":      "10s",
		"jit":               "off", // costs more than it gains on short statements
		// A node that hangs inside a transaction must not hold its locks for good.
		"idle_in_transaction_session_timeout": "60s",
	})
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return fmt.Errorf("open the PostgreSQL database: %w", err)
	}
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("reach the PostgreSQL database: %w", err)
	}
	s.writers = make(chan struct{}, transactions(int(cfg.MaxConns)))
	s.sql = openFenced(s.pool)
	return s.attach(postgres.New(postgres.Config{Conn: s.sql}))
}

// transactions is how many may run at the same time on so many connections. They may have to wait for each other's locks, and those who
// only read, and the queue of jobs, should not wait with them.
func transactions(connections int) int { return max(1, connections-max(3, connections/4)) }

func setDefaults(params, defaults map[string]string) {
	for name, value := range defaults {
		if _, given := params[name]; !given {
			params[name] = value
		}
	}
}
