package storetest

import (
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/store"
)

type directoryEntry struct {
	AccountID  string `gorm:"primaryKey"`
	ID         string `gorm:"primaryKey"`
	Name       string
	NameFolded string
	ShortName  string
	TypeName   string
	StatusName string
	IsPrimary  bool
}

func (directoryEntry) TableName() string { return "directory" }

// UpsertDirectory writes the entries past the store, in the way gorm offers for it: one transaction, a thousand rows a statement.
// Benchmarks compare with it.
func UpsertDirectory(tb testing.TB, s *store.Store, accountID string, entries []integration.DirectoryEntry) {
	tb.Helper()
	dialector := sqlite.New(sqlite.Config{Conn: s.SQLite()})
	if pool := s.PostgresPool(); pool != nil {
		cfg := pool.Config().ConnConfig.Copy()
		cfg.RuntimeParams["orgbridge.every_account"] = "on"
		db := stdlib.OpenDB(*cfg)
		defer func() { _ = db.Close() }()
		dialector = postgres.New(postgres.Config{Conn: db})
	}
	db, err := gorm.Open(dialector)
	if err != nil {
		tb.Fatal(err)
	}
	rows := make([]directoryEntry, len(entries))
	for i, e := range entries {
		rows[i] = directoryEntry{accountID, e.ID, e.Name, names.Folded(e.Name), e.ShortName, e.TypeName, e.StatusName, e.Primary}
	}
	if err := db.WithContext(tb.Context()).Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(rows, 1000).Error; err != nil {
		tb.Fatalf("upsert the directory: %v", err)
	}
}
